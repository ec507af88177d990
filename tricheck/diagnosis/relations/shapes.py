"""A gradient of the wrong shape: what would make it right, tried out on its values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from tricheck.diagnosis.relations.block import Block
from tricheck.diagnosis.relations.relation import relation
from tricheck.diagnosis.relations.scaling import is_bias
from tricheck.diagnosis.relations.surroundings import Surroundings
from tricheck.parameters import FloatArray, ShapeError
from tricheck.vocabulary import Cause, Finding

_ROUNDING = 64.0  # times epsilon times the size of what is added up


class Mend(NamedTuple):
    """A way to the parameter's shape.

    Attributes
    ----------
    hint : str
        What is wrong, like "not reduced over axis 0".
    advice : str
        The same with what to do, like "it is not reduced over axis 0; sum over it".
    values : ndarray
        In the parameter's shape.
    rounding : ndarray
        Bound on what adding up has lost.
    reduction : bool
        Whether it adds up.
    """

    hint: str
    advice: str
    values: FloatArray
    rounding: FloatArray
    reduction: bool = False


def wrong_shape(error: ShapeError, block: Block, around: Surroundings) -> Finding:
    """The finding on a gradient that has not its parameter's shape."""
    message = f"The gradient has shape {error.came}, its parameter {error.expected}"
    evidence: dict[str, float | str | list[str]] = {
        "came": str(error.came),
        "expected": str(error.expected),
    }
    bias = is_bias(block, around)
    mended = [(mend, _mended(mend, block)) for mend in _mends(error)]
    if not mended:
        if bias and _same_total(error, block):
            message += ": its total is right, consistent with a sum over the wrong axes."
            return block.finding(Cause.BIAS_REDUCTION, message, evidence | {"hint": "wrong axes"})
        message += ": return an array of the parameter's shape."
        return block.finding(Cause.SHAPE, message, evidence)
    # The right way is the one that leaves nothing to explain, or what can be explained.
    mend, after = min(mended, key=lambda pair: _wrong(pair[1]))
    then = "then it is right."
    if _wrong(after):
        explanation = relation(after, around)
        then = f"but that is off by {after.relative_error:.1e} of its norm too."
        if explanation is not None:
            then = f"then more is wrong. {explanation.message(explanation.digits(after))}"
    evidence |= {
        "hint": mend.hint,
        "residual": float(np.max(np.abs(after.error))),
        "bound": float(np.max(after.slack)),
    }
    cause = Cause.BIAS_REDUCTION if mend.reduction and bias else Cause.SHAPE
    return block.finding(cause, f"{message}: {mend.advice}, {then}", evidence)


def _mended(mend: Mend, block: Block) -> Block:
    slack = block.slack + _ROUNDING * block.eps * mend.rounding
    return replace(block, backprop=mend.values, slack=slack)


def _wrong(block: Block) -> int:
    """How many entries are wrong, NaN among them."""
    return int(np.sum(block.off | ~np.isfinite(block.backprop)))


def _same_total(error: ShapeError, block: Block) -> bool:
    """Whether all entries add up to what the right ones do."""
    gap = abs(float(np.sum(error.block)) - float(np.sum(block.truth)))
    size = float(np.sum(np.abs(error.block))) + float(np.sum(np.abs(block.truth)))
    return gap <= float(np.sum(block.slack)) + _ROUNDING * block.eps * size


def _mends(error: ShapeError) -> Iterator[Mend]:
    """What leads to the right shape."""
    came = np.asarray(error.block, dtype=np.float64)
    expected = error.expected
    if came.ndim > 1 and came.shape == expected[::-1]:
        advice = "it is transposed; transpose it"
        yield Mend("transposed", advice, came.T, np.abs(came.T))
    yield from _sums(came, expected)
    if came.size == int(np.prod(expected)):
        for order, how in (("C", ""), ("F", " in Fortran's order")):
            values = came.reshape(expected, order=order)  # type: ignore[call-overload]
            yield Mend("reshape", f"reshape it{how}", values, np.abs(values))


def _sums(came: FloatArray, expected: tuple[int, ...]) -> Iterator[Mend]:
    """Sums over axes that the parameter does not have, or has in length 1."""
    for count in range(1, came.ndim + 1):
        for axes in combinations(range(came.ndim), count):
            for keep in (False, True):
                values = np.sum(came, axis=axes, keepdims=keep)
                if values.shape == expected and came.size > values.size:
                    named = f"{'axis' if count == 1 else 'axes'} {', '.join(map(str, axes))}"
                    rounding = np.sum(np.abs(came), axis=axes, keepdims=keep)
                    hint = f"not reduced over {named}"
                    advice = f"it is {hint}; sum over {'it' if count == 1 else 'them'}"
                    yield Mend(hint, advice, values, rounding, reduction=True)
