"""Where a function's rule comes from, if tricheck has none of its own.

autograd's rule book gives the slopes of functions and linear algebra; NumPy's own source gives
those of the functions it writes in terms of others.
"""

from __future__ import annotations

import builtins
import inspect
import types
from typing import Any

import autograd.numpy  # noqa: F401  # fills the rule book
import numpy as np
from autograd.core import primitive_vjps
from autograd.tracer import trace_primitives_map

from tricheck.tracing.arithmetic import SLOPES
from tricheck.tracing.registry import FINDERS, Rule, name_of
from tricheck.tracing.traced import (
    failure,
    holds_trace,
    is_active,
    is_traced,
    plain,
    result,
    wrap,
)

# Piecewise constant: the value counts, the slope is zero
_FLAT_NAMES = (
    "all", "allclose", "any", "argmax", "argmin", "argpartition", "argsort", "argwhere",
    "around", "array2string", "array_equal", "array_equiv", "array_repr", "array_str",
    "bitwise_and", "bitwise_or", "bitwise_xor", "can_cast", "ceil", "count_nonzero",
    "digitize", "empty_like", "equal", "fix", "flatnonzero", "floor", "floor_divide",
    "greater", "greater_equal", "heaviside", "invert", "isclose", "iscomplex", "iscomplexobj",
    "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "isrealobj",
    "isscalar", "less", "less_equal", "lexsort", "logical_and", "logical_not", "logical_or",
    "logical_xor", "may_share_memory", "min_scalar_type", "nanargmax", "nanargmin", "ndim",
    "nonzero", "not_equal", "ones_like", "ravel_multi_index", "result_type", "rint", "round",
    "searchsorted", "shape", "shares_memory", "sign", "signbit", "size", "spacing", "trunc",
    "zeros_like",
)  # fmt: skip
_FLAT = {getattr(np, name) for name in _FLAT_NAMES} | {np.linalg.matrix_rank}


def _flat(function: Any) -> Rule | None:
    if function not in _FLAT:
        return None
    return lambda *args, **kwargs: wrap(
        function(*map(plain, args), **{name: plain(value) for name, value in kwargs.items()})
    )


# Functions of arrays alone: a list is one of numbers
_OF_ARRAYS = {np.dot, np.inner, np.outer, np.kron, np.cross, np.linalg.solve}
# Functions that pick among their arguments, or change a sign: nothing is rounded
_EXACT = {np.negative, np.positive, np.maximum, np.minimum, np.fmax, np.fmin}
# In the rule book, but not with every argument
_FROM_SOURCE = {np.gradient, np.diff}


def from_autograd(function: Any) -> Rule | None:
    """The rule in autograd's book."""
    primitive = trace_primitives_map.get(function)
    if primitive not in primitive_vjps or function in _FROM_SOURCE:
        return None
    slopes = SLOPES.get(function) or primitive_vjps[primitive]
    is_ufunc, exact = isinstance(function, np.ufunc), function in _EXACT
    of_arrays = is_ufunc or function in _OF_ARRAYS

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            args, kwargs = _positional(function, args, kwargs)
        lists = [a for a in args if not is_traced(a) and isinstance(a, list | tuple)]
        if (lists and any(map(holds_trace, lists))) or any(map(holds_trace, kwargs.values())):
            raise failure(f"{name_of(function)} with these arguments cannot be traced")
        if of_arrays and lists:
            args = tuple(np.asarray(a) if isinstance(a, list | tuple) else a for a in args)
        values = tuple(map(plain, args))
        kwargs = {name: plain(value) for name, value in kwargs.items()}
        places = [i for i, arg in enumerate(args) if is_active(arg)]
        dtype = kwargs.pop("dtype", None) if is_ufunc else None
        if is_ufunc:  # these say how memory is handled, not what is computed
            kwargs = {n: v for n, v in kwargs.items() if n not in ("casting", "order", "subok")}
            if kwargs:
                raise failure(f"{name_of(function)}({', '.join(kwargs)}=...) cannot be traced")
        value = function(*values, **kwargs)
        try:
            vjp = slopes(places, value, values, kwargs)
        except (KeyError, NotImplementedError) as error:  # how the book says that it has none
            raise failure(f"{name_of(function)} with these arguments has no rule") from error
        parents = [args[i] for i in places]
        answer = result(value, parents, vjp, exact=exact, new=is_ufunc)
        return answer if dtype is None else answer.astype(dtype)

    return differentiated


def _positional(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Traced keyword arguments moved to their positions: the rule book sees only positions."""
    if isinstance(function, np.ufunc):
        return args, kwargs
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return args, kwargs
    return bound.args, bound.kwargs


# --- functions that NumPy writes in terms of others -----------------------------------------------


class _Names(dict[str, Any]):
    """The names a NumPy function's source sees, those that make arrays replaced."""

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, name: str) -> Any:
        from tricheck.tracing.names import replaced  # which knows how arrays are made

        value = self._names[name] if name in self._names else vars(builtins)[name]
        if isinstance(value, types.FunctionType) and not hasattr(value, "__wrapped__"):
            rerun = _rerun(value) if value.__module__.startswith("numpy") else None
            value = rerun or value
        self[name] = replaced(value)
        return self[name]


def _from_source(function: Any) -> Rule | None:
    body = getattr(function, "__wrapped__", None)
    if not isinstance(body, types.FunctionType) or not body.__module__.startswith("numpy"):
        return None
    return _rerun(body)


_reruns: dict[Any, types.FunctionType] = {}


def _rerun(body: types.FunctionType) -> types.FunctionType:
    """The function as NumPy wrote it, on traced arrays."""
    if body not in _reruns:
        copy = types.FunctionType(
            body.__code__, _Names(body.__globals__), body.__name__, body.__defaults__,
            body.__closure__,
        )  # fmt: skip
        copy.__kwdefaults__ = body.__kwdefaults__
        _reruns[body] = copy
    return _reruns[body]


def _of_objects(function: Any) -> Rule | None:
    """A ufunc made of a Python function: it runs on numbers that remember."""
    if not isinstance(function, np.ufunc) or any(set(t) - set("O->") for t in function.types):
        return None
    return lambda *args: function(*(np.asarray(a, dtype=object) for a in args))


FINDERS.extend([_of_objects, _flat, from_autograd, _from_source])
