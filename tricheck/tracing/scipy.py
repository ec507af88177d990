"""What stands for scipy's functions during a run; loaded only where the user's code has scipy."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import autograd.scipy.special  # noqa: F401  # fills the rule book
import numpy as np
import scipy.linalg
import scipy.signal
import scipy.special as special

from tricheck.tracing.names import replaced, replacement
from tricheck.tracing.registry import RULES, Rule, rule
from tricheck.tracing.traced import constant, failure, holds_trace, is_traced, plain, result, wrap

_ROOT_PI = float(np.sqrt(np.pi))

# Functions of one number: the slope from the argument and the value
_SLOPES: dict[Any, Callable[[Any, Any], Any]] = {
    special.expit: lambda _, y: y * (1.0 - y),
    special.log_expit: lambda x, _: special.expit(-x),
    special.logit: lambda x, _: 1.0 / (x * (1.0 - x)),
    special.erf: lambda x, _: 2.0 / _ROOT_PI * np.exp(-x * x),
    special.erfc: lambda x, _: -2.0 / _ROOT_PI * np.exp(-x * x),
    special.erfcx: lambda x, y: 2.0 * x * y - 2.0 / _ROOT_PI,
    special.erfinv: lambda _, y: _ROOT_PI / 2.0 * np.exp(y * y),
    special.ndtr: lambda x, _: np.exp(-x * x / 2.0) / np.sqrt(2.0 * np.pi),
    special.log_ndtr: lambda x, y: np.exp(-x * x / 2.0 - y) / np.sqrt(2.0 * np.pi),
    special.ndtri: lambda _, y: np.sqrt(2.0 * np.pi) * np.exp(y * y / 2.0),
    special.gamma: lambda x, y: y * special.digamma(x),
    special.gammaln: lambda x, _: special.digamma(x),
    special.loggamma: lambda x, _: special.digamma(x),
    special.rgamma: lambda x, y: -y * special.digamma(x),
    special.digamma: lambda x, _: special.polygamma(1, x),
    special.i0: lambda x, _: special.i1(x),
    special.i0e: lambda x, y: special.i1e(x) - np.sign(x) * y,
    special.j0: lambda x, _: -special.j1(x),
    special.j1: lambda x, y: special.j0(x) - np.where(x == 0.0, 0.5, y / np.where(x, x, 1.0)),
    special.exprel: lambda x, y: np.where(x == 0.0, 0.5, (np.exp(x) - y) / np.where(x, x, 1.0)),
    special.entr: lambda x, _: -np.log(x) - 1.0,
    special.expm1: lambda _, y: y + 1.0,
    special.log1p: lambda x, _: 1.0 / (1.0 + x),
    special.exp2: lambda _, y: y * np.log(2.0),
    special.exp10: lambda _, y: y * np.log(10.0),
    special.cbrt: lambda _, y: 1.0 / (3.0 * y * y),
}


def _elementary(function: Any, slope: Callable[[Any, Any], Any]) -> Rule:
    def apply(x: Any) -> Any:
        value = function(x.value)
        steepness = slope(x.value, value)
        return result(value, [x], lambda g: [g * steepness])

    return apply


RULES.update({function: _elementary(function, slope) for function, slope in _SLOPES.items()})


@rule(special.xlogy)
def _xlogy(x: Any, y: Any) -> Any:
    zero = np.asarray(plain(x)) == 0.0
    return np.where(zero, 0.0, x * np.log(np.where(zero, 1.0, y)))


@rule(special.xlog1py)
def _xlog1py(x: Any, y: Any) -> Any:
    return np.where(np.asarray(plain(x)) == 0.0, 0.0, x * np.log1p(y))


@rule(special.rel_entr)
def _rel_entr(x: Any, y: Any) -> Any:
    return x * np.log(x / y)


@rule(special.kl_div)
def _kl_div(x: Any, y: Any) -> Any:
    return x * np.log(x / y) - x + y


@rule(special.huber)
def _huber(delta: Any, r: Any) -> Any:
    size = np.abs(r)
    return np.where(plain(size) <= plain(delta), 0.5 * r * r, delta * (size - 0.5 * delta))


@rule(special.beta)
def _beta(a: Any, b: Any) -> Any:
    return np.exp(_betaln(a, b))


@rule(special.betaln)
def _betaln(a: Any, b: Any) -> Any:
    return special.gammaln(a) + special.gammaln(b) - special.gammaln(a + b)


# --- functions written in Python, which ask their arguments nothing -------------------------------


def _stands_for(*originals: Any) -> Callable[[Any], Any]:
    """The decorated function where an argument is traced, the original elsewhere."""

    def register(mine: Any) -> Any:
        for original in originals:
            replacement(original)(_chosen(original, mine))
        return mine

    return register


def _chosen(original: Any, mine: Any) -> Any:
    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if holds_trace(args) or holds_trace(list(kwargs.values())):
            return mine(*args, **kwargs)
        return wrap(original(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()}))

    return call


@_stands_for(special.logsumexp)
def _logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    if return_sign:
        raise failure("scipy.special.logsumexp(return_sign=True) cannot be traced")
    a = np.asarray(a) if not is_traced(a) else a
    top = np.max(plain(a), axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    terms = np.exp(a - top) if b is None else b * np.exp(a - top)
    total = np.log(np.sum(terms, axis=axis, keepdims=True)) + top
    return total if keepdims else np.reshape(total, np.shape(np.sum(plain(a), axis=axis)))[()]


@_stands_for(special.softmax)
def _softmax(x: Any, axis: Any = None) -> Any:
    terms = np.exp(x - np.max(plain(x), axis=axis, keepdims=True))
    return terms / np.sum(terms, axis=axis, keepdims=True)


@_stands_for(special.log_softmax)
def _log_softmax(x: Any, axis: Any = None) -> Any:
    shifted = x - np.max(plain(x), axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@_stands_for(special.polygamma)
def _polygamma(n: Any, x: Any) -> Any:
    slope = special.polygamma(np.asarray(plain(n)) + 1, x.value)
    return result(special.polygamma(n, x.value), [x], lambda g: [g * slope])


@_stands_for(scipy.linalg.solve)
def _solve(a: Any, b: Any, **options: Any) -> Any:
    if set(options) - {"assume_a", "check_finite", "overwrite_a", "overwrite_b"}:
        raise failure("scipy.linalg.solve with these arguments cannot be traced")
    assumed = options.get("assume_a", "gen")
    if assumed in ("pos", "positive definite", "sym", "symmetric"):
        a = np.triu(a) + np.swapaxes(np.triu(a, 1), -1, -2)  # all that is read of it
    elif assumed not in ("gen", "general", None):
        raise failure(f"scipy.linalg.solve(assume_a={assumed!r}) cannot be traced")
    return np.linalg.solve(a, b)


@_stands_for(scipy.linalg.inv)
def _inv(a: Any, **_: Any) -> Any:
    return np.linalg.inv(a)


@_stands_for(scipy.linalg.det)
def _det(a: Any, **_: Any) -> Any:
    return np.linalg.det(a)


@_stands_for(scipy.linalg.norm)
def _norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, **_: Any) -> Any:
    return np.linalg.norm(a, ord=ord, axis=axis, keepdims=keepdims)


@_stands_for(scipy.linalg.cholesky)
def _cholesky(a: Any, lower: bool = False, **_: Any) -> Any:
    if lower:
        return np.linalg.cholesky(a)
    return np.swapaxes(np.linalg.cholesky(np.swapaxes(a, -1, -2)), -1, -2)


@_stands_for(scipy.linalg.cho_factor)
def _cho_factor(a: Any, lower: bool = False, **_: Any) -> Any:
    return _cholesky(a, lower), lower


@_stands_for(scipy.linalg.cho_solve)
def _cho_solve(c_and_lower: Any, b: Any, **_: Any) -> Any:
    factor, lower = c_and_lower
    lower_factor = np.tril(factor) if lower else np.swapaxes(np.triu(factor), -1, -2)
    half = np.linalg.solve(lower_factor, b)
    return np.linalg.solve(np.swapaxes(lower_factor, -1, -2), half)


@_stands_for(scipy.linalg.solve_triangular)
def _solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, **_: Any
) -> Any:
    triangle = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        eye = np.eye(np.shape(plain(a))[-1])
        triangle = triangle * (1.0 - eye) + eye
    if trans not in (0, "N"):
        triangle = np.swapaxes(triangle, -1, -2)
    return np.linalg.solve(triangle, b)


@_stands_for(scipy.linalg.expm)
def _expm(a: Any) -> Any:
    value = scipy.linalg.expm(a.value)
    # The adjoint of its Fréchet derivative is that of the transpose (Higham, 2008).
    transposed = np.swapaxes(a.value, -1, -2)
    return result(
        value, [a], lambda g: [scipy.linalg.expm_frechet(transposed, g, compute_expm=False)]
    )


@_stands_for(scipy.signal.convolve, scipy.signal.fftconvolve, scipy.signal.convolve2d)
def _convolve(in1: Any, in2: Any, mode: str = "full", **options: Any) -> Any:
    if options.get("boundary", "fill") != "fill" or "axes" in options:
        raise failure("scipy.signal.convolve with these arguments cannot be traced")
    first, second = (
        x if is_traced(x) else constant(np.asarray(x, dtype=float)) for x in (in1, in2)
    )
    pads = [(n - 1, n - 1) for n in second.shape]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(first, pads), second.shape)
    ndim = first.ndim
    letters = "abcdefgh"[: 2 * ndim]
    full = np.einsum(f"{letters},{letters[ndim:]}->{letters[:ndim]}", windows, np.flip(second))
    sizes = {
        "full": full.shape,
        "same": first.shape,
        "valid": tuple(
            max(n, m) - min(n, m) + 1 for n, m in zip(first.shape, second.shape, strict=True)
        ),
    }[mode]
    centre = tuple(
        slice((n - s) // 2, (n - s) // 2 + s) for n, s in zip(full.shape, sizes, strict=True)
    )
    return full[centre]


@_stands_for(scipy.signal.correlate, scipy.signal.correlate2d)
def _correlate(in1: Any, in2: Any, mode: str = "full", **options: Any) -> Any:
    return _convolve(in1, np.flip(in2), mode, **options)


replaced.modules.update({"scipy", "scipy.special", "scipy.linalg", "scipy.signal"})
