"""The reference by symbols: the loss run on formulas, its derivatives evaluated to 50 digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricheck.calls import Calls
from tricheck.errors import TraceError
from tricheck.parameters import FloatArray, Parameters
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate
from tricheck.sources.same_loss import differing
from tricheck.vocabulary import Source

MOST_PARAMETERS = 100
_DIGITS = 50


def measure(calls: Calls, noise: Noise, _seed: int) -> ReferenceEstimate:
    """The gradient of the model's own loss, exact to the last float64 digit.

    Raises
    ------
    TraceError
        When the loss cannot be run on symbols, or the model is larger than symbols serve.
    """
    parameters = calls.parameters
    if parameters.size > MOST_PARAMETERS:
        raise TraceError(
            f"the symbolic reference serves {MOST_PARAMETERS} parameters, the model has "
            f"{parameters.size}: check a smaller version of it"
        )
    symbols, formula = _formula(calls)
    values = _evaluate(formula, symbols, parameters)
    eps = float(np.finfo(np.float64).eps)
    gradient = values[1:]
    return ReferenceEstimate(
        Source.REFERENCE,
        gradient,
        np.where(np.isfinite(gradient), eps * np.abs(gradient), np.inf),
        "sympy through the loss, 50 digits",
        traced=True,
        mismatch=differing(calls.loss(parameters.values), values[0], noise),
    )


def _formula(calls: Calls) -> tuple[list[Any], Any]:
    """Symbols for every entry, and the loss as a formula of them."""
    import sympy

    from tricheck.location import user_line
    from tricheck.tracing.symbols import Symbol, formula_of

    parameters = calls.parameters
    symbols = [sympy.Symbol(f"x{i}", real=True) for i in range(parameters.size)]
    flat = np.empty(parameters.size, dtype=object)
    flat[:] = [Symbol(s, float(x)) for s, x in zip(symbols, parameters.values, strict=True)]
    calls.counts["reference"] += 1
    args, kwargs = calls.arguments()
    try:
        answer = calls.model.loss(parameters.build(flat), *args, **kwargs)
    except Exception as error:
        line = user_line(error)
        raise TraceError(
            f"{line + ': ' if line else ''}the loss does not run on symbols "
            f"({type(error).__name__}: {error})"
        ) from error
    if calls.model.gradient is True:
        answer = answer[0]
    if isinstance(answer, np.ndarray) and answer.size == 1:
        answer = answer.reshape(-1)[0]
    return symbols, formula_of(answer)


def _evaluate(formula: Any, symbols: list[Any], parameters: Parameters) -> FloatArray:
    """The formula and its derivatives at the point, rounded once from 50 digits."""
    import mpmath
    import sympy

    try:
        outputs = [formula, *(sympy.diff(formula, symbol) for symbol in symbols)]
        function = sympy.lambdify(symbols, outputs, modules="mpmath", cse=True)
        with mpmath.workdps(_DIGITS):
            point = [mpmath.mpf(float(x)) for x in parameters.values]
            return np.array([_real(number) for number in function(*point)])
    except (ArithmeticError, NameError, TypeError, ValueError) as error:
        raise TraceError(
            f"the symbolic derivative has no value at the point ({type(error).__name__}: {error})"
        ) from error


def _real(number: Any) -> float:
    value = complex(number)
    return value.real if value.imag == 0.0 else np.nan
