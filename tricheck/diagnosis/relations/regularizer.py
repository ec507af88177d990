"""Backprop as a combination of the right gradient and the parameter itself: α r + β W.

The right gradient r is that of the data term plus t W, the weight decay's, whose slope t is known
only as far as a number that the user has named may be in it. In backprop, then, the data term has
the factor α, and the weight decay α + β/t.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tricheck.diagnosis.relations.block import Block
from tricheck.diagnosis.relations.explanation import Explanation
from tricheck.diagnosis.relations.fit import Fit, fit
from tricheck.diagnosis.relations.readings import Readings, readings_of
from tricheck.diagnosis.relations.surroundings import Surroundings
from tricheck.parameters import FloatArray
from tricheck.vocabulary import Cause

_SHOWN = 2  # readings that a message lists
_CANCELLED = 100.0  # times the error that is left


def regularizer(block: Block, around: Surroundings) -> Iterator[Explanation]:
    """What a weight decay that backprop treats otherwise than the loss does would leave."""
    yield from _decayed(block, around, block.weights, "W")
    if np.ptp(np.abs(block.weights)) > 0.0:
        yield from _decayed(block, around, np.sign(block.weights), "sign(W)")


def _decayed(
    block: Block, around: Surroundings, column: FloatArray, symbol: str
) -> Iterator[Explanation]:
    alone = fit(block, block.error, column)
    if alone is not None and alone.holds(block, block.error):
        yield from _one_term(block, around, alone, symbol)
        return
    both = fit(block, block.backprop, block.truth, column)
    if both is None:
        return
    both = both.widened(max(1.0, abs(float(both.coefficients[0]))))
    by_factor, by_decay = np.abs(both.coefficients - [1.0, 0.0]) > both.errors
    # Two large changes that nearly cancel are no mistake that anybody makes.
    changed = abs(float(both.coefficients[0]) - 1.0)
    cancels = changed > _CANCELLED * block.relative_error
    if by_factor and by_decay and not cancels and both.holds(block, block.backprop):
        yield from _two_terms(block, around, both, symbol)


# --- the data term right ------------------------------------------------------------------------


def _one_term(block: Block, around: Surroundings, found: Fit, symbol: str) -> Iterator[Explanation]:
    """Explanations by the weight decay alone."""
    [beta], [error] = map(float, found.coefficients), map(float, found.errors)
    mistakes = list(_mistakes(around, symbol))
    readings = [reading for value, reading in mistakes if abs(value - beta) <= error]
    amount = f"{abs(beta):.6g} times {_SAID[symbol]}"
    unnamed = "missing, too weak or of the wrong sign" if beta < 0 else _ADDED + "or too strong"
    explanation = Explanation(
        Cause.REGULARIZER,
        f"r {beta:+.6g} {symbol}",
        f"Backprop lacks {amount}" if beta < 0 else f"Backprop has {amount} too much",
        f", consistent with a weight decay that is {_listed(readings) or unnamed}",
        block.truth + found.prediction,
        found.tolerance,
        free=1,
        evidence={"alpha": 1.0, "beta": beta, "readings": readings},
        bare=not readings,
    )
    if readings:
        yield replace(explanation, cost=math.log10(len(mistakes)), free=0)
    if np.ptp(found.prediction) > 0.0:  # else it might as well be a constant that is added
        yield explanation


_SAID = {"W": "the parameter itself", "sign(W)": "the parameter's sign"}
_ADDED = "doubled, not in the loss for this parameter, "


def _mistakes(around: Surroundings, symbol: str) -> Iterator[tuple[float, str]]:
    """What β can be, and which mistake that is."""
    batches = sorted(around.batches - {1, 2})
    for slope, name in slopes(around):
        of = f" (of slope {name} {symbol})"
        yield -slope, "missing" + of
        yield -slope / 2.0, "halved" + of
        yield -slope * 2.0, "of the wrong sign" + of
        yield slope, "doubled, or not in the loss for this parameter" + of
        for n in batches:
            yield slope * (1.0 / n - 1.0), f"divided by {n}" + of
            yield slope * (n - 1.0), f"{n} times too strong" + of


def slopes(around: Surroundings) -> Iterator[tuple[float, str]]:
    """What the weight decay's slope can be over W: λ, 2λ, λ/N, 2λ/N for every named number."""
    for name, number in around.numbers.items():
        if number and math.isfinite(number):
            yield number, name
            yield 2.0 * number, f"2 {name}"
            for n in sorted(around.batches - {1, 2}):
                yield number / n, f"{name}/{n}"
                yield 2.0 * number / n, f"2 {name}/{n}"


def _listed(readings: list[str]) -> str:
    return " or ".join(readings[:_SHOWN])


# --- both terms ---------------------------------------------------------------------------------


def _two_terms(
    block: Block, around: Surroundings, found: Fit, symbol: str
) -> Iterator[Explanation]:
    """Explanations by a factor of the data term and another of the weight decay."""
    (alpha, beta), (error, _) = map(float, found.coefficients), map(float, found.errors)
    factors = readings_of(abs(alpha), error, around)
    known = abs(alpha + 1.0) <= error or abs(alpha) <= error or bool(factors.found)
    decays, named = _beside(found, around, symbol)
    first = ""
    if abs(alpha) <= error:
        alpha = 0.0
    else:
        first = f"{alpha:.6g} times the right gradient {'plus' if beta > 0 else 'minus'} "
    # One mistake is likelier than two: where the weight decay may be right, it is.
    right = alpha != 0.0 and decays[0].startswith("right")
    by_data = right and (known or named or _shared(block, around, alpha, error))
    data = _data_term(alpha, error, factors)
    explanation = Explanation(
        _cause_in_data(alpha, error) if by_data else Cause.REGULARIZER,
        f"{alpha:.6g} r {beta:+.6g} {symbol}",
        f"Backprop is {first}{abs(beta) if first else beta:.6g} times {_SAID[symbol]}",
        f", consistent with the data term {data}, the weight decay {_listed(decays)}",
        found.prediction,
        found.tolerance,
        cost=1.0,
        free=2,
        evidence={
            "alpha": alpha,
            "beta": beta,
            "readings": [*factors.texts, *decays],
            **({"factor": alpha} if by_data else {}),
        },
        bare=not (known or named),
    )
    if known:
        yield replace(explanation, cost=explanation.cost + math.log10(2 + factors.tried), free=1)
    yield explanation


def _data_term(alpha: float, error: float, factors: Readings) -> str:
    """What became of the data term."""
    if alpha == 0.0:
        return "missing"
    if abs(alpha + 1.0) <= error:
        return "of the wrong sign"
    if not factors.found:
        return f"times {alpha:.6g}"
    return f"times {'minus ' if alpha < 0.0 else ''}{_listed(factors.texts)}"


def _cause_in_data(alpha: float, error: float) -> Cause:
    return Cause.SIGN if abs(alpha + 1.0) <= error else Cause.SCALE


def _shared(block: Block, around: Surroundings, alpha: float, error: float) -> bool:
    """Whether another parameter has the same factor."""
    others = (factor for name, factor in around.factors.items() if name != block.name)
    return any(abs(factor.value - alpha) <= factor.error + error for factor in others)


def _beside(found: Fit, around: Surroundings, symbol: str) -> tuple[list[str], bool]:
    """What the weight decay can be, right or missing, and whether its slope then has a name."""
    alpha, beta = map(float, found.coefficients)
    error = float(np.sum(found.errors)) * (1.0 + abs(beta / (1.0 - alpha)))
    ways = [("right", beta / (1.0 - alpha), 1.0 - alpha)]
    if abs(alpha) > found.errors[0]:
        ways.append(("missing", -beta / alpha, alpha))
    named, unnamed = [], []
    for how, slope, divisor in ways:
        allowed = error / abs(divisor)
        names = [name for number, name in slopes(around) if abs(number - slope) <= allowed]
        named += [f"{how} (of slope {name} {symbol})" for name in names]
        unnamed += [f"{how} (of slope {slope:.6g} {symbol})"] if slope > 0.0 else []
    return named or unnamed or ["wrong too"], bool(named)
