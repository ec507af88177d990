"""From measured evidence to the report's facts."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricheck.comparison import Pair, compare, relative_error
from tricheck.diagnosis.sensitivity import limits, of_block, of_entry, shared
from tricheck.facts import Evidence
from tricheck.measured import Measured
from tricheck.parameters import Index, Leaf
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
    offset = _worst_offset(measured, leaf, [found[0] for found in pairs.values()], wrong)
    shown = {s.source: s.part(leaf.place) for s in sources(measured.evidence)}
    if measured.skipped(leaf)[offset]:
        del shown[Source.FINITE_DIFFERENCE]
    return ParameterReport(
        leaf.name,
        leaf.shape,
        verdict,
        wrong,
        {name: _pair_report(*found) for name, found in pairs.items()},
        of_entry(measured, seen, leaf),
        of_block(measured, seen, leaf),
        shared(measured, leaf),
        Worst(
            leaf.index(offset),
            {source: float(s.values[offset]) for source, s in shown.items()},
            {source: float(s.bounds[offset]) for source, s in shown.items()},
        ),
    )


def _pairs(measured: Measured, leaf: Leaf) -> dict[str, tuple[Pair, Estimate, Estimate, Leaf]]:
    """The pairs of a parameter: with a finite difference, along what that has moved."""
    whole, moved, along = measured.evidence, measured.judged, measured.moved(leaf)
    found = [_compared(moved, moved.backprop, moved.difference, along)]
    if whole.reference is not None and moved.reference is not None:
        found.insert(0, _compared(whole, whole.backprop, whole.reference, leaf))
        found.append(_compared(moved, moved.difference, moved.reference, along))
    return {one[0].name: one for one in found}


def _compared(
    evidence: Evidence, first: Estimate, second: Estimate, leaf: Leaf
) -> tuple[Pair, Estimate, Estimate, Leaf]:
    a, b = first.part(leaf.place), second.part(leaf.place)
    return compare(a, b, evidence.rtol), a, b, leaf


def _pair_report(pair: Pair, first: Estimate, second: Estimate, leaf: Leaf) -> PairReport:
    worst = int(np.argmax(_excess(pair)))
    return PairReport(
        pair.first,
        pair.second,
        bool(np.all(pair.agree)),
        bool(np.all(pair.within_bounds)),
        float(pair.differences[worst]),
        float(pair.bounds[worst]),
        leaf.index(worst),
        relative_error(first.values, second.values),
    )


def _worst_offset(measured: Measured, leaf: Leaf, pairs: list[Pair], wrong: list[Index]) -> int:
    """Where the pairs differ most, among the wrong entries if there are any.

    Of a parameter that was differentiated along directions, where backprop and the reference do.
    """
    entrywise = [pair for pair in pairs if pair.differences.size == leaf.stop - leaf.start]
    excess = np.max([_excess(pair) for pair in entrywise], axis=0) if entrywise else None
    if wrong and leaf.shape:
        offsets = np.ravel_multi_index(tuple(np.transpose(wrong)), leaf.shape)
        return int(offsets[0 if excess is None else np.argmax(excess[offsets])])
    if excess is not None:
        return int(np.argmax(excess))
    return int(np.argmin(measured.skipped(leaf)))


def _excess(pair: Pair) -> Any:
    """A size to rank entries by: beyond the bounds the difference, within them its share."""
    differences, agree = pair.differences, pair.agree
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(differences > 0.0, differences / pair.bounds, 0.0)
        beyond = 1.0 + differences / np.nanmax(differences, where=~agree, initial=0.0)
    return np.where(np.isnan(differences), np.inf, np.where(agree, np.minimum(share, 1.0), beyond))
