"""The right values in another order: transposed, permuted, reversed, shifted, reshaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from tricheck.diagnosis.relations.block import Block
from tricheck.diagnosis.relations.explanation import Explanation
from tricheck.diagnosis.relations.fit import Factor, times
from tricheck.diagnosis.relations.readings import readings_of
from tricheck.diagnosis.relations.surroundings import Surroundings
from tricheck.parameters import FloatArray
from tricheck.vocabulary import Cause

_MOST_AXES = 4  # of arrays whose axes are permuted in all ways
_MOST_COMPARED = 20_000_000  # numbers, to match the parts of an axis with each other
_PARTS = (2, 3, 4)  # equal parts of an axis: halves, gates
_LISTED = 8  # parts whose order is written out


@dataclass(frozen=True)
class Move:
    """A rearrangement of an array's entries.

    Attributes
    ----------
    cause : Cause
    relation : str
        "transposed", or what follows "the right values, ".
    hint : str
        Where to look.
    apply : callable
    cost : float
        Digits spent on choosing it.
    """

    cause: Cause
    relation: str
    hint: str
    apply: Callable[[FloatArray], FloatArray]
    cost: float


def rearranged(block: Block, around: Surroundings) -> Iterator[Explanation]:
    """Rearrangements of the right gradient, times a factor maybe."""
    if not np.all(block.known) or block.truth.size < 2 or not np.any(block.backprop):
        return
    for factor in _factors(block):
        truth, slack = times(block, factor)
        scaled = replace(block, truth=truth, slack=slack)
        for move in _moves(scaled):
            if (explanation := _explanation(scaled, move)) is not None:
                yield _with_factor(explanation, factor, around)


def _factors(block: Block) -> Iterator[Factor]:
    """Factors a rearranged gradient may have besides: the norms say how large, not which sign."""
    yield Factor(1.0, 0.0)
    size = float(np.linalg.norm(block.truth))
    if not size:
        return
    ratio = float(np.linalg.norm(block.backprop)) / size
    error = 2.0 * max(1.0, ratio) * float(np.linalg.norm(block.slack)) / size
    if abs(ratio - 1.0) <= error:
        yield Factor(-1.0, 0.0)
    elif math.isfinite(ratio):
        yield Factor(ratio, error)
        yield Factor(-ratio, error)


def _with_factor(explanation: Explanation, factor: Factor, around: Surroundings) -> Explanation:
    """The explanation that also speaks of the factor."""
    if factor.value == 1.0:
        return explanation
    fitted = factor.error > 0.0
    texts = readings_of(abs(factor.value), factor.error, around).texts if fitted else []
    return replace(
        explanation,
        relation=f"{factor.value:.6g} times, {explanation.relation}",
        statement=f"{explanation.statement}, times {factor.value:.6g}",
        cost=explanation.cost + 0.3,
        free=int(fitted),
        evidence={**explanation.evidence, "factor": factor.value, "readings": texts},
    )


def _explanation(block: Block, move: Move) -> Explanation | None:
    """What a move explains, unless it changes nothing."""
    prediction = move.apply(block.truth)
    tolerance = np.maximum(block.slack, move.apply(block.slack))
    off = np.abs(block.backprop - prediction) > tolerance
    if np.any(off) or np.all(np.abs(prediction - block.truth) <= tolerance):
        return None
    return Explanation(
        move.cause,
        move.relation,
        f"Backprop is the right gradient {move.relation}",
        move.hint,
        prediction,
        tolerance,
        move.cost,
    )


# --- moves --------------------------------------------------------------------------------------


def _moves(block: Block) -> Iterator[Move]:
    """Moves that say more than that the order is another one, the simplest first."""
    yield from moves_of_axes(block.shape)
    for axis, length in enumerate(block.shape):
        if length > 1:
            yield from _reordered(block, axis)
            yield from _shifted(axis, len(block.shape))


def moves_of_axes(shape: tuple[int, ...]) -> Iterator[Move]:
    """Moves that exchange axes, as the formula of a product may."""
    yield from _swaps(shape)
    yield from _square_parts(shape)
    yield from _reshaped(shape)


_OUTER = ", consistent with the factors of its outer product swapped"
_RESHAPE = ", consistent with a reshape where axes should be transposed"
_ORDER = ": look at the order of gates, heads or time steps"


def _swaps(shape: tuple[int, ...]) -> Iterator[Move]:
    pairs = [(i, j) for i in range(len(shape)) for j in range(i) if shape[i] == shape[j] > 1]
    for i, j in pairs:
        axes = "" if len(shape) == 2 else f" in axes {j} and {i}"

        def swap(array: FloatArray, i: int = i, j: int = j) -> FloatArray:
            return np.swapaxes(array, i, j)

        relation, cost = f"transposed{axes}", math.log10(1 + len(pairs))
        yield Move(Cause.TRANSPOSED, relation, _OUTER, swap, cost)


def _square_parts(shape: tuple[int, ...]) -> Iterator[Move]:
    """Square matrices side by side or one above the other, each transposed."""
    if len(shape) != 2 or shape[0] == shape[1] or min(shape) < 2 or max(shape) % min(shape):
        return
    n, wide = min(shape), shape[1] > shape[0]
    relation = f"transposed in each of its {max(shape) // n} square parts"

    def transpose(array: FloatArray) -> FloatArray:
        upright = array if not wide else array.T
        turned = upright.reshape(-1, n, n).transpose(0, 2, 1).reshape(upright.shape)
        return turned if not wide else turned.T

    yield Move(Cause.TRANSPOSED, relation, _OUTER, transpose, 0.5)


def _reshaped(shape: tuple[int, ...]) -> Iterator[Move]:
    """Axes in another order, by force of a reshape where the shape would not allow it."""
    if not 2 <= len(shape) <= _MOST_AXES:
        return
    orders = [order for order in permutations(range(len(shape))) if order != tuple(sorted(order))]
    cost = math.log10(2 * len(orders))
    for order in orders:
        turned = tuple(shape[axis] for axis in order)

        def there(array: FloatArray, order: tuple[int, ...] = order) -> FloatArray:
            return array.transpose(order).reshape(shape)

        def back(
            array: FloatArray,
            order: tuple[int, ...] = order,
            turned: tuple[int, ...] = turned,
        ) -> FloatArray:
            return array.reshape(turned).transpose(np.argsort(order))

        if turned == shape:
            if sum(axis != place for place, axis in enumerate(order)) > 2:  # else it is a swap
                relation = f"with its axes in the order {', '.join(map(str, order))}"
                yield Move(Cause.PERMUTED, relation, ": look at its transpose", there, cost)
            continue
        full = order == tuple(reversed(range(len(shape))))
        to = "in Fortran's order" if full else f"with axes {', '.join(map(str, order))}"
        yield Move(Cause.PERMUTED, f"read {to} and reshaped", _RESHAPE, there, cost)
        yield Move(Cause.PERMUTED, f"reshaped and then read {to}", _RESHAPE, back, cost)


def _reordered(block: Block, axis: int) -> Iterator[Move]:
    """Equal parts of an axis in another order, the fewest that will do."""
    length = block.shape[axis]
    for parts in sorted({*(p for p in _PARTS if length % p == 0), length}):
        if parts * block.truth.size > _MOST_COMPARED:
            return
        order = _matching(block, axis, parts)
        if order is None or order == list(range(parts)):
            continue

        def reorder(array: FloatArray, parts: int = parts, order: list[int] = order) -> FloatArray:
            pieces = np.split(array, parts, axis=axis)
            return np.concatenate([pieces[i] for i in order], axis=axis)

        along = f" along axis {axis}" if len(block.shape) > 1 else ""
        relation, cost = _named(order, length, along)
        yield Move(Cause.PERMUTED, relation, _ORDER, reorder, cost + math.log10(block.truth.ndim))
        return


def _named(order: list[int], length: int, along: str) -> tuple[str, float]:
    """An order of parts in words, and the digits spent on it."""
    parts = len(order)
    if parts == 2 and length > 2:
        return f"with its halves{along} swapped", 0.5
    if order == list(reversed(range(parts))):
        return f"reversed{along}" + (f" in {parts} parts" if parts < length else ""), 0.5
    shift = order.index(0)
    if order == [(i - shift) % parts for i in range(parts)]:
        steps = shift if 2 * shift <= parts else shift - parts
        unit = "" if parts == length else f" of {parts} equal parts"
        return f"shifted cyclically{along} by {steps}{unit}", math.log10(parts)
    listed = f"the order {', '.join(map(str, order))}" if parts <= _LISTED else "another order"
    what = f"{parts} equal parts" if parts < length else f"{parts} slices"
    return f"with its {what}{along} in {listed}", math.lgamma(parts + 1) / math.log(10)


def _matching(block: Block, axis: int, parts: int) -> list[int] | None:
    """For every part of backprop along an axis, the part of the truth that it equals."""

    def pieces(array: FloatArray) -> FloatArray:
        return np.moveaxis(array, axis, 0).reshape(parts, -1)

    backprop, truth, slack = map(pieces, (block.backprop, block.truth, block.slack))
    order: list[int] = []
    for i in range(parts):
        alike = np.all(np.abs(backprop[i] - truth) <= np.maximum(slack[i], slack), axis=1)
        alike[order] = False
        fitting = np.flatnonzero(alike)
        if not fitting.size:
            return None
        order.append(i if alike[i] else int(fitting[0]))
    return order


def _shifted(axis: int, ndim: int) -> Iterator[Move]:
    """One place along an axis, zeros moving in."""
    along = f" along axis {axis}" if ndim > 1 else ""
    for step in (1, -1):

        def shift(array: FloatArray, step: int = step) -> FloatArray:
            moved = np.roll(array, step, axis=axis)
            np.moveaxis(moved, axis, 0)[0 if step > 0 else -1] = 0.0
            return moved

        relation = f"shifted by {step}{along}, zeros moving in"
        yield Move(Cause.PERMUTED, relation, _ORDER, shift, math.log10(2 * ndim) + 0.3)


def any_order(block: Block) -> Iterator[Explanation]:
    """The right values in whatever order."""
    if not np.all(block.known):
        return
    off = np.flatnonzero(block.off)
    backprop, truth, slack = (
        a.reshape(-1)[off] for a in (block.backprop, block.truth, block.slack)
    )
    mine, right = np.argsort(backprop, kind="stable"), np.argsort(truth, kind="stable")
    if off.size < 2:
        return
    prediction, tolerance = block.truth.reshape(-1).copy(), block.slack.reshape(-1).copy()
    prediction[off[mine]] = truth[right]
    tolerance[off[mine]] = np.maximum(slack[mine], slack[right])
    if np.any(np.abs(block.backprop.reshape(-1) - prediction) > tolerance):
        return
    orders = math.lgamma(off.size + 1)
    places = (
        math.lgamma(block.truth.size + 1) - orders - math.lgamma(block.truth.size - off.size + 1)
    )
    few = off.size < block.truth.size
    which = f" of {off.size} entries" if few else ""
    yield Explanation(
        Cause.PERMUTED,
        "in another order",
        f"Backprop has the right values{which} at the wrong indices",
        ": look at the order of axes, gates or time steps",
        prediction.reshape(block.shape),
        tolerance.reshape(block.shape),
        (orders + places) / math.log(10),
        entries=block.blamed if few else (),
    )
