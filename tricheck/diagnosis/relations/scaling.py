"""Zero, minus, or a constant times the right gradient; a bias that is averaged or oversummed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tricheck.diagnosis.relations.block import Block, Facts
from tricheck.diagnosis.relations.explanation import Explanation
from tricheck.diagnosis.relations.fit import Factor, factor_of, holds, times
from tricheck.diagnosis.relations.readings import Readings, readings_of
from tricheck.diagnosis.relations.surroundings import Surroundings
from tricheck.vocabulary import Cause

_SHOWN = 3  # readings that a message lists
_AMBIGUOUS = ("2", "1/2")  # as likely to be the 2 of a square as a batch of two
_ROUND = 64.0  # times epsilon: what rounding may leave
_ROUND_NORMS = math.log10(2 * 90 * 12)  # digits: numbers of two figures, in a dozen decades


def scaling(block: Block, around: Surroundings) -> Iterator[Explanation]:
    """Constants that the right gradient may have been multiplied by."""
    largest = float(np.max(np.abs(block.truth), where=block.known, initial=0.0))
    if np.all(np.abs(block.backprop) <= _ROUND * block.eps * largest):
        yield _zero(block)
        return
    if (fitted := factor_of(block)) is None:
        return
    if abs(fitted.value + 1.0) <= fitted.error:
        yield _sign(block)
        return
    company = _company(block, around, fitted)
    shared = min([fitted, *company[:1]], key=lambda factor: factor.error)
    if holds(block, shared):  # one factor of several parameters is one number
        fitted = shared
    sign = math.copysign(1.0, fitted.value)
    readings = readings_of(abs(fitted.value), fitted.error, around)
    readings = readings.that(lambda value: holds(block, Factor(sign * value, 0.0)))
    base = _scale(block, around, fitted, readings)
    norm = _round_norm(block, around, fitted) if not readings.found else None
    if norm is not None:
        base = replace(
            base,
            reading=f", and its norm is {norm:g}, consistent with a gradient clipped to that norm: "
            "check it before it is clipped",
            evidence={**base.evidence, "norm": norm},
            bare=False,
        )
        yield replace(base, free=0, cost=_ROUND_NORMS)
    for reading in readings.found[:1]:
        yield _times(block, base, Factor(sign * reading.value, 0.0), readings.cost)
    if company:
        yield _times(block, base, company[0], math.log10(1 + len(around.blocks)))
    yield base


def totals(block: Block) -> Iterator[Explanation]:
    """Every entry of a bias is the sum, or the mean, of all of its right entries."""
    if _axes(block) != 1 or not np.all(block.known):
        return
    for name, share in (("sum", 1.0), ("mean", 1.0 / block.truth.size)):
        yield Explanation(
            Cause.BIAS_REDUCTION,
            f"the {name} over all units",
            f"Every entry of backprop is the {name} of all the right entries",
            f", consistent with a {name} over the units as well as over the batch: reduce over the "
            "batch alone",
            np.full(block.shape, share * float(np.sum(block.truth))),
            block.slack + share * float(np.sum(block.slack)),
            cost=0.5,
        )


def _zero(block: Block) -> Explanation:
    exactly = not np.any(block.backprop)
    return Explanation(
        Cause.ZERO,
        "0",
        "Backprop is 0 throughout",
        ", consistent with a block that is never computed, or a path that is cut"
        if exactly
        else ", consistent with terms that cancel where they should not",
        np.zeros(block.shape),
        block.slack,
        cost=0.0 if exactly else block.truth.size,  # why they cancel says more, if it is found
    )


def _sign(block: Block) -> Explanation:
    return Explanation(
        Cause.SIGN,
        "minus",
        "Backprop is minus the right gradient",
        ", consistent with a minus that is lost, or applied twice, on the way to it",
        -block.truth,
        block.slack,
        cost=0.5,
        evidence={"factor": -1.0},
    )


# --- a constant factor --------------------------------------------------------------------------


def _scale(block: Block, around: Surroundings, fitted: Factor, readings: Readings) -> Explanation:
    """An explanation by the factor as it was fitted."""
    alone = _is_reduction(block, around, fitted, readings)
    told = _where(block, around, fitted) if alone else _aside(block, around, fitted)
    factor, ratio = fitted.value, ""
    evidence: Facts = {"factor": factor, "readings": readings.texts}
    if readings.found:
        matches = readings.found[0].plain
        evidence = {**evidence, "matches": matches}
        if set(matches) & {"/", "√"}:
            ratio = f" ({'-' if factor < 0 else ''}{matches})"
    return Explanation(
        Cause.BIAS_REDUCTION if alone else Cause.SCALE,
        f"{_shown(factor)} times",
        f"Backprop is {_shown(factor)}{ratio} times the right gradient",
        _reading(readings) + told,
        *times(block, fitted),
        free=1,
        evidence=evidence,
        bare=not readings.found,
    )


def _shown(factor: float) -> str:
    """A factor; how far it is from one where six digits do not show that."""
    off = abs(factor) - 1.0
    if abs(off) > 1e-5:
        return f"{factor:.6g}"
    sign, about = "-" * (factor < 0), f"1 {'+' if off > 0 else '-'} {abs(off):.3g}"
    return f"{sign}({about})"


_ALONE = ", in this parameter alone: look at its reduction over the batch"
_BIASES = ", in biases alone: look at their reduction over the batch"


def _where(block: Block, around: Surroundings, fitted: Factor) -> str:
    return _BIASES if _sharing(block, around, fitted) else _ALONE


def _sharing(block: Block, around: Surroundings, fitted: Factor) -> list[Block]:
    return [other for other in _others(block, around) if _shares(other, around, fitted)]


def _times(block: Block, base: Explanation, factor: Factor, cost: float) -> Explanation:
    """The same for a factor that is known beforehand."""
    predicted, tolerance = times(block, factor)
    return replace(base, prediction=predicted, tolerance=tolerance, cost=cost, free=0)


def _reading(readings: Readings) -> str:
    """What a factor is consistent with, and what it is made of."""
    if not readings.found:
        return ", consistent with a factor that is left out or applied twice"
    consistent = f", consistent with {' or '.join(readings.hints[:_SHOWN])}"
    if readings.texts == [readings.found[0].plain]:
        return consistent
    return f": {' or '.join(readings.texts[:_SHOWN])}{consistent}"


def _aside(block: Block, around: Surroundings, fitted: Factor) -> str:
    others = _others(block, around)
    if others and all(_shares(other, around, fitted) for other in others):
        return "; all parameters share it: look at where the backward pass starts"
    return ""


def _shares(other: Block, around: Surroundings, fitted: Factor) -> bool:
    """Whether another block is explained by the same factor."""
    theirs = around.factors.get(other.name)
    return theirs is not None and abs(theirs.value - fitted.value) <= theirs.error + fitted.error


def _company(block: Block, around: Surroundings, fitted: Factor) -> list[Factor]:
    """Other blocks' factors, the surest first, if this one can have the same.

    That is no coincidence even of one entry.
    """
    others = (o.name for o in _others(block, around) if _shares(o, around, fitted))
    return sorted((around.factors[name] for name in others), key=lambda factor: factor.error)


def _others(block: Block, around: Surroundings) -> list[Block]:
    """The other parameters that have a gradient to speak of."""
    others = [other for other in around.blocks if other.name != block.name]
    return [other for other in others if np.any(np.abs(other.truth) > other.slack)]


def _round_norm(block: Block, around: Surroundings, fitted: Factor) -> float | None:
    """The norm of the whole gradient, or of this block, if it is a number of two figures."""
    if not 0.0 < fitted.value < 1.0:
        return None
    others = _others(block, around)
    whole = [block, *others] if all(_shares(other, around, fitted) for other in others) else []
    for blocks in ([block], whole):
        norm = math.sqrt(sum(float(np.sum(b.backprop**2)) for b in blocks))
        if math.isfinite(norm) and norm:
            near = float(f"{norm:.1e}")
            if abs(norm / near - 1.0) <= _ROUND * block.eps:
                return near
    return None


# --- biases -------------------------------------------------------------------------------------


def _axes(block: Block) -> int:
    """Axes of more than one entry."""
    return sum(length > 1 for length in block.shape)


def is_bias(block: Block, around: Surroundings) -> bool:
    """Whether a block has one axis or none, beside others that have more."""
    return _axes(block) < 2 and any(_axes(other) > _axes(block) for other in around.blocks)


def _is_reduction(block: Block, around: Surroundings, fitted: Factor, readings: Readings) -> bool:
    """Whether a bias alone has a factor made of a size that it is summed over."""
    larger = [other for other in around.blocks if _axes(other) > _axes(block)]
    others = _sharing(block, around, fitted)
    company = [block, *others] if others else []
    return (
        is_bias(block, around)
        and bool(readings.found)
        and readings.found[0].plain not in _AMBIGUOUS
        and any(reading.size in around.batches for reading in readings.found)
        and not any(_shares(other, around, fitted) for other in larger)
        and all(len(one.shape) < 2 or one.shape[0] == 1 for one in company)  # no column of weights
    )
