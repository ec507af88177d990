"""A factor of its own for every slice along an axis, as one unit, channel or sample has it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Set
from dataclasses import replace

import numpy as np

from tricheck.diagnosis.relations.block import Block
from tricheck.diagnosis.relations.explanation import Explanation
from tricheck.diagnosis.relations.fit import Factor, fit, times
from tricheck.diagnosis.relations.surroundings import Surroundings
from tricheck.parameters import FloatArray
from tricheck.vocabulary import Cause

_SHOWN = 3  # factors that a message lists


def by_slice(block: Block, around: Surroundings) -> Iterator[Explanation]:
    """Slices that are each a constant times the right one, where that constant has a name."""
    vectors = list(_vectors(block, around))
    for axis, factors in _factored(block, {len(values) for _, values in vectors}):
        for name, values in vectors:
            if len(values) != len(factors):
                continue
            for text, vector in ((name, values), (f"1/{name}", 1.0 / values)):
                named = [Factor(float(value), 0.0) for value in vector]
                found = _explanation(block, axis, named)
                yield replace(
                    found,
                    cause=Cause.SCALE,
                    relation=f"{text} times along axis {axis}",
                    statement=f"Backprop is {text} times the right gradient along axis {axis}",
                    reading=f", consistent with {name} left out or applied twice",
                    cost=math.log10(2 + 2 * len(block.shape) * len(around.vectors)),
                    free=0,
                    bare=False,
                )


def factored(block: Block) -> Iterator[Explanation]:
    """Slices that are each a constant times the right one, whatever constant that is."""
    for axis, factors in _factored(block, set(block.shape)):
        yield _explanation(block, axis, factors)


def _explanation(block: Block, axis: int, factors: list[Factor]) -> Explanation:
    slices = [times(part, f) for part, f in zip(_parts(block, axis), factors, strict=True)]
    prediction, tolerance = (np.stack(arrays, axis=axis) for arrays in zip(*slices, strict=True))
    listed = ", ".join(f"{factor.value:.4g}" for factor in factors[:_SHOWN])
    more = ", ..." if len(factors) > _SHOWN else ""
    return Explanation(
        Cause.UNKNOWN,
        f"a factor for each slice along axis {axis}",
        f"Every slice of backprop along axis {axis} is a constant of its own times the right one "
        f"({listed}{more})",
        ", as if what comes back into each were off by that: look at the derivative there, or a "
        "weight for each that is left out",
        prediction,
        tolerance,
        free=len(factors),
        evidence={"factors": [f"{factor.value:.6g}" for factor in factors]},
        bare=True,
    )


def _factored(block: Block, lengths: Set[int]) -> Iterator[tuple[int, list[Factor]]]:
    """Axes of some lengths along which every slice has a factor."""
    for axis, length in enumerate(block.shape):
        if length in lengths and 1 < length < block.truth.size:
            factors = [_factor(part) for part in _parts(block, axis)]
            found = [factor for factor in factors if factor is not None]
            if len(found) == length:
                yield axis, found


def _factor(part: Block) -> Factor | None:
    found = fit(part, part.backprop, part.truth)
    if found is None:
        return None
    [value], [error] = found.coefficients, found.errors
    return Factor(float(value), float(max(1.0, abs(value)) * error))


def _parts(block: Block, axis: int) -> list[Block]:
    everything: list[slice | int] = [slice(None)] * len(block.shape)
    parts = []
    for i in range(block.shape[axis]):
        everything[axis] = i
        parts.append(block.part(tuple(everything)))
    return parts


def _vectors(block: Block, around: Surroundings) -> Iterator[tuple[str, FloatArray]]:
    """Vectors by name: of the surroundings, and the other parameters that are some."""
    yield from around.vectors.items()
    for other in around.blocks:
        if other.name != block.name and np.squeeze(other.weights).ndim == 1:
            yield other.name, np.squeeze(other.weights)
