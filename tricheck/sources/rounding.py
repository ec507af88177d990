"""How far rounding moves a gradient: measured by running it at neighbouring points.

A change of one ulp in every parameter is what rounding does anyway; what it does to the gradient
is part of the gradient's own error (perturbation in the sense of Stott Parker, 1997). Where a
saturated unit hides so small a change, the noise of the gradient along a slightly longer line
shows what its arithmetic loses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tricheck.parameters import (
    LARGE,
    Blocks,
    FloatArray,
    Leaf,
    Parameters,
    largest_of,
    per_parameter_max,
    random_signs,
)
from tricheck.sources.residual import random_places, residual

_WIDE, _LONG, _SHORT = -6, -13, -18  # powers of two, relative to the parameters
_EXPECTED_ULPS = 64.0
_STAYS = 64.0
_KINK = 1e-3  # noise above this share of the gradient is taken for a kink
_ZERO = 2.0**10  # ... unless it is no more than this many ulps of the largest gradient of all
_ENOUGH, _ENOUGH_OF_LARGE = 100_000, 10_000  # entries that tell the median of more
_INTEGER = 1e-3  # how far multiples of a grid may be from whole numbers
Gradient = Callable[[FloatArray], Blocks]


def rounding_bound(
    gradient: Gradient,
    parameters: Parameters,
    values: FloatArray,
    eps: FloatArray,
    seed: int,
    *,
    quick: bool,
) -> FloatArray:
    """Bound on the rounding error of each entry of a gradient.

    Parameters
    ----------
    gradient : callable
        The gradient at a flat point, which may be changed by it, and lasts until the next call.
    parameters : Parameters
        The point.
    values : ndarray, shape (size,)
        The gradient at the point.
    eps : ndarray, shape (size,)
        Machine epsilon of the arithmetic, entry by entry.
    seed : int
        Seed of the directions.
    quick : bool
        Two runs and a wider bound, in place of eleven or more.

    Returns
    -------
    ndarray, shape (size,)
        Never below a few ulps of the value.
    """
    rng = np.random.default_rng(seed)
    moved = _moved(gradient, parameters, values, eps, rng)
    largest = [largest_of(values[leaf.place]) for leaf in parameters.leaves]
    # One draw can miss an entry's rounding; its neighbours went through the same sums.
    enough = _ENOUGH_OF_LARGE if parameters.size > LARGE else _ENOUGH
    usual = [typical(moved[leaf.place], enough) for leaf in parameters.leaves]
    bound = moved
    for leaf, size, ordinary in zip(parameters.leaves, largest, usual, strict=True):
        expected = float(eps[leaf.start]) * size
        least = 4.0 * ordinary + (_EXPECTED_ULPS if quick else 2.0) * expected
        for piece in leaf.pieces:
            own = bound[piece]
            own *= 6.0
            own += 8.0 * eps[piece] * np.abs(values[piece])
            own += least
            own[~np.isfinite(values[piece])] = np.inf
    if not quick:
        bound += 8.0 * _along_a_line(gradient, parameters, values, eps, rng)
    return bound


def _moved(
    gradient: Gradient,
    parameters: Parameters,
    values: FloatArray,
    eps: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """How far one ulp in every parameter moves each entry, either way; 0 for NaN."""
    point = lengths(parameters)
    for leaf in parameters.leaves:
        point[leaf.place] *= eps[leaf.start] * random_signs(rng, leaf.stop - leaf.start)
    point += parameters.values
    moved = np.empty_like(values)
    for piece, away in apart(gradient(point), values, parameters.leaves):
        moved[piece] = away
    np.subtract(parameters.values, point, out=point)
    point += parameters.values  # as far the other way
    for piece, away in apart(gradient(point), values, parameters.leaves):
        # Beside a kink one of the two takes the other branch, which is no rounding.
        nearest = np.fmin(moved[piece], away)
        nearest[~np.isfinite(nearest)] = 0.0  # a NaN entry has an infinite bound of its own
        moved[piece] = nearest
    return moved


def apart(
    blocks: Blocks, values: FloatArray, leaves: Sequence[Leaf]
) -> Iterator[tuple[slice, FloatArray]]:
    """How far a gradient is from another one, piece by piece: where, and how far."""
    for leaf, block in zip(leaves, blocks, strict=True):
        for piece in leaf.pieces:
            own = block[piece.start - leaf.start : piece.stop - leaf.start]
            yield piece, np.abs(own - values[piece])


def _along_a_line(
    gradient: Gradient,
    parameters: Parameters,
    values: FloatArray,
    eps: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """The noise of each entry along a line, of a size that rounding may have."""
    expected = eps * per_parameter_max(parameters, values)
    direction = random_signs(rng, parameters.size) * lengths(parameters)
    lost = _ZERO * float(np.max(eps)) * largest_of(values)
    most = np.maximum(_KINK * expected / eps, lost)
    return _noise(gradient, parameters, direction, _EXPECTED_ULPS * expected, most, lost, rng)


def lengths(parameters: Parameters) -> FloatArray:
    """What one ulp is relative to; a zero takes the size of its neighbours."""
    found = np.empty_like(parameters.values)
    for leaf in parameters.leaves:
        found[leaf.place] = leaf_lengths(leaf, parameters)
    return found


def leaf_lengths(leaf: Leaf, parameters: Parameters) -> FloatArray:
    """The same of one parameter."""
    block: FloatArray = np.abs(parameters.values[leaf.place])
    return np.maximum(block, _rms(block) or _rms(parameters.values) or 1.0, out=block)


def _rms(block: FloatArray) -> float:
    some = _some(block)
    largest = float(max(some.max(), -some.min()))
    if not largest:
        return 0.0
    scaled = some / largest  # first: the square of 1e300 overflows
    return largest * float(np.sqrt(np.dot(scaled, scaled) / some.size))


def _some(block: FloatArray, enough: int = _ENOUGH) -> FloatArray:
    """So many entries, or twice as many, that tell what is typical of all."""
    return block[:: max(1, block.size // enough)]


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
    answers = (gradient(parameters.values + place * line) for place in places)
    return np.array([parameters.joined(blocks) for blocks in answers]), places


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


def typical(block: FloatArray, enough: int = _ENOUGH) -> float:
    """The lower median, which half of the entries cannot inflate, beside a pole or a kink."""
    some = _some(block, enough)
    finite = some[np.isfinite(some)]
    return float(np.quantile(finite, 0.5, method="lower")) if finite.size else 0.0
