"""From measured evidence to the report's facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.comparison import Pair, compare, relative_error
from tricheck.diagnosis.sensitivity import limits, of_block, of_entry, shared
from tricheck.facts import Evidence
from tricheck.measured import Measured
from tricheck.parameters import FloatArray, Index, Leaf, pieces
from tricheck.report.facts import PairReport, ParameterReport, Worst
from tricheck.sources.estimate import Estimate
from tricheck.vocabulary import Source, Verdict


def sources(evidence: Evidence) -> list[Estimate]:
    """The sources that gave a gradient, in the order of the pairs."""
    three = [evidence.backprop, evidence.difference, evidence.reference]
    return [estimate for estimate in three if estimate is not None]


def structured(evidence: Evidence) -> tuple[dict[str, Any], dict[str, Any]]:
    """Gradients and bounds by source, in the user's containers."""
    build = evidence.parameters.build
    gradients = {s.source.value: build(s.values) for s in sources(evidence)}
    bounds = {s.source.value: build(s.bounds) for s in sources(evidence)}
    return gradients, bounds


def parameter_report(
    measured: Measured, leaf: Leaf, verdict: Verdict, wrong: list[Index]
) -> ParameterReport:
    """The facts of one parameter."""
    seen = limits(measured, leaf)
    pairs = _pairs(measured, leaf)
    offset = _worst_offset(measured, leaf, pairs, wrong)
    shown = {s.source: s.part(leaf.place) for s in sources(measured.evidence)}
    if measured.skipped(leaf)[offset]:
        del shown[Source.FINITE_DIFFERENCE]
    return ParameterReport(
        leaf.name,
        leaf.shape,
        verdict,
        wrong,
        {pair.name: pair.report() for pair in pairs},
        of_entry(measured, seen, leaf),
        of_block(measured, seen, leaf),
        shared(measured, leaf),
        Worst(
            leaf.index(offset),
            {source: float(s.values[offset]) for source, s in shown.items()},
            {source: float(s.bounds[offset]) for source, s in shown.items()},
        ),
    )


def _pairs(measured: Measured, leaf: Leaf) -> list[_Beside]:
    """The pairs of a parameter: with a finite difference, along what has moved."""
    whole, moved, along = measured.evidence, measured.judged, measured.moved(leaf)
    found = [_moved(moved, moved.backprop, moved.difference, along)]
    if whole.reference is not None and moved.reference is not None:
        found.insert(0, _beside(whole, whole.backprop, whole.reference, leaf))
        found.append(_moved(moved, moved.difference, moved.reference, along))
    return found


def _beside(evidence: Evidence, first: Estimate, second: Estimate, leaf: Leaf) -> _Beside:
    return _Beside(first.part(leaf.place), second.part(leaf.place), evidence.rtol, leaf)


def _moved(evidence: Evidence, first: Estimate, second: Estimate, leaf: Leaf) -> _Beside:
    """The same where a finite difference was taken, unless it nowhere was."""
    rows = np.flatnonzero(~evidence.difference.left_out[leaf.place])
    if rows.size in (0, leaf.stop - leaf.start):
        return _beside(evidence, first, second, leaf)
    where = leaf.start + rows
    return _Beside(first.part(where), second.part(where), evidence.rtol, leaf, rows)


Where = slice | npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Beside:
    """Two sources on a parameter, compared piece by piece."""

    first: Estimate
    second: Estimate
    rtol: float
    leaf: Leaf
    rows: npt.NDArray[np.intp] | None = None  # of the leaf's entries, where these are not all

    @property
    def name(self) -> str:
        return f"{self.first.source}/{self.second.source}"

    @property
    def size(self) -> int:
        return self.first.values.size

    def pair(self, where: Where) -> Pair:
        return compare(self.first.part(where), self.second.part(where), self.rtol)

    def report(self) -> PairReport:
        worst = self.pair(slice(self.worst, self.worst + 1))
        agree, within, _ = self._overall
        return PairReport(
            self.first.source,
            self.second.source,
            agree,
            within,
            float(worst.differences[0]),
            float(worst.bounds[0]),
            self.leaf.index(self.worst if self.rows is None else int(self.rows[self.worst])),
            relative_error(self.first.values, self.second.values),
        )

    @cached_property
    def worst(self) -> int:
        """The offset of the entry that ranks first."""
        return _most(self.size, self.excess)

    def excess(self, where: Where) -> FloatArray:
        """A size to rank entries by: beyond the bounds the difference, within them its share."""
        pair = self.pair(where)
        differences = pair.differences
        rank = np.zeros_like(differences)
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(differences, pair.bounds, out=rank, where=differences > 0.0)
            np.minimum(rank, 1.0, out=rank)
            agree, _, farthest = self._overall
            if not agree:
                np.copyto(rank, 1.0 + differences / farthest, where=~pair.agree)
                rank[np.isnan(differences)] = np.inf
        return rank

    @cached_property
    def _overall(self) -> tuple[bool, bool, float]:
        """Whether all agree, and within the bounds alone; the largest difference where not."""
        agree, within, farthest = True, True, 0.0
        for piece in pieces(0, self.size):
            pair = self.pair(piece)
            within = within and bool(pair.within_bounds.all())
            if not pair.agree.all():
                apart = np.nanmax(pair.differences, where=~pair.agree, initial=0.0)
                agree, farthest = False, max(farthest, float(apart))
        return agree, within, farthest


def _most(size: int, rank: Callable[[slice], FloatArray]) -> int:
    """Where the first of the largest lies."""
    best, most = 0, -np.inf
    for piece in pieces(0, size):
        ranks = rank(piece)
        place = int(np.argmax(ranks))
        if ranks[place] > most:
            best, most = piece.start + place, ranks[place]
    return best


def _worst_offset(measured: Measured, leaf: Leaf, pairs: list[_Beside], wrong: list[Index]) -> int:
    """Where the pairs differ most, among the wrong entries if there are any.

    Of a parameter that was differentiated along directions, where backprop and the reference do.
    """
    size = leaf.stop - leaf.start
    entrywise = [pair for pair in pairs if pair.size == size]

    def rank(where: Where) -> FloatArray:
        return np.asarray(np.maximum.reduce([pair.excess(where) for pair in entrywise]))

    if entrywise and len(wrong) in (0, size):
        return entrywise[0].worst if len(entrywise) == 1 else _most(size, rank)
    if wrong and leaf.shape:
        offsets = np.ravel_multi_index(tuple(np.transpose(wrong)), leaf.shape)
        return int(offsets[np.argmax(rank(offsets)) if entrywise else 0])
    return int(np.argmin(measured.skipped(leaf)))
