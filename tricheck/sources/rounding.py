"""How far rounding moves a gradient: measured by running it at neighbouring points.

A change of one ulp in every parameter is what rounding does anyway; what it does to the gradient
is part of the gradient's own error (perturbation in the sense of Stott Parker, 1997). Where a
saturated unit hides so small a change, the noise of the gradient along a slightly longer line
shows what its arithmetic loses.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tricheck.parameters import LARGE, FloatArray, Parameters
from tricheck.sources.residual import random_places, residual

_WIDE, _LONG, _SHORT = -6, -13, -18  # powers of two, relative to the parameters
_EXPECTED_ULPS = 64.0
_STAYS = 64.0
_KINK = 1e-3  # noise above this share of the gradient is taken for a kink
_ZERO = 2.0**10  # ... unless it is no more than this many ulps of the largest gradient of all
_INTEGER = 1e-3  # how far multiples of a grid may be from whole numbers
Gradient = Callable[[FloatArray], FloatArray]


def rounding_bound(
    gradient: Gradient, parameters: Parameters, values: FloatArray, eps: FloatArray, seed: int
) -> FloatArray:
    """Bound on the rounding error of each entry of a gradient.

    Parameters
    ----------
    gradient : callable
        The flat gradient at a flat point.
    parameters : Parameters
        The point.
    values : ndarray, shape (size,)
        The gradient at the point.
    eps : ndarray, shape (size,)
        Machine epsilon of the arithmetic, entry by entry.
    seed : int
        Seed of the directions.

    Returns
    -------
    ndarray, shape (size,)
        Never below a few ulps of the value.
    """
    rng = np.random.default_rng(seed)
    length = lengths(parameters)
    step = rng.choice([-1.0, 1.0], parameters.size) * length * eps
    there, back = (np.abs(gradient(parameters.values + s * step) - values) for s in (1, -1))
    # Beside a kink one of the two takes the other branch, which is no rounding.
    moved = np.fmin(there, back)
    moved[~np.isfinite(moved)] = 0.0  # a NaN entry has an infinite bound of its own
    bound = 6.0 * moved + 8.0 * eps * np.abs(values)
    expected = np.empty(parameters.size)
    for leaf in parameters.leaves:
        # One draw can miss an entry's rounding; its neighbours went through the same sums.
        bound[leaf.place] += 4.0 * typical(moved[leaf.place])
        expected[leaf.place] = float(eps[leaf.start]) * _largest(values[leaf.place])
    if parameters.size > LARGE:  # nine gradients at a time are too many
        return np.where(np.isfinite(values), bound + _EXPECTED_ULPS * expected, np.inf)
    direction = rng.choice([-1.0, 1.0], parameters.size) * length
    lost = _ZERO * float(np.max(eps)) * _largest(values)
    most = np.maximum(_KINK * expected / eps, lost)
    noise = _noise(gradient, parameters, direction, _EXPECTED_ULPS * expected, most, lost, rng)
    return np.where(np.isfinite(values), bound + 2.0 * expected + 8.0 * noise, np.inf)


def lengths(parameters: Parameters) -> FloatArray:
    """What one ulp is relative to; a zero takes the size of its neighbours."""
    overall = _rms(parameters.values) or 1.0
    typical = np.empty(parameters.size)
    for leaf in parameters.leaves:
        typical[leaf.place] = _rms(parameters.values[leaf.place]) or overall
    found: FloatArray = np.maximum(np.abs(parameters.values), typical)
    return found


def _rms(block: FloatArray) -> float:
    largest = float(np.max(np.abs(block)))
    # Scaled first: the square of 1e300 overflows.
    return largest * float(np.sqrt(np.mean((block / largest) ** 2))) if largest else 0.0


def _noise(
    gradient: Gradient,
    parameters: Parameters,
    direction: FloatArray,
    expected: FloatArray,
    most: FloatArray,
    lost: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Noise of a gradient along a line: what a code loses that works in lower precision than it
    takes, or subtracts nearly equal numbers.

    It is what a quartic leaves of some values. A short scale of the function's own, or a kink on
    the line, leaves more; a shorter line tells, for noise stays. A saturated entry may not move at
    all; a wider line shows its grid, or a kink, which is no grid and may leave more than rounding.
    """
    values, places = _along(gradient, parameters, direction * 2.0**_LONG, rng)
    noise = _level(values, places, parameters)
    still = np.mean(np.diff(values, axis=0) == 0.0, axis=0) >= 0.5
    if np.any(noise > expected):
        values, places = _along(gradient, parameters, direction * 2.0**_SHORT, rng)
        shorter = _level(values, places, parameters)
        frozen = np.mean(np.diff(values, axis=0) == 0.0, axis=0) >= 0.5
        noise = np.where((noise > _STAYS * shorter) & ~frozen, shorter, noise)
    if np.any(still):
        values, places = _along(gradient, parameters, direction * 2.0**_WIDE, rng)
        wider = _level(values, places, parameters)
        noise = np.where(still & (_on_grid(values) | (wider <= lost)), wider, noise)
    return np.where(noise <= most, noise, 0.0)


def _along(
    gradient: Gradient, parameters: Parameters, line: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Gradients along a line through the point, and where."""
    places = random_places(rng)
    return np.array([gradient(parameters.values + place * line) for place in places]), places


def _level(values: FloatArray, places: FloatArray, parameters: Parameters) -> FloatArray:
    """Standard deviation of each entry about its best quartic along a line."""
    level = residual(places, values)
    for leaf in parameters.leaves:
        level[leaf.place] = np.fmax(level[leaf.place], typical(level[leaf.place]))
    return np.where(np.isfinite(level), level, 0.0)


def _on_grid(values: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether an entry changes by multiples of one step only, as numbers of few digits do."""
    changes = np.abs(np.diff(values, axis=0))
    step = np.min(changes, axis=0, where=changes > 0.0, initial=np.inf)
    multiples = changes / step
    return np.array(np.all(np.abs(multiples - np.round(multiples)) <= _INTEGER, axis=0), dtype=bool)


def typical(block: FloatArray) -> float:
    """The lower median, which half of the entries cannot inflate, beside a pole or a kink."""
    finite = block[np.isfinite(block)]
    return float(np.quantile(finite, 0.5, method="lower")) if finite.size else 0.0


def _largest(block: FloatArray) -> float:
    finite = np.abs(block[np.isfinite(block)])
    return float(finite.max()) if finite.size else 0.0
