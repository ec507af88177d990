"""Three pairs, entry by entry, each difference beside the bound it is measured against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tricheck.parameters import FloatArray, largest_of, pieces
from tricheck.sources.estimate import Estimate
from tricheck.vocabulary import Source

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pair:
    """Two sources compared entry by entry.

    Attributes
    ----------
    first, second : Source
    differences : ndarray, shape (size,)
        Absolute differences; NaN where either source has no finite value.
    bounds : ndarray, shape (size,)
        Sum of the two sources' bounds.
    agree : ndarray of bool, shape (size,)
        Where the difference is within the bounds, or within `rtol`.
    within_bounds : ndarray of bool, shape (size,)
        Where it is within the bounds alone.
    """

    first: Source
    second: Source
    differences: FloatArray
    bounds: FloatArray
    agree: BoolArray
    within_bounds: BoolArray

    @property
    def name(self) -> str:
        """Like ``backprop/reference``."""
        return f"{self.first}/{self.second}"


def compare(first: Estimate, second: Estimate, rtol: float = 0.0) -> Pair:
    """Compare two gradients entry by entry."""
    with np.errstate(invalid="ignore"):  # inf - inf has no difference
        differences = np.subtract(first.values, second.values)
    np.abs(differences, out=differences)
    differences[np.isinf(differences)] = np.nan  # one of the two is infinite
    bounds = first.bounds + second.bounds
    within = differences <= bounds
    agree = within
    if rtol:
        accepted = rtol * np.maximum(np.abs(first.values), np.abs(second.values))
        agree = within | (differences <= accepted)
    return Pair(first.source, second.source, differences, bounds, agree, within)


def relative_error(first: FloatArray, second: FloatArray) -> float:
    """The figure of the tutorials, ‖a − b‖ / ‖a + b‖.

    Parameters
    ----------
    first, second : ndarray, shape (n,)
        Entries where either is not finite are left out.

    Returns
    -------
    float
        0 where both vanish, infinite where only the sum does (a plain sign error), NaN where
        nothing can be compared.

    Examples
    --------
    >>> relative_error(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    0.0
    >>> relative_error(np.array([1.0]), np.array([-1.0]))
    inf
    """
    both = np.isfinite(first) & np.isfinite(second)
    if not both.any():
        return float("nan")
    if not both.all():
        first, second = first[both], second[both]
    largest = max(largest_of(first), largest_of(second)) or 1.0
    squares = np.zeros(2)
    for piece in pieces(0, first.size):
        # Divided first: the square of 1e300 overflows.
        a, b = (one[piece].astype(np.float64) / largest for one in (first, second))
        apart, together = a - b, a + b
        squares += np.dot(apart, apart), np.dot(together, together)
    difference, total = np.sqrt(squares).tolist()
    if difference == 0.0:
        return 0.0
    return difference / total if total else float("inf")
