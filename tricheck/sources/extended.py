"""The reference by finite differences in extended precision: the loss run in `np.longdouble`.

The ladder of the finite difference, on a loss with three digits more than float64 where the
machine and the code have them. That they are real is measured, not read from the dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tricheck.calls import Calls, Evaluator, read_loss
from tricheck.errors import TraceError
from tricheck.location import defined_at, user_line
from tricheck.parameters import FloatArray
from tricheck.sources.finite_difference import FiniteDifference, Sweeper
from tricheck.sources.noise import Noise, measure_noise
from tricheck.sources.reference import ReferenceEstimate
from tricheck.sources.same_loss import mismatch
from tricheck.vocabulary import Source

_EPS = float(np.finfo(np.float64).eps)
_MORE = 2.0**-5  # of the noise in float64: five of the eleven bits that longdouble adds
_TRIES = 3
_LOOK_FOR = (
    "Look for float(), math functions, .astype(float) or a float64 buffer in it, or pass another "
    "reference"
)
_ROUNDED = 8.0  # the ladder divides and extrapolates in float64


def measure(calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
    """The gradient of the model's own loss, by central differences and extrapolation.

    Raises
    ------
    TraceError
        Where `np.longdouble` is float64, or the loss does not keep digits beyond float64.
    """
    if np.finfo(np.longdouble).eps >= _EPS:
        raise TraceError("np.longdouble is float64 on this machine, which leaves no more digits")
    point = calls.parameters.values.astype(np.longdouble)
    base = _loss(calls, point)
    if found := mismatch(base, lambda flat: _loss(calls, flat), calls, noise, seed):
        raise TraceError(
            f"in longdouble {defined_at(calls.model.loss)} computes something else: {found}"
        )
    counted = calls.counts["loss"]
    evaluate = Evaluator(calls, np.longdouble)
    tries = (measure_noise(evaluate, calls.parameters, base, seed + k) for k in range(_TRIES))
    # A line along which the loss happens to stay the same shows nothing of its digits.
    extended = min(tries, key=lambda found: found.level > _MORE * noise.level)
    if extended.level > _MORE * noise.level:
        raise TraceError(
            f"{defined_at(calls.model.loss)} keeps no digits beyond float64 in longdouble: its "
            f"noise is {extended.level:.1e}, in float64 {noise.level:.1e}. {_LOOK_FOR}"
        )
    difference = Sweeper(evaluate, base, extended, None).certify_all()
    calls.counts["reference"] += calls.counts["loss"] - counted
    calls.counts["loss"] = counted
    return ReferenceEstimate(
        Source.REFERENCE,
        difference.values,
        _bounds(difference),
        "central differences in longdouble",
        traced=True,
    )


def _bounds(difference: FiniteDifference) -> FloatArray:
    bounds = difference.bounds + _ROUNDED * _EPS * np.abs(difference.values)
    return np.where(difference.kinks | difference.troubles, np.inf, bounds)


def _loss(calls: Calls, flat: FloatArray) -> np.floating[Any]:
    """The loss in longdouble."""
    calls.counts["reference"] += 1
    structure = calls.parameters.build(flat.astype(np.longdouble))
    try:
        loss = read_loss(calls.raw_loss(structure))
    except Exception as error:
        line = user_line(error)
        raise TraceError(
            f"{line + ': ' if line else ''}the loss does not run in longdouble "
            f"({type(error).__name__}: {error})"
        ) from error
    if loss.dtype != np.longdouble:
        raise TraceError(
            f"{defined_at(calls.model.loss)} comes back as {loss.dtype} in longdouble. {_LOOK_FOR}"
        )
    return loss
