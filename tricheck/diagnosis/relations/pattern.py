"""Wrong in a part of the entries only: clipped, or of a simple relation there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tricheck.diagnosis.relations.block import Block
from tricheck.diagnosis.relations.explanation import ENOUGH, Explanation, of_whole
from tricheck.diagnosis.relations.rearranged import rearranged
from tricheck.diagnosis.relations.regions import Region, regions, wrong_entries
from tricheck.diagnosis.relations.regularizer import regularizer
from tricheck.diagnosis.relations.scaling import scaling
from tricheck.diagnosis.relations.surroundings import Surroundings
from tricheck.vocabulary import Cause

_CHOICE = math.log10(30)  # digits: regions that are looked at
_ROUND = math.log10(2 * 90 * 12)  # digits: numbers of two figures, in a dozen decades
_SIMPLE = frozenset({Cause.ZERO, Cause.SIGN, Cause.SCALE, Cause.BIAS_REDUCTION})


def clipped(block: Block, around: Surroundings) -> Iterator[Explanation]:
    """The right gradient, cut off at a number that several entries have."""
    if not np.all(block.known):
        return
    high, low = float(np.max(block.backprop)), float(np.min(block.backprop))
    bounds = [(-max(high, -low), max(high, -low)), (-np.inf, high), (low, np.inf)]
    for lowest, highest in bounds:
        limit = highest if math.isfinite(highest) else lowest
        prediction = np.clip(block.truth, lowest, highest)
        cut = block.off & (np.abs(block.backprop) == abs(limit))
        constant = np.ptp(block.backprop) <= float(np.max(block.slack))
        if limit == 0.0 or not cut.any() or constant:
            continue
        both = math.isfinite(lowest) and math.isfinite(highest)
        sides = f"[{lowest:.6g}, {highest:.6g}]" if both else f"{limit:.6g}"
        explanation = Explanation(
            Cause.ENTRIES,
            f"clipped to {sides}" if both else f"clipped at {sides}",
            f"Backprop is the right gradient clipped {'to' if both else 'at'} {sides} in "
            f"{int(np.sum(cut))} of {cut.size} entries",
            ", consistent with clipping inside the gradient: check it before it is clipped",
            prediction,
            block.slack,
            free=1,
            evidence={"clip": abs(limit)},
            entries=block.blamed,
        )
        if float(f"{limit:.1e}") == limit or _shared(block, around, limit):
            yield replace(explanation, free=0, cost=_ROUND)
        yield explanation


def _shared(block: Block, around: Surroundings, limit: float) -> bool:
    others = (other for other in around.blocks if other.name != block.name)
    return any(float(np.max(np.abs(other.backprop))) == abs(limit) for other in others)


def partial(block: Block, around: Surroundings) -> Iterator[Explanation]:
    """A relation that holds in a region, where all is right elsewhere."""
    if np.array_equal(block.off, block.known):
        return
    alone = replace(around, blocks=(), factors={})
    for region in (*regions(block), wrong_entries(block)):
        for part in _within(block, region, alone):
            explanation = of_whole(part, block, region.inside)
            explanation = replace(explanation, cost=part.cost + _CHOICE)
            if explanation.credit(block) >= ENOUGH:
                yield _worded(explanation, block, region)
                return


def _within(block: Block, region: Region, around: Surroundings) -> Iterator[Explanation]:
    part = block.part(region.index if region.index is not None else region.inside)
    yield from scaling(part, around)
    if region.index is not None and part.truth.size > 1:
        yield from rearranged(part, around)
    for explanation in regularizer(part, around):
        if explanation.evidence["readings"] and explanation.free == 0:
            yield explanation


def _worded(explanation: Explanation, block: Block, region: Region) -> Explanation:
    """The explanation of a part, as a statement on the whole block."""
    named = explanation.cause in _SIMPLE
    kept = region.gate or (region.half and explanation.cause is Cause.SIGN)
    wrong, known = int(np.sum(block.off)), int(np.sum(block.known))
    count = f"in {wrong} of {known} entries" + " compared" * (known < block.truth.size)
    place = region.text or count
    reading = _IN_BRANCH if region.half else _READINGS.get(explanation.cause, explanation.reading)
    there = explanation.statement[0].lower() + explanation.statement[1:]
    evidence = {**explanation.evidence, "where": place, "within": explanation.relation}
    return replace(
        explanation,
        cause=Cause.ENTRIES if named and not kept else explanation.cause,
        relation=f"{explanation.relation} {place}",
        statement=f"Wrong only {place}: there {there}",
        reading=reading if named else explanation.reading,
        evidence={**evidence, "wrong": float(wrong), "of": float(known)},
        entries=block.blamed,
    )


_IN_BRANCH = ": look at the branch of that sign (of an abs, a leaky ReLU, a clamp)"
_READINGS = {
    Cause.ZERO: ", consistent with a mask too many, or a contribution that is never added",
    Cause.SIGN: ", consistent with a wrong sign in the formula of these alone",
}
