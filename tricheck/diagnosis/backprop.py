"""Why backprop is wrong: which relation its gradient has to the right one.

Every explanation is a test of measured arrays against their bounds. Relations that explain a whole
parameter come first; what they leave is said to be wrong in some entries, approximate or unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tricheck.calls import Calls
from tricheck.diagnosis.fallback import fallback
from tricheck.diagnosis.mistakes.findings import Mistaken, located, mistaken
from tricheck.diagnosis.mistakes.smooth import smoothly_wrong
from tricheck.diagnosis.probes.curl import curl
from tricheck.diagnosis.probes.memory import (
    UPDATED,
    between_calls,
    moves_parameters,
    stale,
    updated,
)
from tricheck.diagnosis.relations.block import Block, Bools, block_of
from tricheck.diagnosis.relations.exchanged import exchanged
from tricheck.diagnosis.relations.explanation import Explanation
from tricheck.diagnosis.relations.relation import relation
from tricheck.diagnosis.relations.shapes import wrong_shape
from tricheck.diagnosis.relations.surroundings import Surroundings
from tricheck.facts import Evidence
from tricheck.parameters import LARGE, Index, Leaf
from tricheck.tracing.study import Study
from tricheck.vocabulary import Cause, Finding, Severity, Source


def diagnose(
    evidence: Evidence, blamed: dict[str, list[Index]], calls: Calls, kept: Study | None
) -> Mistaken:
    """A finding for every parameter whose backprop is blamed, and the mistakes behind them.

    Parameters
    ----------
    evidence : Evidence
    blamed : dict of str to list of tuple
        The blamed entries by parameter.
    calls : Calls
        For the probes of what no relation explains.
    kept : Study or None
        A run of the loss, to make mistakes in on the way back.
    """
    if not blamed:
        return Mistaken({}, [])
    large = evidence.parameters.size > LARGE  # what is right is left alone, and nothing run again
    leaves = [leaf for leaf in evidence.parameters.leaves if not large or leaf.name in blamed]
    blocks = {leaf.name: block_of(evidence, leaf, blamed.get(leaf.name)) for leaf in leaves}
    around = Surroundings.read(calls.model.surroundings(), blocks.values())

    found = _at_sight(evidence, [blocks[name] for name in blamed], around)

    def rest() -> list[Block]:
        return [blocks[name] for name in blamed if name not in found]

    related = [(block, relation(block, around)) for block in rest()]
    explained = [(block, explanation) for block, explanation in related if explanation is not None]
    shared = len(explained) == len(related) and len({e.statement for _, e in explained}) == 1
    # One number for all that is wrong is as good as a known one; of one block, if it alone fits.
    certain = shared and (len(related) > 1 or not any(e.also for _, e in explained))
    found |= _stated([(block, e) for block, e in explained if certain or not e.bare])
    found |= exchanged(rest())
    # What tells only which entries are wrong, or leaves some unexplained, is no reason yet.
    open_ = {name for name in blamed if name not in found or _in_part(found[name])}
    mistakes = Mistaken({}, [])
    if kept is not None and open_:
        # One mistake behind several parameters is more likely than a relation of each.
        mistakes = mistaken(kept, blocks.values(), blamed.keys(), open_, around)
        found |= mistakes.found
    if not large:
        found |= _remembered(evidence, calls, rest())
    found |= _stated([(block, e) for block, e in explained if block.name not in found])
    if kept is not None and rest():
        left = [block.name for block in rest()]
        found |= smoothly_wrong(kept, blocks.values(), blamed.keys(), left)
    found |= _unexplained(evidence, calls, rest(), around, list(found))
    if kept is not None:
        found = located(kept, blocks.values(), found)
    return Mistaken({name: found[name] for name in blamed}, mistakes.explained)


Found = dict[str, Finding]

_TOO_LARGE = (
    "Mistakes on the way back are not looked for in a model of this size: check a smaller one too."
)
_NO_TIME = "There was no time to look for mistakes on the way back."


def _at_sight(evidence: Evidence, blocks: list[Block], around: Surroundings) -> Found:
    """Findings on blocks that have no values to compare: another shape, NaN, another each time."""
    leaves = {leaf.name: leaf for leaf in evidence.parameters.leaves}
    wrong_shapes = {error.parameter: error for error in evidence.point.shape_errors}
    found = {}
    for block in blocks:
        leaf = leaves[block.name]
        if block.name in wrong_shapes:
            found[block.name] = wrong_shape(wrong_shapes[block.name], block, around)
        elif evidence.unrepeatable[leaf.place].any() and not evidence.point.spread:
            found[block.name] = between_calls(evidence, leaf, block)
        elif not np.all(np.isfinite(block.backprop)):
            found[block.name] = _not_finite(evidence, leaf, block)
    return found


def _stated(explained: list[tuple[Block, Explanation]]) -> Found:
    """Findings that state explanations."""
    digits = _shared_digits(explained)
    return {
        block.name: explanation.finding(block, digits[explanation.statement, explanation.reading])
        for block, explanation in explained
    }


def _in_part(finding: Finding) -> bool:
    """Whether a finding tells only which entries are wrong, or gives each slice its own factor."""
    evidence = finding.evidence
    if finding.cause is Cause.SCALE:
        return "factor" not in evidence
    return (
        finding.cause is Cause.ENTRIES and "relation" not in evidence
    ) or "explained" in evidence


def _shared_digits(pairs: Iterable[tuple[Block, Explanation]]) -> dict[tuple[str, str], int]:
    """To how many digits what is said of several blocks holds in all of them."""
    shared: dict[tuple[str, str], int] = {}
    for block, explanation in pairs:
        key, digits = (explanation.statement, explanation.reading), explanation.digits(block)
        shared[key] = min(digits, shared.get(key, digits))
    return shared


def _remembered(evidence: Evidence, calls: Calls, blocks: list[Block]) -> Found:
    """Findings on blocks that are explained by what backprop remembers or changes on the way."""
    found = {str(finding.parameter): finding for finding in updated(evidence, calls, blocks)}
    rest = [block for block in blocks if block.name not in found]
    return found | {str(f.parameter): f for f in stale(evidence, calls, rest)}


def _unexplained(
    evidence: Evidence,
    calls: Calls,
    blocks: list[Block],
    around: Surroundings,
    explained: list[str],
) -> Found:
    """Findings on the blocks that are left."""
    if not blocks:
        return {}
    names = [block.name for block in blocks]
    turn = None if calls.hurried else curl(calls, evidence, names, explained)
    remark = UPDATED if moves_parameters(evidence.point) else ""
    if calls.hurried and not remark:
        remark = _TOO_LARGE if calls.parameters.size > LARGE else _NO_TIME
    return {block.name: fallback(block, around, turn, remark) for block in blocks}


def _not_finite(evidence: Evidence, leaf: Leaf, block: Block) -> Finding:
    bad = ~np.isfinite(block.backprop)
    sources = {"reference": evidence.reference, "finite difference": evidence.difference}
    finite = {
        name: np.isfinite(source.values[leaf.place].reshape(block.shape))
        for name, source in sources.items()
        if source is not None
    }
    # Where some of it is contradicted, that is the entry to show.
    shown = bad & np.logical_or.reduce(list(finite.values()))
    first = tuple(np.argwhere(shown if shown.any() else bad)[0])
    return block.finding(
        Cause.NON_FINITE,
        f"Backprop holds {block.backprop[first]} where {_others_hold(finite, first)}: look for "
        "0/0, log(0) or an overflowing exp in the backward pass.",
        {"count": float(np.sum(bad))},
        [tuple(int(i) for i in index) for index in np.argwhere(bad)],
    )


def _others_hold(finite: Mapping[str, Bools], at: tuple[Any, ...]) -> str:
    """Which of the other sources have a number at an entry."""
    have = [name for name, where in finite.items() if where[at]]
    lack = [name for name, where in finite.items() if not where[at]]
    if not lack:
        return "the other sources are finite" if len(have) > 1 else f"the {have[0]} is finite"
    if not have:
        return "no other source is finite either"
    return f"the {have[0]} is finite (the {lack[0]} is not)"


def accepted_by_rtol(evidence: Evidence) -> list[Finding]:
    """Parameters that agree only because the user's `rtol` says so."""
    findings: list[Finding] = []
    for leaf in evidence.parameters.leaves if evidence.rtol else []:
        beside = [p for p in evidence.pairs if Source.BACKPROP in (p.first, p.second)]
        unknown = [np.isinf(pair.bounds[leaf.place]) for pair in beside]
        parts = [(pair.agree & ~pair.within_bounds)[leaf.place] for pair in beside]
        either = np.logical_or(parts, unknown)
        beyond = np.logical_and.reduce(either) & np.logical_or.reduce(parts)
        if not beyond.any():
            continue
        block = block_of(evidence, leaf)
        size = np.maximum(np.abs(block.truth), np.finfo(float).tiny)
        worst = float(np.max((np.abs(block.error) / size).reshape(-1)[beyond]))
        findings.append(
            Finding(
                Cause.APPROXIMATE,
                f"Backprop is right to {worst:.1e} only, more than rounding explains; "
                f"rtol={evidence.rtol:g} accepts that.",
                Source.BACKPROP,
                leaf.name,
                [leaf.index(int(i)) for i in np.flatnonzero(beyond)],
                Severity.WARNING,
                {"relative_error": worst, "rtol": evidence.rtol},
            )
        )
    return findings
