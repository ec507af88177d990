"""Functions that stand between layers, recognised by their values, with the slopes people write."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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


def _gelu_by_logistic(z: FloatArray) -> FloatArray:
    gate = _sigmoid(1.702 * z)
    return gate + 1.702 * z * gate * (1.0 - gate)


def _mish_slope(z: FloatArray) -> FloatArray:
    gate = np.tanh(np.logaddexp(0.0, z))
    slope: FloatArray = gate + z * (1.0 - gate * gate) * _sigmoid(z)
    return slope


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
    Known("GELU by the logistic function", lambda z: z * _sigmoid(1.702 * z), _gelu_by_logistic),
    Known("mish", lambda z: z * np.tanh(np.logaddexp(0.0, z)), _mish_slope),
    Known("the absolute value", np.abs, np.sign, activates=False),
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


@dataclass(frozen=True)
class Wrong:
    """A slope that people take for the right one.

    Attributes
    ----------
    kind : str
        A short name.
    words : str
        A clause, to follow "is".
    slope : ndarray
    number : callable or None
        Of a family, the words of the member with another number than 1.
    rest : ndarray or None
        The member whose number is 0; what is not a multiple of the number. None for zero.
    """

    kind: str
    words: str
    slope: FloatArray
    number: Callable[[float], str] | None = None
    rest: FloatArray | None = None

    def member(self, number: float) -> FloatArray:
        """The slope with another number."""
        if self.rest is None:
            return number * self.slope
        return self.rest + number * (self.slope - self.rest)


@dataclass(frozen=True)
class Halves:
    """The slopes of a function of two branches.

    Attributes
    ----------
    first : ndarray of bool
        Where the first branch is taken.
    slopes : tuple of two ndarray
        What each branch has for a slope, everywhere.
    where : tuple of two str
        Clauses for where each is taken.
    """

    first: npt.NDArray[np.bool_]
    slopes: tuple[FloatArray, FloatArray]
    where: tuple[str, str]

    def changed(self, number: int, slope: FloatArray) -> FloatArray:
        """The slope of the function, with another in one branch."""
        one, other = (slope if k == number else own for k, own in enumerate(self.slopes))
        return np.where(self.first, one, other)


def wrong_slopes(
    z: FloatArray, a: FloatArray, slope: FloatArray, halves: Halves | None, *, activates: bool
) -> Iterator[Wrong]:
    """Slopes that people take for the right one.

    Parameters
    ----------
    z, a, slope : ndarray
        Argument, value and right slope.
    halves : Halves or None
        The two branches, where it has two.
    activates : bool
        Whether it may be one that stands between the layers of networks.
    """
    yield Wrong(
        "left-out", "left out (1 in its place)", np.ones_like(slope), "{:.6g} throughout".format
    )
    yield Wrong("twice", "taken twice", slope * slope)
    if np.any(slope < 0.0):
        yield Wrong("sign", "taken without its sign", np.abs(slope))
    if np.all(slope != 0.0):
        yield Wrong("inverse", "divided by instead of multiplied with", 1.0 / slope)
    if halves is not None:
        yield from _of_halves(halves)
    known = recognised(z, a)
    if known is not None:
        yield from _misplaced(known, z, a)
    for other in KNOWN if activates else ():
        if other is not known and (other.activates or halves is not None):
            yield Wrong("other-function", f"that of {other.name} instead", other.slope(z))


def pieces(z: FloatArray, slope: FloatArray) -> tuple[float, float] | None:
    """The slopes of a function of two straight pieces that meet at 0, if it is one."""
    negative, positive = np.unique(slope[z < 0.0]), np.unique(slope[z > 0.0])
    if len(negative) != 1 or len(positive) != 1 or negative[0] == positive[0]:
        return None
    return float(negative[0]), float(positive[0])


def straight_halves(z: FloatArray, slope: FloatArray) -> Halves | None:
    """The halves of a function of two straight pieces that meet at 0, if it is one."""
    both = pieces(z, slope)
    if both is None:
        return None
    low, high = (np.full_like(slope, number) for number in both)
    first = np.where(z == 0.0, slope == low, z < 0.0)
    return Halves(
        first, (low, high), ("where the argument is negative", "where the argument is positive")
    )


def _of_halves(halves: Halves) -> Iterator[Wrong]:
    """Another slope in one branch, or the two exchanged."""
    yield from _in_branch(halves, 0)
    yield from _in_branch(halves, 1)
    low, high = halves.slopes
    yield Wrong("gate", "taken on the wrong side", np.where(halves.first, high, low))
    yield Wrong("gate", "minus that on the wrong side", np.where(halves.first, -high, -low))


def _in_branch(halves: Halves, branch: int) -> Iterator[Wrong]:
    own, other = halves.slopes[branch], halves.slopes[1 - branch]
    constant = np.all(own == own.flat[0])
    where = halves.where[branch]
    if constant:
        where = f"for {own.flat[0]:g} {where}"
    without = halves.changed(branch, np.zeros_like(own))
    yield Wrong("piece", f"0 {where}", without)

    def family(words: Callable[[float], str], unit: FloatArray) -> Wrong:
        return Wrong("piece", words(1.0), halves.changed(branch, unit), words, without)

    yield family(lambda number: f"{number:.6g} {where}", np.ones_like(own))
    if not constant:  # else these are of the first family
        yield family(lambda number: f"{-number:.6g} times the right one {where}", -own)
        yield family(lambda number: f"{number:.6g} times the other branch's {where}", other)


def _misplaced(known: Known, z: FloatArray, a: FloatArray) -> Iterator[Wrong]:
    yield Wrong(
        "at-output", "taken at the function's value instead of its argument", known.slope(a)
    )
    if known.from_output is not None:
        yield Wrong(
            "at-argument",
            "computed by the formula in the function's value, but from its argument",
            known.from_output(z),
        )
    for formula, wrong in known.forgotten:
        yield Wrong("formula", f"{formula} instead, with a the function's value", wrong(a))
