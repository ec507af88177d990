"""What a finite difference moves: single entries, or random directions through many at once.

A derivative along a random direction is one number for a whole parameter array: each of its entries
is in it, with a weight of its own that is not small, so that none can hide, and errors of several,
equal ones too, cancel by coincidence only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tricheck.calls import Movable
from tricheck.parameters import FloatArray, Index, Leaf, Parameters, pieces
from tricheck.sources.estimate import Estimate

_ALL = slice(None)
_SLOWEST = 0.75  # of its scale: what an entry goes at least, if others go with it
_ULPS = 4.0  # by which an entry moves at least, for less is rounded to none
_ROUNDED = 4.0 * float(np.finfo(np.float64).eps)  # of a sum's terms, summed in pairs


E = TypeVar("E", bound=Estimate)


@dataclass(frozen=True, eq=False)  # each is itself, whatever others hold: a key of its measurement
class Group:
    """Entries of one parameter that move together.

    Attributes
    ----------
    leaf : Leaf
    offsets : ndarray of int, shape (count,), or slice
        Which of its entries.
    paces : ndarray of float32, shape (count,)
        How far each of them goes, in units of its scale, and which way.
    differing : bool
        Whether other sources differ in each of them.
    """

    leaf: Leaf
    offsets: npt.NDArray[np.intp] | slice
    paces: npt.NDArray[np.float32]
    differing: bool = False

    @property
    def count(self) -> int:
        """How many entries move."""
        return len(self.paces)

    @property
    def alone(self) -> bool:
        """Whether it is a single entry."""
        return self.count == 1

    @property
    def members(self) -> npt.NDArray[np.intp]:
        """Offsets of its entries in the parameter."""
        every = self.leaf.stop - self.leaf.start
        return np.arange(every) if isinstance(self.offsets, slice) else self.offsets

    @property
    def known(self) -> bool:
        """Whether what is said of it holds of each of its entries."""
        return self.alone or self.differing

    @property
    def first(self) -> int:
        """Offset of its first entry in the parameter."""
        return 0 if isinstance(self.offsets, slice) else int(self.offsets[0])

    def of(self, flat: npt.NDArray[Any], piece: slice = _ALL) -> npt.NDArray[Any]:
        """Its entries in a flat vector, or some of them in a row."""
        block: npt.NDArray[Any] = flat[self.leaf.place]
        return block[self._offsets(piece)]

    def put(self, flat: npt.NDArray[Any], values: npt.NDArray[Any], piece: slice = _ALL) -> None:
        """Its entries in a flat vector, replaced."""
        flat[self.leaf.place][self._offsets(piece)] = values

    def _offsets(self, piece: slice) -> npt.NDArray[np.intp] | slice:
        return piece if isinstance(self.offsets, slice) else self.offsets[piece]

    @property
    def least(self) -> float:
        """No entry moves by less in a unit step, in units of its scale."""
        return 1.0 if self.alone else _SLOWEST / np.sqrt(self.count)

    def slowest(self, flat: FloatArray) -> float:
        """How far the entry moves in a unit step that moves by the least."""
        each = (self.weights(flat, piece) for piece in pieces(0, self.count))
        return min(float(np.min(np.abs(weights, out=weights))) for weights in each)

    def weights(self, flat: FloatArray, piece: slice = _ALL) -> FloatArray:
        """How far each entry moves in a unit step: all of them together by about one."""
        if self.alone:
            return np.ones(1)
        weights: FloatArray = np.abs(self.of(flat, piece))
        np.maximum(weights, 1.0, out=weights)
        weights *= self.paces[piece]
        weights /= np.sqrt(self.count)
        return weights

    def sums(
        self, point: FloatArray, gradients: Sequence[FloatArray], sources: Sequence[Estimate] = ()
    ) -> tuple[FloatArray, FloatArray]:
        """Gradients along it, and bounds of sources: the errors of its entries may all add up."""
        slopes, bounds = np.zeros(len(gradients)), np.zeros(len(sources))
        for piece in pieces(0, self.count):
            weights = self.weights(point, piece)
            slopes += [np.dot(self.of(gradient, piece), weights) for gradient in gradients]
            lengths = np.abs(weights, out=weights)
            bounds += [np.dot(self.of(source.bounds, piece), lengths) for source in sources]
            if not self.alone:
                terms = (np.abs(self.of(source.values, piece)) for source in sources)
                bounds += [_ROUNDED * np.dot(each, lengths) for each in terms]
        return slopes, bounds

    def part(self, rows: npt.NDArray[np.intp] | slice) -> Group:
        """Some of its entries."""
        every = isinstance(self.offsets, slice) and not isinstance(rows, slice)
        offsets = rows if every else self.members[rows]
        return replace(self, offsets=offsets, paces=self.paces[rows])

    def along(self, differences: FloatArray) -> Group:
        """The same, each entry going the way that other sources differ in it, so that they add."""
        paces = np.copysign(self.paces, differences, dtype=np.float32)
        return replace(self, paces=paces, differing=True)

    def singles(self, rows: npt.NDArray[np.intp] | None = None) -> Iterator[Group]:
        """Its entries, or some of them, each alone."""
        members = self.members
        for row in range(self.count) if rows is None else rows:
            one = slice(row, row + 1)
            yield Group(self.leaf, members[one], self.paces[one])

    def halves(self) -> tuple[Group, Group]:
        """The same entries in two groups."""
        half = self.count // 2
        return self.part(slice(half)), self.part(slice(half, None))


def whole_leaf(leaf: Leaf, rng: np.random.Generator) -> Group:
    """All entries of a parameter, each at a random pace."""
    paces = rng.random(leaf.stop - leaf.start, dtype=np.float32)
    paces -= np.float32(0.5)  # half of them go backwards ...
    paces += np.copysign(np.float32(_SLOWEST), paces)  # ... and none stays
    return Group(leaf, slice(None), paces)


@dataclass(frozen=True)
class _Coordinates(Leaf):
    """A parameter whose entries are the groups that move in it."""

    groups: tuple[Group, ...] = ()

    def index(self, offset: int) -> Index:
        """The index tuple of a single entry; none of a group, which is no entry."""
        group = self.groups[offset]
        return group.leaf.index(group.first) if group.alone else ()

    def indices(self, offsets: Iterable[int]) -> list[Index]:
        """Those of the entries that some groups are known to stand for, each by itself."""
        known = (group for group in map(self.groups.__getitem__, offsets) if group.known)
        return [index for group in known for index in group.leaf.indices(group.members)]

    def label(self, offset: int) -> str:
        """An entry's name, or what moves."""
        group = self.groups[offset]
        if group.alone:
            return group.leaf.label(group.first)
        return f"{self.name} ({group.count} entries together)"


@dataclass(frozen=True)
class Coordinates:
    """Groups that are moved one at a time, those of one parameter beside each other.

    Attributes
    ----------
    groups : tuple of Group
    parameters : Parameters
        The model's parameters by name, each with as many entries as it has groups; their values
        are those of single entries, and 0 for directions.
    """

    groups: tuple[Group, ...]
    parameters: Parameters

    @classmethod
    def of(cls, groups: Sequence[Group], parameters: Parameters) -> Coordinates:
        """Lay out groups of a model's parameters."""
        ordered = sorted(groups, key=lambda group: group.leaf.start)
        leaves: list[Leaf] = []
        start = 0
        for _, together in groupby(ordered, key=lambda group: group.leaf.start):
            own = tuple(together)
            leaf, stop = own[0].leaf, start + len(own)
            shape = (len(own),)
            leaves.append(_Coordinates(leaf.name, shape, leaf.dtype, start, stop, False, own))
            start = stop
        values = [group.of(parameters.values)[0] if group.alone else 0.0 for group in ordered]
        flat = np.array(values, dtype=parameters.values.dtype)
        return cls(tuple(ordered), Parameters(tuple(leaves), flat, None))

    def project(self, gradient: FloatArray, point: FloatArray) -> FloatArray:
        """Derivatives along the groups, from a gradient in the model's parameters."""
        return np.array([group.sums(point, [gradient])[0][0] for group in self.groups])

    def estimate(self, source: E, point: FloatArray) -> E:
        """A source along the groups."""
        each = [group.sums(point, [source.values], [source]) for group in self.groups]
        values, bounds = (np.concatenate(column) for column in zip(*each, strict=True))
        return replace(source, values=values, bounds=bounds)


class Along:
    """The loss along groups of its parameters: a `Movable` whose `flat` are coordinates."""

    def __init__(self, evaluate: Movable, coordinates: Coordinates) -> None:
        self._evaluate = evaluate
        self._groups = coordinates.groups
        self._alone = np.array([group.alone for group in self._groups], dtype=bool)
        # Of a single entry its place in the whole, of a group that of its first.
        self._places = np.array([g.leaf.start + g.first for g in self._groups], dtype=np.intp)
        self.start = coordinates.parameters.values.astype(evaluate.start.dtype)
        self._point = evaluate.start
        self.flat = self.start.copy()
        self._finest = _ULPS * float(np.finfo(self.flat.dtype).eps)
        self.leaves = coordinates.parameters.leaves
        self._ways: dict[int, FloatArray] = {}  # weights of the groups that moved last

    @property
    def counts(self) -> Counter[str]:
        """Calls so far of the model's functions."""
        return self._evaluate.counts

    def here(self) -> np.floating[Any]:
        """The loss at the point; raises what the user's code raises."""
        return self._evaluate.here()

    def __call__(self) -> Any:
        """The loss at `flat`; NaN where entries of a group could not follow so small a step."""
        rows = np.flatnonzero(self.flat != self.start)
        singles, groups = rows[self._alone[rows]], rows[~self._alone[rows]]
        if any(self._is_lost(row) for row in groups):
            return np.nan
        whole, places = self._evaluate.flat, self._places[singles]
        try:
            self._ways = {row: self._way(row) for row in groups}
            for row in groups:
                self._move(row)
            whole[places] = self.flat[singles]
            return self._evaluate()
        finally:
            whole[places] = self._point[places]
            for row in groups:
                group = self._groups[row]
                for piece in pieces(0, group.count):
                    group.put(whole, group.of(self._point, piece), piece)

    def _is_lost(self, row: int) -> bool:
        return bool(abs(self.flat[row]) * self._groups[row].least < self._finest)

    def _way(self, row: int) -> FloatArray:
        known = self._ways.get(row)
        return known if known is not None else self._groups[row].weights(self._point)

    def _move(self, row: int) -> None:
        group, way = self._groups[row], self._ways[row]
        for piece in pieces(0, group.count):
            there = way[piece] * self.flat[row]
            there += group.of(self._point, piece)
            group.put(self._evaluate.flat, there, piece)

    def restore(self) -> None:
        """Back to the point."""
        self.flat[:] = self.start

    def rest(self) -> None:
        """The same, and hold no memory until it is used again."""
        self.restore()
        self._ways = {}
        self._evaluate.rest()
