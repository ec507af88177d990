"""The derivative that a derivation should have arrived at, as a formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tricheck.calls import Calls
from tricheck.errors import TraceError
from tricheck.model import Model
from tricheck.parameters import FloatArray, Index, Parameters
from tricheck.sources.cut import contradicts
from tricheck.sources.sympy import recorded

if TYPE_CHECKING:
    from tricheck.tracing.symbols import Recording

MOST_WRITTEN = 20_000


@dataclass(frozen=True)
class Formula:
    """The derivative of the loss in one entry of a parameter.

    Attributes
    ----------
    model, parameter : str
    index : tuple of int
        The entry.
    expression : sympy expression
        Of symbols named like the entries (``W1[0,1]``); numbers are exact to 60 digits. It holds
        for the branches that the loss takes at the point.
    text, latex : str
        The same, with numbers of six digits.
    value : float
        At the point.
    digits : str
        The value to 50 digits; ``nan`` where there is no derivative.
    """

    model: str
    parameter: str
    index: Index
    expression: Any
    text: str
    latex: str
    value: float
    digits: str

    def __str__(self) -> str:
        from tricheck.report.formula import to_text

        return to_text(self)

    def _repr_latex_(self) -> str:
        """For a notebook."""
        return f"${self.latex}$"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For IPython."""
        printer.text(str(self) if not cycle else "Formula(...)")


def formula(
    model: Model, name: str, index: Index | int = (), *, point: FloatArray | None = None
) -> Formula:
    """Derive the loss in one entry of a parameter.

    The loss is run on symbols, as the reference ``"sympy"`` does it, and the chain rule carried out
    on formulas. They are simplified for a few seconds, and what has been found by then is shown.

    Parameters
    ----------
    model : Model
    name : str
        The parameter, as reports name it.
    index : tuple of int, or int
        The entry; () for a number.
    point : ndarray, shape (size,), optional
        The flat vector of all parameters, unless it is the model's own.

    Returns
    -------
    Formula
        Prints for a person.

    Raises
    ------
    ModelError
        When there is no such entry.
    TraceError
        When the loss does not run on symbols, or is larger than 20 000 operations as a formula.

    Examples
    --------
    >>> import numpy as np
    >>> from tricheck import Model
    >>> X = np.array([0.25, 0.5])
    >>> def loss(p):
    ...     return np.exp(X @ p["w"]) * p["c"]
    >>> model = Model(loss, lambda p: p, {"w": np.array([0.5, 2.0]), "c": 2.0})
    >>> formula(model, "w", 1).text
    'c*exp(w[0]/4 + w[1]/2)/2'
    >>> formula(model, "c").digits
    '3.0802168489180312450046678787770395770589937598261'
    """
    with model.at_work() as working:
        calls = Calls(working, Parameters.read(working.params))
        _, position = calls.parameters.position(name, index)
        values = calls.parameters.values if point is None else point
        try:
            recording = recorded(calls, values)
            formula = _derived(model.title, recording, calls.parameters, values, position)
            if contradicts(formula.value, position, values, calls):
                raise TraceError(
                    f"the formula's value {formula.value:.6g} is not the slope of the loss: the "
                    "path to the parameter is cut somewhere, by text or another program's data"
                )
        finally:
            calls.leave_state_at_point()
    return formula


def _derived(
    title: str, recording: Recording, parameters: Parameters, values: FloatArray, position: int
) -> Formula:
    import mpmath
    import sympy

    from tricheck.report.formula import latex, latex_name, symbol_name, text
    from tricheck.tracing.chain_rule import DIGITS, FORMULAS, derive, evaluate

    parameter, index = parameters.locate(position)
    _refuse_large(recording)
    entries = [(leaf.name, i) for leaf, i in map(parameters.locate, range(parameters.size))]
    symbols = [sympy.Symbol(symbol_name(*entry), real=True) for entry in entries]
    in_latex = dict(zip(symbols, (latex_name(*entry) for entry in entries), strict=True))
    _, [derivative], _ = evaluate(recording, values, [position])
    try:
        _, [written] = derive(recording, symbols, [position], FORMULAS)
        written = _shortest(sympy.sympify(written), symbols, values, derivative)
        shown = text(written), latex(written, in_latex)
    except RecursionError as error:
        raise TraceError(
            "the loss nests its operations deeper than sympy's formulas can: check a smaller "
            "version of the model"
        ) from error
    return Formula(
        title,
        parameter.name,
        index,
        written,
        *shown,
        float(derivative),
        mpmath.nstr(derivative, DIGITS) if mpmath.isfinite(derivative) else "nan",
    )


def _refuse_large(recording: Recording) -> None:
    written = recording.written
    if written > MOST_WRITTEN:
        raise TraceError(
            f"the loss is a formula of {written:.3g} operations, and formulas are shown up to "
            f"{MOST_WRITTEN}: check a smaller version of the model (fewer samples, fewer units)"
        )


def _shortest(expression: Any, symbols: Sequence[Any], values: FloatArray, derivative: Any) -> Any:
    """The shortest form that is found in time, and has the derivative's value."""
    import mpmath

    from tricheck.tracing.chain_rule import DIGITS, evaluate
    from tricheck.tracing.expressions import Loss
    from tricheck.tracing.simplify import simpler
    from tricheck.tracing.symbols import record

    allowed = mpmath.mpf(10) ** (-DIGITS // 2) * (1 + abs(derivative))
    for form in simpler(expression):
        try:
            value, *_ = evaluate(record(Loss(form, tuple(symbols)), values), values, [])
        except TraceError:
            continue
        if abs(value - derivative) <= allowed:
            return form
    return expression
