"""The chain rule backwards over a recorded run: once with 50-digit numbers, once with formulas.

Reverse accumulation (Linnainmaa, 1976) costs a few times the run itself, whatever the number of
parameters; the slopes of single operations are sympy's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import sympy

from tricheck.parameters import FloatArray
from tricheck.tracing.symbols import Function, Recording, Symbol

DIGITS = 50
_GUARD = 10
_DOUBLINGS = 3
_FORMULA_DIGITS = 60
_SHORT = 2**10


@dataclass(frozen=True)
class Arithmetic:
    """What the chain rule is carried out with.

    Attributes
    ----------
    number : callable
        Takes a plain number in.
    apply : callable
        A `Function` at operands.
    """

    number: Callable[[Any], Any]
    apply: Callable[[Function, Sequence[Any]], Any]


def _constant(number: Any) -> Any:
    """A plain number in a formula: exact to 60 digits, and short fractions as such."""
    fraction = sympy.Rational(*number.as_integer_ratio()) if np.isfinite(number) else None
    if fraction is not None and fraction.q <= _SHORT:
        return fraction
    return sympy.Float(float(number) if fraction is None else fraction, _FORMULA_DIGITS)


NUMBERS = Arithmetic(mpmath.mpmathify, Function.numeric)
FORMULAS = Arithmetic(_constant, Function.symbolic)


def derive(
    recording: Recording, entries: Sequence[Any], wanted: Sequence[int], arithmetic: Arithmetic
) -> tuple[Any, list[Any]]:
    """The loss and some of its derivatives.

    Parameters
    ----------
    recording : Recording
    entries : sequence, length (size,)
        The parameters' entries, as the arithmetic has them.
    wanted : sequence of int
        Positions of the entries to differentiate in.
    arithmetic : Arithmetic

    Returns
    -------
    value, derivatives
        As the arithmetic has them.
    """
    zero = arithmetic.number(0)
    if not isinstance(recording.end, Symbol):
        return arithmetic.number(recording.end), [zero for _ in wanted]
    needed, moving = _needed(recording), _moving(recording, wanted)
    steps = [step for step in recording.tape if needed[step.position]]
    values: list[Any] = [None] * len(recording.tape)
    values[: len(entries)] = entries

    def operands_of(step: Symbol) -> list[Any]:
        return [
            values[x.position] if isinstance(x, Symbol) else arithmetic.number(x)
            for x in step.operands
        ]

    for step in steps:
        if step.operation is not None:
            values[step.position] = arithmetic.apply(step.operation.value, operands_of(step))
    adjoints: list[Any] = [zero] * len(recording.tape)
    adjoints[recording.end.position] = arithmetic.number(1)
    for step in reversed(steps):
        if step.operation is None or not moving[step.position]:
            continue
        operands = operands_of(step)
        for operand, slope in zip(step.operands, step.operation.slopes, strict=True):
            if isinstance(operand, Symbol) and moving[operand.position]:
                part = adjoints[step.position] * arithmetic.apply(slope, operands)
                adjoints[operand.position] += part
    return values[recording.end.position], [adjoints[position] for position in wanted]


def _needed(recording: Recording) -> npt.NDArray[np.bool_]:
    """The steps that the loss is made of: others were taken in vain."""
    needed = np.zeros(len(recording.tape), dtype=bool)
    needed[recording.end.position] = True
    for step in reversed(recording.tape):
        if needed[step.position]:
            needed[[x.position for x in step.operands if isinstance(x, Symbol)]] = True
    return needed


def _moving(recording: Recording, wanted: Sequence[int]) -> npt.NDArray[np.bool_]:
    """The steps that depend on an entry to differentiate in."""
    moving = np.zeros(len(recording.tape), dtype=bool)
    moving[list(wanted)] = True
    for step in recording.tape:
        for operand in step.operands:
            if isinstance(operand, Symbol) and moving[operand.position]:
                moving[step.position] = True
    return moving


def evaluate(
    recording: Recording, flat: FloatArray, wanted: Sequence[int]
) -> tuple[Any, list[Any], list[Any]]:
    """The loss and some of its derivatives to 50 digits.

    The run is repeated with twice the digits until the derivatives no longer change, for terms may
    cancel: what they still changed by is their error.

    Parameters
    ----------
    recording : Recording
    flat : ndarray, shape (size,)
        The point.
    wanted : sequence of int
        Positions of the entries to differentiate in.

    Returns
    -------
    value : mpmath number
    derivatives, errors : list of mpmath numbers
        NaN where there is no derivative; exactly 0 where none can be told from 0.
    """
    entries = [mpmath.mpmathify(x) for x in flat]
    digits = DIGITS + _GUARD
    with mpmath.workdps(digits):
        value, derivatives = derive(recording, entries, wanted, NUMBERS)
    for _ in range(_DOUBLINGS):
        digits *= 2
        before = derivatives
        with mpmath.workdps(digits):
            value, derivatives = derive(recording, entries, wanted, NUMBERS)
            errors = [abs(b - a) for a, b in zip(before, derivatives, strict=True)]
        if _settled(derivatives, errors):
            break
    told = [mpmath.mpf(0) if abs(d) <= e else d for d, e in zip(derivatives, errors, strict=True)]
    return value, told, errors


def _settled(derivatives: list[Any], errors: list[Any]) -> bool:
    """Whether 50 digits of each are known, or of what it is beside the largest."""
    allowed = mpmath.mpf(10) ** -DIGITS
    finite = [abs(d) for d in derivatives if mpmath.isfinite(d)]
    least = allowed * max(finite, default=0)
    return all(
        error <= allowed * max(abs(derivative), least)
        for derivative, error in zip(derivatives, errors, strict=True)
        if mpmath.isfinite(derivative)
    )
