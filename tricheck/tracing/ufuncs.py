"""What else a ufunc can do: write into `out`, leave entries out, reduce, accumulate, scatter."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricheck.tracing.registry import rule
from tricheck.tracing.traced import (
    assembled,
    failure,
    followed,
    plain,
    plain_index,
    record,
    write,
)

_REDUCTIONS: dict[Any, Any] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
}
_ACCUMULATIONS: dict[Any, Any] = {np.add: np.cumsum, np.multiply: np.cumprod}


@rule(np.ufunc)
def _method(ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    own: Any = _METHODS.get(method)
    if own is None:
        raise failure(f"np.{ufunc.__name__}.{method} cannot be traced")
    return own(ufunc, *inputs, **kwargs)


def _call(ufunc: Any, *inputs: Any, out: Any = None, where: Any = True, **kw: Any) -> Any:
    target = out[0] if isinstance(out, tuple) else out
    if target is None:
        if where is not True:
            raise failure(f"np.{ufunc.__name__}(where=...) without out leaves entries undefined")
        return record(ufunc, *inputs, **kw)
    followed(target, f"np.{ufunc.__name__}(out=...)")
    if where is True:
        target[...] = record(ufunc, *inputs, **kw)
        return target
    chosen = np.broadcast_to(plain(where), target.shape)
    # Only where it is asked for: elsewhere the function may have no value.
    parts = [np.broadcast_to(x, target.shape)[chosen] for x in inputs]
    target[chosen] = record(ufunc, *parts, **kw)
    return target


def _reduce(ufunc: Any, array: Any, axis: Any = 0, *args: Any, **kwargs: Any) -> Any:
    if ufunc not in _REDUCTIONS:
        if ufunc is np.logaddexp:
            return _logaddexp(array, axis, **kwargs)
        if ufunc in (np.logical_and, np.logical_or):
            return ufunc.reduce(plain(array), axis, *args, **kwargs)
        raise failure(f"np.{ufunc.__name__}.reduce cannot be traced")
    if isinstance(kwargs.get("out"), tuple):
        kwargs["out"] = kwargs["out"][0]
    if kwargs.get("dtype", 0) is None:
        del kwargs["dtype"]
    return _REDUCTIONS[ufunc](array, axis, *args, **kwargs)


def _logaddexp(array: Any, axis: Any = 0, keepdims: bool = False, dtype: Any = None) -> Any:
    top = np.max(array.value, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(array - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)


def _accumulate(ufunc: Any, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    accumulated = _accumulated(ufunc, array, axis)
    if out is None:
        return accumulated
    target = out[0] if isinstance(out, tuple) else out
    followed(target, f"np.{ufunc.__name__}(out=...)")
    target[...] = accumulated
    return target


def _accumulated(ufunc: Any, array: Any, axis: int) -> Any:
    if ufunc in (np.maximum, np.minimum):
        value = array.value
        best = ufunc.accumulate(value, axis=axis)
        steps = np.arange(value.shape[axis]).reshape([-1 if i == axis % value.ndim else 1
                                                      for i in range(value.ndim)])  # fmt: skip
        reached = np.maximum.accumulate(np.where(value == best, steps, 0), axis=axis)
        return np.take_along_axis(array, reached, axis)
    if ufunc not in _ACCUMULATIONS:
        raise failure(f"np.{ufunc.__name__}.accumulate cannot be traced")
    return _ACCUMULATIONS[ufunc](array, axis=axis)


def _outer(ufunc: Any, first: Any, second: Any, **kwargs: Any) -> Any:
    columns = np.reshape(first, np.shape(first) + (1,) * np.ndim(second))
    return record(ufunc, columns, second, **kwargs)


def _at(ufunc: Any, target: Any, index: Any, value: Any = None) -> None:
    followed(target, f"np.{ufunc.__name__}.at")
    if ufunc is np.add:
        write(target, plain_index(index), value, adds=True)
    elif ufunc is np.subtract:
        write(target, plain_index(index), np.negative(assembled(value)), adds=True)
    else:
        raise failure(f"np.{ufunc.__name__}.at cannot be traced")


_METHODS = {
    "__call__": _call,
    "reduce": _reduce,
    "accumulate": _accumulate,
    "outer": _outer,
    "at": _at,
}
