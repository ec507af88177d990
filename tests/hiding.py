"""Models at points that hide a mistake, with the right gradient, the wrong one, and a way out.

Each mistake is one of those that the blind spot says could not be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Params = dict[str, Array]

rng = np.random.default_rng(5)


@dataclass(frozen=True, eq=False)
class Hiding:
    """A model at a point that hides a mistake.

    Attributes
    ----------
    name : str
    spot, remedy : str
        The blind spot's name, and what opens it.
    loss : callable
    right, wrong : callable
        Gradients, with and without the mistake.
    params, args
        The point.
    spoiled : str
        The parameters that the mistake spoils elsewhere, separated by blanks.
    parameters : str
        Those that the blind spot names; empty if it is about the model.
    open_params, open_args
        A point that hides nothing; the displaced one if there is none.
    """

    name: str
    spot: str
    remedy: str
    loss: Callable[..., Any]
    right: Callable[..., Any]
    wrong: Callable[..., Any]
    params: Any
    args: tuple[Any, ...]
    spoiled: str
    parameters: str = ""
    open_params: Any = None
    open_args: tuple[Any, ...] | None = None

    def model(self, gradient: Callable[..., Any]) -> tricheck.Model:
        """The model at the point, with one of its gradients."""
        return tricheck.Model(self.loss, gradient, self.params, self.args, name=self.name)

    def opened(self, gradient: Callable[..., Any]) -> tricheck.Report:
        """The check where nothing is hidden."""
        if self.remedy == "displace":
            return tricheck.check(self.model(gradient), displace=1)
        params = self.params if self.open_params is None else self.open_params
        args = self.args if self.open_args is None else self.open_args
        return tricheck.check(self.loss, gradient, params, args=args)


def normal(*shape: int) -> Array:
    return rng.standard_normal(shape)


X, Y = normal(6, 3), normal(6, 2)
many = normal(30, 3)


# --- two layers, tanh ---------------------------------------------------------------------------


def two_layers(p: Params, X: Array, Y: Array) -> Any:
    a = np.tanh(X @ p["W1"] + p["b1"])
    return np.sum((a @ p["W2"] - Y) ** 2) / len(X)


def two_layers_backward(
    slope: Callable[[Array], Any] = lambda a: 1.0 - a**2,
    scale: Callable[[Array, Array], float] = lambda X, _: 2.0 / len(X),
    reduced: Callable[[Array], Any] = lambda d: d.sum(axis=0),
) -> Callable[..., Params]:
    def gradient(p: Params, X: Array, Y: Array) -> Params:
        a = np.tanh(X @ p["W1"] + p["b1"])
        d = scale(X, Y) * (a @ p["W2"] - Y)
        dz = d @ p["W2"].T * slope(a)
        return {"W1": X.T @ dz, "b1": reduced(dz), "W2": a.T @ d}

    return gradient


zeros = {"W1": np.zeros((3, 4)), "b1": np.zeros(4), "W2": np.zeros((4, 2))}
usual = {"W1": normal(3, 4), "b1": np.zeros(4), "W2": normal(4, 2)}
one_output = {"W1": normal(3, 4), "b1": np.zeros(4), "W2": normal(4, 1)}


# --- two layers, leaky ReLU ---------------------------------------------------------------------


def hinge(z: Any) -> Any:
    return np.where(z > 0, z, 0.1 * z)


def hinge_by_maximum(z: Any) -> Any:
    return np.maximum(z, 0.1 * z)


def hinge_by_mask(z: Any) -> Any:
    return z * (z > 0) + 0.1 * z * (z <= 0)


def relu(z: Any) -> Any:
    return np.maximum(z, 0.0)


def hinged(function: Callable[[Any], Any]) -> Callable[..., Any]:
    def loss(p: Params, X: Array, Y: Array) -> Any:
        return np.sum((function(X @ p["W1"] + p["b1"]) @ p["W2"] - Y) ** 2)

    return loss


def hinged_backward(
    function: Callable[[Any], Any], low: float, high: float = 1.0
) -> Callable[..., Params]:
    def gradient(p: Params, X: Array, Y: Array) -> Params:
        z = X @ p["W1"] + p["b1"]
        a = function(z)
        d = 2 * (a @ p["W2"] - Y)
        dz = d @ p["W2"].T * np.where(z > 0, high, low)
        return {"W1": X.T @ dz, "b1": dz.sum(axis=0), "W2": a.T @ d}

    return gradient


HINGES = [(hinge, 0.1), (hinge_by_maximum, 0.1), (hinge_by_mask, 0.1), (relu, 0.0)]

positive = {"W1": np.abs(normal(3, 4)), "b1": np.zeros(4), "W2": normal(4, 2)}
dead = {"W1": normal(3, 4), "b1": np.full(4, -20.0), "W2": normal(4, 2)}


# --- the others ---------------------------------------------------------------------------------


def ridge(w: Array, X: Array, y: Array) -> Any:
    return np.mean((X @ w - y) ** 2) + 0.1 * np.sum(w**2)


def squared(p: Array, A: Array) -> Any:
    return 0.5 * np.sum((p @ p - A) ** 2)


def squared_backward(w: Array, A: Array) -> Array:
    E = w @ w - A
    return E @ w.T + w.T @ E


def twice_squared(p: Params, X: Array, Y: Array) -> Any:
    return np.sum((np.tanh(X @ p["W1"]) @ p["W2"] - Y) ** 2)


def twice_squared_backward(transposed: bool) -> Callable[..., Params]:
    def gradient(p: Params, X: Array, Y: Array) -> Params:
        a = np.tanh(X @ p["W1"])
        d = 2 * (a @ p["W2"] - Y)
        dz = d @ (p["W2"].T if transposed else p["W2"]) * (1 - a**2)
        return {"W1": X.T @ dz, "W2": a.T @ d}

    return gradient


def huber(w: Array, X: Array, y: Array) -> Any:
    e = X @ w - y
    return np.sum(np.where(np.abs(e) < 5.0, 0.5 * e**2, 5.0 * np.abs(e) - 12.5))


def huber_backward(clipped: bool) -> Callable[..., Array]:
    def gradient(w: Array, X: Array, y: Array) -> Array:
        e = X @ w - y
        return X.T @ (np.clip(e, -5.0, 5.0) if clipped else e)

    return gradient


def branching(w: Array, x: Array) -> Any:
    total = 0.0
    for xi in x:
        s = xi @ w
        total = total + (s**2 if s > 0 else 3.0 * s**2)
    return total


def branching_backward(factor: float) -> Callable[..., Array]:
    def gradient(w: Array, x: Array) -> Array:
        s = x @ w
        return x.T @ np.where(s > 0, 2 * s, 2 * factor * s)

    return gradient


def residual(p: Params, X: Array, Y: Array) -> Any:
    h = np.tanh(X @ p["W1"])
    return np.sum((h + h @ p["W2"] - Y) ** 2)


def residual_backward(both: bool) -> Callable[..., Params]:
    def gradient(p: Params, X: Array, Y: Array) -> Params:
        h = np.tanh(X @ p["W1"])
        d = 2 * (h + h @ p["W2"] - Y)
        dh = d + d @ p["W2"].T if both else d
        return {"W1": X.T @ (dh * (1 - h**2)), "W2": h.T @ d}

    return gradient


def scaled(p: Params, X: Array, Y: Array) -> Any:
    return np.sum((p["gamma"] * np.tanh(X @ p["W"]) - Y) ** 2)


def scaled_backward(with_gamma: bool) -> Callable[..., Params]:
    def gradient(p: Params, X: Array, Y: Array) -> Params:
        a = np.tanh(X @ p["W"])
        d = 2 * (p["gamma"] * a - Y)
        da = d * p["gamma"] if with_gamma else d
        return {"gamma": np.sum(d * a, axis=0), "W": X.T @ (da * (1 - a**2))}

    return gradient


def masked(p: Params, X: Array, Y: Array, mask: Array) -> Any:
    return np.sum((np.tanh(X @ p["W1"]) * mask @ p["W2"] - Y) ** 2)


def masked_backward(with_mask: bool) -> Callable[..., Params]:
    def gradient(p: Params, X: Array, Y: Array, mask: Array) -> Params:
        t = np.tanh(X @ p["W1"])
        d = 2 * (t * mask @ p["W2"] - Y)
        da = d @ p["W2"].T * (mask if with_mask else 1.0)
        return {"W1": X.T @ (da * (1 - t**2)), "W2": (t * mask).T @ d}

    return gradient


def linear_twice(p: Params, X: Array, Y: Array) -> Any:
    h = X @ p["W1"]
    return np.sum((h @ p["W2"] - Y) ** 2)


def linear_twice_backward(by_hidden: bool) -> Callable[..., Params]:
    def gradient(p: Params, X: Array, Y: Array) -> Params:
        h = X @ p["W1"]
        d = 2 * (h @ p["W2"] - Y)
        return {"W1": X.T @ (d @ p["W2"].T), "W2": (h if by_hidden else X).T @ d}

    return gradient


def recurrent(p: Params, x: Array, targets: Array, h: Array) -> Any:
    total = 0.0
    for t in range(len(x)):
        h = np.tanh(x[t] @ p["Wx"] + h @ p["Wh"])
        total = total + np.sum((h - targets[t]) ** 2)
    return total


def recurrent_backward(carried: bool) -> Callable[..., Params]:
    def gradient(p: Params, x: Array, targets: Array, h: Array) -> Params:
        states = [h]
        for xt in x:
            states.append(np.tanh(xt @ p["Wx"] + states[-1] @ p["Wh"]))
        grad = {name: np.zeros_like(w) for name, w in p.items()}
        carry = np.zeros_like(h)
        for t in reversed(range(len(x))):
            dz = (2 * (states[t + 1] - targets[t]) + carry) * (1 - states[t + 1] ** 2)
            grad["Wx"] += x[t].T @ dz
            grad["Wh"] += states[t].T @ dz
            carry = dz @ p["Wh"].T if carried else carry
        return grad

    return gradient


def embedded(p: Params, ids: Any, Y: Array) -> Any:
    return np.sum((p["E"][ids] @ p["W"] - Y) ** 2)


def embedded_backward(added: bool) -> Callable[..., Params]:
    def gradient(p: Params, ids: Any, Y: Array) -> Params:
        d = 2 * (p["E"][ids] @ p["W"] - Y)
        dE = np.zeros_like(p["E"])
        if added:
            np.add.at(dE, ids, d @ p["W"].T)
        else:
            dE[ids] = d @ p["W"].T
        return {"E": dE, "W": p["E"][ids].T @ d}

    return gradient


def layer_summed(p: Params, X: Array, dout: Array) -> Any:
    return np.sum((X @ p["W"] + p["b"]) * dout)


def layer_backward(uses_upstream: bool) -> Callable[..., Params]:
    def gradient(p: Params, X: Array, dout: Array) -> Params:
        d = dout if uses_upstream else np.ones_like(dout)
        return {"W": X.T @ d, "b": d.sum(axis=0)}

    return gradient


def symmetric(n: int) -> Array:
    half = normal(n, n)
    return half + half.T


recurrent_params = {"Wx": normal(2, 3), "Wh": normal(3, 3)}

CASES = [
    Hiding(
        "all weights zero", "vanishing-gradient", "displace",
        two_layers, two_layers_backward(), two_layers_backward(slope=np.ones_like),
        zeros, (X, Y), "W1 b1", "W1 b1 W2",
    ),
    Hiding(
        "dead units", "vanishing-gradient", "displace",
        hinged(relu), hinged_backward(relu, 0.0), hinged_backward(relu, 0.0, 2.0),
        dead, (X, Y), "W1 b1", "W1 b1 W2",
    ),
    Hiding(
        "inputs of zero", "vanishing-gradient", "inputs",
        lambda w, X, y: np.sum((X @ w - y) ** 2),
        lambda w, X, y: 2 * X.T @ (X @ w - y), lambda w, X, y: X.T @ (X @ w - y),
        normal(3), (np.zeros((5, 3)), normal(5)), "params", "params",
        open_args=(normal(5, 3), normal(5)),
    ),
    Hiding(
        "zero weights and a penalty", "zero-weights", "displace",
        ridge,
        lambda w, X, y: 2 * X.T @ (X @ w - y) / len(X) + 0.2 * w,
        lambda w, X, y: 2 * X.T @ (X @ w - y) / len(X),
        np.zeros(3), (X, Y[:, 0]), "params", "params",
    ),
    Hiding(
        "symmetric gradient", "symmetric-gradient", "displace",
        squared, squared_backward, lambda w, A: squared_backward(w, A).T,
        symmetric(3), (symmetric(3),), "params", "params",
    ),
    Hiding(
        "symmetric weights", "symmetric-weights", "displace",
        twice_squared, twice_squared_backward(True), twice_squared_backward(False),
        {"W1": normal(3, 4), "W2": np.eye(4) + symmetric(4)}, (X, normal(6, 4)), "W1",
    ),
    *(
        Hiding(
            f"all positive into {function.__name__}", "untaken-branch", "displace",
            hinged(function), hinged_backward(function, low), hinged_backward(function, 1.0),
            positive, (np.abs(X), Y), "W1 b1",
        )
        for function, low in HINGES
    ),
    Hiding(
        "positive into abs", "untaken-branch", "displace",
        lambda w: np.sum(np.abs(w) ** 3), lambda w: 3 * np.abs(w) * w, lambda w: 3 * w**2,
        np.array([0.5, 1.5, 2.0]), (), "params",
    ),
    Hiding(
        "small residuals of a Huber loss", "untaken-branch", "displace",
        huber, huber_backward(True), huber_backward(False),
        np.array([4.0, -4.0, 8.0]), (many, many @ np.array([4.0, -4.0, 8.0]) + 0.1), "params",
    ),
    Hiding(
        "code that is not run", "untaken-branch", "displace",
        branching, branching_backward(3.0), branching_backward(1.0),
        np.array([0.5, 1.5, 1.0]), (np.abs(many[:10]),), "params",
    ),
    Hiding(
        "residual branch at zero", "hidden-path", "displace",
        residual, residual_backward(True), residual_backward(False),
        {"W1": normal(3, 4), "W2": np.zeros((4, 4))}, (X, normal(6, 4)), "W1",
    ),
    Hiding(
        "scale of one", "hidden-factor", "displace",
        scaled, scaled_backward(True), scaled_backward(False),
        {"W": normal(3, 2), "gamma": np.ones(2)}, (X, Y), "W",
    ),
    Hiding(
        "mask of ones", "hidden-factor", "inputs",
        masked, masked_backward(True), masked_backward(False),
        {"W1": normal(3, 4), "W2": normal(4, 2)}, (X, Y, np.ones((6, 4))), "W1",
        open_args=(X, Y, 1.25 * (normal(6, 4) > -0.8)),
    ),
    Hiding(
        "hidden layer equal to the input", "equal-arrays", "displace",
        linear_twice, linear_twice_backward(True), linear_twice_backward(False),
        {"W1": np.eye(3), "W2": normal(3, 2)}, (X, Y), "W2",
    ),
    Hiding(
        "batch of one", "size-one-axis", "sizes",
        two_layers, two_layers_backward(), two_layers_backward(reduced=lambda d: d.mean(axis=0)),
        usual, (X[:1], Y[:1]), "b1", open_args=(X, Y),
    ),
    Hiding(
        "one output", "size-one-axis", "sizes",
        two_layers, two_layers_backward(),
        two_layers_backward(scale=lambda X, Y: 2.0 / len(X) / Y.shape[1]),
        one_output, (X, Y[:, :1]), "W1 b1 W2", open_params=usual, open_args=(X, Y),
    ),
    Hiding(
        "one time step", "size-one-axis", "sizes",
        recurrent, recurrent_backward(True), recurrent_backward(False),
        recurrent_params, (normal(1, 2, 2), normal(1, 2, 3), normal(2, 3)), "Wx Wh",
        open_args=(normal(4, 2, 2), normal(4, 2, 3), normal(2, 3)),
    ),
    Hiding(
        "one step from a state of zero", "vanishing-gradient", "sizes",
        lambda p, x, targets: recurrent(p, x, targets, np.zeros((2, 3))),
        lambda p, x, targets: recurrent_backward(True)(p, x, targets, np.zeros((2, 3))),
        lambda p, x, targets: {
            **recurrent_backward(True)(p, x, targets, np.zeros((2, 3))), "Wh": np.zeros((3, 3))
        },
        recurrent_params, (normal(1, 2, 2), normal(1, 2, 3)), "Wh", "Wh",
        open_args=(normal(4, 2, 2), normal(4, 2, 3)),
    ),
    Hiding(
        "as many samples as outputs", "coinciding-sizes", "sizes",
        two_layers, two_layers_backward(),
        two_layers_backward(scale=lambda X, Y: 2.0 / Y.shape[1]),
        {"W1": normal(3, 4), "b1": np.zeros(4), "W2": normal(4, 3)}, (X[:3], normal(3, 3)),
        "W1 b1 W2", open_args=(X, normal(6, 3)),
    ),
    Hiding(
        "every word once", "no-repeated-index", "inputs",
        embedded, embedded_backward(True), embedded_backward(False),
        {"E": normal(6, 3), "W": normal(3, 2)}, (np.array([4, 0, 2]), normal(3, 2)), "E",
        open_args=(np.array([4, 0, 4]), normal(3, 2)),
    ),
    Hiding(
        "outputs just summed", "upstream-of-one", "inputs",
        layer_summed, layer_backward(True), layer_backward(False),
        {"W": normal(3, 2), "b": normal(2)}, (X, np.ones((6, 2))), "W b",
        open_args=(X, normal(6, 2)),
    ),
]  # fmt: skip
