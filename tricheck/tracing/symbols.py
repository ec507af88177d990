"""Numbers that remember how they were made: NumPy's object arrays of them record a loss's steps.

NumPy's object loops call ``x.exp()`` for ``np.exp`` and Python's operators for arithmetic, so no
patching is needed. Each number has its float64 value at the point, which decides comparisons: what
is recorded is the branch taken there. At a tie that is the branch the code takes; where a single
function has no slope (``abs`` at 0, ``floor`` at a jump) the derivative is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import sympy

from tricheck.errors import TraceError
from tricheck.location import user_line
from tricheck.parameters import FloatArray
from tricheck.tracing.numbers import said

MOST_STEPS = 100_000
# Beyond this power of two no function is evaluated: the exponential of a number far outside
# float64's range has more digits than a memory holds.
_LARGEST_EXPONENT = 4096


@dataclass(frozen=True, eq=False)
class Function:
    """A formula of a few arguments, to be applied to 50-digit numbers or to other formulas.

    Attributes
    ----------
    arguments : tuple of sympy symbols
    formula : sympy expression
    """

    arguments: tuple[Any, ...]
    formula: Any

    def numeric(self, operands: Sequence[Any]) -> Any:
        """The value for mpmath numbers, in the working precision; NaN where there is no real one.

        Raises
        ------
        TraceError
            When mpmath does not know a function of sympy's.
        """
        if not self._is_arithmetic and any(map(_is_huge, operands)):
            return mpmath.nan
        try:
            value = +mpmath.mpmathify(self._compiled(*operands))  # a constant such as pi, rounded
        except (ArithmeticError, ValueError):
            return mpmath.nan
        except (NameError, NotImplementedError, TypeError) as error:  # mpmath's ways to say so
            raise TraceError(f"sympy's {self.formula} has no value in mpmath ({error})") from error
        return value if isinstance(value, mpmath.mpf) else mpmath.nan

    def symbolic(self, operands: Sequence[Any]) -> Any:
        """The formula with other formulas for its arguments."""
        return self.formula.xreplace(dict(zip(self.arguments, operands, strict=True)))

    @cached_property
    def _compiled(self) -> Callable[..., Any]:
        compiled: Callable[..., Any] = sympy.lambdify(self.arguments, self.formula, "mpmath")
        return compiled

    @cached_property
    def _is_arithmetic(self) -> bool:
        return bool(self.formula.is_rational_function(*self.arguments))


def _is_huge(number: Any) -> bool:
    return bool(mpmath.isfinite(number) and number and mpmath.mag(number) > _LARGEST_EXPONENT)


@dataclass(frozen=True, eq=False)
class Operation:
    """An elementary operation: its formula, and the slope in each argument."""

    value: Function
    slopes: tuple[Function, ...]


_A, _B = sympy.symbols("a b", real=True)


def operation(formula: Any, arguments: tuple[Any, ...]) -> Operation:
    """An operation with the slopes that sympy derives."""
    slopes = (sympy.powsimp(sympy.diff(formula, argument)) for argument in arguments)
    return Operation(
        Function(arguments, formula), tuple(Function(arguments, slope) for slope in slopes)
    )


class Symbol:
    """A scalar with its value at the point, and the step that made it.

    Once its run has ended it acts like the plain number, for models keep what they compute.

    Parameters
    ----------
    tape : list of Symbol
        Every step of the run in order, this one at its end.
    value : float
        As NumPy computes it.
    operation : Operation or None
        None for a parameter's entry.
    operands : tuple of Symbol or number
        What the operation was applied to.

    Raises
    ------
    TraceError
        When the run has more steps than symbols serve.
    """

    __slots__ = ("operands", "operation", "position", "tape", "value")
    __hash__ = object.__hash__

    def __init__(
        self,
        tape: list[Symbol],
        value: Any,
        operation: Operation | None = None,
        operands: tuple[Any, ...] = (),
    ) -> None:
        if len(tape) >= MOST_STEPS:
            raise TraceError(
                f"the loss takes more than {MOST_STEPS} operations on single numbers, which is "
                "more than symbols serve: check a smaller version of the model"
            )
        self.tape: list[Symbol] | None = tape
        self.position = len(tape)
        self.value = value
        self.operation = operation
        self.operands = operands
        tape.append(self)

    def __reduce__(self) -> Any:
        if self.tape is None:
            return float, (float(self.value),)
        raise TraceError("a symbol was pickled, which cuts its path to the parameters")

    def __copy__(self) -> Symbol:
        return self

    def __deepcopy__(self, memo: Any) -> Symbol:
        return self

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        if self.tape is None:
            return float(self.value)
        raise TraceError("a symbol was turned into a number, which cuts its path to the parameters")

    def __int__(self) -> int:
        return int(float(self))

    def __complex__(self) -> complex:
        return complex(float(self))

    def __repr__(self) -> str:
        return said(repr(float(self.value)))

    def __format__(self, spec: str) -> str:
        return said(format(float(self.value), spec))

    def __pos__(self) -> Symbol:
        return self

    def __neg__(self) -> Any:
        return step(_NEGATIVE, -self.value, self)

    def __abs__(self) -> Any:
        if self.value == 0:
            return step(_KINK, self.value, self)
        return self if self.value > 0 else -self

    def conjugate(self) -> Symbol:
        return self

    def square(self) -> Any:
        return self * self  # type: ignore[operator]

    def cbrt(self) -> Any:
        # mpmath's root of a negative number is a complex one.
        return _cube_root(self) if self.value >= 0 else -_cube_root(-self)

    fabs = __abs__


def step(made: Operation, value: Any, *operands: Any) -> Any:
    """A new symbol; the plain value where the run of every operand has ended."""
    running = (x.tape for x in operands if isinstance(x, Symbol) and x.tape is not None)
    tape = next(running, None)
    if tape is None:
        return value
    return Symbol(tape, value, made, tuple(map(_operand, operands)))


def _operand(value: Any) -> Any:
    """A symbol of this run as it is; all else as a plain number of Python's."""
    if isinstance(value, Symbol):
        return value if value.tape is not None else float(value.value)
    return value.item() if isinstance(value, np.generic) else value


def _value_of(number: Any) -> Any:
    return number.value if isinstance(number, Symbol) else np.float64(float(number))


def _function(formula: Any, value: Callable[[Any], Any]) -> Callable[[Symbol], Any]:
    made = operation(formula, (_A,))
    return lambda self: step(made, value(self.value), self)


def _of_two(formula: Any, value: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    made = operation(formula, (_A, _B))
    return lambda a, b: step(made, value(_value_of(a), _value_of(b)), a, b)


def _binary(
    formula: Any, value: Callable[[Any, Any], Any]
) -> tuple[Callable[[Symbol, Any], Any], Callable[[Symbol, Any], Any]]:
    """An operator and its reflection."""
    apply = _of_two(formula, value)

    def operate(self: Symbol, other: Any) -> Any:
        # An array is left to work entry by entry.
        return NotImplemented if isinstance(other, np.ndarray) else apply(self, other)

    def reflected(self: Symbol, other: Any) -> Any:
        return NotImplemented if isinstance(other, np.ndarray) else apply(other, self)

    return operate, reflected


def _comparison(test: Callable[[Any, Any], Any]) -> Callable[[Symbol, Any], Any]:
    def compare(self: Symbol, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        return bool(test(self.value, _value_of(other)))

    return compare


def _rounding(function: Callable[[Any], Any]) -> Callable[[Symbol], Any]:
    """A function that is constant between its jumps."""

    def apply(self: Symbol) -> Any:
        value = float(function(self.value))
        beside = (function(np.nextafter(self.value, end)) for end in (-math.inf, math.inf))
        if all(neighbour == value for neighbour in beside):
            return value
        jump = Operation(Function((_A,), sympy.Float(value)), (_UNDEFINED,))
        return step(jump, value, self)

    return apply


_UNDEFINED = Function((_A,), sympy.nan)
_KINK = Operation(Function((_A,), sympy.Abs(_A)), (_UNDEFINED,))
_NEGATIVE = operation(-_A, (_A,))
_cube_root = _function(_A ** sympy.Rational(1, 3), np.cbrt)

for _name, _formula, _value in (
    ("add", _A + _B, lambda a, b: a + b),
    ("sub", _A - _B, lambda a, b: a - b),
    ("mul", _A * _B, lambda a, b: a * b),
    ("truediv", _A / _B, lambda a, b: a / b),
    ("pow", _A**_B, lambda a, b: a**b),
):
    for _prefix, _method in zip(("", "r"), _binary(_formula, _value), strict=True):
        setattr(Symbol, f"__{_prefix}{_name}__", _method)

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
FUNCTIONS = {
    "exp": sympy.exp(_A), "log": sympy.log(_A), "sqrt": sympy.sqrt(_A),
    "sin": sympy.sin(_A), "cos": sympy.cos(_A), "tan": sympy.tan(_A),
    "sinh": sympy.sinh(_A), "cosh": sympy.cosh(_A), "tanh": sympy.tanh(_A),
    "arcsin": sympy.asin(_A), "arccos": sympy.acos(_A), "arctan": sympy.atan(_A),
    "arcsinh": sympy.asinh(_A), "arccosh": sympy.acosh(_A), "arctanh": sympy.atanh(_A),
    "log1p": sympy.log(1 + _A), "expm1": sympy.exp(_A) - 1, "exp2": 2**_A,
    "log2": sympy.log(_A) / sympy.log(2), "log10": sympy.log(_A) / sympy.log(10),
    "deg2rad": _A * sympy.pi / 180, "rad2deg": _A * 180 / sympy.pi,
}  # fmt: skip
for _name, _formula in FUNCTIONS.items():
    setattr(Symbol, _name, _function(_formula, getattr(np, _name)))
Symbol.arctan2, _ = _binary(sympy.atan2(_A, _B), np.arctan2)  # type: ignore[attr-defined]
Symbol.hypot, _ = _binary(sympy.sqrt(_A**2 + _B**2), np.hypot)  # type: ignore[attr-defined]
logaddexp = _of_two(sympy.log(sympy.exp(_A) + sympy.exp(_B)), np.logaddexp)
for _name in ("floor", "ceil", "trunc", "rint"):
    _method_name = _name if _name == "rint" else f"__{_name}__"
    setattr(Symbol, _method_name, _rounding(getattr(np, _name)))


@dataclass(frozen=True)
class Recording:
    """A loss's steps on single numbers.

    Attributes
    ----------
    tape : list of Symbol
        Every step in order; the first ones are the parameters' entries, in the flat vector's order.
    end : Symbol or number
        The loss; a plain number when it depends on no parameter.
    """

    tape: list[Symbol]
    end: Any

    @property
    def value(self) -> float:
        """The loss at the point, as NumPy computes it."""
        return float(_value_of(self.end))

    @property
    def written(self) -> int:
        """The number of operations of the loss as one formula, in which nothing is shared."""
        counts: list[int] = []
        for symbol in self.tape:
            parts = sum(counts[x.position] for x in symbol.operands if isinstance(x, Symbol))
            counts.append(parts + (symbol.operation is not None))
        return counts[self.end.position] if isinstance(self.end, Symbol) else 0


def record(loss: Callable[[npt.NDArray[Any]], Any], flat: FloatArray) -> Recording:
    """Run a loss on symbols at a point.

    Parameters
    ----------
    loss : callable
        Takes the entries, an array of objects of shape (size,); returns the loss.
    flat : ndarray, shape (size,)
        The point.

    Raises
    ------
    TraceError
        When an operation does not work on symbols, or there are more than `MOST_STEPS`; names file,
        line and operation.
    """
    tape: list[Symbol] = []
    entries = np.empty(flat.size, dtype=object)
    try:
        entries[:] = [Symbol(tape, x) for x in flat]
        with np.errstate(all="ignore"):  # a dead branch may leave its function's domain
            end = loss(entries)
            if isinstance(end, np.ndarray) and end.size == 1:
                end = end.reshape(-1)[0]
            _value_of(end)
    except Exception as error:
        raise TraceError(_told(error)) from error
    finally:
        for symbol in tape:
            symbol.tape = None
    return Recording(tape, end)


def _told(error: Exception) -> str:
    line = user_line(error)
    reason = (
        str(error)
        if isinstance(error, TraceError)
        else f"the loss does not run on symbols ({type(error).__name__}: {error})"
    )
    return f"{line}: {reason}" if line else reason


def left_behind(value: Any) -> Any:
    """What a run leaves in the user's objects, as plain numbers; other values as they are."""
    if isinstance(value, Symbol):
        return float(value.value)
    is_objects = isinstance(value, np.ndarray) and value.dtype == object
    if is_objects and any(isinstance(entry, Symbol) for entry in value.flat):
        numbers = [float(e.value) if isinstance(e, Symbol) else e for e in value.flat]
        return np.array(numbers, dtype=float).reshape(value.shape)
    return value
