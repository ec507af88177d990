"""The data term with its axes in another order, beside a weight decay that is right.

The right gradient r is that of the data term plus t W. Where backprop moves the entries of the data
term alone, it is M(r - t W) + t W: what it is off from M(r) is t times W - M(W).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tricheck.diagnosis.relations.block import Block
from tricheck.diagnosis.relations.explanation import Explanation
from tricheck.diagnosis.relations.fit import fit
from tricheck.diagnosis.relations.rearranged import Move, moves_of_axes
from tricheck.diagnosis.relations.regularizer import slopes
from tricheck.diagnosis.relations.surroundings import Surroundings


def rearranged_data(block: Block, around: Surroundings) -> Iterator[Explanation]:
    """Rearrangements of the data term alone."""
    if not np.all(block.known):
        return
    for move in moves_of_axes(block.shape):
        yield from _moved(block, around, move)


def _moved(block: Block, around: Surroundings, move: Move) -> Iterator[Explanation]:
    truth, slack = move.apply(block.truth), move.apply(block.slack)
    wide = replace(block, slack=np.maximum(block.slack, slack))
    target = block.backprop - truth
    found = fit(wide, target, block.weights - move.apply(block.weights))
    if found is None or not found.holds(wide, target):
        return
    [slope], [error] = map(float, found.coefficients), map(float, found.errors)
    if slope <= error:
        return
    named = [(number, name) for number, name in slopes(around) if abs(number - slope) <= error]
    name = named[0][1] if named else f"{slope:.6g}"
    explanation = Explanation(
        move.cause,
        f"{move.relation}, but for {slope:.6g} W",
        f"Backprop's data term is {move.relation}, the weight decay (of slope {name} W) right",
        move.hint,
        truth + found.prediction,
        found.tolerance,
        cost=move.cost + 1.0,
        free=1,
        evidence={"beta": slope, "readings": [name for _, name in named]},
    )
    if named:
        tried = math.log10(len(list(slopes(around))))
        yield replace(explanation, cost=explanation.cost + tried, free=0)
    yield explanation
