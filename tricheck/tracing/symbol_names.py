"""What user code sees under the names ``np`` and ``math`` while it runs on symbols.

Object arrays do the rest by themselves: here are arrays made from nothing, which have to hold
symbols later, and functions that NumPy has no object loop for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tricheck.tracing.lookup import Replacements
from tricheck.tracing.numbers import number_type
from tricheck.tracing.symbols import FUNCTIONS, Symbol, logaddexp

replaced = Replacements({"numpy", "math"})
replacement = replaced.register


def _buffer(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def make(*args: Any, **kwargs: Any) -> Any:
        array = function(*args, **kwargs)
        return array.astype(object) if array.dtype.kind == "f" else array

    return make


def _converter(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def convert(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        array = function(a, None, *args, **kwargs)
        return array if dtype is None or array.dtype == object else array.astype(dtype)

    return convert


def _entrywise(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays in which symbols and plain numbers are mixed, as `where` leaves them."""
    entrywise = np.frompyfunc(function, 1, 1)

    @wraps(function)
    def apply(x: Any, *args: Any, **kwargs: Any) -> Any:
        mixed = isinstance(x, np.ndarray) and x.dtype == object and not (args or kwargs)
        return entrywise(x) if mixed else function(x, *args, **kwargs)

    return apply


def _scalar(function: Callable[..., Any], of_arrays: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any) -> Any:
        symbolic = any(isinstance(arg, Symbol) for arg in args)
        return (of_arrays if symbolic else function)(*args)

    return call


for _kind in ("zeros", "ones", "empty", "full"):
    for _name in (_kind, f"{_kind}_like"):
        replacement(getattr(np, _name))(_buffer(getattr(np, _name)))
for _name in ("array", "asarray"):
    replacement(getattr(np, _name))(_converter(getattr(np, _name)))
for _name in FUNCTIONS:
    replacement(getattr(np, _name))(_entrywise(getattr(np, _name)))
    _in_math = _name.replace("arc", "a")
    if hasattr(math, _in_math):
        _math_function = getattr(math, _in_math)
        replacement(_math_function)(_scalar(_math_function, getattr(np, _name)))


@replacement(np.logaddexp)
def _logaddexp(x1: Any, x2: Any, *args: Any, **kwargs: Any) -> Any:
    if object not in (np.asarray(x1).dtype, np.asarray(x2).dtype):
        return np.logaddexp(x1, x2, *args, **kwargs)
    return np.frompyfunc(logaddexp, 2, 1)(x1, x2)


def _read(original: type, *args: Any) -> Any:
    if len(args) != 1:
        return NotImplemented
    number = args[0].item() if isinstance(args[0], np.ndarray) and args[0].size == 1 else args[0]
    return number if isinstance(number, Symbol) else NotImplemented


for _type in (float, np.float64, np.longdouble):
    replacement(_type)(number_type(_type, _read))
