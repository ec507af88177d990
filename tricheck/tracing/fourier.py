"""Fourier transforms: all of them made of one, whose matrix is symmetric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tricheck.tracing.registry import rule
from tricheck.tracing.traced import failure, result

Transform = Callable[..., Any]


def _resized(a: Any, n: int | None, axis: int) -> Any:
    """Cut, or filled up with zeros, to n entries along an axis."""
    size = np.shape(a)[axis]
    if n is None or n == size:
        return a
    if n < size:
        return np.take(a, np.arange(n), axis=axis)
    widths = [(0, 0)] * np.ndim(a)
    widths[axis] = (0, n - size)
    return np.pad(a, widths)


def _plain(transform: Transform) -> Transform:
    def transformed(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
        whole = _resized(a, n, axis)
        return result(
            transform(whole.value, axis=axis, norm=norm),
            [whole],
            lambda g: [transform(g, axis=axis, norm=norm)],
        )

    return transformed


_fft = rule(np.fft.fft)(_plain(np.fft.fft))
_ifft = rule(np.fft.ifft)(_plain(np.fft.ifft))


@rule(np.fft.rfft)
def _rfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    whole = _fft(a, n, axis, norm)
    return np.take(whole, np.arange(whole.shape[axis] // 2 + 1), axis=axis)


@rule(np.fft.irfft)
def _irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    n = 2 * (a.shape[axis] - 1) if n is None else n
    half = _resized(a, n // 2 + 1, axis)
    mirrored = np.take(half, np.arange((n + 1) // 2 - 1, 0, -1), axis=axis)
    whole = np.concatenate([half, np.conj(mirrored)], axis=axis)
    return np.real(_ifft(whole, n, axis, norm)) * 1.0


def _along(transform: Transform, last: Transform | None = None) -> Transform:
    """A transform along several axes, one after the other."""

    def transformed(
        a: Any, s: Sequence[int] | None = None, axes: Any = None, norm: str | None = None
    ) -> Any:
        if axes is None:
            axes = tuple(range(a.ndim)) if s is None else tuple(range(-len(s), 0))
        lengths = [None] * len(axes) if s is None else list(s)
        steps = list(zip(axes, lengths, strict=True))
        if last is not None:
            a = last(a, steps[-1][1], steps[-1][0], norm)
            steps = steps[:-1]
        for axis, n in steps:
            a = transform(a, n, axis, norm)
        return a

    return transformed


_fftn = rule(np.fft.fftn)(_along(_fft))
_ifftn = rule(np.fft.ifftn)(_along(_ifft))


def _two(transform: Transform) -> Transform:
    def transformed(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
        return transform(a, s, axes, norm)

    return transformed


rule(np.fft.fft2)(_two(_fftn))
rule(np.fft.ifft2)(_two(_ifftn))
rule(np.fft.rfftn)(_along(_fft, last=_rfft))
rule(np.fft.rfft2)(_two(_along(_fft, last=_rfft)))


@rule(np.fft.irfftn, np.fft.irfft2, np.fft.hfft, np.fft.ihfft)
def _refused(*_: Any, **__: Any) -> Any:
    raise failure("this Fourier transform cannot be traced: use np.fft.irfft or np.fft.ifft")
