"""From measured evidence to the report's facts."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricheck.comparison import BoolArray, Pair, relative_error
from tricheck.diagnosis.sensitivity import limits, of_block, of_entry
from tricheck.facts import Evidence
from tricheck.parameters import Index, Leaf
from tricheck.report.facts import PairReport, ParameterReport, Worst
from tricheck.sources.estimate import Estimate
from tricheck.verdict import Facts
from tricheck.vocabulary import Source, Verdict


def sources(evidence: Evidence) -> list[Estimate]:
    """The sources that gave a gradient, in the order of the pairs."""
    three = [evidence.backprop, evidence.difference, evidence.reference]
    return [estimate for estimate in three if estimate is not None]


def structured(evidence: Evidence) -> tuple[dict[str, Any], dict[str, Any]]:
    """Gradients and bounds by source, in the user's containers."""
    build = evidence.parameters.build
    gradients = {s.source.value: build(s.values.copy()) for s in sources(evidence)}
    bounds = {s.source.value: build(s.bounds.copy()) for s in sources(evidence)}
    return gradients, bounds


def parameter_report(
    evidence: Evidence,
    facts: Facts[BoolArray],
    leaf: Leaf,
    verdict: Verdict,
    wrong: list[Index],
) -> ParameterReport:
    """The facts of one parameter."""
    estimates = {s.source: s for s in sources(evidence)}
    pairs = {pair.name: _pair_report(pair, estimates, leaf) for pair in evidence.pairs}
    seen = limits(evidence, facts)
    position = _worst_position(evidence, leaf, wrong)
    return ParameterReport(
        leaf.name,
        leaf.shape,
        verdict,
        wrong,
        pairs,
        of_entry(evidence, seen, leaf),
        of_block(evidence, seen, leaf),
        Worst(
            leaf.index(position - leaf.start),
            {source: float(s.values[position]) for source, s in estimates.items()},
            {source: float(s.bounds[position]) for source, s in estimates.items()},
        ),
    )


def _pair_report(pair: Pair, estimates: dict[Source, Estimate], leaf: Leaf) -> PairReport:
    excess = _excess(pair, leaf)
    position = leaf.start + int(np.argmax(excess))
    first, second = estimates[pair.first], estimates[pair.second]
    return PairReport(
        pair.first,
        pair.second,
        bool(np.all(pair.agree[leaf.place])),
        bool(np.all(pair.within_bounds[leaf.place])),
        float(pair.differences[position]),
        float(pair.bounds[position]),
        leaf.index(position - leaf.start),
        relative_error(first.values[leaf.place], second.values[leaf.place]),
    )


def _worst_position(evidence: Evidence, leaf: Leaf, wrong: list[Index]) -> int:
    """Where the pairs differ most, among the wrong entries if there are any."""
    excess = np.max([_excess(pair, leaf) for pair in evidence.pairs], axis=0)
    if wrong and leaf.shape:
        offsets = np.ravel_multi_index(tuple(np.transpose(wrong)), leaf.shape)
        return leaf.start + int(offsets[np.argmax(excess[offsets])])
    return leaf.start + int(np.argmax(excess))


def _excess(pair: Pair, leaf: Leaf) -> Any:
    """A size to rank entries by: beyond the bounds the difference, within them its share."""
    differences, bounds = pair.differences[leaf.place], pair.bounds[leaf.place]
    agree = pair.agree[leaf.place]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(differences > 0.0, differences / bounds, 0.0)
        beyond = 1.0 + differences / np.nanmax(differences, where=~agree, initial=0.0)
    return np.where(np.isnan(differences), np.inf, np.where(agree, np.minimum(share, 1.0), beyond))
