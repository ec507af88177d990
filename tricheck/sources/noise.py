"""How noisy is the loss? Measured once per model, from a difference table.

Along a line, k-th differences of a smooth function vanish like the k-th power of the spacing, and
what remains is noise: rounding, an iterative solver's tolerance, a random draw.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import factorial
from typing import Any

import numpy as np

from tricheck.calls import Evaluator
from tricheck.parameters import FloatArray, Parameters

_POINTS = 9
# Coarse to fine, relative to the parameters; the finest still moves a float64 loss by many ulps.
_SPACINGS = (-16, -21, -26, -31, -36, -41)
_EXPECTED_ULPS = 64.0
_MOST_LINES = 4
_FLOAT64 = 2.0**-40  # relative noise up to which summing in float64 may come
_CROSSING = 16.0


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
    >>> 1e-7 < noise_level(np.exp(t) + 1e-6 * rng.standard_normal(9)) < 5e-6
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
            return sorted(three)[1]
    return None


@dataclass(frozen=True)
class Noise:
    """The loss's noise near the point.

    Attributes
    ----------
    level : float
        Absolute standard deviation, at least half an ulp of the loss.
    size : float
        The largest magnitude of the loss seen near the point.
    slope : float
        How fast it varies there with a parameter, each relative to its own size.
    """

    level: float
    size: float
    slope: float

    @property
    def relative(self) -> float:
        """The level beside the loss's own size."""
        return self.level / self.size if self.size else 0.0

    @property
    def is_rounding(self) -> bool:
        """Whether float64 arithmetic explains it."""
        return self.relative <= _FLOAT64

    def at_least(self, level: float) -> Noise:
        """The same with a level no lower than this."""
        return replace(self, level=max(self.level, level))


def measure_noise(
    evaluate: Evaluator,
    parameters: Parameters,
    loss: np.floating[Any],
    seed: int,
) -> Noise:
    """Noise of the loss along random lines from the point, more of them for larger models.

    Parameters
    ----------
    evaluate : Evaluator
        The loss; left at its point.
    parameters : Parameters
        The point.
    loss : numpy scalar
        The loss there, in the precision it is returned in.
    seed : int
        Seed of the lines' directions.

    Returns
    -------
    Noise
        The first spacing is of the size of a finite-difference step, for noise at that distance is
        what spoils a difference quotient. Noise far above rounding is measured again closer by: a
        kink or an oscillation looks like noise too, but falls with the spacing.
    """
    rng = np.random.default_rng(seed)
    level, spacing, size, slope = _settled(evaluate, random_direction(parameters, rng), loss)
    slopes = [slope]
    if level:
        levels = [level]
        for _ in range(min(1 + parameters.size // 32, _MOST_LINES - 1)):
            values, _ = line_values(evaluate, random_direction(parameters, rng), spacing, _POINTS)
            if np.all(np.isfinite(values)) and not _repeats(values):
                levels.append(_level_or_highest(values))
                slopes.append(_slope(values, spacing))
        # One line's level is good to a factor of two or three; one far above may cross a kink.
        usual = [other for other in levels if other <= _CROSSING * min(levels)]
        level = float(np.sqrt(np.mean(np.square(usual))))
    half_ulp = 0.5 * _ulp(size, loss)
    return Noise(max(level, half_ulp), size, max(slopes))


def _settled(
    evaluate: Evaluator, direction: FloatArray, loss: np.floating[Any]
) -> tuple[float, float, float, float]:
    """The noise level along a line, the spacing that showed it, the loss's size and slope."""
    level, spacing, slope, size = np.inf, 0.0, 0.0, abs(float(loss))
    for power in _SPACINGS:
        values, offset = line_values(evaluate, direction, 2.0**power, _POINTS)
        if not np.all(np.isfinite(values)):
            continue
        size = max(size, float(np.max(np.abs(values + offset))))
        if _repeats(values) and np.isfinite(level):
            break  # below the loss's resolution: the coarser level stands
        found = _half_grid(values) if _repeats(values) else _level_or_highest(values)
        if found < level:
            level, spacing, slope = found, 2.0**power, _slope(values, 2.0**power)
        if level <= _EXPECTED_ULPS * _ulp(size, loss):
            break
    return (level, spacing, size, slope) if np.isfinite(level) else (0.0, 0.0, size, 0.0)


def _ulp(size: float, like: np.floating[Any]) -> float:
    """One unit in the last place at a size, in the precision of the loss."""
    return float(np.spacing(like.dtype.type(size)))


def _repeats(values: FloatArray) -> bool:
    return bool(np.sum(np.diff(values) == 0.0) > _POINTS // 2)


def _half_grid(values: FloatArray) -> float:
    """Half the grid on which a loss lies that hardly changes along a line.

    Where it does not change at all nothing is known of the grid: the loss may be what is left of
    numbers of size one.
    """
    steps = np.abs(np.diff(values))
    seen = steps[steps > 0.0]
    return 0.5 * float(np.min(seen)) if seen.size else 0.5 * float(np.finfo(np.float64).eps)


def _slope(values: FloatArray, spacing: float) -> float:
    return abs(float(values[-1] - values[0])) / ((_POINTS - 1) * spacing)


def _level_or_highest(values: FloatArray) -> float:
    """The settled level, or where none settles the highest differences' scale, an upper bound."""
    level = noise_level(values)
    if level is not None:
        return level
    order = len(values) - 2
    gamma = factorial(order) ** 2 / factorial(2 * order)
    return float(np.sqrt(gamma * np.mean(np.diff(values, order) ** 2)))


def random_direction(parameters: Parameters, rng: np.random.Generator) -> FloatArray:
    """A line that moves every parameter, together as far as one entry's step."""
    signs = rng.choice([-1.0, 1.0], parameters.size)
    # All entries move at once, so each moves less: the line's length is that of one entry's step.
    scale = np.maximum(np.abs(parameters.values), 1.0)
    direction: FloatArray = signs * scale / np.sqrt(parameters.size)
    return direction


def line_values(
    evaluate: Evaluator, direction: FloatArray, spacing: float, points: int, first: float = 1.0
) -> tuple[FloatArray, float]:
    """Values at equally spaced points of a line, less the first of them, and that first value.

    The point itself is left out unless `first` is 0: it may sit on a kink or a jump.
    """
    values = np.empty(points)
    start = evaluate.flat.copy()
    offset: Any = None
    for k in range(points):
        evaluate.flat[:] = start + (first + k) * spacing * direction
        value = evaluate()
        # Subtracting in the loss's own precision keeps digits that float64 would drop.
        offset = value if offset is None else offset
        values[k] = float(value - offset)
    evaluate.restore()
    return values, float(offset)
