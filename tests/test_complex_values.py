"""Losses of real parameters whose intermediate results are complex."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tricheck
from tricheck import Verdict

Array = npt.NDArray[Any]
Functions = tuple[Callable[[Array], Any], Callable[[Array], Array]]

WEIGHTS = np.array([1 + 2j, 0.5j, -1.0, 0.3])


def rotation() -> Functions:
    """A factor that is a complex number."""
    return lambda x: np.sum(np.abs(np.exp(-1j * x) - 1) ** 2), lambda x: 2 * np.sin(x)


def combination() -> Functions:
    """An array of complex numbers."""
    return (
        lambda x: np.abs(np.sum(WEIGHTS * x)) ** 2,
        lambda x: 2 * np.real(np.conj(np.sum(WEIGHTS * x)) * WEIGHTS),
    )


def spectrum() -> Functions:
    """The transform of real numbers."""

    def loss(x: Array) -> Any:
        return np.sum(np.log(np.abs(np.fft.rfft(x)) ** 2 + 1))

    def gradient(x: Array) -> Array:
        n, bins = len(x), np.fft.rfft(x)
        waves = np.exp(2j * np.pi * np.outer(np.arange(n), np.arange(n // 2 + 1)) / n)
        return np.real(waves @ (2 * bins / (np.abs(bins) ** 2 + 1)))

    return loss, gradient


LOSSES = [rotation, combination, spectrum]
MISTAKES: dict[str, Callable[[Array], Array]] = {
    "half": lambda g: 0.5 * g,
    "negated": lambda g: -g,
    "of another shape of error": lambda g: g + np.array([0.1, 0.2, -0.3, 0.05]),
    "one entry": lambda g: g + np.array([0.1, 0.0, 0.0, 0.0]),
    "reversed": lambda g: g[::-1],
    "lost": lambda g: 0.0 * g,
}
POINT = np.array([0.3, 0.8, -0.5, 1.1])


@pytest.mark.parametrize("functions", LOSSES)
@pytest.mark.parametrize("reference", ["auto", None])
def test_right_gradients_agree(functions: Callable[[], Functions], reference: Any) -> None:
    loss, gradient = functions()
    report = tricheck.check(loss, gradient, POINT, reference=reference)
    assert report.verdict is Verdict.AGREE, str(report)


@pytest.mark.parametrize("functions", LOSSES)
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_wrong_gradients_are_blamed(
    functions: Callable[[], Functions], mistake: Callable[[Array], Array]
) -> None:
    loss, gradient = functions()
    report = tricheck.check(loss, lambda x: mistake(gradient(x)), POINT)
    assert report.verdict is Verdict.BACKPROP, str(report)
    assert str(report)
