"""The relation that backprop's block has to the right one, if it is of a kind that is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tricheck.diagnosis.relations.block import Block
from tricheck.diagnosis.relations.data_term import rearranged_data
from tricheck.diagnosis.relations.explanation import Explanation, credible
from tricheck.diagnosis.relations.pattern import clipped, partial
from tricheck.diagnosis.relations.rearranged import any_order, rearranged
from tricheck.diagnosis.relations.regularizer import regularizer
from tricheck.diagnosis.relations.scaling import scaling, totals
from tricheck.diagnosis.relations.slices import by_slice
from tricheck.diagnosis.relations.surroundings import Surroundings

_ALSO = 3  # other relations that are named
_DEAR = 3.0  # digits: relations chosen among so many may be plainer in a part of the entries
_AS_GOOD = 6.0  # digits: others that are less improbable by more are not as good


def relation(block: Block, around: Surroundings) -> Explanation | None:
    """The relation that explains a whole block, and is least to be expected by chance.

    Parameters
    ----------
    block : Block
    around : Surroundings

    Returns
    -------
    Explanation or None
        It predicts every entry to within the slack; others that do so too are in its `also`.
    """
    if not np.all(np.isfinite(block.backprop)) or not block.off.any():
        return None
    found = credible(block, list(_whole(block, around)))
    if not found or found[0].cost > _DEAR:
        found = credible(block, [*found, *partial(block, around)])
    found = found or credible(block, list(any_order(block)))
    if not found:
        return None
    best, *others = found
    least = best.credit(block) - _AS_GOOD
    also = dict.fromkeys(e.relation for e in others if e.credit(block) >= least)
    also.pop(best.relation, None)
    return replace(best, also=tuple(also)[:_ALSO])


def _whole(block: Block, around: Surroundings) -> Iterator[Explanation]:
    """Relations that tell how every entry came about."""
    if not block.mostly_right:
        yield from scaling(block, around)
    yield from totals(block)
    yield from rearranged(block, around)
    if not block.mostly_right:
        yield from regularizer(block, around)
    yield from rearranged_data(block, around)
    yield from clipped(block, around)
    yield from by_slice(block, around)
