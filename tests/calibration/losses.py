"""Losses whose exact gradient is known: smooth, kinked, noisy, cast, on edges of domains.

Truth comes from mpmath for functions of one variable, and for networks from reverse mode in float64
through the loss without its noise and casts, whose own error is some ulps of the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt

from tricheck.parameters import Parameters
from tricheck.tracing.reverse import value_and_gradient

Array = npt.NDArray[Any]
Loss = Callable[[Any], Any]


@dataclass(frozen=True)
class Case:
    """A loss at a point, and its exact gradient there."""

    name: str
    loss: Loss
    params: Any
    truth: Array


def traced(name: str, smooth: Loss, params: Any, loss: Loss | None = None) -> Case:
    """A case whose truth is reverse mode through the smooth loss."""
    parameters = Parameters.read(params)
    truth = value_and_gradient(smooth, parameters, parameters.values)[1]
    return Case(name, loss or smooth, params, truth)


# --- functions of one variable ------------------------------------------------------------------

SCALAR: dict[str, tuple[Loss, Callable[[Any], Any], list[float]]] = {
    "exp": (np.exp, mpmath.exp, [-2.0, 0.0, 0.7, 5.0]),
    "exp 30x": (lambda x: np.exp(30 * x), lambda x: mpmath.exp(30 * x), [-0.1, 0.3]),
    "sin": (np.sin, mpmath.sin, [0.0, 0.5, 1.5707, 10.0]),
    "sin 20x": (lambda x: np.sin(20 * x), lambda x: mpmath.sin(20 * x), [0.1, 1.3]),
    "log": (np.log, mpmath.log, [0.1, 1.0, 30.0]),
    "sqrt": (np.sqrt, mpmath.sqrt, [0.05, 2.0, 900.0]),
    "1/x": (lambda x: 1 / x, lambda x: 1 / x, [0.1, -3.0, 50.0]),
    "tanh": (np.tanh, mpmath.tanh, [0.0, 0.4, -2.0, 6.0]),
    "arctan": (np.arctan, mpmath.atan, [0.0, 1.0, -20.0]),
    "sinh": (np.sinh, mpmath.sinh, [0.0, 1.0, 4.0]),
    "x^5": (lambda x: x**5, lambda x: x**5, [0.01, 1.0, -3.0, 100.0]),
    "gauss": (lambda x: np.exp(-(x**2)), lambda x: mpmath.exp(-(x**2)), [0.0, 0.3, 2.0]),
    "runge": (lambda x: 1 / (1 + 25 * x**2), lambda x: 1 / (1 + 25 * x**2), [0.0, 0.1, 1.0]),
    "softplus": (lambda x: np.log1p(np.exp(x)), lambda x: mpmath.log1p(mpmath.exp(x)), [-3.0, 2.0]),
    "x log x": (lambda x: x * np.log(x), lambda x: x * mpmath.log(x), [0.2, 1.0, 8.0]),
    "x sin 1/x": (lambda x: x * np.sin(1 / x), lambda x: x * mpmath.sin(1 / x), [0.2, 1.0]),
    "sum of waves": (
        lambda x: np.sin(x) + 0.1 * np.sin(9 * x) + 0.01 * np.sin(80 * x),
        lambda x: mpmath.sin(x) + 0.1 * mpmath.sin(9 * x) + 0.01 * mpmath.sin(80 * x),
        [0.1, 0.9, 2.3],
    ),
}


def scalar() -> Iterator[Case]:
    for name, (loss, exact, points) in SCALAR.items():
        for point in points:
            yield Case(f"{name} at {point}", loss, point, np.array([exact_slope(exact, point)]))


def exact_slope(function: Callable[[Any], Any], point: float) -> float:
    with mpmath.workdps(60):
        return float(mpmath.diff(function, mpmath.mpf(point)))


# --- networks -----------------------------------------------------------------------------------

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "softplus": lambda z: np.log1p(np.exp(z)),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "gelu": lambda z: 0.5 * z * (1 + np.tanh(0.7978845608 * (z + 0.044715 * z**3))),
}
KINKED: dict[str, Callable[[Any], Any]] = {
    "relu": lambda z: np.maximum(z, 0.0),
    "leaky relu": lambda z: np.where(z > 0, z, 0.1 * z),
    "abs": np.abs,
    "hinge": lambda z: np.maximum(1.0 - z, 0.0),
}


def plain(x: Any) -> Any:
    return x


def network(
    activation: Callable[[Any], Any], seed: int, sizes: tuple[int, ...], cast: Any = plain
) -> tuple[Loss, dict[str, Array]]:
    """A dense network with a mean squared error; `cast` is applied to every array that enters."""
    rng = np.random.default_rng(seed)
    params: dict[str, Array] = {}
    for layer, (inner, outer) in enumerate(pairwise(sizes)):
        params[f"W{layer}"] = rng.standard_normal((inner, outer)) / np.sqrt(inner)
        params[f"b{layer}"] = 0.3 * rng.standard_normal(outer)
    X, Y = rng.standard_normal((7, sizes[0])), rng.standard_normal((7, sizes[-1]))

    def loss(p: Any) -> Any:
        a = cast(X)
        for layer in range(len(sizes) - 1):
            z = a @ cast(p[f"W{layer}"]) + cast(p[f"b{layer}"])
            a = activation(z) if layer < len(sizes) - 2 else z
        return np.mean((a - cast(Y)) ** 2)

    return loss, params


def softmax_classifier(seed: int, cast: Any = plain) -> tuple[Loss, dict[str, Array]]:
    rng = np.random.default_rng(seed)
    X, labels = rng.standard_normal((9, 6)), rng.integers(0, 5, 9)
    params = {"W": rng.standard_normal((6, 5)), "b": rng.standard_normal(5)}

    def loss(p: Any) -> Any:
        z = cast(X) @ cast(p["W"]) + cast(p["b"])
        top = np.max(z, axis=1, keepdims=True)
        log_sum = np.log(np.sum(np.exp(z - top), axis=1)) + top[:, 0]
        return np.mean(log_sum - z[np.arange(9), labels])

    return loss, params


def attention(seed: int, cast: Any = plain) -> tuple[Loss, dict[str, Array]]:
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((6, 5)), rng.standard_normal((6, 4))
    params = {name: rng.standard_normal((5, 4)) / 2 for name in ("Q", "K", "V")}

    def loss(p: Any) -> Any:
        q, k, v = (cast(X) @ cast(p[name]) for name in ("Q", "K", "V"))
        scores = np.exp(q @ k.T / 2.0)
        return np.sum((scores / np.sum(scores, axis=1, keepdims=True) @ v - cast(Y)) ** 2)

    return loss, params


def lstm(seed: int, cast: Any = plain) -> tuple[Loss, dict[str, Array]]:
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((4, 3, 2)), rng.standard_normal((3, 3))
    params = {g: rng.standard_normal((5, 3)) / 2 for g in ("f", "i", "o", "g")}

    def loss(p: Any) -> Any:
        h, c = cast(np.zeros((3, 3))), cast(np.zeros((3, 3)))
        for x in X:
            both = np.concatenate([h, cast(x)], axis=1)
            f, i, o = (1 / (1 + np.exp(-(both @ cast(p[g])))) for g in ("f", "i", "o"))
            c = f * c + i * np.tanh(both @ cast(p["g"]))
            h = o * np.tanh(c)
        return np.sum((h - cast(Y)) ** 2)

    return loss, params


def smooth(seeds: range, cast: Any = plain) -> Iterator[tuple[str, Loss, dict[str, Array]]]:
    """Smooth networks: name, loss, point."""
    for seed in seeds:
        for name, activation in ACTIVATIONS.items():
            yield (f"{name} {seed}", *network(activation, seed, (6, 8, 7, 3), cast))
        yield (f"softmax {seed}", *softmax_classifier(seed, cast))
        yield (f"attention {seed}", *attention(seed, cast))
        yield (f"lstm {seed}", *lstm(seed, cast))


def single(x: Any) -> Any:
    return x.astype(np.float32)


def rounded(params: dict[str, Array]) -> dict[str, Array]:
    return {name: w.astype(np.float32) for name, w in params.items()}


def smooth64(seeds: range) -> Iterator[Case]:
    yield from scalar()
    for name, loss, params in smooth(seeds):
        yield traced(name, loss, params)


def promoted32(seeds: range) -> Iterator[Case]:
    for name, loss, params in smooth(seeds):
        yield traced(name, loss, rounded(params))


def cast32(seeds: range) -> Iterator[Case]:
    exact = {name: loss for name, loss, _ in smooth(seeds)}
    for name, loss, params in smooth(seeds, single):
        yield traced(name, exact[name], rounded(params), loss)


def kinked(seeds: range, cast: Any = plain) -> Iterator[Case]:
    """Kinked networks at random points, and with one pre-activation moved close to its kink."""
    for seed in seeds:
        for name, activation in KINKED.items():
            exact, params = network(activation, seed, (5, 6, 5, 2))
            loss, _ = network(activation, seed, (5, 6, 5, 2), cast)
            params = rounded(params) if cast is single else params
            yield traced(f"{name} {seed}", exact, params, loss)
            for power in (3, 5, 7, 9) if cast is plain else (2, 3):
                near = beside_kink(
                    params, seed, (5, 6), 1.0 if name == "hinge" else 0.0, 10.0**-power
                )
                yield traced(f"{name} {seed} 1e-{power} from a kink", exact, near, loss)


def beside_kink(
    params: dict[str, Array], seed: int, sizes: tuple[int, int], kink: float, distance: float
) -> dict[str, Array]:
    """The point with the first unit's bias set so that its first sample nearly meets the kink."""
    X = np.random.default_rng(seed)
    for inner, outer in zip((5, 6, 5), (6, 5, 2), strict=True):
        X.standard_normal((inner, outer))
        X.standard_normal(outer)
    first = X.standard_normal((7, sizes[0]))[0]
    b0 = params["b0"].copy()
    b0[0] = kink + distance - first @ params["W0"][:, 0].astype(float)
    return {**params, "b0": b0.astype(params["b0"].dtype)}


# --- noise --------------------------------------------------------------------------------------


def hashed(params: Any) -> float:
    """Deterministic noise in [-1, 1] from the bits of the input."""
    total = sum(float(np.sum(np.sin(w * 1e10))) for w in params.values()) * 1e8
    return 2.0 * (total - float(np.floor(total))) - 1.0


def noisy(seeds: range, level: float, random: bool) -> Iterator[Case]:
    draws = np.random.default_rng(99)

    def spoil(loss: Loss) -> Loss:
        def noisy_loss(p: Any) -> Any:
            draw = draws.standard_normal() if random else hashed(p)
            return loss(p) * (1.0 + level * draw)

        return noisy_loss

    for name, loss, params in smooth(seeds):
        yield traced(name, loss, params, spoil(loss))


def bent(seeds: range) -> Iterator[Case]:
    """Squared hinges, whose slope bends abruptly at a distance from the point."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        a, x = rng.standard_normal((9, 12)), rng.standard_normal(12)
        for exponent in range(-6, 0):
            margins = a @ x - rng.choice([-1.0, 1.0], 9) * 10.0**exponent

            def hinge(x: Any, a: Array = a, margins: Array = margins) -> Any:
                return np.sum(np.maximum(0.0, a @ x - margins) ** 2) + np.sum(np.sin(x))

            yield traced(f"squared hinge {seed} 1e{exponent} from its bend", hinge, x)


# --- edges --------------------------------------------------------------------------------------


def decades() -> Iterator[Case]:
    factors = 10.0 ** np.linspace(-6.0, 6.0, 25)
    for seed in range(4):
        x = np.random.default_rng(seed).standard_normal(25)
        yield traced(f"decades {seed}", lambda x: np.sum(factors * np.sin(x)), x)


def offset(size: float) -> Iterator[Case]:
    for name, loss, params in smooth(range(2)):

        def shifted(p: Any, loss: Loss = loss) -> Any:
            return loss(p) + size

        yield traced(name, loss, params, shifted)


def line(a: Array, x: Any) -> Any:
    return np.sum(a @ x)


def bowl(a: Array, x: Any) -> Any:
    return np.sum((a @ x - 1.0) ** 2)


def polynomials() -> Iterator[Case]:
    rng = np.random.default_rng(0)
    for seed in range(5):
        x, a = rng.standard_normal(12), rng.standard_normal((9, 12))
        yield traced(f"linear {seed}", partial(line, a), x)
        yield traced(f"quadratic {seed}", partial(bowl, a), x)
        yield Case(f"constant {seed}", lambda x: 3.7, x, np.zeros(12))


def extremes() -> Iterator[Case]:
    tiny = np.array([0.0, -0.0, 1e-300, -1e-300, 5e-324, 1e-8])
    yield Case("sin at tiny points", lambda x: np.sum(np.sin(x)), tiny, np.cos(tiny))
    huge = np.array([1e300, -1e300])
    yield Case("linear at 1e300", lambda x: np.sum(x) * 1e-300, huge, np.full(2, 1e-300))
    yield Case("tanh far out", lambda x: np.sum(np.tanh(x)), np.array([40.0, -400.0]), np.zeros(2))


def domains() -> Iterator[Case]:
    for distance in (1e-2, 1e-4, 1e-6):
        point = np.array([distance, 2 * distance])
        yield Case(f"log {distance:g}", lambda x: np.sum(np.log(x)), point, 1 / point)
        yield Case(f"sqrt {distance:g}", lambda x: np.sum(np.sqrt(x)), point, 0.5 / np.sqrt(point))
        yield Case(f"1/x {distance:g}", lambda x: np.sum(1 / x), point, -1 / point**2)
        slope = np.array([exact_slope(mpmath.asin, x) for x in 1 - point])
        yield Case(f"arcsin {distance:g}", lambda x: np.sum(np.arcsin(x)), 1 - point, slope)
    p = np.array([0.2, 0.3, 0.4999999])

    def entropy(p: Any) -> Any:
        rest = 1.0 - np.sum(p)
        return -np.sum(p * np.log(p)) - rest * np.log(rest)

    yield traced("probabilities", entropy, p)
