"""Losses in pieces with jumps between them, each with the gradient of the curve they follow.

What a stopping rule, a table, a rounding or a count leaves. `height` is how far a loss is from its
curve by construction: the tolerance, or half of what is rounded to, times how steeply the loss
depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

Array = Any


class Stepwise(NamedTuple):
    """A loss of positive parameters, the gradient of its curve, how far the two are apart."""

    name: str
    loss: Callable[[Array], Any]
    gradient: Callable[[Array], Array]
    height: float
    traced: bool = True  # a chain rule through its code sees a slope


def summed(root: Callable[[Any], Any]) -> Callable[[Array], Any]:
    """The sum of what is solved for each parameter."""
    return lambda w: sum(root(a) for a in w)


def half(w: Array) -> Array:
    """Slope of the square root."""
    return 0.5 / np.sqrt(w)


def bisection(a: Any, tolerance: float = 1e-6) -> Any:
    """sqrt(a)"""
    low, high = 0.0, 1.0 + a
    while high - low > tolerance:
        middle = 0.5 * (low + high)
        if middle * middle < a:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def fixed_point(a: Any, tolerance: float = 1e-12) -> Any:
    """sqrt(a), from 1; the error left is 3/2 of the last step, or less."""
    x = 1.0
    for _ in range(500):
        step = 0.4 * (a / x - x)
        x = x + step
        if abs(step) <= tolerance:
            break
    return x


def newton(a: Any, tolerance: float = 1e-8) -> Any:
    """sqrt(a), from 1"""
    x = 1.0
    for _ in range(100):
        step = 0.5 * (a / x - x)
        x = x + step
        if abs(step) <= tolerance:
            break
    return x


def secant(a: Any, tolerance: float = 1e-5) -> Any:
    """sqrt(a), from 1 and 1 + a"""
    x, y = 1.0, 1.0 + a
    for _ in range(100):
        p, q = x * x - a, y * y - a
        x, y = y, y - q * (y - x) / (q - p)
        if abs(y - x) <= tolerance:
            break
    return y


def doubled_steps(rate: Any, tolerance: float = 1e-6) -> Any:
    """exp(-rate), by Heun's method with twice the steps until that changes little."""
    steps, before = 4, None
    while steps < 10**5:
        h = 1.0 / steps
        y = (1.0 - h * rate + 0.5 * (h * rate) ** 2) ** steps
        if before is not None and abs(y - before) <= tolerance:
            return y
        steps, before = 2 * steps, y
    return before


def dominant(w: Array, tolerance: float = 1e-10) -> Any:
    """The largest eigenvalue of a matrix that is linear in the parameters, by power iteration."""
    matrix = COUPLING + np.diag(w)
    v = np.ones(len(w)) / np.sqrt(len(w))
    before = 0.0
    for _ in range(1000):
        u = matrix @ v
        value = v @ u
        v = u / np.sqrt(u @ u)
        if abs(value - before) <= tolerance:
            break
        before = value
    return value


COUPLING = np.array([[0.0, 0.7, 0.3], [0.7, 0.0, 0.5], [0.3, 0.5, 0.0]])


def dominant_gradient(w: Array) -> Array:
    """Squares of the eigenvector's entries."""
    return np.linalg.eigh(COUPLING + np.diag(w))[1][:, -1] ** 2


KNOTS = np.linspace(0.0, 10.0, 10**5 + 1)
TABLE = np.sqrt(KNOTS)


def nearest(w: Array) -> Any:
    """sqrt(a), looked up at the nearest knot below."""
    return np.sum(TABLE[np.floor(np.asarray(w) * 1e4).astype(int)])


COARSE = np.linspace(0.0, 10.0, 10**3 + 1)


def interpolated(w: Array) -> Any:
    """sin(a) between knots: continuous, so its own slopes count."""
    return np.sum(np.interp(w, COARSE, np.sin(COARSE)))


def interpolated_slope(w: Array) -> Array:
    """Of the piece."""
    return (np.diff(np.sin(COARSE)) / np.diff(COARSE))[np.searchsorted(COARSE, w) - 1]


def spread(w: Array) -> Any:
    """Weighted order statistics: smooth wherever no two parameters are equal."""
    return np.sum(np.sort(w) ** 2 * np.arange(1.0, len(w) + 1.0))


def spread_gradient(w: Array) -> Array:
    """Each by its rank."""
    return 2.0 * w * (1.0 + np.argsort(np.argsort(w)))


def floored(w: Array) -> Any:
    """The squared sum of parameters cut to eight digits."""
    return np.sum(np.floor(w * 1e8) / 1e8) ** 2


def floored_slope(w: Array) -> Array:
    """Of the squared sum."""
    return 2.0 * np.sum(w) * np.ones_like(w)


CASES = [
    Stepwise("bisection to 1e-6", summed(bisection), half, 5e-7),
    Stepwise("fixed point to 1e-12", summed(fixed_point), half, 2e-12),
    Stepwise("fixed point to 1e-6", summed(lambda a: fixed_point(a, 1e-6)), half, 2e-6),
    Stepwise("Newton to 1e-8", summed(newton), half, 1e-15),
    Stepwise("Newton to 1e-2", summed(lambda a: newton(a, 1e-2)), half, 1e-4),
    Stepwise("secant to 1e-5", summed(secant), half, 1e-8),
    Stepwise("steps doubled to 1e-6", summed(doubled_steps), lambda w: -np.exp(-w), 1e-6),
    Stepwise("power iteration to 1e-10", dominant, dominant_gradient, 1e-9),
    Stepwise("rounded to 1e-9", lambda w: np.round(np.sum(np.sin(w)), 9), np.cos, 5e-10, False),
    Stepwise("table of 1e5 knots", nearest, half, 5e-5, traced=False),
    Stepwise("interpolated", interpolated, interpolated_slope, 0.0),
    Stepwise(
        "floored to 1e-8", lambda w: np.sum(np.floor(w * 1e8) / 1e8) ** 2, floored_slope, 4e-7
    ),
    Stepwise("sorted", spread, spread_gradient, 0.0),
]


def points(count: int, size: int = 3, seed: int = 0) -> Iterator[Array]:
    """Random points."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield rng.uniform(0.5, 6.0, size)
