"""Functions that stand between layers, recognised by their values, with the slopes people write."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tricheck.parameters import FloatArray

Elementwise = Callable[[FloatArray], FloatArray]

_ALIKE = 1e-9
_SCALE, _DEPTH = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717  # of SELU


@dataclass(frozen=True)
class Known:
    """An elementwise function of z.

    Attributes
    ----------
    name : str
    value, slope : callable
        Of z.
    from_output : callable or None
        The slope as a function of the value, as people like to write it.
    forgotten : tuple of (str, callable)
        Slopes that are nearly right, as functions of the value, and what they are.
    activates : bool
        Whether it is one that stands between the layers of networks.
    """

    name: str
    value: Elementwise
    slope: Elementwise
    from_output: Elementwise | None = None
    forgotten: tuple[tuple[str, Elementwise], ...] = ()
    activates: bool = True


def _sigmoid(z: FloatArray) -> FloatArray:
    half: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * z))
    return half


def _bell(z: FloatArray) -> FloatArray:
    """The density of the normal distribution."""
    bell: FloatArray = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return bell


def _normal(z: FloatArray) -> FloatArray:
    """Its distribution function."""
    chance: FloatArray = np.vectorize(
        lambda x: 0.5 * math.erfc(-x / math.sqrt(2.0)), otypes=[float]
    )(z)
    return chance


def _inner(z: FloatArray) -> FloatArray:
    inner: FloatArray = np.tanh(math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3))
    return inner


def _gelu_by_tanh(z: FloatArray) -> FloatArray:
    slope = math.sqrt(2.0 / math.pi) * (1.0 + 3.0 * 0.044715 * z * z)
    gelu: FloatArray = 0.5 * (1.0 + _inner(z)) + 0.5 * z * (1.0 - _inner(z) ** 2) * slope
    return gelu


def _step(z: FloatArray) -> FloatArray:
    return (z > 0.0).astype(np.float64)


KNOWN = (
    Known(
        "tanh", np.tanh, lambda z: 1.0 - np.tanh(z) ** 2, lambda a: 1.0 - a * a,
        (("1 - a", lambda a: 1.0 - a), ("a (1 - a)", lambda a: a * (1.0 - a))),
    ),
    Known(
        "sigmoid", _sigmoid, lambda z: _sigmoid(z) * (1.0 - _sigmoid(z)), lambda a: a * (1.0 - a),
        (("a", lambda a: a), ("1 - a", lambda a: 1.0 - a), ("1 - a²", lambda a: 1.0 - a * a)),
    ),
    Known("ReLU", lambda z: np.maximum(z, 0.0), _step),
    Known("softplus", lambda z: np.logaddexp(0.0, z), _sigmoid),
    Known("exp", np.exp, np.exp, lambda a: a, activates=False),
    Known("the square", np.square, lambda z: 2.0 * z, activates=False),
    Known("sin", np.sin, np.cos),
    Known("cos", np.cos, lambda z: -np.sin(z)),
    Known("the logarithm", np.log, lambda z: 1.0 / z, activates=False),
    Known("the square root", np.sqrt, lambda z: 0.5 / np.sqrt(z), lambda a: 0.5 / a,
          activates=False),
    Known("SiLU", lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) * (1 + z * (1 - _sigmoid(z)))),
    Known("GELU", lambda z: z * _normal(z), lambda z: _normal(z) + z * _bell(z)),
    Known("GELU by tanh", lambda z: 0.5 * z * (1.0 + _inner(z)), _gelu_by_tanh),
    Known("SELU", lambda z: _SCALE * np.where(z > 0, z, _DEPTH * np.expm1(z)),
          lambda z: _SCALE * np.where(z > 0, 1.0, _DEPTH * np.exp(z))),
    Known("ELU", lambda z: np.where(z > 0, z, np.expm1(z)), lambda z: np.where(z > 0, 1, np.exp(z)),
          lambda a: np.where(a > 0, 1.0, a + 1.0)),
)  # fmt: skip


def recognised(z: FloatArray, a: FloatArray) -> Known | None:
    """The known function that makes `a` of `z`, if there is one."""
    size = float(np.max(np.abs(a))) or 1.0
    with np.errstate(all="ignore"):
        fits = (k for k in KNOWN if np.all(np.abs(k.value(z) - a) <= _ALIKE * size))
        return next(fits, None)


def wrong_slopes(
    z: FloatArray, a: FloatArray, slope: FloatArray
) -> Iterator[tuple[str, str, FloatArray]]:
    """Slopes that people take for the right one, each with a short name and a clause.

    Parameters
    ----------
    z, a, slope : ndarray
        Argument, value and right slope.

    Yields
    ------
    kind, words : str
    wrong : ndarray
    """
    yield "left-out", "left out (1 in its place)", np.ones_like(slope)
    yield "twice", "taken twice", slope * slope
    if np.any(slope < 0.0):
        yield "sign", "taken without its sign", np.abs(slope)
    if np.all(slope != 0.0):
        yield "inverse", "divided by instead of multiplied with", 1.0 / slope
    yield from _other_pieces(z, slope)
    known = recognised(z, a)
    if known is not None:
        yield from _misplaced(known, z, a)
        for other in KNOWN:
            if other is not known and other.activates:
                yield "other-function", f"that of {other.name} instead", other.slope(z)


def pieces(z: FloatArray, slope: FloatArray) -> tuple[float, float] | None:
    """The slopes of a function of two straight pieces that meet at 0, if it is one."""
    negative, positive = np.unique(slope[z < 0.0]), np.unique(slope[z > 0.0])
    if len(negative) != 1 or len(positive) != 1 or negative[0] == positive[0]:
        return None
    return float(negative[0]), float(positive[0])


def _other_pieces(z: FloatArray, slope: FloatArray) -> Iterator[tuple[str, str, FloatArray]]:
    """For a function of two straight pieces, another slope on one of them."""
    both = pieces(z, slope)
    if both is None:
        return
    low, high = both
    for other in sorted({0.0, 1.0, -low} - {low}):
        words = f"{other:g} for {low:g} where the argument is negative"
        yield "piece", words, np.where(z < 0.0, other, slope)
    yield "gate", "taken on the wrong side of 0", np.where(z < 0.0, high, low)


def _misplaced(known: Known, z: FloatArray, a: FloatArray) -> Iterator[tuple[str, str, FloatArray]]:
    yield "at-output", "taken at the function's value instead of its argument", known.slope(a)
    if known.from_output is not None:
        yield (
            "at-argument",
            ("computed by the formula in the function's value, but from its argument"),
            known.from_output(z),
        )
    for formula, wrong in known.forgotten:
        yield "formula", f"{formula} instead, with a the function's value", wrong(a)
