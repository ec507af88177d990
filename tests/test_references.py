"""References beside the trace: exact against closed forms, or refused; never silently wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import permutations
from typing import Any

import mpmath
import numpy as np
import pytest

import tricheck
from tricheck import ModelError, TraceError, Verdict
from tricheck.vocabulary import Cause, Severity

Array = Any
rng = np.random.default_rng(5)
X = rng.standard_normal((6, 3))
Y = rng.standard_normal((6, 2))
W = rng.standard_normal((3, 2))
EXTENDED = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant
needs_longdouble = pytest.mark.skipif(not EXTENDED, reason="np.longdouble is float64 here")


def network(w: Array) -> Any:
    return np.mean((np.tanh(X @ w) - Y) ** 2)


def network_gradient(w: Array) -> Array:
    a = np.tanh(X @ w)
    return X.T @ (2 * (a - Y) / Y.size * (1 - a**2))


def squares(w: Array) -> Any:
    return np.sum(w**2)


def twice(w: Array) -> Array:
    return 2 * w


def exact(function: Callable[[Any], Any], points: Array) -> Array:
    """The derivative of a function of one number, from 50 digits."""
    with mpmath.workdps(50):
        return np.array([float(mpmath.diff(function, mpmath.mpf(float(x)))) for x in points])


def finding(report: tricheck.Report, cause: str) -> Any:
    [found] = [f for f in report.findings if f.cause == cause]
    return found


# --- complex step and longdouble ----------------------------------------------------------------

SMOOTH: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], list[float]]] = {
    "exp": (np.exp, mpmath.exp, [0.3, -2.0, 5.0]),
    "log beside 0": (np.log, mpmath.log, [1e-6, 3e-6, 2e-6]),
    "steep": (lambda w: np.exp(300 * w), lambda x: mpmath.exp(300 * x), [0.01, 0.02]),
    "fast": (lambda w: np.sin(1e3 * w), lambda x: mpmath.sin(1000 * x), [0.7, 1.9]),
    "cancels": (
        lambda w: (w - 1.0) ** 3,
        lambda x: (x - 1) ** 3,
        [1.0 + 2.0**-10, 1.0 + 2.0**-20],
    ),
    "relu": (lambda w: np.maximum(w, 0.0) ** 2, lambda x: max(x, 0) ** 2, [0.5, -0.5, 1e-3]),
    "where": (
        lambda w: np.where(w > 0, np.sin(w), 0.1 * w),
        lambda x: mpmath.sin(x) if x > 0 else mpmath.mpf(0.1) * x,
        [0.5, -0.5],
    ),
    "offset": (lambda w: 1e8 + w**2, lambda x: x**2, [1.5, -0.25]),
}


@pytest.mark.parametrize("name", SMOOTH, ids=str)
@pytest.mark.parametrize(
    "reference", ["complex-step", pytest.param("longdouble", marks=needs_longdouble)]
)
def test_the_bound_covers_the_error_against_fifty_digits(name: str, reference: str) -> None:
    function, in_digits, points = SMOOTH[name]
    point = np.array(points)
    truth = exact(in_digits, point)
    report = tricheck.check(
        lambda w: np.sum(function(w)), lambda w: truth, point, reference=reference
    )
    error = np.abs(report.gradients["reference"] - truth)
    bound = report.bounds["reference"]
    assert np.all(error <= bound + np.spacing(np.abs(truth))), (error, bound)
    assert np.all(bound <= report.bounds["finite-difference"])


def test_a_complex_step_sees_what_no_difference_can() -> None:
    def loss(w: Array) -> Any:
        return 1e8 + np.sum(w**2)

    wrong = tricheck.check(
        loss, lambda w: 2 * w * (1 + 1e-10), np.array([1.5, -0.25]), reference="complex-step"
    )
    assert wrong.verdict is Verdict.BACKPROP
    assert tricheck.check(loss, twice, np.array([1.5]), reference="complex-step").ok


def test_the_complex_step_serves_any_container_and_float32() -> None:
    params = {"a": 0.5, "b": [np.array([[1.0, -2.0]], dtype=np.float32), np.array(3.0)]}

    def loss(p: Any) -> Any:
        return p["a"] ** 3 + np.sum(p["b"][0] ** 2) * p["b"][1]

    report = tricheck.check(loss, lambda p: p, params, reference="complex-step")
    found = report.gradients["reference"]
    np.testing.assert_allclose(found["a"], 0.75, rtol=1e-15)
    np.testing.assert_allclose(found["b"][0], [[6.0, -12.0]], rtol=1e-15)
    np.testing.assert_allclose(found["b"][1], 5.0, rtol=1e-15)


def test_the_complex_step_costs_one_call_per_entry_of_a_large_parameter() -> None:
    point = rng.standard_normal(3000)
    report = tricheck.check(
        lambda w: np.sum(np.sin(w) * w[::-1]),
        lambda w: np.cos(w) * w[::-1] + np.sin(w)[::-1],
        point,
        reference="complex-step",
    )
    assert report.verdict is Verdict.AGREE, str(report)
    assert report.evaluations["reference"] < 1.7 * point.size


def through_buffer(w: Array) -> Any:
    out = np.zeros(w.shape)
    for i in range(len(w)):
        out[i] = w[i] ** 2
    return np.sum(out)


UNSAFE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "np.abs": (lambda w: squares(w) + 1e-14 * np.sum(np.abs(w)), "absolute"),
    "abs": (lambda w: squares(w) + abs(w[0, 0]), "absolute"),
    "abs of a plain array": (
        lambda w: squares(w) + 1e-9 * np.sum(np.abs(np.asarray(w))),
        "not analytic",
    ),
    "norm": (lambda w: np.linalg.norm(w) ** 3, "norm"),
    "norm of a plain array": (lambda w: np.linalg.norm(np.array(w)) + squares(w), "not analytic"),
    ".real": (lambda w: squares(w.real) + 0 * w[0, 0], "real"),
    ".real of a plain array": (lambda w: squares(w) + np.sum(np.asarray(w).real), "not analytic"),
    "conj": (lambda w: np.sum(w * np.conj(w)), "conjugate"),
    "vdot": (lambda w: np.vdot(w, w) ** 2, "vdot"),
    "std": (lambda w: w.std() + squares(w), "imaginary"),
    "float": (lambda w: float(squares(w)), "float"),
    "float of a part": (lambda w: squares(w) + 1e-3 * float(w[0, 0]), "float"),
    "astype": (lambda w: squares(w.astype(float)) + w[0, 0], "ComplexWarning"),
    "real buffer": (through_buffer, "test_references.py"),
    "a branch on dtype": (
        lambda w: squares(w) * (2.0 if w.dtype == complex else 1.0),
        "something else",
    ),
    "only for real numbers": (lambda w: np.sum(np.logaddexp(w, 0.0)), "logaddexp"),
}


@pytest.mark.parametrize("name", UNSAFE, ids=str)
def test_an_unsafe_loss_is_refused_by_the_complex_step(name: str) -> None:
    loss, words = UNSAFE[name]
    with pytest.raises(TraceError) as caught:
        tricheck.check(loss, np.zeros_like, W, reference="complex-step")
    assert words in str(caught.value)
    assert "test_references.py:" in str(caught.value)


def test_a_kink_at_the_point_is_refused_by_the_complex_step() -> None:
    with pytest.raises(TraceError, match="kink"):
        tricheck.check(
            lambda w: np.sum(np.maximum(w, 0.0)),
            lambda w: (w > 0) * 1.0,
            np.array([0.0, 1.0]),
            reference="complex-step",
        )


def half_cast(w: Array) -> Any:
    return np.sum(np.tanh(w.astype(float)) * w)


@needs_longdouble
@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda w: float(squares(w)), "float64"),
        (lambda w: squares(w.astype(float)), "float64"),
        (half_cast, "no digits"),
        (lambda w: np.longdouble(float(np.sum(np.sin(w)))), "no digits"),
        (lambda w: np.sum(np.linalg.inv(w[:2] + 3 * np.eye(2))), "linalg"),
    ],
)
def test_digits_that_are_not_real_are_refused(loss: Any, words: str) -> None:
    with pytest.raises(TraceError, match=words) as caught:
        tricheck.check(loss, np.zeros_like, W, reference="longdouble")
    assert "test_references.py" in str(caught.value)


def test_longdouble_without_more_digits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "longdouble", np.float64)
    with pytest.raises(TraceError, match="machine"):
        tricheck.check(squares, twice, W, reference="longdouble")


# --- auto ---------------------------------------------------------------------------------------


def plain(w: Array) -> Array:
    """A copy through bytes, which no trace follows."""
    return np.frombuffer(w.tobytes(), dtype=w.dtype)


def untraceable(w: Array) -> Any:
    return np.sum(np.tanh(plain(w)) ** 2)


def untraceable_gradient(w: Array) -> Array:
    a = np.tanh(w)
    return 2 * a * (1 - a**2)


def test_auto_goes_on_to_the_complex_step_and_says_why() -> None:
    report = tricheck.check(untraceable, untraceable_gradient, rng.standard_normal(120))
    assert report.verdict is Verdict.AGREE, str(report)
    assert report.reference == "complex step through the loss"
    note = finding(report, "blocked")
    assert note.severity is Severity.NOTE
    assert [reason.partition(":")[0] for reason in note.evidence["reasons"]] == [
        "autograd",
        "sympy",
    ]
    assert "autograd: " in note.message
    assert "sympy: " in note.message


@needs_longdouble
def test_auto_goes_on_to_longdouble() -> None:
    def loss(w: Array) -> Any:
        return np.sum(np.abs(plain(w)) ** 3)

    report = tricheck.check(loss, lambda w: 3 * w * abs(w), rng.standard_normal(120))
    assert report.verdict is Verdict.AGREE, str(report)
    assert report.reference == "central differences in longdouble"
    assert "complex-step: " in finding(report, "blocked").message


def test_auto_passes_over_a_trace_that_lost_a_parameter() -> None:
    held: dict[str, Any] = {}

    def loss(p: Any) -> Any:
        # The value is kept as text, which no trace follows and no other reference reads.
        held["b"] = str(getattr(p["b"], "value", p["b"]))
        return np.sum(p["a"] ** 2) * float(held["b"])

    report = tricheck.check(
        loss,
        lambda p: {"a": 2 * p["a"] * p["b"], "b": float(np.sum(p["a"] ** 2))},
        {"a": np.array([1.0, 2.0]), "b": 3.0},
    )
    assert report.verdict is Verdict.AGREE, str(report)
    assert "autograd" not in (report.reference or "")


def in_order(order: Any) -> str:
    return "-".join(getattr(one, "__name__", str(one)) for one in order)


# --- several ------------------------------------------------------------------------------------


def wrong_gradient(w: Array) -> Array:
    g = network_gradient(w)
    g[0, 1] *= 1.5
    return g


def cubic(w: Array) -> Array:
    g = network_gradient(w)
    return g + 1e-3 * g**3


def test_references_that_agree_are_one() -> None:
    several = ["autograd", "sympy", "complex-step"]
    report = tricheck.check(network, network_gradient, W, reference=several)
    assert report.verdict is Verdict.AGREE
    assert report.findings == []
    error = np.abs(report.gradients["reference"] - network_gradient(W))
    assert np.all(error <= report.bounds["reference"] + report.bounds["backprop"])


@pytest.mark.parametrize(
    "order", list(permutations(["autograd", "complex-step", wrong_gradient])), ids=in_order
)
@pytest.mark.parametrize(
    ("gradient", "expected"),
    [
        (network_gradient, Verdict.AGREE),
        (wrong_gradient, Verdict.BACKPROP),
        (cubic, Verdict.BACKPROP),
    ],
)
def test_a_wrong_reference_changes_no_verdict_in_any_order(
    order: Any, gradient: Any, expected: Verdict
) -> None:
    report = tricheck.check(network, gradient, W, reference=list(order))
    assert report.verdict is expected, str(report)
    warnings = [f for f in report.findings if f.severity is Severity.WARNING]
    assert len(warnings) == 2
    for warning in warnings:
        assert "function wrong_gradient" in warning.message
        assert warning.entries == [(0, 1)]
        assert warning.parameter == "params"
        assert "wrong" not in str(warning.evidence["used"])


@pytest.mark.parametrize("order", list(permutations([wrong_gradient, "autograd"])), ids=in_order)
def test_a_disagreement_names_methods_values_and_bounds(order: Any) -> None:
    report = tricheck.check(network, network_gradient, W, reference=order)
    [warning] = report.findings
    evidence: Any = warning.evidence
    right = network_gradient(W)[0, 1]
    values = sorted(float(v) for v in evidence["values"])
    np.testing.assert_allclose(values, sorted([right, 1.5 * right]), rtol=1e-12)
    assert set(evidence["methods"]) == {
        "function wrong_gradient",
        "autograd through the loss",
    }
    which = "first" if order[0] == "autograd" else "second"
    assert f"supports the {which}" in warning.message
    assert report.reference == "autograd through the loss"


@pytest.mark.parametrize("order", list(permutations([wrong_gradient, cubic])), ids=in_order)
def test_two_wrong_references_do_not_hide_a_right_backprop(order: Any) -> None:
    report = tricheck.check(network, network_gradient, W, reference=order)
    assert report.verdict is Verdict.REFERENCE, str(report)


def test_a_dispute_that_nothing_settles_goes_to_the_first() -> None:
    def loss(w: Array) -> Any:
        return 1e8 + np.sum(w**2)

    def slightly_off(w: Array) -> Array:
        return 2 * w * (1 + 1e-10)

    for order in ([twice, slightly_off], [slightly_off, twice]):
        report = tricheck.check(loss, twice, np.array([1.5, -0.25]), reference=order)
        [warning] = [f for f in report.findings if "disagree" in f.message]
        assert "cannot tell" in warning.message
        assert warning.evidence["used"] == f"function {order[0].__name__}"


def test_each_entry_goes_to_the_reference_that_has_it_right() -> None:
    def wrong_at_first(w: Array) -> Array:
        return 2 * w + np.array([1.0, 0.0, 0.0])

    def wrong_at_last(w: Array) -> Array:
        return 2 * w - np.array([0.0, 0.0, 1.0])

    point = np.array([1.0, -2.0, 3.0])
    report = tricheck.check(squares, twice, point, reference=[wrong_at_first, wrong_at_last])
    assert report.verdict is Verdict.AGREE
    np.testing.assert_allclose(report.gradients["reference"], 2 * point)


def test_a_rewrite_of_another_loss_among_several_is_said() -> None:
    other = tricheck.autograd(lambda w: np.sum(w**2) + np.sum(w))
    report = tricheck.check(squares, twice, W, reference=[other, "sympy"])
    assert report.verdict is Verdict.AGREE
    assert report.findings[0].cause is Cause.DIFFERENT_LOSS


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ([], "empty"),
        (["autograd", None], "None"),
        (["auto", "sympy"], "'auto'"),
        ([["autograd"]], "'autograd'"),
        ("magic", "complex-step"),
        (3, "reference is 3"),
    ],
)
def test_what_is_no_reference_is_refused(reference: Any, words: str) -> None:
    with pytest.raises(ModelError, match="reference") as caught:
        tricheck.check(squares, twice, W, reference=reference)
    assert words in str(caught.value)


# --- other losses, cut paths, conventions -------------------------------------------------------


def test_another_loss_comes_first_with_both_values_and_where() -> None:
    report = tricheck.check(
        squares, lambda w: w, np.array([1.0, 2.0]), reference=tricheck.autograd(np.sum)
    )
    first = report.findings[0]
    assert first.cause is Cause.DIFFERENT_LOSS
    assert "at the point the model's is 5" in first.message
    assert "the other 3" in first.message
    assert (first.evidence["model"], first.evidence["reference"]) == (5.0, 3.0)


def test_another_loss_is_seen_beside_the_point_too() -> None:
    rewritten = tricheck.autograd(lambda w: np.sum(w**2 + (w - 1.0) ** 2))
    report = tricheck.check(squares, twice, np.array([1.0]), reference=rewritten)
    assert "beside the point (params[0] = " in report.findings[0].message


def test_a_cut_path_is_blocked() -> None:
    def zero(p: Any) -> Any:
        return {"a": np.zeros(2), "b": 2 * p["b"]}

    report = tricheck.check(
        lambda p: np.sum(p["a"] ** 3) + np.sum(p["b"] ** 2),
        lambda p: {"a": 3 * p["a"] ** 2, "b": 2 * p["b"]},
        {"a": np.array([1.0, 2.0]), "b": np.array([3.0])},
        reference=zero,
    )
    assert report.verdict is Verdict.REFERENCE
    [found] = report.findings
    assert (found.cause, found.parameter) == (Cause.BLOCKED, "a")
    assert "the path to a was cut" in found.message


def test_a_vanishing_gradient_is_not_a_cut_path() -> None:
    report = tricheck.check(
        lambda p: np.sum(np.maximum(p["a"], 0.0)) + np.sum(p["b"] ** 2),
        lambda p: {"a": (p["a"] > 0) * 1.0, "b": 2 * p["b"]},
        {"a": np.array([-1.0, -2.0]), "b": np.zeros(2)},
    )
    assert report.verdict is Verdict.AGREE
    assert report.findings == []


TIES: dict[str, tuple[Any, Any, Any, float, float]] = {
    "abs(0)": (
        lambda w: np.sum(np.abs(w)),
        lambda w: np.where(w >= 0, 1.0, -1.0),
        [0.0, 2.0],
        0,
        1,
    ),
    "relu(0)": (lambda w: np.sum(np.maximum(w, 0.0)), lambda w: (w > 0) * 1.0, [0.0, 2.0], 0.5, 0),
    "max of equals": (
        lambda w: np.max(w),
        lambda w: np.eye(3)[np.argmax(w)],
        [1.0, 1.0, 0.0],
        0.5,
        1,
    ),
}


@pytest.mark.parametrize("name", TIES, ids=str)
def test_a_convention_at_a_tie_is_a_subgradient(name: str) -> None:
    loss, gradient, point, reference, backprop = TIES[name]
    report = tricheck.check(loss, gradient, np.array(point), reference="autograd")
    assert report.verdict is Verdict.NONDIFFERENTIABLE
    found = finding(report, "subgradient")
    assert found.severity is Severity.NOTE
    assert (0,) in found.entries
    assert found.evidence["reference"] == reference
    assert found.evidence["backprop"] == backprop
    assert "convention" in found.message


def test_one_convention_shared_by_both_is_no_finding() -> None:
    report = tricheck.check(
        lambda w: np.sum(np.abs(w)), np.sign, np.array([0.0, 2.0]), reference="autograd"
    )
    assert {f.cause for f in report.findings} == {Cause.KINK}


@pytest.mark.parametrize(
    ("loss", "gradient", "point", "verdict"),
    [
        (lambda w: np.sqrt(np.sum(w**2)), lambda w: 0 * w, [0.0, 0.0], Verdict.NONDIFFERENTIABLE),
        (
            lambda w: np.linalg.norm(w) ** 2 + np.sum(w),
            lambda w: 2 * w + 1,
            [0.0, 0.0],
            Verdict.REFERENCE,
        ),
        (
            lambda w: np.sum(np.where(w > 0, np.sqrt(np.maximum(w, 0.0)), w)),
            lambda w: np.where(w > 0, 0.5 / np.sqrt(np.where(w > 0, w, 1.0)), 1.0),
            [4.0, -1.0],
            Verdict.REFERENCE,
        ),
    ],
    ids=["sqrt(0)", "norm(0)", "where"],
)
def test_a_reference_that_is_not_finite_is_explained(
    loss: Any, gradient: Any, point: Any, verdict: Verdict
) -> None:
    report = tricheck.check(loss, gradient, np.array(point), reference="autograd")
    assert report.verdict is verdict, str(report)
    message = finding(report, "non-finite").message
    assert "norm(0)" in message
    assert "dead branch of where" in message


# --- jax ----------------------------------------------------------------------------------------


@pytest.fixture
def jnp() -> Any:
    return pytest.importorskip("jax.numpy", reason="the jax extra is not installed")


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="the torch extra is not installed")


LABELS = np.array([0, 1, 1, 0, 1, 0])


def cross_entropy(p: Any, data: Any) -> Any:
    z = data["X"] @ p["W"] + p["b"]
    z = z - np.max(z, axis=1, keepdims=True)
    return -np.mean((z - np.log(np.sum(np.exp(z), axis=1, keepdims=True)))[np.arange(6), LABELS])


def cross_entropy_gradient(p: Any, data: Any) -> Any:
    e = np.exp(data["X"] @ p["W"] + p["b"])
    delta = (e / e.sum(axis=1, keepdims=True) - np.eye(2)[LABELS]) / 6
    return {"W": data["X"].T @ delta, "b": delta.sum(axis=0)}


CLASSIFIER = {"W": W, "b": np.array([0.5, -0.25])}
DATA = {"X": X.astype(np.float32), "labels": LABELS}


def check_classifier(reference: Any) -> tricheck.Report:
    data = {"X": DATA["X"].astype(np.float64), "labels": LABELS}
    return tricheck.check(
        cross_entropy, cross_entropy_gradient, CLASSIFIER, args=(data,), reference=reference
    )


def test_a_rewrite_in_jax(jnp: Any) -> None:
    import jax

    def rewritten(p: Any, data: Any) -> Any:
        assert p["W"].dtype == data["X"].dtype == "float64"
        assert data["labels"].dtype.kind == "i"
        z = jax.nn.log_softmax(data["X"] @ p["W"] + p["b"])
        return -jnp.mean(z[jnp.arange(6), data["labels"]])

    report = check_classifier(tricheck.jax(rewritten))
    assert report.verdict is Verdict.AGREE, str(report)
    assert report.findings == []
    assert report.reference == "jax through another loss"
    right = cross_entropy_gradient(CLASSIFIER, {"X": X.astype(np.float32).astype(float)})
    for name, block in report.gradients["reference"].items():
        np.testing.assert_allclose(block, right[name], rtol=1e-12, atol=1e-15)


def test_a_rewrite_in_torch(torch: Any) -> None:
    def rewritten(p: Any, data: Any) -> Any:
        assert p["W"].dtype == data["X"].dtype == torch.float64
        assert data["labels"].dtype == torch.int64
        return torch.nn.functional.cross_entropy(data["X"] @ p["W"] + p["b"], data["labels"])

    report = check_classifier(tricheck.torch(rewritten))
    assert report.verdict is Verdict.AGREE, str(report)
    assert report.findings == []
    assert report.reference == "torch through another loss"
    right = cross_entropy_gradient(CLASSIFIER, {"X": X.astype(np.float32).astype(float)})
    for name, block in report.gradients["reference"].items():
        np.testing.assert_allclose(block, right[name], rtol=1e-12, atol=1e-15)


def test_a_loss_of_its_own_in_jax(jnp: Any) -> None:
    def loss(w: Array) -> Any:
        return jnp.sum(jnp.sin(w) ** 2)

    point = np.array([0.3, -1.2])
    report = tricheck.check(loss, lambda w: np.sin(2 * w), point, reference="jax")
    assert report.reference == "jax through the loss"
    # jax computes the plain loss in float32 unless told otherwise, but its gradient here does not.
    np.testing.assert_allclose(report.gradients["reference"], np.sin(2 * point), rtol=1e-14)
    assert report.ok, str(report)


def test_a_loss_of_its_own_in_torch(torch: Any) -> None:
    def loss(w: Array) -> Any:
        return torch.sum(torch.sin(torch.as_tensor(w)) ** 2)

    point = np.array([0.3, -1.2])
    report = tricheck.check(loss, lambda w: np.sin(2 * w), point, reference="torch")
    assert report.reference == "torch through the loss"
    assert report.verdict is Verdict.AGREE, str(report)


def test_jax_stays_as_it_was(jnp: Any) -> None:
    import jax

    before = jax.config.jax_enable_x64
    args = (jnp.ones(2),)

    def rewritten(w: Any, scale: Any) -> Any:
        return jnp.sum(w**2 * scale)

    def fails(w: Any, scale: Any) -> Any:
        raise RuntimeError("planted")

    def loss(w: Any, scale: Any) -> Any:
        return float(np.sum(w**2 * np.asarray(scale)))

    point = np.array([1.0, -2.0])
    report = tricheck.check(
        loss, lambda w, scale: 2 * w, point, args=args, reference=tricheck.jax(rewritten)
    )
    assert report.verdict is Verdict.AGREE, str(report)
    with pytest.raises(TraceError, match="planted"):
        tricheck.check(loss, lambda w, _: 2 * w, point, args=args, reference=tricheck.jax(fails))
    assert jax.config.jax_enable_x64 == before
    assert jnp.asarray(1.0).dtype == ("float64" if before else "float32")
    assert args[0].dtype == ("float64" if before else "float32")


def test_torch_stays_as_it_was(torch: Any) -> None:
    scale = torch.ones(2, requires_grad=True)

    def rewritten(w: Any, scale: Any) -> Any:
        assert scale.dtype == torch.float64
        return (w**2 * scale).sum()

    with torch.no_grad():
        report = tricheck.check(
            lambda w, scale: float(np.sum(w**2 * scale.detach().numpy())),
            lambda w, scale: 2 * w,
            np.array([1.0, -2.0]),
            args=(scale,),
            reference=tricheck.torch(rewritten),
        )
        assert not torch.is_grad_enabled()
    assert report.verdict is Verdict.AGREE, str(report)
    assert torch.get_default_dtype() == torch.float32
    assert (scale.dtype, scale.grad) == (torch.float32, None)


def frameworks() -> list[Any]:
    return [
        pytest.param("jax", lambda jnp: lambda w: jnp.sum(w**2) + w[0], id="jax"),
        pytest.param("torch", lambda torch: lambda w: (w**2).sum() + w[0], id="torch"),
    ]


@pytest.mark.parametrize(("name", "write"), frameworks())
def test_a_rewrite_of_another_loss_comes_first(name: str, write: Any) -> None:
    module = pytest.importorskip(
        "jax.numpy" if name == "jax" else name, reason=f"the {name} extra is not installed"
    )
    rewritten = getattr(tricheck, name)(write(module))
    report = tricheck.check(squares, lambda w: 3 * w, np.array([1.0, 2.0]), reference=rewritten)
    assert report.findings[0].cause is Cause.DIFFERENT_LOSS
    assert "the model's is 5" in report.findings[0].message
    assert "the other 6" in report.findings[0].message


def test_a_path_cut_in_jax_is_blocked(jnp: Any) -> None:
    import jax

    def rewritten(p: Any) -> Any:
        return jnp.sum((jax.lax.stop_gradient(p["a"]) * p["b"]) ** 2)

    check_cut(tricheck.jax(rewritten))
    with pytest.raises(TraceError, match="without a path"):
        check_cut(tricheck.jax(lambda p: rewritten(jax.lax.stop_gradient(p))))


def test_a_path_cut_in_torch_is_blocked(torch: Any) -> None:
    def rewritten(p: Any) -> Any:
        return ((p["a"].detach() * p["b"]) ** 2).sum()

    check_cut(tricheck.torch(rewritten))
    with pytest.raises(TraceError, match="without a path"):
        check_cut(tricheck.torch(lambda p: rewritten(p).detach()))
    with pytest.raises(TraceError, match="as a float"):
        check_cut(tricheck.torch(lambda p: rewritten(p).item()))


def check_cut(reference: Any) -> None:
    report = tricheck.check(
        lambda p: np.sum((p["a"] * p["b"]) ** 2),
        lambda p: {"a": 2 * p["a"] * p["b"] ** 2, "b": 2 * p["b"] * p["a"] ** 2},
        {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])},
        reference=reference,
    )
    assert report.verdict is Verdict.REFERENCE
    [found] = report.findings
    assert (found.cause, found.parameter) == (Cause.BLOCKED, "a")


def test_conventions_that_do_not_add_up_accuse_nobody(torch: Any) -> None:
    """relu(x) - relu(-x) is x, and torch's derivative of it at 0 is 0 (Kakade & Lee, 2018)."""
    report = tricheck.check(
        lambda w: np.sum(np.maximum(w, 0.0) - np.maximum(-w, 0.0)),
        np.ones_like,
        np.zeros(3),
        reference=tricheck.torch(lambda w: (torch.relu(w) - torch.relu(-w)).sum()),
    )
    assert report.verdict is Verdict.AGREE, str(report)
    assert "do not add up" in finding(report, "subgradient").message


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_an_absent_framework_names_its_extra(name: str) -> None:
    code = (
        f"import sys; sys.modules[{name!r}] = None\n"
        "import numpy as np, tricheck\n"
        f"reference = tricheck.{name}(lambda w: w)\n"
        "for choice in (reference, sys.argv[1]):\n"
        "    try:\n"
        "        tricheck.check(np.sum, np.ones_like, np.ones(2), reference=choice)\n"
        "    except tricheck.TraceError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, name], capture_output=True, text=True, check=True
    )
    assert done.stdout.count(f'pip install "tricheck[{name}]"') == 2


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_a_rewrite_that_is_no_function_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=rf"{name}\(loss\) got a str"):
        getattr(tricheck, name)("loss")


def test_the_reference_that_auto_took_is_not_blamed_before_others_are_heard() -> None:
    def loss(w: Array) -> Any:
        # eval reads text that no run watches
        return np.sum(w**2) + eval("[" + str(w[0]) + "]")[0] ** 2

    def gradient(w: Array) -> Array:
        return 2 * w + np.array([2 * w[0], 0.0])

    report = tricheck.check(loss, gradient, np.array([1.0, 2.0]))
    assert report.verdict is Verdict.AGREE, str(report)
    named = tricheck.check(loss, gradient, np.array([1.0, 2.0]), reference="autograd")
    assert named.verdict is Verdict.REFERENCE


def test_a_reference_that_is_wrong_elsewhere_shields_no_backprop() -> None:
    p = {"W": np.array([1.0, -2.0]), "b": np.array([0.5, 3.0])}
    report = tricheck.check(
        lambda p: np.sum(p["W"] ** 2) + np.sum(p["b"] ** 3),
        lambda p: {"W": 2 * p["W"], "b": -3 * p["b"] ** 2},
        p,
        reference=lambda p: {"W": 0.2 * p["W"], "b": 0.3 * p["b"] ** 2},
    )
    assert report.verdict is Verdict.BACKPROP, str(report)
    assert report.parameters["W"].verdict is Verdict.REFERENCE
    assert report.parameters["b"].verdict is Verdict.BACKPROP
    assert "wrong throughout (reference): W" in str(report)


def test_a_formula_of_a_cut_path_is_refused() -> None:
    loss = lambda w: np.sum(w**2) + eval(str(w[0])) ** 2  # noqa: E731
    report = tricheck.check(loss, lambda w: 2 * w, np.array([1.0, 2.0]))
    with pytest.raises(TraceError, match="slope of the loss"):
        report.formula("params", 0)
