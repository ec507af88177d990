"""The hand-written gradient, run as the user wrote it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tricheck.calls import Calls
from tricheck.contract import Point
from tricheck.parameters import Blocks, FloatArray, Parameters
from tricheck.sources.estimate import Estimate
from tricheck.sources.rounding import rounding_bound
from tricheck.vocabulary import Source

_REPEAT_EPS = 64.0


def measure(calls: Calls, point: Point, seed: int) -> Estimate:
    """Backprop's values at the point, bounded by how rounding moves them."""

    def gradient(flat: FloatArray) -> Blocks:
        try:
            return calls.gradient_blocks(flat, spare=True)
        except Exception:  # one ulp beside the point the user's code may leave its domain
            return calls.parameters.nowhere

    if unrepeatable(calls, point).any():
        # Calls differ by more than rounding, so moving the point shows nothing.
        bounds = _floor(calls.parameters, point)
        bounds[~np.isfinite(point.gradient)] = np.inf
    else:
        bounds = rounding_bound(
            gradient,
            calls.parameters,
            point.gradient,
            point.gradient_eps,
            seed,
            quick=calls.hurried,
        )
    return Estimate(Source.BACKPROP, point.gradient, bounds, "hand-written")


def repeat_difference(point: Point) -> FloatArray:
    """How far the second call is from the first; 0 where either is not finite."""
    difference: FloatArray = np.abs(point.second_gradient - point.gradient)
    return np.where(np.isfinite(difference), difference, 0.0)


def unrepeatable(calls: Calls, point: Point) -> npt.NDArray[np.bool_]:
    """Entries where two calls at the same point differ by more than rounding, shape (size,)."""
    if point.second_gradient is point.gradient:
        return np.zeros(calls.parameters.size, dtype=bool)
    return repeat_difference(point) > _floor(calls.parameters, point)


def _floor(parameters: Parameters, point: Point) -> FloatArray:
    """A rounding bound from the size of the values alone."""
    floor = np.empty(parameters.size)
    for leaf in parameters.leaves:
        block = np.abs(point.gradient[leaf.place])
        largest = float(np.max(block, where=np.isfinite(block), initial=0.0))
        floor[leaf.place] = _REPEAT_EPS * point.gradient_eps[leaf.place] * largest
    return floor
