"""Wrong derivatives of functions between two layers, however these are written and wherever."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tricheck

Function = Callable[[Any], Any]
C, A = math.sqrt(2.0 / math.pi), 0.044715
RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(12, 7)), RNG.normal(size=(12, 2))
LEVELS = np.array([0.1, 0.6])


def logistic(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def tanh_of_cubic(z: Any) -> Any:
    return np.tanh(C * (z + A * z**3))


def gelu(z: Any) -> Any:
    return 0.5 * z * (1 + tanh_of_cubic(z))


def gelu_slope(z: Any, gate: float = 1.0, constant: float = C, inner: float = 3.0) -> Any:
    t = tanh_of_cubic(z)
    return 0.5 * (1 + t) + gate * 0.5 * z * (1 - t**2) * constant * (1 + inner * A * z**2)


def normal_gelu_slope(z: Any) -> Any:
    chance = np.vectorize(lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2))))(z)
    return chance + z * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def logistic_gelu_slope(z: Any) -> Any:
    gate = logistic(1.702 * z)
    return gate + 1.702 * z * gate * (1 - gate)


def snake(z: Any) -> Any:
    return z + np.sin(z) ** 2


def swish(z: Any) -> Any:
    return z * logistic(1.5 * z)


def swish_slope(z: Any, beta: float, lost: float) -> Any:
    gate = logistic(beta * z)
    return gate + z * gate * (1 - gate) * lost


def soft(z: Any) -> Any:
    return np.log1p(np.exp(2 * z)) / 2


def leaky(z: Any) -> Any:
    return np.where(z > 0, z, 0.2 * z)


def leaky_by_maximum(z: Any) -> Any:
    return np.maximum(z, 0.2 * z)


WRONG: dict[str, tuple[Function, Function, str]] = {
    "gelu: the gate's own slope": (gelu, lambda z: gelu_slope(z, gate=0.0), "is left out"),
    "gelu: a constant": (gelu, lambda z: gelu_slope(z, constant=1.0), "multiplied by 1.25331"),
    "gelu: the power's slope": (gelu, lambda z: gelu_slope(z, inner=1.0), "multiplied by 0.3333"),
    "gelu: missing": (gelu, np.ones_like, "is left out"),
    "gelu: twice": (gelu, lambda z: gelu_slope(z) ** 2, "is taken twice"),
    "gelu: at its value": (gelu, lambda z: gelu_slope(gelu(z)), "at the function's value"),
    "gelu: by the error function": (gelu, normal_gelu_slope, "is that of GELU instead"),
    "gelu: the cheap form": (gelu, logistic_gelu_slope, "of GELU by the logistic function"),
    "gelu: ReLU's": (gelu, lambda z: (z > 0) * 1.0, "is that of ReLU instead"),
    "snake: a factor": (snake, lambda z: 1 + np.sin(z) * np.cos(z), "multiplied by 0.5"),
    "snake: at its value": (snake, lambda z: 1 + np.sin(2 * snake(z)), "is taken at `z + np.sin"),
    "swish: a factor": (swish, lambda z: swish_slope(z, 1.5, 1.0), "multiplied by 0.666667"),
    "swish: SiLU's": (swish, lambda z: swish_slope(z, 1.0, 1.0), "is that of SiLU instead"),
    "softplus: ReLU's": (soft, lambda z: (z > 0) * 1.0, "is that of ReLU instead"),
    "leaky: any slope": (leaky, lambda z: np.where(z > 0, 1, 0.37), "is 0.37 for 0.2 where"),
    "leaky: above": (leaky, lambda z: np.where(z > 0, 0.9, 0.2), "is 0.9 for 1 where"),
    "leaky: tanh's": (leaky, lambda z: 1 - np.tanh(z) ** 2, "is that of tanh instead"),
    "maximum: any slope": (
        leaky_by_maximum, lambda z: np.where(z > 0, 1, 0.37), "is 0.37 for 0.2 where",
    ),
    "of another swish": (
        swish, lambda z: swish_slope(z, 1.9, 1.9), "is that of another function",
    ),
}  # fmt: skip


def network(act: Function, slope: Function, samples: int = 12) -> tricheck.Model:
    """Two layers with a function between them, and the gradient by a slope of it."""
    x, y = X[:samples], Y[:samples]
    rng = np.random.default_rng(2)
    params = {
        "W": rng.normal(size=(7, 6)) / 2.0,
        "b": rng.normal(size=6),
        "V": rng.normal(size=(6, 2)),
        "c": rng.normal(size=2),
    }

    def forward(p: Any) -> tuple[Any, Any, Any]:
        z = x @ p["W"] + p["b"]
        a = act(z)
        return z, a, a @ p["V"] + p["c"]

    def loss(p: Any) -> Any:
        return np.mean((forward(p)[2] - y) ** 2)

    def gradient(p: Any) -> Any:
        z, a, out = forward(p)
        d = 2 * (out - y) / y.size
        dz = (d @ p["V"].T) * slope(z)
        return {"W": x.T @ dz, "b": dz.sum(axis=0), "V": a.T @ d, "c": d.sum(axis=0)}

    return tricheck.Model(loss, gradient, params)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_slope_of_a_function_is_named(name: str) -> None:
    act, slope, words = WRONG[name]
    errors = [f for f in tricheck.check(network(act, slope)).findings if f.severity == "error"]
    assert {f.parameter for f in errors} == {"W", "b"}
    for finding in errors:
        assert finding.cause == "activation-derivative"
        assert words in finding.message


@pytest.mark.parametrize("samples", [1, 2, 12])
def test_a_slope_that_is_no_function_of_the_argument_is_not_called_one(samples: int) -> None:
    noise = np.random.default_rng(6).uniform(0.5, 1.5, size=(12, 6))
    blurred = network(snake, lambda z: (1 + np.sin(2 * z)) * noise[: len(z)], samples)
    causes = {f.cause for f in tricheck.check(blurred).findings}
    assert causes <= {"upstream", "unknown"}


PINBALL: dict[str, tuple[Function, str]] = {
    "minus the other": (lambda r: np.where(r > 0, LEVELS, -LEVELS), "-1 times the other branch's"),
    "its sign": (lambda r: np.where(r > 0, LEVELS, 1 - LEVELS), "-1 times the right one"),
    "none below": (lambda r: np.where(r > 0, LEVELS, 0.0), "is 0 where"),
    "exchanged": (lambda r: np.where(r > 0, LEVELS - 1, LEVELS), "on the wrong side"),
    "the sign alone": (np.sign, "the absolute value"),
}


@pytest.mark.parametrize("name", PINBALL)
def test_a_wrong_slope_in_one_of_two_branches_of_their_own_is_named(name: str) -> None:
    slope, words = PINBALL[name]

    def loss(w: Any) -> Any:
        r = Y - X @ w
        return np.sum(np.maximum(LEVELS * r, (LEVELS - 1) * r))

    def gradient(w: Any) -> Any:
        return -X.T @ slope(Y - X @ w)

    w = np.random.default_rng(3).normal(size=(7, 2))
    [finding] = tricheck.check(loss, gradient, w).findings
    assert finding.cause == "activation-derivative"
    assert words in finding.message


def test_a_mask_after_a_function_is_no_part_of_its_derivative() -> None:
    mask = np.random.default_rng(4).random((12, 6)) < 0.6

    def dropped(z: Any) -> Any:
        return np.tanh(z) * mask / 0.6

    model = network(dropped, lambda z: 1 - np.tanh(z) ** 2)
    assert {f.cause for f in tricheck.check(model).findings} == {"upstream"}


def test_a_hash_of_the_parameters_hides_no_mistake() -> None:
    model = network(gelu, np.ones_like)

    def noisy(p: Any) -> Any:
        bits = zlib.crc32(b"".join(np.ascontiguousarray(leaf).tobytes() for leaf in p.values()))
        return model.loss(p) + 1e-9 * bits / 2.0**32

    report = tricheck.check(noisy, model.gradient, model.params)
    causes = {f.parameter: f.cause for f in report.findings if f.severity == "error"}
    assert causes == {"W": "activation-derivative", "b": "activation-derivative"}


@pytest.mark.parametrize(
    ("change", "words"),
    [(np.abs, "without its sign"), (lambda e: np.append(e[:-1], 0.0), "left out in the last row")],
)
def test_residuals_without_their_sign_or_their_last_are_named(change: Any, words: str) -> None:
    def loss(w: Any) -> Any:
        error = X @ w - Y[:, 0]
        return error @ error / 2

    def gradient(w: Any) -> Any:
        return change(X @ w - Y[:, 0]) @ X

    [finding] = tricheck.check(loss, gradient, np.ones(7)).findings
    assert finding.cause == "upstream"
    assert words in finding.message


def test_an_array_filled_entry_by_entry_is_gone_back_through() -> None:
    def loss(w: Any) -> Any:
        out = np.zeros(len(X))
        for n, x in enumerate(X):
            out[n] = np.tanh(x @ w)
        return np.sum(out**2)

    def gradient(w: Any) -> Any:
        return (1 - np.tanh(X @ w) ** 2) @ X

    [finding] = tricheck.check(loss, gradient, np.full(7, 0.3)).findings
    assert finding.cause == "upstream"
    assert "is dropped (1 in its place)" in finding.message
