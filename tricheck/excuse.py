"""Before anybody is accused: do jumps of the loss explain the difference?

Stencils and traces see one smooth piece of a loss that jumps (a solver's stopping rule, a table,
rounding), and a derivation by hand is of the curve that the pieces follow. Both are right.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tricheck.comparison import BoolArray
from tricheck.facts import SLIGHT, Evidence
from tricheck.parameters import FloatArray, Leaf
from tricheck.sources.finite_difference import Sweeper
from tricheck.sources.jumps import Jump, find_jump
from tricheck.sources.pieces import Pieces, find_pieces
from tricheck.verdict import ACCUSING, decide_all
from tricheck.vocabulary import Verdict

_EXAMINED = 3  # entries of a parameter, those that differ most; the others differ by less
_MODEST = 0.25  # of a parameter's largest entry: what a single jump may explain ...
_MILD = 0.1  # ... if it is no more than this beside what the loss changes by along the way


def excuse(evidence: Evidence, sweeper: Sweeper, seed: int) -> Evidence:
    """The same, with what jumps explain marked; measures only where somebody is accused.

    Parameters
    ----------
    evidence : Evidence
        The three gradients.
    sweeper : Sweeper
        The loss along single entries.
    seed : int
        Seed of a line's direction.
    """
    evidence = _excuse_by_pieces(evidence, sweeper)
    jump = evidence.jump
    evidence = _excuse_by_a_jump(evidence, sweeper, seed)
    # Bounds that a jump has opened may accuse where nothing was concluded.
    return evidence if evidence.jump is jump else _excuse_by_pieces(evidence, sweeper)


def accused(evidence: Evidence) -> BoolArray:
    """Entries in which a source is blamed for its slope, shape (size,)."""
    facts = evidence.facts
    # A gradient of the wrong shape, or without a number, is no matter of slopes.
    comparable = facts.shaped & facts.backprop & (_gaps(evidence) > 0.0)
    return np.isin(decide_all(facts), list(ACCUSING)) & comparable


def _gaps(evidence: Evidence) -> FloatArray:
    """The largest contradiction in every entry, shape (size,)."""
    contradictions = [np.where(pair.agree, 0.0, pair.differences) for pair in evidence.pairs]
    gaps: FloatArray = np.fmax.reduce(contradictions)
    return gaps


# --- jumps again and again: two slopes ----------------------------------------------------------


def _excuse_by_pieces(evidence: Evidence, sweeper: Sweeper) -> Evidence:
    """Accusations that hold the slope of one piece against the slope across the jumps."""
    blamed = accused(evidence)
    for leaf in evidence.parameters.leaves:
        if entries := _worst_first(evidence, leaf, blamed):
            found = _examine(evidence, sweeper, entries[:_EXAMINED])
            if len(found) == len(entries[:_EXAMINED]):
                evidence = _opened(evidence, entries, found)
    return evidence


def _worst_first(evidence: Evidence, leaf: Leaf, chosen: BoolArray) -> list[int]:
    positions = leaf.start + np.flatnonzero(chosen[leaf.place])
    return [int(i) for i in positions[np.argsort(-_gaps(evidence)[positions], kind="stable")]]


def _examine(evidence: Evidence, sweeper: Sweeper, entries: list[int]) -> dict[int, Pieces]:
    """Jumps that explain the accusations; ends at the first that they do not explain."""
    facts, gaps = evidence.facts, _gaps(evidence)
    verdicts = decide_all(facts)
    found: dict[int, Pieces] = {}
    for i in entries:
        source = evidence.reference if verdicts[i] == Verdict.REFERENCE else evidence.backprop
        assert source is not None  # a reference that is accused exists
        claim = float(source.values[i])
        # The slope of one piece is right for who differentiates the loss's own steps.
        own = bool(facts.trusted[i] and (source is evidence.reference or facts.br[i]))
        narrowest = 0.0 if own else evidence.difference.entry(i).step
        pieces = find_pieces(sweeper, i, claim, float(gaps[i]), narrowest)
        if pieces is None or not (pieces.is_across(claim) or (own and pieces.is_within(claim))):
            break
        found[i] = pieces
    return found


def _opened(evidence: Evidence, entries: list[int], found: dict[int, Pieces]) -> Evidence:
    """Nobody accused in some entries of a parameter, and the finite difference no longer sure."""
    facts, difference = evidence.facts, evidence.difference
    jumpy = facts.jumpy.copy()
    jumpy[entries] = True
    margins = {i: pieces.margin(float(difference.values[i])) for i, pieces in found.items()}
    widest = max(margins.values())
    wrong = {i: margins.get(i, widest) for i in entries if not facts.bf[i]}
    size = max(pieces.size for pieces in found.values())
    return replace(
        evidence,
        difference=difference.opened(wrong, size),
        jumpy=jumpy,
        pieces=evidence.pieces | found,
    )


# --- a jump somewhere near: slopes open by little -----------------------------------------------


def _excuse_by_a_jump(evidence: Evidence, sweeper: Sweeper, seed: int) -> Evidence:
    """Accusations of so little that a jump on a path through the point explains them."""
    apart, largest = evidence.apart, evidence.largest
    blamed = accused(evidence)
    modest = blamed & (apart <= _MODEST * largest)
    for leaf in evidence.parameters.leaves:
        # Where one entry's accusation stands, so does the parameter's.
        modest[leaf.place] &= np.array_equal(modest[leaf.place], blamed[leaf.place])
    if not modest.any():
        return evidence
    parameters, noise = evidence.parameters, evidence.difference.noise
    jump = find_jump(sweeper.evaluate, parameters, modest, noise, seed)
    if jump is None:
        return evidence
    explained = modest & (apart <= jump.steep)
    explained &= (apart <= SLIGHT * largest) | (jump.mild <= _MILD * largest)
    for leaf in evidence.parameters.leaves:
        entries = _worst_first(evidence, leaf, explained)[:_EXAMINED]
        if not all(_is_across(evidence, sweeper, i, jump) for i in entries):
            explained[leaf.place] = False
    return _opened_by(jump, evidence, explained) if explained.any() else evidence


def _opened_by(jump: Jump, evidence: Evidence, explained: BoolArray) -> Evidence:
    """Nobody accused where a jump explains it, and wider bounds where all three sources differ."""
    facts, difference = evidence.facts, evidence.difference
    apart = ~(facts.br | facts.bf | facts.fr) & np.isfinite(difference.bounds)
    jumpy = facts.jumpy | explained | (apart & (evidence.apart <= jump.steep))
    margins = {int(i): float(jump.steep[i]) for i in np.flatnonzero(apart)}
    return replace(evidence, difference=difference.opened(margins), jumpy=jumpy, jump=jump)


def _is_across(evidence: Evidence, sweeper: Sweeper, position: int, jump: Jump) -> bool:
    """Whether backprop has the slope that stencils give which take jumps of a size for noise."""
    across = sweeper.across(position, jump.size)
    apart = abs(float(evidence.backprop.values[position]) - across.value)
    return not apart > across.bound + float(evidence.backprop.bounds[position])
