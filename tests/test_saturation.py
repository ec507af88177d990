"""Correct gradients that lose digits where units saturate or terms cancel: never accused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tricheck
from tricheck import Verdict

Array = Any


def sigmoid(w: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-w))


def softmax(w: Array) -> Array:
    e = np.exp(w - np.max(w))
    return e / np.sum(e)


def sigmoid_gradient(w: Array) -> Array:
    a = sigmoid(w)
    return 2 * (a - 0.5) * a * (1 - a)


PAIRS: dict[str, tuple[Callable[[Array], Any], Callable[[Array], Array], float, float]] = {
    "sigmoid": (lambda w: np.sum((sigmoid(w) - 0.5) ** 2), sigmoid_gradient, 2, 14),
    "tanh": (
        lambda w: np.sum(np.tanh(w) ** 2),
        lambda w: 2 * np.tanh(w) * (1 - np.tanh(w) ** 2),
        1,
        9,
    ),
    "logistic": (lambda w: np.sum(np.log1p(np.exp(-w))), lambda w: sigmoid(w) - 1, 0, 30),
    "log sigmoid": (lambda w: -np.sum(np.log(sigmoid(w))), lambda w: sigmoid(w) - 1, 0, 30),
    "cross-entropy": (
        lambda w: -np.log(softmax(w)[0]),
        lambda w: softmax(w) - (np.arange(len(w)) == 0),
        -6,
        6,
    ),
    "softplus far left": (lambda w: np.sum(np.log(1 + np.exp(w))), sigmoid, -40, -20),
}


@pytest.mark.parametrize("name", PAIRS, ids=str)
@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("reference", ["auto", "sympy", None])
def test_saturated_functions(name: str, size: int, reference: str | None) -> None:
    loss, gradient, low, high = PAIRS[name]
    for seed in range(12):
        w = np.random.default_rng(seed).uniform(low, high, size)
        report = tricheck.check(loss, gradient, w, seed=seed, reference=reference)
        assert report.ok or report.verdict is Verdict.INCONCLUSIVE, str(report)
        assert not report.parameters["params"].wrong


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [1e2, 1e6, 1e10])
def test_large_constants_cancel_at_zero_initialisation(seed: int, size: float) -> None:
    y = np.random.default_rng(seed).standard_normal(50) * size
    y = y - y.mean() + 1e-3
    report = tricheck.check(
        lambda b: np.mean((b - y) ** 2), lambda b: np.array([2 * np.mean(b - y)]), np.zeros(1)
    )
    assert report.ok, str(report)


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("seed", range(12))
def test_saturated_classifiers(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, labels = rng.standard_normal((4, 3)), rng.integers(0, 3, 4)
    params = {
        "W1": scale * rng.standard_normal((3, 4)),
        "b1": scale * rng.standard_normal(4),
        "W2": scale * rng.standard_normal((4, 3)),
    }

    def forward(p: Any) -> tuple[Array, Array]:
        a = np.tanh(X @ p["W1"] + p["b1"])
        z = a @ p["W2"]
        return a, z - np.max(z, axis=1, keepdims=True)

    def loss(p: Any) -> Any:
        _, z = forward(p)
        return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(4), labels])

    def gradient(p: Any, factor: float = 1.0) -> Any:
        a, z = forward(p)
        e = np.exp(z)
        d2 = (e / e.sum(1, keepdims=True) - np.eye(3)[labels]) / 4
        d1 = d2 @ p["W2"].T * (1 - a**2) * factor
        return {"W1": X.T @ d1, "b1": d1.sum(0), "W2": a.T @ d2}

    report = tricheck.check(loss, gradient, params, seed=seed)
    assert report.ok, str(report)
    if scale <= 1.0:
        wrong = tricheck.check(loss, lambda p: gradient(p, 1 + 1e-6), params, seed=seed)
        assert wrong.parameters["W1"].verdict is Verdict.BACKPROP, str(wrong)


def test_a_kink_in_one_entry_hides_no_bug_in_another() -> None:
    A = np.array([[1.0, 2, 3], [0, 1, -1], [2, 0, 1], [1, 1, 1]])
    y = np.array([1.0, 0, 2, -1])
    w = np.array([0.5, 0.0, -1.5])

    def loss(w: Array) -> Any:
        return np.mean((A @ w - y) ** 2) + 0.1 * np.sum(np.abs(w))

    def gradient(w: Array, penalty: float) -> Array:
        return 2 * A.T @ (A @ w - y) / 4 + penalty * np.sign(w)

    right = tricheck.check(loss, lambda w: gradient(w, 0.1), w)
    assert right.verdict is Verdict.NONDIFFERENTIABLE
    wrong = tricheck.check(loss, lambda w: gradient(w, 0.2), w)
    assert wrong.verdict is Verdict.BACKPROP
    assert wrong.parameters["params"].wrong == [(0,), (2,)]


@pytest.mark.parametrize("seed", range(20))
def test_a_subgradient_at_a_kink_is_a_fair_answer(seed: int) -> None:
    x, t = np.array([0.0, 1.0, 2.0]), np.random.default_rng(seed).standard_normal(3)

    def loss(b: Array) -> Any:
        return np.mean((np.maximum(0, x + b[0]) - t) ** 2)

    def gradient(b: Array) -> Array:
        return np.array([np.mean(2 * (np.maximum(0, x + b[0]) - t) * (x + b[0] > 0))])

    report = tricheck.check(loss, gradient, np.zeros(1))
    assert report.verdict is Verdict.NONDIFFERENTIABLE, str(report)
    [finding] = [f for f in report.findings if f.cause == "kink"]
    slopes = sorted(np.mean(2 * (np.maximum(0, x) - t) * mask) for mask in (x > 0, x >= 0))
    found = sorted(
        float(str(finding.evidence[f"{side}_slope"])) for side in ("backward", "forward")
    )
    np.testing.assert_allclose(found, slopes, rtol=1e-6)
    assert "backprop" in finding.evidence["admissible"]  # type: ignore[operator]


MASK = np.array([1.0, 0.0, 1.0, 1.0])
POINT = np.array([0.3, -0.5, 0.7, -0.2])


@pytest.mark.parametrize(
    ("backprop", "reference", "verdict"),
    [
        (lambda w: 2 * w, lambda w: 2 * w, Verdict.BACKPROP_AND_REFERENCE),
        (lambda w: 2 * w, None, Verdict.BACKPROP),
        (lambda w: 2 * w * MASK, lambda w: 2 * w, Verdict.REFERENCE),
        (lambda w: 2 * w * MASK, lambda w: 2 * w * MASK, Verdict.AGREE),
        (lambda w: 2 * w * MASK, None, Verdict.AGREE),
    ],
)
def test_a_flat_entry_is_measured_like_any_other(
    backprop: Any, reference: Any, verdict: Verdict
) -> None:
    report = tricheck.check(
        lambda w: float(np.sum(MASK * w**2)), backprop, POINT, reference=reference
    )
    assert report.verdict is verdict, str(report)


@pytest.mark.parametrize("tolerance", [1e-6, 1e-9])
@pytest.mark.parametrize("reference", ["auto", None])
def test_a_solvers_tolerance_is_no_derivation_error(tolerance: float, reference: Any) -> None:
    from tests.calibration.hard import implicit, solved

    for x in (-0.9, 0.1, 0.4, 1.1):
        point = np.array([x])
        report = tricheck.check(
            lambda w: solved(w, tolerance), implicit, point, reference=reference
        )
        assert report.ok or report.verdict is Verdict.INCONCLUSIVE, str(report)
        wrong = tricheck.check(
            lambda w: solved(w, tolerance), lambda w: 1.01 * implicit(w), point, reference=reference
        )
        assert wrong.verdict is Verdict.BACKPROP, str(wrong)


def test_a_term_that_jumps_hides_no_bug() -> None:
    """A bug small enough to be a solver's is inconclusive, never passed; a larger one convicts."""

    def loss(p: Array) -> Any:
        return np.sum(np.sin(p)) + 1.0 * np.sum(p > 1.0)

    point = np.array([0.4, 0.3])
    assert tricheck.check(loss, np.cos, point).verdict is Verdict.AGREE
    for error in (1e-8, 5e-4):
        report = tricheck.check(loss, lambda p, e=error: np.cos(p) * (1 + e), point)
        assert report.verdict is Verdict.INCONCLUSIVE, str(report)
    assert tricheck.check(loss, lambda p: 1.01 * np.cos(p), point).verdict is Verdict.BACKPROP


def test_a_steep_loss_is_not_taken_for_one_that_jumps() -> None:
    X = np.abs(np.random.default_rng(0).standard_normal((20, 3))) * 2
    y = np.exp(X @ np.ones(3))

    def loss(p: Any) -> Any:
        z = X @ p["w"]
        return np.sum(np.exp(z) - y * z) + 1e-3 * np.sum(p["u"] ** 2)

    def gradient(p: Any) -> Any:
        w = X.T @ (np.exp(X @ p["w"]) - y)
        return {"w": w * (1 + 1e-6), "u": 2e-3 * p["u"] * 1.0005}

    report = tricheck.check(loss, gradient, {"w": np.full(3, 1.1), "u": np.array([0.5, 2.0])})
    assert report.parameters["w"].verdict is Verdict.BACKPROP, str(report)
    assert "noise" not in [f.cause for f in report.findings]


def test_a_shared_omission_is_not_excused_by_a_kink_elsewhere() -> None:
    def loss(p: Any) -> Any:
        return np.sum(np.sin(p["w"])) + np.sum(np.abs(p["c"])) + 0.5 * np.sum(p["w"] ** 2)

    def without(p: Any) -> Any:
        return np.sum(np.sin(p["w"])) + np.sum(np.abs(p["c"]))

    report = tricheck.check(
        loss,
        lambda p: {"w": np.cos(p["w"]), "c": np.sign(p["c"])},
        {"w": np.array([0.4, 0.3]), "c": np.array([0.0, 1.0])},
        reference=tricheck.autograd(without),
    )
    assert not report.ok
    assert report.parameters["w"].verdict is Verdict.INCONCLUSIVE


def test_a_gradient_too_small_for_the_loss_to_show_claims_no_sensitivity() -> None:
    report = tricheck.check(
        lambda p: 1e6 + 8e-11 * np.sum(np.sin(p)),
        lambda p: 8e-11 * np.cos(p),
        np.array([0.3, -0.4]),
    )
    assert report.parameters["params"].sensitivity == float("inf")
    assert [spot.name for spot in report.blind_spots] == ["vanishing-gradient"]


@pytest.mark.parametrize("factor", [1.01, 2.0, 12.0, -1.0])
@pytest.mark.parametrize("reference", ["auto", "sympy", None])
def test_an_entry_beside_a_pole_does_not_blur_the_others(factor: float, reference: Any) -> None:
    def gradient(w: Array) -> Array:
        return np.array([1.0, factor, 1.0]) * 0.5 / np.sqrt(w)

    point = np.array([1e-9, 1.0, 2.0])
    report = tricheck.check(lambda w: np.sum(np.sqrt(w)), gradient, point, reference=reference)
    assert report.verdict is Verdict.BACKPROP, str(report)
    assert report.parameters["params"].wrong == [(1,)]


# --- what cancels inside backprop ---------------------------------------------------------------


def cross_entropy(s: Array, right: Array) -> Any:
    top = np.max(s, axis=-1)
    return np.sum(np.log(np.sum(np.exp(s - top[:, None]), axis=-1)) + top - np.sum(s * right, -1))


def rows(s: Array) -> Array:
    e = np.exp(s - np.max(s, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def through_rows(s: Array, G: Array) -> Array:
    p = rows(s)
    return p * (G - np.sum(G * p, axis=-1, keepdims=True))


def through_jacobians(s: Array, G: Array) -> Array:
    p = rows(s)
    return np.stack([(np.diag(q) - np.outer(q, q)) @ g for q, g in zip(p, G, strict=True)])


def entry_by_entry(s: Array, G: Array) -> Array:
    p, out = rows(s), np.zeros(s.shape, dtype=s.dtype)
    for i, j, k in np.ndindex(*s.shape, s.shape[1]):
        out[i, j] += G[i, k] * p[i, k] * ((j == k) - p[i, j])
    return out


def winners(s: Array, _: Array) -> Array:
    return np.eye(3)[np.argmax(s, axis=-1)]


SATURATED: dict[str, tuple[Callable[[Array, Array], Any], Callable[[Array, Array], Array]]] = {
    "softmax": (lambda s, G: np.sum(G * rows(s)), through_rows),
    "Jacobian": (lambda s, G: np.sum(G * rows(s)), through_jacobians),
    "loops": (lambda s, G: np.sum(G * rows(s)), entry_by_entry),
    "squared error": (
        lambda s, G: np.sum((rows(s) - winners(s, G)) ** 2),
        lambda s, G: through_rows(s, 2 * (rows(s) - winners(s, G))),
    ),
    "cross-entropy": (
        lambda s, G: cross_entropy(s, winners(s, G)),
        lambda s, G: rows(s) - winners(s, G),
    ),
    "tanh": (lambda s, G: np.sum(G * np.tanh(s)), lambda s, G: G * (1 - np.tanh(s) ** 2)),
    "sigmoid": (
        lambda s, G: np.sum(G * sigmoid(s)),
        lambda s, G: G * sigmoid(s) * (1 - sigmoid(s)),
    ),
}


def drawn(seed: int, dtype: Any) -> tuple[Array, Array]:
    """Logits up to 50 apart, and an upstream gradient."""
    rng = np.random.default_rng(seed)
    s = np.concatenate([rng.normal(size=(2, 1)), -rng.uniform(0, 50, (2, 2))], axis=1)
    return s.astype(dtype), rng.standard_normal((2, 3)).astype(dtype)


@pytest.mark.parametrize("name", SATURATED)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_cancels_in_a_saturated_layer_is_no_mistake(name: str, dtype: Any) -> None:
    loss, gradient = SATURATED[name]
    for seed in range(25):
        s, G = drawn(seed, dtype)
        report = tricheck.check(loss, gradient, s, args=(G,), seed=seed)
        assert report.ok, f"seed {seed}: {report}"


@pytest.mark.parametrize("gap", [30.0, 35.0, 60.0])
@pytest.mark.parametrize("reference", ["auto", "sympy", None])
def test_a_softmax_whose_gradient_is_all_rounding(gap: float, reference: str | None) -> None:
    s = np.array([[0.0, -gap, -gap - 1.3]])
    for seed in range(20):
        G = np.random.default_rng(seed).standard_normal((1, 3))
        report = tricheck.check(*SATURATED["softmax"], s, args=(G,), reference=reference)
        assert report.ok or report.verdict is Verdict.INCONCLUSIVE, str(report)
        assert not report.parameters["params"].wrong


@pytest.mark.parametrize("name", SATURATED)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_bug_beside_saturated_entries_is_seen(name: str, dtype: Any) -> None:
    loss, gradient = SATURATED[name]
    s, G = drawn(0, dtype)
    s[0] = [0.5, -0.3, 0.1]

    def wrong(s: Array, G: Array) -> Array:
        answer = np.array(gradient(s, G))
        answer[0, 1] *= 1.01
        return answer

    report = tricheck.check(loss, wrong, s, args=(G,))
    assert report.verdict is Verdict.BACKPROP, str(report)
    assert report.parameters["params"].wrong == [(0, 1)]


@pytest.mark.parametrize("factor", [1.001, 2.0, -1.0])
def test_a_small_block_beside_a_large_one_is_seen(factor: float) -> None:
    def loss(p: Any) -> Any:
        return np.sum(np.sin(p["large"])) + 1e-8 * np.sum(rows(p["small"]) ** 2)

    def gradient(p: Any) -> Any:
        small = 1e-8 * through_rows(p["small"], 2 * rows(p["small"]))
        return {"large": np.cos(p["large"]), "small": factor * small}

    point = {"large": np.array([0.3, 0.4]), "small": np.array([[0.5, -1.0, 0.2]])}
    report = tricheck.check(loss, gradient, point)
    assert report.parameters["small"].verdict is Verdict.BACKPROP, str(report)
    assert report.parameters["large"].verdict is Verdict.AGREE, str(report)


def test_picking_the_largest_rounds_nothing() -> None:
    """A mask of equal numbers is right however the numbers were rounded."""
    x = np.array([0.3, 1.7, -0.4, 0.9])

    def loss(w: Array) -> Any:
        return np.max(np.sin(w * x)) ** 2

    def gradient(w: Array) -> Array:
        z = np.sin(w * x)
        return 2 * np.max(z) * (z == np.max(z)) * np.cos(w * x) * x

    w = np.array([1.0, 0.6, 0.2, 0.4])
    assert np.max(tricheck.check(loss, gradient, w).bounds["backprop"]) < 1e-13
    report = tricheck.check(loss, lambda w: gradient(w) * (1 + 1e-9), w)
    assert report.verdict is Verdict.BACKPROP, str(report)


def compiled(s: Array) -> Array:
    """What stands for code that nothing can trace."""
    return np.lib.stride_tricks.as_strided(s, s.shape, s.strides).copy()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_saturated_layer_that_cannot_be_traced_back(dtype: Any) -> None:
    """Its rounding shows in wider arithmetic, as far as that reaches."""
    loss, gradient = SATURATED["softmax"]
    for seed in range(25):
        s, G = drawn(seed, dtype)
        s = np.maximum(s, -35).astype(dtype)
        report = tricheck.check(loss, lambda s, G: gradient(compiled(s), G), s, args=(G,))
        assert report.ok, f"seed {seed}: {report}"


@pytest.mark.parametrize(("traced", "widens"), [(True, True), (True, False), (False, True)])
def test_a_float32_bias_before_a_normalization(traced: bool, widens: bool) -> None:
    """Its gradient is zero, and what is left of it the rounding of much larger terms."""

    def forward(p: Any, x: Array) -> Any:
        z = x @ p["w"] + p["b"]
        centred = z - z.mean(0)
        scale = 1 / np.sqrt((centred**2).mean(0) + np.float32(1e-5))
        return centred * scale, scale

    def loss(p: Any, x: Array, y: Array) -> Any:
        return np.sum((forward(p, x)[0] - y) ** 2)

    def gradient(p: Any, x: Array, y: Array) -> Any:
        if not traced:
            p = {name: compiled(w) for name, w in p.items()}
        if not widens and p["w"].dtype != np.float32:
            raise TypeError("float32 alone")
        h, scale = forward(p, x)
        d = 2 * (h - y)
        dz = scale * (d - d.mean(0) - h * (d * h).mean(0))
        return {"w": x.T @ dz, "b": dz.sum(0)}

    for seed in range(12):
        rng = np.random.default_rng(seed)
        x, y = (rng.standard_normal(shape).astype(np.float32) for shape in ((512, 3), (512, 2)))
        params = {
            "w": rng.standard_normal((3, 2)).astype(np.float32),
            "b": (3 * rng.standard_normal(2)).astype(np.float32),
        }
        report = tricheck.check(loss, gradient, params, args=(x + np.float32(30), y), seed=seed)
        assert report.ok, f"seed {seed}: {report}"
        assert report.parameters["b"].verdict is Verdict.AGREE, str(report)


# --- what cancels inside the loss ---------------------------------------------------------------


def logistic(s: Array, t: Array) -> Any:
    p = sigmoid(s)
    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))


@pytest.mark.parametrize("seed", range(30))
def test_a_staircase_of_a_loss_accuses_nobody(seed: int) -> None:
    """``log(1 - p)`` is flat between neighbouring numbers p, over wider steps than a stencil's."""
    t = np.array([0.0, 1.0])
    s = np.array([np.random.default_rng(seed).uniform(30.0, 36.0), -2.56])

    def gradient(s: Array, t: Array) -> Array:
        return (sigmoid(s) - t) / 2

    report = tricheck.check(logistic, gradient, s, args=(t,), seed=seed)
    assert report.ok, str(report)
    wrong = tricheck.check(logistic, lambda s, t: 2 * gradient(s, t), s, args=(t,), seed=seed)
    assert wrong.verdict is Verdict.BACKPROP, str(wrong)


def test_a_staircase_of_a_loss_is_said_to_be_its_rounding() -> None:
    s, t = np.array([30.642368753577184, -2.5556650313141818]), np.array([0.0, 1.0])
    report = tricheck.check(logistic, lambda s, t: (sigmoid(s) - t) / 2, s, args=(t,))
    [finding] = [f for f in report.findings if f.cause == "round-off"]
    assert "inside the loss" in finding.message


def test_a_wide_staircase_is_judged_in_every_entry() -> None:
    s = np.random.default_rng(0).uniform(34, 36, 60)
    report = tricheck.check(
        logistic, lambda s, t: sigmoid(s) / len(s), s, args=(np.zeros(60),), reference="sympy"
    )
    assert report.ok, str(report)
