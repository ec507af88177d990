"""How far rounding moves a gradient: measured by running it at neighbouring points.

A change of one ulp in every parameter is what rounding does anyway; what it does to the gradient
is the gradient's own error bound (perturbation in the sense of Stott Parker, 1997).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tricheck.parameters import FloatArray, Parameters

_DIRECTIONS = 2
_SPACINGS = (-21, -26, -31)  # powers of two, relative to the parameters
Gradient = Callable[[FloatArray], FloatArray]


def rounding_bound(
    gradient: Gradient,
    parameters: Parameters,
    values: FloatArray,
    eps: FloatArray,
    noisy: bool,
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
    noisy : bool
        Whether the loss carries more noise than float64's rounding; the gradient's is measured
        then too.
    seed : int
        Seed of the directions.

    Returns
    -------
    ndarray, shape (size,)
        Never below a few ulps of the value.
    """
    rng = np.random.default_rng(seed)
    length = _lengths(parameters) * eps
    moved = np.zeros(parameters.size)
    for _ in range(_DIRECTIONS):
        step = rng.choice([-1.0, 1.0], parameters.size) * length
        there, back = (np.abs(gradient(parameters.values + s * step) - values) for s in (1, -1))
        # Beside a kink one of the two takes the other branch, which is no rounding.
        moved = np.maximum(moved, np.fmin(there, back))
    moved[~np.isfinite(moved)] = 0.0  # a NaN entry has an infinite bound of its own
    bound = 6.0 * moved + 8.0 * eps * np.abs(values)
    for leaf in parameters.leaves:
        # Few draws can miss one entry's rounding; its neighbours went through the same sums.
        bound[leaf.place] += 4.0 * float(np.median(moved[leaf.place]))
        bound[leaf.place] += 2.0 * float(eps[leaf.start]) * _largest(values[leaf.place])
    if noisy:
        bound += 8.0 * _inner_noise(gradient, parameters, rng)
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
    gradient: Gradient, parameters: Parameters, rng: np.random.Generator
) -> FloatArray:
    """Noise of a gradient whose code works in lower precision than it takes and returns.

    Third differences along a line, at falling spacings: what is the function's own falls with
    them, what stays is noise. Values that repeat lie below the code's resolution and do not count.
    """
    direction = rng.choice([-1.0, 1.0], parameters.size) * _lengths(parameters)
    noise = np.full(parameters.size, np.inf)
    for power in _SPACINGS:
        line = np.array(
            [gradient(parameters.values + k * 2.0**power * direction) for k in range(1, 5)]
        )
        for leaf in parameters.leaves:
            block = line[:, leaf.place]
            steps = np.diff(block, axis=0)
            if np.mean(steps == 0.0) < 0.5:
                level = _typical(np.abs(np.diff(steps, 2, axis=0))) / np.sqrt(20.0)
                noise[leaf.place] = np.minimum(noise[leaf.place], level)
    return np.where(np.isfinite(noise), noise, 0.0)


def _typical(block: FloatArray) -> float:
    """An upper quartile, which a few entries crossing a kink cannot inflate."""
    finite = block[np.isfinite(block)]
    return float(np.quantile(finite, 0.75)) if finite.size else 0.0


def _largest(block: FloatArray) -> float:
    finite = np.abs(block[np.isfinite(block)])
    return float(finite.max()) if finite.size else 0.0
