"""How noisy is the loss? Measured once per model, from a difference table.

Along a line, k-th differences of a smooth function vanish like the k-th power of the spacing, and
what remains is noise: rounding, an iterative solver's tolerance, a random draw.
"""

from __future__ import annotations

from math import factorial

import numpy as np

from tricheck.calls import Evaluator
from tricheck.parameters import FloatArray, Parameters

_POINTS = 9
_TRIES = 4


def noise_level(values: FloatArray) -> float | None:
    """Standard deviation of the noise in equally spaced values of a smooth function.

    ECnoise (Moré & Wild, 2011): the k-th differences, each scaled by what independent noise would
    give, settle at the noise level.

    Parameters
    ----------
    values : ndarray, shape (m,)
        The function at equally spaced points.

    Returns
    -------
    float or None
        None when the differences do not settle: the spacing is too large or too small.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> t = np.linspace(0.0, 1e-3, 9)
    >>> 0.5e-6 < noise_level(np.exp(t) + 1e-6 * rng.standard_normal(9)) < 2e-6
    True
    """
    levels, mixed = [], []
    table = values - values[0]
    for order in range(1, len(values)):
        table = np.diff(table)
        gamma = factorial(order) ** 2 / factorial(2 * order)
        levels.append(float(np.sqrt(gamma * np.mean(table**2))))
        mixed.append(bool(table.min() < 0.0 < table.max()))
    for k in range(len(levels) - 3):
        three = levels[k : k + 3]
        if max(three) <= 4.0 * min(three) and mixed[k]:
            return levels[k]
    return None


def measure_noise(evaluate: Evaluator, parameters: Parameters, loss: float, seed: int) -> float:
    """Noise of the loss along one random line through the point, at least half an ulp of it.

    Returns
    -------
    float
        Absolute standard deviation. The spacing is of the size of a finite-difference step, for
        noise at that distance is what spoils a difference quotient.
    """
    direction = _direction(parameters, seed)
    half_ulp = 0.5 * float(np.spacing(np.abs(loss)))
    spacing = 2.0**-16
    smallest = np.inf
    for _ in range(_TRIES):
        values = _along(evaluate, direction, spacing)
        if not np.all(np.isfinite(values)):
            spacing /= 64.0
            continue
        level = noise_level(values)
        if level is not None:
            return max(level, half_ulp)
        if np.sum(np.diff(values) == 0.0) > _POINTS // 2:
            if np.all(values == values[0]):
                return half_ulp  # constant: nothing that a larger spacing would show
            spacing *= 16.0  # values repeat: the spacing is below the loss's resolution
        else:
            smallest = min(smallest, _highest_order_level(values))
            spacing /= 64.0
    return max(half_ulp, smallest if np.isfinite(smallest) else 0.0)


def _highest_order_level(values: FloatArray) -> float:
    order = len(values) - 2
    gamma = factorial(order) ** 2 / factorial(2 * order)
    return float(np.sqrt(gamma * np.mean(np.diff(values, order) ** 2)))


def _direction(parameters: Parameters, seed: int) -> FloatArray:
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], parameters.size)
    # All entries move at once, so each moves less: the line's length is that of one entry's step.
    scale = np.maximum(np.abs(parameters.values), 1.0)
    return signs * scale / np.sqrt(parameters.size)


def _along(evaluate: Evaluator, direction: FloatArray, spacing: float) -> FloatArray:
    values = np.empty(_POINTS)
    start = evaluate.flat.copy()
    offset = None
    for k in range(_POINTS):
        evaluate.flat[:] = start + (k - _POINTS // 2) * spacing * direction
        value = evaluate()
        # Subtracting in the loss's own precision keeps digits that float64 would drop.
        offset = value if offset is None else offset
        values[k] = float(value - offset)
    evaluate.restore()
    return values
