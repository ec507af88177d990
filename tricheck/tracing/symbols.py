"""Numbers that carry a formula: NumPy's object arrays of them run a loss symbolically.

NumPy's object loops call ``x.exp()`` for ``np.exp`` and Python's operators for arithmetic, so no
patching is needed. Each number also has its value at the point, which decides comparisons; a
formula is that of the branch taken there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import sympy

from tricheck.errors import TraceError

# Enough for every float64 constant to enter with an error far below the 50 digits asked for.
DIGITS = 60
MOST_OPERATIONS = 20_000


class Symbol:
    """A scalar with its formula and its value at the point.

    Parameters
    ----------
    formula : sympy expression
    value : float
    operations : int
        How many the formula is made of, written out.

    Raises
    ------
    TraceError
        When they are too many for sympy to handle in seconds.
    """

    __slots__ = ("formula", "operations", "value")
    __hash__ = object.__hash__

    def __init__(self, formula: Any, value: float, operations: int = 0) -> None:
        if operations > MOST_OPERATIONS:
            raise TraceError(
                f"the loss has more than {MOST_OPERATIONS} operations as a formula, which is more "
                "than symbols serve: check a smaller version of the model"
            )
        self.formula = formula
        self.value = value
        self.operations = operations

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> NoReturn:
        raise TraceError("a symbol was turned into a number, which cuts its path to the parameters")

    __int__ = __index__ = __complex__ = __float__

    def __repr__(self) -> str:
        return str(self.formula)

    def __pow__(self, other: Any) -> Symbol:
        return _combine(self, other, lambda a, b: a**b)

    def __rpow__(self, other: Any) -> Symbol:
        return _combine(other, self, lambda a, b: a**b)

    def __neg__(self) -> Symbol:
        return Symbol(-self.formula, -self.value, self.operations)

    def __pos__(self) -> Symbol:
        return self

    def __abs__(self) -> Symbol:
        return self if self.value >= 0 else -self

    def conjugate(self) -> Symbol:
        return self

    def square(self) -> Symbol:
        return self * self  # type: ignore[no-any-return, operator]


def _combine(first: Any, second: Any, operation: Callable[[Any, Any], Any]) -> Symbol:
    formula = operation(formula_of(first), formula_of(second))
    with np.errstate(all="ignore"):
        value = operation(np.float64(_value_of(first)), np.float64(_value_of(second)))
    return Symbol(formula, float(value), 1 + _operations_of(first) + _operations_of(second))


def _operations_of(number: Any) -> int:
    return number.operations if isinstance(number, Symbol) else 0


def formula_of(number: Any) -> Any:
    """A formula for a symbol or a plain number, the number exact to 60 digits."""
    if isinstance(number, Symbol):
        return number.formula
    if isinstance(number, int | np.integer | np.bool_):
        return sympy.Integer(int(number))
    value = float(number)
    return sympy.Integer(int(value)) if value.is_integer() else sympy.Float(value, DIGITS)


def _value_of(number: Any) -> float:
    return number.value if isinstance(number, Symbol) else float(number)


def _binary(operation: Callable[[Any, Any], Any], reflected: bool) -> Callable[[Symbol, Any], Any]:
    def operate(self: Symbol, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented  # let the array work entry by entry
        return _combine(other, self, operation) if reflected else _combine(self, other, operation)

    return operate


def _comparison(operation: Callable[[float, float], bool]) -> Callable[[Symbol, Any], Any]:
    def compare(self: Symbol, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        return bool(operation(self.value, _value_of(other)))

    return compare


def _function(
    formula: Callable[[Any], Any], value: Callable[[Any], Any]
) -> Callable[[Symbol], Any]:
    def apply(self: Symbol) -> Symbol:
        with np.errstate(all="ignore"):
            at_point = float(value(np.float64(self.value)))
        return Symbol(formula(self.formula), at_point, self.operations + 1)

    return apply


for _name, _operation in {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "truediv": lambda a, b: a / b,
}.items():
    setattr(Symbol, f"__{_name}__", _binary(_operation, reflected=False))
    setattr(Symbol, f"__r{_name}__", _binary(_operation, reflected=True))
for _name, _test in {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}.items():
    setattr(Symbol, f"__{_name}__", _comparison(_test))

# The names under which NumPy's object loops look for a function
for _name, _formula in {
    "exp": sympy.exp, "log": sympy.log, "sqrt": sympy.sqrt,
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan,
    "sinh": sympy.sinh, "cosh": sympy.cosh, "tanh": sympy.tanh,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan,
    "arcsinh": sympy.asinh, "arccosh": sympy.acosh, "arctanh": sympy.atanh,
    "log1p": lambda z: sympy.log(1 + z), "expm1": lambda z: sympy.exp(z) - 1,
    "log2": lambda z: sympy.log(z) / sympy.log(2), "log10": lambda z: sympy.log(z) / sympy.log(10),
    "exp2": lambda z: 2**z, "cbrt": lambda z: sympy.sign(z) * sympy.Abs(z) ** sympy.Rational(1, 3),
}.items():  # fmt: skip
    setattr(Symbol, _name, _function(_formula, getattr(np, _name)))


def arctan2(self: Symbol, other: Any) -> Symbol:
    """NumPy's name for the angle of the point (other, self)."""
    return Symbol(
        sympy.atan2(self.formula, formula_of(other)),
        math.atan2(self.value, _value_of(other)),
        1 + self.operations + _operations_of(other),
    )


Symbol.arctan2 = arctan2  # type: ignore[attr-defined]
