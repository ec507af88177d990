"""Sums, products, extremes and what is made of them, with every argument NumPy takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricheck.tracing.registry import RULES, rule
from tricheck.tracing.traced import is_active, plain, record, result

_NONE: Any = np._NoValue  # what NumPy's own signatures leave an argument at


def _spread(gradient: Any, shape: tuple[int, ...], axis: Any, keepdims: Any) -> Any:
    """A reduction's gradient, or its result, laid over what was reduced."""
    if axis is not None and not _is_on(keepdims):
        axes = axis if isinstance(axis, tuple) else (axis,)
        gradient = np.expand_dims(gradient, tuple(a % len(shape) for a in axes))
    return np.broadcast_to(gradient, shape)


def _is_on(keepdims: Any) -> bool:
    return keepdims is not _NONE and bool(keepdims)


def _only(x: Any, where: Any, otherwise: float) -> Any:
    """Entries left out of a reduction, replaced by what does not change it."""
    return x if where is _NONE or where is True else np.where(plain(where), x, otherwise)


def _into(out: Any, value: Any) -> Any:
    if out is None:
        return value
    out[...] = value
    return out


@rule(np.sum)
def _sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _NONE,
    initial: Any = _NONE,
    where: Any = _NONE,
) -> Any:
    a = _only(a, where, 0.0)
    if dtype is not None:
        a = a.astype(dtype)
    if not is_active(a):
        total = np.sum(plain(a), axis=axis, keepdims=_is_on(keepdims))
    else:
        shape = a.shape
        total = result(
            np.sum(a.value, axis=axis, keepdims=_is_on(keepdims)),
            [a],
            lambda g: [_spread(g, shape, axis, keepdims)],
        )
    return _into(out, total if initial is _NONE else total + initial)


@rule(np.prod)
def _prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _NONE,
    initial: Any = _NONE,
    where: Any = _NONE,
) -> Any:
    a = _only(a, where, 1.0)
    if dtype is not None:
        a = a.astype(dtype)
    axes = tuple(range(a.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    total = a
    for each in sorted((each % a.ndim for each in axes), reverse=True):
        total = _product(total, each)
    if _is_on(keepdims):
        total = np.expand_dims(total, tuple(each % a.ndim for each in axes))
    return _into(out, total if initial is _NONE else total * initial)


def _product(a: Any, axis: int) -> Any:
    """The product along an axis; its slope is that of the others, also where one is zero."""
    value = np.moveaxis(a.value, axis, -1)
    ones = np.ones((*value.shape[:-1], 1), dtype=value.dtype)
    before = np.concatenate([ones, np.cumprod(value, axis=-1)[..., :-1]], axis=-1)
    after = np.concatenate([np.cumprod(value[..., :0:-1], axis=-1)[..., ::-1], ones], axis=-1)
    others = np.moveaxis(before * after, -1, axis)
    return result(np.prod(a.value, axis=axis), [a], lambda g: [np.expand_dims(g, axis) * others])


def _extreme(ufunc: np.ufunc, worst: float) -> Any:
    def extreme(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = _NONE,
        initial: Any = _NONE,
        where: Any = _NONE,
    ) -> Any:
        a = _only(a, where, worst)
        if not is_active(a):
            top = ufunc.reduce(plain(a), axis=axis, keepdims=_is_on(keepdims))
        else:
            shape, value = a.shape, a.value
            best = ufunc.reduce(value, axis=axis, keepdims=_is_on(keepdims))
            hits = value == _spread(best, shape, axis, keepdims)
            share = hits / np.sum(hits, axis=axis, keepdims=True)  # ties share the slope
            top = result(
                best, [a], lambda g: [share * _spread(g, shape, axis, keepdims)], exact=True
            )
        return _into(out, top if initial is _NONE else record(ufunc, top, initial))

    return extreme


_max = rule(np.max)(_extreme(np.maximum, -np.inf))
_min = rule(np.min)(_extreme(np.minimum, np.inf))


@rule(np.ptp)
def _ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE) -> Any:
    span = _max(a, axis, keepdims=keepdims) - _min(a, axis, keepdims=keepdims)
    return _into(out, span)


@rule(np.mean)
def _mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _NONE,
    *,
    where: Any = _NONE,
) -> Any:
    chosen = np.ones(a.shape) if where is _NONE else np.broadcast_to(plain(where), a.shape)
    count = np.sum(chosen, axis=axis, keepdims=_is_on(keepdims))
    total = _sum(a, axis=axis, dtype=dtype, keepdims=keepdims, where=where)
    return _into(out, total / count)


@rule(np.var)
def _var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = _NONE,
    *,
    where: Any = _NONE,
    mean: Any = _NONE,
    correction: Any = _NONE,
) -> Any:
    ddof = ddof if correction is _NONE else correction
    centre = _mean(a, axis, dtype, None, True, where=where) if mean is _NONE else mean
    chosen = np.ones(a.shape) if where is _NONE else np.broadcast_to(plain(where), a.shape)
    count = np.sum(chosen, axis=axis, keepdims=_is_on(keepdims))
    apart = a - centre
    squares = apart * apart if a.dtype.kind == "f" else np.real(apart * np.conj(apart))
    total = _sum(squares, axis=axis, dtype=dtype, keepdims=keepdims, where=where)
    return _into(out, total / (count - ddof))


@rule(np.std)
def _std(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, *args: Any, **kw: Any
) -> Any:
    return _into(out, np.sqrt(_var(a, axis, dtype, None, *args, **kw)))


@rule(np.cumsum)
def _cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    if axis is None:
        a, axis = np.reshape(a, -1), 0
    total = result(
        np.cumsum(a.value, axis=axis, dtype=dtype),
        [a],
        lambda g: [np.flip(np.cumsum(np.flip(g, axis), axis), axis)],
    )
    return _into(out, total)


@rule(np.cumprod)
def _cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    if axis is None:
        a, axis = np.reshape(a, -1), 0
    if np.all(a.value):
        value, factors = np.cumprod(a.value, axis=axis), a.value

        def vjp(g: Any) -> list[Any]:
            later = np.flip(np.cumsum(np.flip(g * value, axis), axis), axis)
            return [later / factors]

        return _into(out, result(value, [a], vjp))
    rows = [np.take(a, i, axis=axis) for i in range(a.shape[axis])]
    for i in range(1, len(rows)):
        rows[i] = rows[i - 1] * rows[i]
    return _into(out, np.stack(rows, axis=axis))


@rule(np.median)
def _median(a: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False,
            keepdims: Any = False) -> Any:  # fmt: skip
    return _into(out, _quantile(a, 0.5, axis, keepdims=keepdims))


@rule(np.quantile)
def _quantile(a: Any, q: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """By linear interpolation between sorted entries, NumPy's default."""
    ndim = a.ndim
    axes = tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(each % ndim for each in axes)
    kept = [each for each in range(ndim) if each not in axes]
    flat = np.reshape(np.transpose(a, (*kept, *axes)), (*[a.shape[k] for k in kept], -1))
    ordered = np.sort(flat, axis=-1)
    place = np.asarray(plain(q)) * (ordered.shape[-1] - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, ordered.shape[-1] - 1)
    share = place - low
    value = ordered[..., low] * (1.0 - share) + ordered[..., high] * share
    if np.ndim(q):
        value = np.moveaxis(value, -1, 0)
    return np.expand_dims(value, tuple(each + np.ndim(q) for each in axes)) if keepdims else value


@rule(np.percentile)
def _percentile(a: Any, q: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return _quantile(a, np.asarray(plain(q)) / 100.0, axis, keepdims=keepdims)


@rule(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    if axis is None and ord is None:
        root = np.sqrt(_sum(np.real(x * np.conj(x)) if x.dtype.kind == "c" else x * x))
        return np.reshape(root, (1,) * x.ndim) if keepdims else root
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        return _vector_norm(x, 2 if ord is None else ord, axes[0], keepdims)
    return _matrix_norm(x, "fro" if ord is None else ord, axes, keepdims)


def _vector_norm(x: Any, order: Any, axis: int, keepdims: Any) -> Any:
    size = np.abs(x)
    if order == np.inf:
        return _max(size, axis=axis, keepdims=keepdims)
    if order == -np.inf:
        return _min(size, axis=axis, keepdims=keepdims)
    if order == 0:
        return np.linalg.norm(x.value, 0, axis, keepdims)
    if order == 1:
        return _sum(size, axis=axis, keepdims=keepdims)
    if order == 2:
        return np.sqrt(_sum(size * size, axis=axis, keepdims=keepdims))
    return _sum(size**order, axis=axis, keepdims=keepdims) ** (1.0 / order)


def _matrix_norm(x: Any, order: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    if order == "fro":
        size = np.abs(x)
        return np.sqrt(_sum(size * size, axis=axes, keepdims=keepdims))
    matrix = np.moveaxis(x, axes, (-2, -1))
    if order in ("nuc", 2, -2):
        values = np.linalg.svd(matrix)[1]
        pick = {"nuc": _sum, 2: _max, -2: _min}[order]
        norm = pick(values, axis=-1)
    else:
        sums = _sum(np.abs(matrix), axis=-2 if abs(order) == 1 else -1)
        norm = (_max if order > 0 else _min)(sums, axis=-1)
    return np.expand_dims(norm, tuple(a % x.ndim for a in axes)) if keepdims else norm


def _ignoring_nan(reduction: Any) -> Any:
    def reduce(a: Any, *args: Any, **kwargs: Any) -> Any:
        there = ~np.isnan(a)
        # Replaced as well as left out: zero times NaN on the way back is NaN.
        return reduction(np.where(there, a, 0.0), *args, where=there, **kwargs)

    return reduce


for _name in ("sum", "mean", "var", "std", "max", "min"):
    RULES[getattr(np, f"nan{_name}")] = _ignoring_nan(RULES[getattr(np, _name)])
