"""Data of every dtype beside the parameters: truth values, small integers, more digits, objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tricheck
from tricheck import Verdict

Array = npt.NDArray[Any]
NUMBERS = np.array([[1, 1, 0], [0, 1, 1], [0, 1, 1]])
W = np.array([0.3, -0.2, 0.5])

DTYPES = [bool, np.uint8, np.int64, np.float16, np.float32, np.longdouble, object, complex]

# A loss that reads data A, and its gradient from the same numbers F in float64
USES: dict[str, tuple[Callable[[Array, Array], Any], Callable[[Array, Array], Array]]] = {
    "product": (
        lambda w, A: np.sum(np.real(A @ w) ** 2),
        lambda w, F: 2 * F.T @ (F @ w),
    ),
    "products": (
        lambda w, A: np.sum(np.real(A @ (A @ w)) ** 2),
        lambda w, F: 2 * (F @ F).T @ (F @ (F @ w)),
    ),
    "quadratic form": (
        lambda w, A: np.real(w @ A @ w) ** 2,
        lambda w, F: 2 * (w @ F @ w) * ((F + F.T) @ w),
    ),
    "einsum": (
        lambda w, A: np.sum(np.real(np.einsum("ij,j->i", A, w)) ** 2),
        lambda w, F: 2 * F.T @ (F @ w),
    ),
    "entrywise": (
        lambda w, A: np.sum(np.real(A * w) ** 2 + np.real(A + w) ** 2),
        lambda w, F: 2 * np.sum(F**2, axis=0) * w + 2 * np.sum(F + w, axis=0),
    ),
    "stacked": (
        lambda w, A: np.sum(np.real(np.concatenate([A[0] * w, w])[::-1]) ** 2),
        lambda w, F: 2 * (F[0] ** 2 + 1) * w,
    ),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("use", USES)
def test_right_gradients_agree_and_wrong_ones_are_blamed(use: str, dtype: Any) -> None:
    loss, gradient = USES[use]
    A, F = NUMBERS.astype(dtype), NUMBERS.astype(float)
    right = tricheck.check(lambda w: loss(w, A), lambda w: gradient(w, F), W)
    assert right.verdict is Verdict.AGREE
    wrong = tricheck.check(lambda w: loss(w, A), lambda w: 1.25 * gradient(w, F), W)
    assert wrong.verdict is Verdict.BACKPROP
