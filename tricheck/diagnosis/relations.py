"""The relation that backprop's block has to the right one, if it is of a kind that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tricheck.diagnosis.block import Block
from tricheck.diagnosis.explanation import Explanation, credible
from tricheck.diagnosis.pattern import clipped, partial
from tricheck.diagnosis.rearranged import rearranged
from tricheck.diagnosis.regularizer import regularizer
from tricheck.diagnosis.scaling import scaling, totals
from tricheck.diagnosis.surroundings import Surroundings

_ALSO = 3  # other relations that are named


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
    whole = [
        *scaling(block, around),
        *totals(block),
        *rearranged(block, around),
        *regularizer(block, around),
        *clipped(block, around),
    ]
    found = credible(block, whole) or credible(block, list(partial(block, around)))
    if not found:
        return None
    best, *others = found
    also = dict.fromkeys(e.relation for e in others if e.relation != best.relation)
    return replace(best, also=tuple(also)[:_ALSO])
