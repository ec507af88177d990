"""How noisy is the loss? Measured once per model, along short lines from the point."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tricheck.calls import Movable
from tricheck.parameters import FloatArray, Parameters
from tricheck.sources.residual import POINTS, random_places, residual

# Lengths of the lines, coarse to fine, as powers of two relative to the parameters; the finest
# still moves a float64 loss by many ulps.
_LENGTHS = (-13, -18, -23, -28, -33, -38)
_EXPECTED_ULPS = 64.0
_MOST_LINES = 4
_FLOAT64 = 2.0**-40  # relative noise up to which summing in float64 may come
_CROSSING = 16.0
_RISES = 16.0
_SURE = 8.0  # noise levels between two values that no noise explains
_PASSES_ZERO = 2.0**-10


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
    inside : bool
        Whether the level is what rounding inside the loss was seen to make.
    """

    level: float
    size: float
    slope: float
    inside: bool = False

    @property
    def relative(self) -> float:
        """The level beside the loss's own size, or a share of its changes where it passes zero."""
        size = max(self.size, _PASSES_ZERO * self.slope)
        return self.level / size if size else 0.0

    @property
    def is_rounding(self) -> bool:
        """Whether float64 arithmetic explains it."""
        return self.relative <= _FLOAT64

    def at_least(self, level: float) -> Noise:
        """The same with a level no lower than this."""
        return replace(self, level=max(self.level, level))


def measure_noise(
    evaluate: Movable,
    parameters: Parameters,
    loss: np.floating[Any],
    seed: int,
    *,
    lines: int = _MOST_LINES,
) -> Noise:
    """Noise of the loss along random lines from the point, more of them for larger models.

    Parameters
    ----------
    evaluate : Movable
        The loss; left at its point.
    parameters : Parameters
        The point.
    loss : numpy scalar
        The loss there, in the precision it is returned in.
    seed : int
        Seed of the lines' directions.
    lines : int
        No more than so many.

    Returns
    -------
    Noise
        The first spacing is of the size of a finite-difference step, for noise at that distance is
        what spoils a difference quotient. Noise far above rounding is measured again closer by: a
        kink or an oscillation looks like noise too, but falls with the spacing.
    """
    rng = np.random.default_rng(seed)
    level, length, size, slope = _settled(evaluate, random_direction(parameters, rng), loss, rng)
    levels, slopes = [level], [slope]
    if level:
        for _ in range(min(1 + parameters.size // 32, lines - 1)):
            places = length * random_places(rng)
            values, _ = line_values(evaluate, random_direction(parameters, rng), places)
            if np.all(np.isfinite(values)) and not _repeats(values):
                levels.append(float(residual(places / length, values)))
                slopes.append(_slope(places, values, levels[-1]))
        # One line's level is good to a factor of two or three; one far above may cross a kink.
        middle = sorted(levels)[(len(levels) - 1) // 2]
        usual = [other for other in levels if other <= _CROSSING * middle]
        level = float(np.sqrt(np.mean(np.square(usual))))
    half_ulp = 0.5 * _ulp(size, loss)
    return Noise(max(level, half_ulp), size, max(slopes))


def _settled(
    evaluate: Movable, direction: FloatArray, loss: np.floating[Any], rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """The noise level along a line, the length that showed it, the loss's size and slope."""
    level, length, slope, size = np.inf, 0.0, 0.0, abs(float(loss))
    for power in _LENGTHS:
        places = 2.0**power * random_places(rng)
        values, offset = line_values(evaluate, direction, places)
        if not np.all(np.isfinite(values)):
            continue
        size = max(size, float(np.max(np.abs(values + offset))))
        if _repeats(values) and np.isfinite(level):
            break  # below the loss's resolution: the coarser level stands
        scaled = places * 2.0**-power
        found = _half_grid(values) if _repeats(values) else float(residual(scaled, values))
        rises = np.isfinite(level) and found > _RISES * level
        if found < level or rises:
            level, length, slope = found, 2.0**power, _slope(places, values, found)
        if rises:
            break  # cancellation near the point: finer lines would lie within one plateau of it
        if level <= _EXPECTED_ULPS * _ulp(size, loss):
            break
    return (level, length, size, slope) if np.isfinite(level) else (0.0, 0.0, size, 0.0)


def _ulp(size: float, like: np.floating[Any]) -> float:
    """One unit in the last place at a size, in the precision of the loss."""
    return float(np.spacing(like.dtype.type(size)))


def _repeats(values: FloatArray) -> bool:
    return bool(np.sum(np.diff(values) == 0.0) > POINTS // 2)


def _half_grid(values: FloatArray) -> float:
    """Half the grid on which a loss lies that hardly changes along a line.

    Where it does not change at all nothing is known of the grid: the loss may be what is left of
    numbers of size one.
    """
    steps = np.abs(np.diff(values))
    seen = steps[steps > 0.0]
    return 0.5 * float(np.min(seen)) if seen.size else 0.5 * float(np.finfo(np.float64).eps)


def _slope(places: FloatArray, values: FloatArray, level: float) -> float:
    """How fast a loss surely rises along a line: on a short one, what looks like that is noise."""
    rise = abs(float(values[-1] - values[0])) - _SURE * level
    return max(rise, 0.0) / float(places[-1] - places[0])


def random_direction(parameters: Parameters, rng: np.random.Generator) -> FloatArray:
    """A line that moves every parameter, together as far as one entry's step."""
    signs = rng.choice([-1.0, 1.0], parameters.size)
    # All entries move at once, so each moves less: the line's length is that of one entry's step.
    scale = np.maximum(np.abs(parameters.values), 1.0)
    direction: FloatArray = signs * scale / np.sqrt(parameters.size)
    return direction


def line_values(
    evaluate: Movable, direction: FloatArray, places: FloatArray
) -> tuple[FloatArray, float]:
    """Values along a line from the point, less the first of them, and that first value."""
    start = evaluate.flat.copy()
    return values_at(evaluate, (start + place * direction for place in places))


def values_at(evaluate: Movable, points: Iterable[FloatArray]) -> tuple[FloatArray, float]:
    """Values at some points, less the first of them, and that first value."""
    values: list[float] = []
    offset: Any = None
    for point in points:
        evaluate.flat[:] = point
        value = evaluate()
        # Subtracting in the loss's own precision keeps digits that float64 would drop.
        offset = value if offset is None else offset
        values.append(float(value - offset))
    evaluate.restore()
    return np.array(values), float(offset)
