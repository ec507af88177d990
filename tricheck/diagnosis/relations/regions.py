"""Where a block is wrong: a gate, a row, a border, the entries of one sign."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tricheck.diagnosis.relations.block import Block, Bools

_PARTS = (4, 3, 2)  # equal parts of an axis, the smallest first
_ORDINALS = ("first", "second", "third", "fourth")
_TELLING = 0.5  # digits: how improbable it must be that the wrong entries lie in it by chance
_LISTED = 4  # indices that are named one by one
_SMALL = 0.1  # of the typical wrong entry: too small to show the error
_LARGELY = 0.5


@dataclass(frozen=True)
class Region:
    """A part of a block.

    Attributes
    ----------
    text : str
        Where it is, like "in W[:, 4:8], the second of 4 equal parts along axis 1".
    inside : ndarray of bool, in the block's shape
    index : index of the part, if it is an array by itself
    gate : bool
        Whether it is one of a few equal parts along an axis.
    half : bool
        Whether it is told from the rest by a sign.
    rows : tuple of int and list of int, or None
        An axis and the indices along it, if it is whole slices along one axis.
    cost : float
        Digits spent on choosing it among its like.
    """

    text: str
    inside: Bools
    index: Any = None
    gate: bool = False
    half: bool = False
    rows: tuple[int, list[int]] | None = None
    cost: float = 1.0

    def telling(self, block: Block) -> float:
        """Digits by which chance would not put all wrong entries into it."""
        known = block.known
        n, k = int(np.sum(known)), int(np.sum(block.off))
        m = int(np.sum(self.inside & known))
        return _log_choose(n, k) - _log_choose(m, k) - self.cost


def regions(block: Block) -> Iterator[Region]:
    """Parts that hold all wrong entries, and not all right ones; those that say most first."""
    off = block.off
    if not off.any() or off.all():
        return
    for region in (*_halves(block), *_boxes(block), *_figures(block)):
        holds_all = not np.any(off & ~region.inside)
        if holds_all and not region.inside.all() and region.telling(block) >= _TELLING:
            yield region


def wrong_entries(block: Block) -> Region:
    """The wrong entries, whatever they have in common."""
    return Region("", block.off)


def largely(block: Block, region: Region) -> bool:
    """Whether a good part of a region is wrong."""
    return bool(np.sum(block.off) >= _LARGELY * np.sum(region.inside))


def filled(block: Block, region: Region) -> bool:
    """Whether a region is wrong throughout, but for entries too small to tell."""
    visible = np.maximum(np.abs(block.truth), np.abs(block.backprop))
    small = visible <= _SMALL * float(np.median(visible[block.off]))
    return bool(np.all(block.off | small | ~region.inside))


# --- by sign ------------------------------------------------------------------------------------


def _halves(block: Block) -> Iterator[Region]:
    name, weights, truth = block.name, block.weights, block.truth
    flat = np.abs(truth) <= block.slack
    for text, inside in (
        (f"where {name} is negative", weights < 0.0),
        (f"where {name} is positive", weights > 0.0),
        ("where the right gradient is negative", truth < 0.0),
        ("where the right gradient is positive", truth > 0.0),
        ("where the right gradient is 0", flat),
        (f"where {name} is 0", weights == 0.0),
    ):
        yield Region(text, inside, half=True)


# --- by index -----------------------------------------------------------------------------------


def _boxes(block: Block) -> Iterator[Region]:
    """Gates, then whole slices along an axis, then the smallest box."""
    shape, off = block.shape, block.off
    spans = [np.flatnonzero(_along(off, axis)) for axis in range(len(shape))]
    for axis, span in enumerate(spans):
        yield from _gates(block, axis, span)
    for axis, span in enumerate(spans):
        if len(span) < shape[axis]:
            yield _slices(block, axis, span)
    if sum(len(span) < length for span, length in zip(spans, shape, strict=True)) > 1:
        index = np.ix_(*spans)
        named = ", ".join(map(_span, spans, shape))
        cost = sum(map(_choice, spans, shape))
        yield Region(f"in {block.name}[{named}]", _mask(shape, index), index, cost=cost)


def _along(off: Bools, axis: int) -> Bools:
    others = tuple(i for i in range(off.ndim) if i != axis)
    return np.asarray(np.any(off, axis=others))


def _gates(block: Block, axis: int, span: Any) -> Iterator[Region]:
    shape = block.shape
    for parts in _PARTS:
        size = shape[axis] // parts
        if shape[axis] % parts or size < 2:
            continue
        first, last = int(span[0]) // size, int(span[-1]) // size
        if first == last:
            index = tuple(
                slice(first * size, (first + 1) * size) if i == axis else slice(None)
                for i in range(len(shape))
            )
            along = f" along axis {axis}" if len(shape) > 1 else ""
            text = (
                f"in {_named(block.name, index)}, the {_ORDINALS[first]} of {parts} equal "
                f"parts{along}"
            )
            yield Region(text, _mask(shape, index), index, gate=True)


def _slices(block: Block, axis: int, span: Any) -> Region:
    shape = block.shape
    everywhere = [np.arange(length) for length in shape]
    everywhere[axis] = span
    index = np.ix_(*everywhere)
    named = ", ".join(map(_span, everywhere, shape))
    indices = [int(i) for i in span]
    return Region(
        f"in {block.name}[{named}]",
        _mask(shape, index),
        index,
        rows=(axis, indices),
        cost=_choice(span, shape[axis]),
    )


def _choice(span: Any, length: int) -> float:
    """Digits spent on choosing indices along an axis: a range of them, or any."""
    together = len(span) == span[-1] - span[0] + 1
    ranges = 2.0 * math.log10(length) if len(span) > 1 else math.log10(length)
    return (
        min(ranges, _log_choose(length, len(span))) if together else _log_choose(length, len(span))
    )


def _span(span: Any, length: int) -> str:
    """Indices along an axis, as one would write them."""
    if len(span) == length:
        return ":"
    if len(span) == 1:
        return str(int(span[0]))
    if len(span) == span[-1] - span[0] + 1:
        return f"{int(span[0])}:{int(span[-1]) + 1}"
    listed = ", ".join(str(int(i)) for i in span[:_LISTED])
    return f"[{listed}{', ...' if len(span) > _LISTED else ''}]"


def _named(name: str, index: tuple[slice, ...]) -> str:
    parts = [":" if s == slice(None) else f"{s.start}:{s.stop}" for s in index]
    return f"{name}[{', '.join(parts)}]"


def _mask(shape: tuple[int, ...], index: Any) -> Bools:
    mask = np.zeros(shape, dtype=bool)
    mask[index] = True
    return mask


# --- figures in the last two axes ---------------------------------------------------------------


def _figures(block: Block) -> Iterator[Region]:
    shape = block.shape
    if len(shape) < 2 or min(shape[-2:]) < 2:
        return
    rows, columns = np.indices(shape[-2:])
    edge = (rows == 0) | (rows == shape[-2] - 1) | (columns == 0) | (columns == shape[-1] - 1)
    for text, figure in (
        ("on the diagonal", rows == columns),
        ("off the diagonal", rows != columns),
        ("above the diagonal", rows < columns),
        ("below the diagonal", rows > columns),
        ("on the border", edge),
        ("inside the border", ~edge),
    ):
        yield Region(text, np.broadcast_to(figure, shape))


def _log_choose(n: int, k: int) -> float:
    if k > n:
        return 0.0
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(10)
