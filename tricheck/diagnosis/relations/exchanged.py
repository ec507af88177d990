"""Gradients that were returned under another parameter's name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tricheck.diagnosis.relations.block import Block
from tricheck.vocabulary import Cause, Finding


def exchanged(blocks: Sequence[Block]) -> dict[str, Finding]:
    """Findings on blocks of several entries that hold the right gradient of another one."""
    found = {}
    for block in blocks:
        for other in blocks:
            if block is not other and block.truth.size > 1 and _holds(block, other):
                found[block.name] = block.finding(
                    Cause.PERMUTED,
                    f"Backprop gives the right gradient of {other.name} for {block.name}: look at "
                    "the order in which gradients are returned or gates are stacked.",
                    {"relation": f"the gradient of {other.name}", "other": other.name},
                )
    return found


def _holds(block: Block, other: Block) -> bool:
    if block.shape != other.shape or not np.any(np.abs(other.truth) > other.slack):
        return False
    apart = np.abs(block.backprop - other.truth)
    return bool(np.all(apart <= np.maximum(block.slack, other.slack)))
