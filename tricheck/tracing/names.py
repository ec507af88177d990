"""What user code sees under the names ``np``, ``math``, ``float`` and the like while it is traced.

Most of NumPy asks its arguments what to do; what makes arrays from nothing, or numbers from
arrays, does not, and is replaced for the run.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tricheck.tracing.lookup import Replacements
from tricheck.tracing.numbers import number_type
from tricheck.tracing.tape import current
from tricheck.tracing.traced import (
    assembled,
    collected,
    failure,
    holds_trace,
    is_active,
    is_traced,
    plain,
    record,
    wrap,
)

replaced = Replacements({"numpy", "numpy.linalg", "numpy.lib", "numpy.lib.stride_tricks", "math"})
replacement = replaced.register


# --- arrays from nothing --------------------------------------------------------------------------


def _maker(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def make(*args: Any, **kwargs: Any) -> Any:
        if current() is None:
            return function(*args, **kwargs)
        if holds_trace(args) or any(map(holds_trace, kwargs.values())):
            return _made_of_traced(function, *args, **kwargs)
        plain_kwargs = {name: plain(value) for name, value in kwargs.items()}
        return wrap(function(*map(plain, args), **plain_kwargs))

    return make


def _made_of_traced(function: Any, *args: Any, **kwargs: Any) -> Any:
    if function is np.full:
        shape, fill, *rest = [*args, *([kwargs.pop("fill_value")] if len(args) < 2 else [])]
        return record(np.full_like, np.zeros(shape), fill, *rest, **kwargs)
    if function is np.linspace:
        return _linspace(*args, **kwargs)
    return record(function, *args, **kwargs)


def _linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    share = np.linspace(0.0, 1.0, num, endpoint=endpoint)
    share = share.reshape(-1, *(1,) * max(np.ndim(start), np.ndim(stop)))
    return start * (1.0 - share) + stop * share


for _name in (
    *("zeros", "ones", "empty", "full", "eye", "identity", "arange", "linspace", "logspace"),
    *("zeros_like", "ones_like", "empty_like", "full_like", "tri", "diag", "copy"),
    *("loadtxt", "genfromtxt", "load", "frombuffer", "vander", "where", "concatenate", "stack"),
    *("vstack", "hstack", "column_stack", "tile", "repeat", "outer", "dot"),
):
    replacement(getattr(np, _name))(_maker(getattr(np, _name)))


_ORDERS = {np.ascontiguousarray: "C", np.asfortranarray: "F"}


def _moves(function: Callable[..., Any], array: Any) -> bool:
    """Whether NumPy would copy an array to lay it out in memory as asked."""
    flag = {np.ascontiguousarray: "C_CONTIGUOUS", np.asfortranarray: "F_CONTIGUOUS"}.get(function)
    return flag is not None and not array.flags[flag]


def _converter(function: Callable[..., Any], *, copies: bool) -> Callable[..., Any]:
    @wraps(function)
    def convert(a: Any = None, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        a = kwargs.pop("object", a)
        if current() is None:
            return function(a, dtype, *args, **kwargs)
        a = collected(a)
        if not (is_traced(a) or holds_trace(a)):
            return wrap(function(plain(a), dtype, *args, **kwargs))
        array = a if is_traced(a) else assembled(a)
        if dtype is not None and np.dtype(dtype) != array.dtype:
            array = array.astype(dtype)
        elif is_traced(a) and (kwargs.get("copy", True) if copies else _moves(function, a)):
            array = array.copy(order=_ORDERS.get(function, kwargs.get("order", "K")))
        for _ in range(kwargs.get("ndmin", 0) - array.ndim):
            array = array[np.newaxis]
        return array

    return convert


replacement(np.array)(_converter(np.array, copies=True))
for _name in ("asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite"):
    replacement(getattr(np, _name))(_converter(getattr(np, _name), copies=False))


@replacement(np.fromiter)
def _fromiter(iterable: Any, dtype: Any, count: int = -1, **kwargs: Any) -> Any:
    entries = list(iterable)
    if current() is None or not holds_trace(entries):
        return wrap(np.fromiter(entries, dtype, count, **kwargs))
    return assembled(entries)


@replacement(np.lib.stride_tricks.as_strided)
def _as_strided(x: Any, *args: Any, **kwargs: Any) -> Any:
    if is_active(x):
        raise failure("as_strided reads memory by strides, which a trace has not: slice instead")
    return wrap(np.lib.stride_tricks.as_strided(plain(x), *args, **kwargs))


@replacement(np.ndenumerate)
def _ndenumerate(arr: Any) -> Any:
    if not is_traced(arr):
        return np.ndenumerate(arr)
    return ((index, arr[index]) for index in np.ndindex(arr.shape))


@replacement(np.broadcast)
def _broadcast(*args: Any) -> Any:
    return np.broadcast(*map(plain, args))


@replacement(np.vectorize)
class _Vectorize:
    """``np.vectorize``, entry by entry."""

    def __init__(self, pyfunc: Any = None, *args: Any, **kwargs: Any) -> None:
        self._original = np.vectorize(pyfunc, *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return vectorized(self._original, *args, **kwargs)


def vectorized(original: np.vectorize, *args: Any, **kwargs: Any) -> Any:
    """A vectorized function on traced arrays."""
    if not (holds_trace(args) or holds_trace(list(kwargs.values()))):
        return wrap(original(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()}))
    if original.signature is not None:
        raise failure("np.vectorize(signature=...) cannot be traced")
    names = list(kwargs)
    arrays = np.broadcast_arrays(*args, *kwargs.values())
    shape = np.shape(arrays[0])
    entries = []
    for index in np.ndindex(shape):
        at = [array[index] for array in arrays]
        named = dict(zip(names, at[len(args) :], strict=True))
        entries.append(original.pyfunc(*at[: len(args)], **named))
    whole = assembled(entries) if holds_trace(entries) else wrap(np.array(entries))
    return np.reshape(whole, shape)[()]


class _Rows:
    """``np.r_`` and ``np.c_``."""

    def __init__(self, original: Any, join: Callable[[list[Any]], Any]) -> None:
        self._original = original
        self._join = join

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not any(map(holds_trace, parts)):
            return wrap(self._original[plain(key)])
        if any(isinstance(part, str) for part in parts):
            raise failure("np.r_ with a directive cannot be traced")
        return self._join([self._original[p] if isinstance(p, slice) else p for p in parts])


replacement(np.r_)(_Rows(np.r_, lambda parts: np.concatenate([np.atleast_1d(p) for p in parts])))
replacement(np.c_)(_Rows(np.c_, lambda parts: np.column_stack([np.atleast_1d(p) for p in parts])))


# --- Python's numbers -----------------------------------------------------------------------------


def _read(original: type, *args: Any) -> Any:
    numbers = [collected(arg) for arg in args]
    if not holds_trace(numbers):
        return original(*map(plain, numbers))
    if len(numbers) == 2:  # complex(real, imaginary)
        return numbers[0] + 1j * numbers[1]
    value = np.reshape(numbers[0], ())[()] if numbers[0].ndim else numbers[0][()]
    return value.astype(np.dtype(original))


for _type in (float, np.float64, np.float32, np.longdouble, complex, np.complex128):
    replacement(_type)(number_type(_type, _read))


# --- math -----------------------------------------------------------------------------------------


def _scalar(function: Callable[..., Any], array: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        value = function(*map(plain, args), **kwargs)  # raises where the plain run does
        return array(*args, **kwargs) if holds_trace(args) else value

    return call


_MATH = {
    **{name: getattr(np, name) for name in (
        "exp", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "sinh", "cosh",
        "tanh", "expm1", "fabs", "copysign", "degrees", "radians", "exp2", "cbrt",
    )},
    **{name: getattr(np, f"arc{name[1:]}") for name in (
        "asin", "acos", "atan", "asinh", "acosh", "atanh", "atan2",
    )},
    "hypot": lambda *sides: np.sqrt(sum(side * side for side in sides)),
    "pow": np.power,
    "log": lambda x, base=None: np.log(x) if base is None else np.log(x) / np.log(base),
    "fmod": np.fmod,
    "dist": lambda p, q: np.sqrt(sum((a - b) ** 2 for a, b in zip(p, q, strict=True))),
    "erf": lambda x: record(math.erf, x),
    "erfc": lambda x: 1.0 - record(math.erf, x),
    "gamma": lambda x: np.exp(_lgamma(x)) * np.sign(math.gamma(plain(x))),
    "lgamma": lambda x: _lgamma(x),
    **{name: getattr(np, name) for name in ("isnan", "isinf", "isfinite", "isclose")},
}  # fmt: skip


def _lgamma(x: Any) -> Any:
    try:
        from scipy.special import gammaln
    except ImportError:
        raise failure("math.lgamma needs scipy to be traced: install it") from None
    importlib.import_module("tricheck.tracing.scipy")
    return record(gammaln, x)


@replacement(math.fsum)
def _fsum(seq: Any) -> Any:
    entries = list(seq)
    return sum(entries) if holds_trace(entries) else math.fsum(map(plain, entries))


@replacement(math.prod)
def _prod(iterable: Any, *, start: Any = 1) -> Any:
    entries = list(iterable)
    return math.prod(entries, start=start)  # by multiplication, which traced numbers answer


for _name, _function in _MATH.items():
    if hasattr(math, _name):
        replacement(getattr(math, _name))(_scalar(getattr(math, _name), _function))
