"""A loss written down in sympy, carried out step by step on symbols as NumPy code would be."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import sympy
from sympy.matrices.expressions.matexpr import MatrixElement

from tricheck.errors import ModelError, TraceError
from tricheck.tracing.symbols import Operation, Symbol, operation, step


@dataclass(frozen=True)
class Loss:
    """A scalar expression of real symbols, one for each entry of the parameters.

    Attributes
    ----------
    expression : sympy expression
    symbols : tuple of sympy symbols
    """

    expression: Any
    symbols: tuple[Any, ...]

    @classmethod
    def read(cls, expression: Any, entries: Sequence[Any]) -> Loss:
        """Read what the user wrote.

        Parameters
        ----------
        expression : sympy expression or matrix
        entries : sequence
            What stands for each entry in it: symbols, or elements of matrix symbols.

        Raises
        ------
        ModelError
            When an entry is no symbol or stands twice, the expression is not scalar, or it has a
            symbol that stands for no entry.
        """
        for entry in entries:
            if not isinstance(entry, sympy.Symbol | MatrixElement):
                raise ModelError(f"symbols holds {entry!r}, expected sympy symbols")
        if len(set(entries)) < len(entries):
            twice = next(entry for entry in entries if list(entries).count(entry) > 1)
            raise ModelError(f"symbols holds {twice} twice: give each entry its own symbol")
        # Real ones, so that sympy leaves out what only complex numbers need.
        real = {entry: sympy.Dummy(str(entry), real=True) for entry in entries}
        scalar = _scalar(expression.subs(_matrices(real)).doit()).xreplace(real)
        if strangers := sorted(map(str, scalar.free_symbols - set(real.values()))):
            raise ModelError(
                f"the expression has {', '.join(strangers)}, which stands for no parameter: "
                "substitute numbers for data, or name it in symbols"
            )
        return cls(scalar, tuple(real.values()))

    @property
    def present(self) -> list[bool]:
        """Which entries occur in the expression."""
        free = self.expression.free_symbols
        return [symbol in free for symbol in self.symbols]

    def __call__(self, entries: npt.NDArray[Any]) -> Any:
        """The loss of entries that record themselves.

        Raises
        ------
        TraceError
            When it holds something that has no value.
        """
        return _Replay(dict(zip(self.symbols, entries, strict=True)))(self.expression)


def is_expression(value: Any) -> bool:
    """Whether something can be a loss written down in sympy."""
    return isinstance(value, sympy.Expr | sympy.MatrixBase)


def _matrices(real: dict[Any, Any]) -> dict[Any, Any]:
    """Each matrix symbol as the matrix of its elements."""
    symbols = {entry.parent for entry in real if isinstance(entry, MatrixElement)}
    return {m: sympy.ImmutableMatrix(m).xreplace(real) for m in symbols}


def _scalar(expression: Any) -> Any:
    shape = getattr(expression, "shape", ())
    if shape in ((), (1, 1)):
        return expression[0, 0] if shape else expression
    raise ModelError(f"the expression is a matrix of shape {shape}, expected a scalar loss")


class _Replay:
    """An expression's steps, each shared part once."""

    def __init__(self, entries: dict[Any, Any]) -> None:
        self._known: dict[Any, Any] = dict(entries)
        self._point = {symbol: sympy.Float(entry.value) for symbol, entry in entries.items()}
        self._anchor = next(iter(entries.values()))

    def __call__(self, node: Any) -> Any:
        if node not in self._known:
            value = self._made(node)
            self._known[node] = value if isinstance(value, Symbol) else self._number(value)
        return self._known[node]

    def _made(self, node: Any) -> Any:
        if node.is_number:
            return node
        if isinstance(node, sympy.Piecewise):
            return self(self._branch(node))
        operands = [self(part) for part in node.args]
        for kind, carry_out in _CARRIED_OUT.items():
            if isinstance(node, kind):
                return carry_out(operands)
        if not isinstance(node, sympy.Function):
            raise TraceError(f"sympy's {type(node).__name__} in the expression has no value")
        made = _function(node.func, len(operands))
        value = made.value.numeric([mpmath.mpf(float(x.value)) for x in operands])
        return step(made, np.float64(value), *operands)

    def _number(self, value: Any) -> Symbol:
        """A constant, exact: no float64 stands between it and the 50 digits."""
        constant = operation(sympy.sympify(value), ())
        assert self._anchor.tape is not None  # the run is under way
        return Symbol(self._anchor.tape, np.float64(constant.value.numeric([])), constant)

    def _branch(self, node: Any) -> Any:
        for value, condition in node.args:
            if condition.subs(self._point) == True:  # noqa: E712  # sympy's true is not Python's
                return value
        raise TraceError("a Piecewise in the expression covers no branch at the point")


_CARRIED_OUT: dict[Any, Callable[[list[Any]], Any]] = {
    sympy.Add: functools.partial(functools.reduce, operator.add),
    sympy.Mul: functools.partial(functools.reduce, operator.mul),
    sympy.Pow: lambda operands: operands[0] ** operands[1],
    sympy.Abs: lambda operands: abs(operands[0]),
    sympy.Max: max,
    sympy.Min: min,
    sympy.sign: lambda operands: np.sign(operands[0]),
    sympy.floor: lambda operands: math.floor(operands[0]),
    sympy.ceiling: lambda operands: math.ceil(operands[0]),
}


@functools.cache
def _function(function: Any, count: int) -> Operation:
    return operation(function(*(names := sympy.symbols(f"a:{count}", real=True))), tuple(names))
