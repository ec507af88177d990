"""A gradient that agrees, but to fewer digits than its arithmetic has: a warning, never more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tricheck
from tricheck import Verdict

Array = npt.NDArray[Any]
Params = dict[str, Array]

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((9, 4)), RNG.standard_normal((9, 2))
PARAMS: Params = {"W": RNG.standard_normal((4, 2)), "b": RNG.standard_normal(2)}


def loss(p: Params) -> Any:
    return np.mean(np.sum((np.tanh(X @ p["W"] + p["b"]) - Y) ** 2, axis=1))


def backward(
    activation: Callable[[Array], Array] = np.asarray, result: Callable[[Array], Array] = np.asarray
) -> Callable[[Params], Params]:
    """The right gradient; what the activation and the result go through may cost digits."""

    def gradient(p: Params) -> Params:
        a = activation(np.tanh(X @ p["W"] + p["b"]))
        delta = 2 * (a - Y) / len(X) * (1 - a * a)
        return {"W": result(X.T @ delta), "b": delta.sum(axis=0)}

    return gradient


def through(dtype: type) -> Callable[[Array], Array]:
    return lambda array: array.astype(dtype).astype(array.dtype)


def warnings(report: tricheck.Report) -> dict[str | None, Any]:
    assert report.verdict is Verdict.AGREE, str(report)
    assert report.ok
    found = {f.parameter: f for f in report.findings if f.cause == "approximate"}
    assert all(f.severity == "warning" for f in found.values())
    return {name: f.evidence["digits"] for name, f in found.items()}


@pytest.mark.parametrize(("dtype", "digits"), [(np.float16, {3, 4}), (np.float32, {7, 8})])
def test_numbers_that_went_through_a_lower_precision(dtype: type, digits: set[int]) -> None:
    found = warnings(tricheck.check(loss, backward(result=through(dtype)), PARAMS))
    assert found.keys() == {"W"}
    assert found["W"] in digits
    found = warnings(tricheck.check(loss, backward(activation=through(dtype)), PARAMS))
    assert found.keys() == {"W", "b"}


def test_the_message_says_how_many_digits() -> None:
    report = tricheck.check(loss, backward(result=through(np.float16)), PARAMS)
    [finding] = report.findings
    assert finding.message.startswith("Right to 3 digits only (1.4e-04 of the largest entry)")
    assert "where its arithmetic keeps 15" in finding.message
    assert "consistent with a cast to lower precision" in finding.message


def test_a_gradient_in_its_own_precision_is_as_good_as_can_be() -> None:
    assert not warnings(tricheck.check(loss, backward(), PARAMS))
    single = {name: value.astype(np.float32) for name, value in PARAMS.items()}
    assert not warnings(tricheck.check(loss, backward(), single))
    # It says that it is in float32.
    answer = backward(result=lambda g: g.astype(np.float32))
    assert not warnings(tricheck.check(loss, answer, PARAMS))


def test_digits_lost_to_cancellation_are_rounding() -> None:
    x = np.array([0.3, -0.2, 0.7, 0.1])

    def variance(x: Array) -> Any:
        return np.sum((x - np.mean(x)) ** 2)

    def gradient(x: Array) -> Array:
        far = x + 1e6  # whose mean has lost six digits
        return 2 * (far - np.mean(far))

    assert not warnings(tricheck.check(variance, gradient, x))
