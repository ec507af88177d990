"""How far rounding moves a gradient: measured by running it at neighbouring points.

A change of one ulp in every parameter is what rounding does anyway; what it does to the gradient
is the gradient's own error bound (perturbation in the sense of Stott Parker, 1997).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tricheck.parameters import FloatArray, Parameters

_TRIALS = 3
_LOW_PRECISION = 2.0**-40  # relative noise that float64 arithmetic does not explain
Gradient = Callable[[FloatArray], FloatArray]


def rounding_bound(
    gradient: Gradient,
    parameters: Parameters,
    values: FloatArray,
    eps: FloatArray,
    relative_noise: float,
    seed: int,
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
    relative_noise : float
        Noise of the loss relative to it; above float64's own, the gradient's is measured too.
    seed : int
        Seed of the directions.

    Returns
    -------
    ndarray, shape (size,)
        Never below a few ulps of the value.
    """
    rng = np.random.default_rng(seed)
    length = _lengths(parameters) * eps
    moved = np.zeros((_TRIALS, parameters.size))
    for trial in range(_TRIALS):
        signs = rng.choice([-1.0, 1.0], parameters.size)
        moved[trial] = np.abs(gradient(parameters.values + signs * length) - values)
    moved[~np.isfinite(moved)] = 0.0  # a NaN entry has an infinite bound of its own
    bound = 4.0 * moved.max(axis=0) + 8.0 * eps * np.abs(values)
    for leaf in parameters.leaves:
        # Three draws can miss one entry's rounding; its neighbours went through the same sums.
        block = moved[:, leaf.place]
        bound[leaf.place] += 2.0 * _rms(block)
        bound[leaf.place] += 2.0 * float(eps[leaf.start]) * _largest(values[leaf.place])
    if relative_noise > _LOW_PRECISION:
        bound += 4.0 * _inner_noise(gradient, parameters, values, rng)
    return np.where(np.isfinite(values), bound, np.inf)


def _lengths(parameters: Parameters) -> FloatArray:
    """What one ulp is relative to; a zero takes the size of its neighbours."""
    overall = _rms(parameters.values) or 1.0
    typical = np.empty(parameters.size)
    for leaf in parameters.leaves:
        typical[leaf.place] = _rms(parameters.values[leaf.place]) or overall
    lengths: FloatArray = np.maximum(np.abs(parameters.values), typical)
    return lengths


def _rms(block: FloatArray) -> float:
    largest = float(np.max(np.abs(block)))
    # Scaled first: the square of 1e300 overflows.
    return largest * float(np.sqrt(np.mean((block / largest) ** 2))) if largest else 0.0


def _inner_noise(
    gradient: Gradient, parameters: Parameters, values: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Noise of a gradient whose code works in lower precision than it takes and returns.

    Third differences over a step that is coarse for float32 and fine for a smooth function; where
    they shrink with the step they are the function's own and do not count.
    """
    direction = rng.choice([-1.0, 1.0], parameters.size) * _lengths(parameters)
    coarse, fine = (
        np.abs(_third_difference(gradient, parameters.values, values, direction * 2.0**-k))
        for k in (21, 22)
    )
    noise = np.zeros(parameters.size)
    for leaf in parameters.leaves:
        wide = _robust(coarse[leaf.place])
        narrow = _robust(fine[leaf.place])
        if narrow > wide / 4.0:
            noise[leaf.place] = max(wide, narrow) / np.sqrt(20.0)
    return noise


def _third_difference(
    gradient: Gradient, point: FloatArray, values: FloatArray, step: FloatArray
) -> FloatArray:
    one, two, three = (gradient(point + k * step) for k in (1, 2, 3))
    difference: FloatArray = three - 3.0 * two + 3.0 * one - values
    return difference


def _robust(block: FloatArray) -> float:
    """A typical size that a few entries crossing a kink cannot inflate."""
    finite = block[np.isfinite(block)]
    return float(np.quantile(finite, 0.75)) if finite.size else 0.0


def _largest(block: FloatArray) -> float:
    finite = np.abs(block[np.isfinite(block)])
    return float(finite.max()) if finite.size else 0.0
