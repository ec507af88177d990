"""Rules where autograd's are missing, or say something else than NumPy computes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tricheck.tracing.registry import ALWAYS, RULES, WRITERS, Rule, rule
from tricheck.tracing.traced import (
    constant,
    failure,
    followed,
    holds_trace,
    is_active,
    is_traced,
    plain,
    record,
    result,
    wrap,
    write,
)


@rule(np.absolute)
def _absolute(x: Any) -> Any:
    if x.dtype.kind == "c":
        return np.sqrt(np.real(x) ** 2 + np.imag(x) ** 2)
    sign = np.sign(x.value)
    return result(np.absolute(x.value), [x], lambda g: [g * sign], exact=True)


# Functions of one number: the slope from the argument and the value
_ELEMENTARY: dict[Any, Any] = {
    np.sinc: lambda x, y: np.where(x == 0.0, 0.0, (np.cos(np.pi * x) - y) / np.where(x, x, 1.0)),
    np.cbrt: lambda _, y: 1.0 / (3.0 * y * y),
    math.erf: lambda x, _: 2.0 / math.sqrt(math.pi) * np.exp(-x * x),
}


def _elementary(function: Any, slope: Any) -> Any:
    def apply(x: Any) -> Any:
        value = function(x.value)
        steepness = slope(x.value, value)
        return result(value, [x], lambda g: [g * steepness])

    return apply


for _function, _slope in _ELEMENTARY.items():
    RULES[_function] = _elementary(_function, _slope)


@rule(np.copysign)
def _copysign(x1: Any, x2: Any) -> Any:
    return np.abs(x1) * np.copysign(1.0, plain(x2))


@rule(np.fmod)
def _fmod(x1: Any, x2: Any) -> Any:
    return x1 - x2 * np.trunc(plain(x1) / plain(x2))


@rule(np.float_power)
def _float_power(x1: Any, x2: Any) -> Any:
    return np.power(x1, x2)


@rule(np.positive)
def _positive(x: Any) -> Any:
    return record(np.copy, x)


@rule(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    low = kwargs.get("min") if a_min is None else a_min
    high = kwargs.get("max") if a_max is None else a_max
    clipped = a
    if low is not None:
        clipped = np.where(plain(clipped) < plain(low), low, clipped)
    if high is not None:
        clipped = np.where(plain(clipped) > plain(high), high, clipped)
    if out is None:
        return record(np.copy, clipped) if clipped is a else clipped
    out[...] = clipped
    return out


# --- functions that write into an argument --------------------------------------------------------


def _writer(*functions: Any) -> Callable[[Rule], Rule]:
    ALWAYS.update(functions)
    WRITERS.update(functions)
    return rule(*functions)


@_writer(np.copyto)
def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    target = followed(dst, "np.copyto")
    if where is True:
        target[...] = src
        return
    chosen = np.broadcast_to(plain(where), target.shape)
    target[chosen] = np.broadcast_to(src, target.shape)[chosen]


@_writer(np.fill_diagonal)
def _fill_diagonal(a: Any, val: Any, **kwargs: Any) -> None:
    chosen = np.zeros(np.shape(plain(a)), dtype=bool)
    np.fill_diagonal(chosen, True, **kwargs)
    followed(a, "np.fill_diagonal")[chosen] = val


@_writer(np.put_along_axis)
def _put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    target = followed(arr, "np.put_along_axis")
    positions = np.arange(target.size).reshape(target.shape)
    flat = np.take_along_axis(positions, plain(indices), axis)
    write(target, np.unravel_index(flat, target.shape), values)


@_writer(np.putmask)
def _putmask(a: Any, mask: Any, values: Any) -> None:
    target, chosen = followed(a, "np.putmask"), np.asarray(plain(mask), dtype=bool)
    target[chosen] = np.resize(values, target.shape)[chosen]


# --- functions ------------------------------------------------------------------------------------


@rule(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@rule(np.nan_to_num)
def _nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    value = plain(x)
    clean = np.where(np.isfinite(value), x, np.nan_to_num(value, True, nan, posinf, neginf))
    if copy:
        return clean
    x[...] = clean
    return x


@rule(np.bincount)
def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    index = np.asarray(plain(x))
    counts = np.bincount(index, plain(weights), minlength)
    if not is_active(weights):
        return wrap(counts)
    return result(counts, [weights], lambda g: [g[index]])


@rule(np.histogram)
def _histogram(a: Any, bins: Any = 10, **options: Any) -> Any:
    fixed = np.ndim(plain(bins)) or options.get("range") is not None
    if set(options) - {"range"} or not fixed or holds_trace(bins):
        raise failure("np.histogram traces as counts alone, between bins that stand still")
    return np.histogram(plain(a), bins, **options)


@rule(np.dot)
def _dot(a: Any, b: Any) -> Any:  # names its arguments, which not every NumPy's own signature does
    return _from_book(np.dot, a, b)


@rule(np.inner)
def _inner(a: Any, b: Any) -> Any:
    return _from_book(np.inner, a, b)


@rule(np.vdot)
def _vdot(a: Any, b: Any) -> Any:
    return np.dot(np.conj(np.ravel(a)), np.ravel(b))


@rule(np.full_like)
def _full_like(a: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> Any:
    like = np.zeros_like(plain(a), dtype=dtype, **kwargs)
    if like.dtype.kind not in "fc" or not is_active(fill_value):
        return constant(np.full_like(plain(a), plain(fill_value), dtype=dtype, **kwargs))
    return np.broadcast_to(fill_value, like.shape).astype(like.dtype)


@rule(np.convolve)
def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    if np.shape(v)[0] > np.shape(a)[0]:
        a, v = v, a
    a, v = (x if is_traced(x) else constant(np.asarray(x, dtype=float)) for x in (a, v))
    length = v.shape[0]
    padded = np.pad(a, length - 1)
    full = np.lib.stride_tricks.sliding_window_view(padded, length) @ np.flip(v)
    trim = {"full": 0, "same": (length - 1) // 2, "valid": length - 1}[mode]
    size = {"full": full.shape[0], "same": a.shape[0], "valid": a.shape[0] - length + 1}[mode]
    return full[trim : trim + size]


@rule(np.correlate)
def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    if np.iscomplexobj(plain(a)) or np.iscomplexobj(plain(v)):
        raise failure("np.correlate of complex arrays cannot be traced")
    if np.shape(v)[0] > np.shape(a)[0]:
        return np.flip(_convolve(np.flip(a), v, mode))
    return _convolve(a, np.flip(v), mode)


@rule(np.interp)
def _interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    if period is not None:
        raise failure("np.interp(period=...) cannot be traced")
    at = np.asarray(plain(x), dtype=float)
    knots = np.asarray(plain(xp), dtype=float)
    xp, fp = (v if is_traced(v) else constant(np.asarray(v, dtype=float)) for v in (xp, fp))
    i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    inside = fp[i] + (fp[i + 1] - fp[i]) * ((x - xp[i]) / (xp[i + 1] - xp[i]))
    inside = np.where(at < knots[0], fp[0] if left is None else left, inside)
    return np.where(at > knots[-1], fp[-1] if right is None else right, inside)


@rule(np.apply_along_axis)
def _apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    rows = np.moveaxis(arr, axis, -1)
    shape = rows.shape[:-1]
    parts = [func1d(rows[index], *args, **kwargs) for index in np.ndindex(shape)]
    out = np.reshape(np.stack(parts), shape + np.shape(parts[0]))
    added = np.ndim(parts[0])
    order = list(range(len(shape)))
    order[axis % arr.ndim : axis % arr.ndim] = range(len(shape), len(shape) + added)
    return np.transpose(out, order)


@rule(np.einsum)
def _einsum(*operands: Any, **kwargs: Any) -> Any:
    """The slope in one operand is an einsum of the gradient and the others.

    An index that stands only in that operand was summed there: its gradient is spread along it. One
    that stands twice picked a diagonal: its gradient lies on it.
    """
    if kwargs.get("out") is not None or not isinstance(operands[0], str):
        raise failure("np.einsum with out= or without a subscript string cannot be traced")
    values = [np.asarray(plain(x)) for x in operands[1:]]
    terms, goal = _terms(operands[0], values)
    value = np.einsum(",".join(terms) + "->" + goal, *values)
    active = [i for i, x in enumerate(operands[1:]) if is_active(x)]
    sizes: dict[str, int] = {}
    for term, array in zip(terms, values, strict=True):
        sizes.update((s, n) for s, n in zip(term, array.shape, strict=True) if n != 1)

    def slope(g: Any, i: int) -> Any:
        others = [(t, v) for j, (t, v) in enumerate(zip(terms, values, strict=True)) if j != i]
        mine = "".join(dict.fromkeys(terms[i]))
        shape = [dict(zip(terms[i], values[i].shape, strict=True))[s] for s in mine]
        # Ones stand for an index of its own, and for one along which others were stretched.
        ones = np.ones([sizes.get(s, 1) for s in mine])
        spec = ",".join([goal, mine, *(t for t, _ in others)])
        part = np.einsum(f"{spec}->{mine}", g, ones, *(v for _, v in others), optimize=True)
        stretched = tuple(k for k, n in enumerate(shape) if n != part.shape[k])
        part = part.sum(axis=stretched, keepdims=True) if stretched else part
        whole = np.zeros(values[i].shape, dtype=part.dtype)
        np.einsum(f"{terms[i]}->{mine}", whole)[...] = part
        return whole

    return result(value, [operands[1 + i] for i in active], lambda g: [slope(g, i) for i in active])


def _terms(subscripts: str, values: list[Any]) -> tuple[list[str], str]:
    """Subscripts of each operand and of the result, the ellipsis written out."""
    left, arrow, goal = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in subscripts]
    hidden = [v.ndim - len(t.replace("...", "")) for t, v in zip(terms, values, strict=True)]
    most = max([n for t, n in zip(terms, hidden, strict=True) if "..." in t], default=0)
    dots = "".join(free[:most])
    terms = [t.replace("...", dots[most - n :] if n else "")
             for t, n in zip(terms, hidden, strict=True)]  # fmt: skip
    if not arrow:
        names = "".join(terms)
        goal = dots + "".join(sorted(s for s in set(names) - set(dots) if names.count(s) == 1))
    return terms, goal.replace("...", dots)


# --- linear algebra: what LAPACK reads ------------------------------------------------------------


def _from_triangle(a: Any, uplo: str) -> Any:
    """The symmetric matrix that one triangle stands for: the routines read no more of it."""
    rows, columns = np.indices(a.shape[-2:])
    first, second = np.maximum(rows, columns), np.minimum(rows, columns)
    return a[..., first, second] if uplo == "L" else a[..., second, first]


def _from_book(function: Any, *args: Any, **kwargs: Any) -> Any:
    from tricheck.tracing.rules import from_autograd

    found = from_autograd(function)
    if found is None:
        raise failure(f"np.{function.__name__} has no derivative rule")
    return found(*args, **kwargs)


@rule(np.linalg.cholesky)
def _cholesky(a: Any, *, upper: bool = False) -> Any:
    factor = _from_book(np.linalg.cholesky, _from_triangle(a, "U" if upper else "L"))
    return np.swapaxes(factor, -1, -2) if upper else factor


@rule(np.linalg.eigh)
def _eigh(a: Any, UPLO: str = "L") -> Any:
    return _from_book(np.linalg.eigh, _from_triangle(a, UPLO.upper()))


@rule(np.linalg.eigvalsh)
def _eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return _eigh(a, UPLO)[0]


@rule(np.linalg.svd)
def _svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    if hermitian:
        raise failure("np.linalg.svd(hermitian=True) cannot be traced")
    if not compute_uv:
        return _from_book(np.linalg.svd, a, full_matrices=False)[1]
    if full_matrices and a.shape[-1] != a.shape[-2]:
        raise failure("np.linalg.svd of a matrix that is not square: pass full_matrices=False")
    return _from_book(np.linalg.svd, a, full_matrices=False)


@rule(np.linalg.multi_dot)
def _multi_dot(arrays: Any, **_: Any) -> Any:
    product = arrays[0]
    for array in arrays[1:]:
        product = np.dot(product, array)
    return product


if hasattr(np.linalg, "svdvals"):

    @rule(np.linalg.svdvals)
    def _svdvals(x: Any, /) -> Any:
        return _svd(x, compute_uv=False)
