"""A tanh network of square layers, with its hand-written gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmark.opponents.opponent import Task
from tricheck import Model
from tricheck.parameters import FloatArray

Params = dict[str, FloatArray]
Gradient = Callable[..., Params]


def activations(params: Params, X: FloatArray) -> list[FloatArray]:
    """Of every layer, beginning with the input."""
    layers = [X]
    for W in params.values():
        layers.append(np.tanh(layers[-1] @ W))
    return layers


def loss(params: Params, X: FloatArray, Y: FloatArray) -> Any:
    """Half the squared error, averaged over the samples."""
    return 0.5 * np.sum((activations(params, X)[-1] - Y) ** 2) / len(X)


def gradient(params: Params, X: FloatArray, Y: FloatArray) -> Params:
    """By backpropagation."""
    layers = activations(params, X)
    gradients = {}
    delta = (layers[-1] - Y) / len(X)
    for k, (name, W) in reversed(list(enumerate(params.items()))):
        delta = delta * (1 - layers[k + 1] ** 2)
        gradients[name] = layers[k].T @ delta
        delta = delta @ W.T
    return {name: gradients[name] for name in params}


@dataclass(frozen=True)
class Network:
    """A network at a random point.

    Attributes
    ----------
    params : dict of str to ndarray
    args : tuple of ndarray
        The samples and their targets.
    """

    params: Params
    args: tuple[FloatArray, FloatArray]

    @property
    def size(self) -> int:
        """The number of its entries."""
        return sum(W.size for W in self.params.values())

    def evaluate(self) -> Any:
        """Its loss at the point."""
        return loss(self.params, *self.args)

    def differentiate(self) -> Params:
        """Its gradient there."""
        return gradient(self.params, *self.args)

    def model(self, gradient: Gradient = gradient) -> Model:
        """The model that tricheck is given."""
        return Model(loss, gradient, self.params, args=self.args)

    def task(self, gradient: Gradient = gradient) -> Task:
        """The same as functions of one flat vector, which other checkers are given."""

        def flat_loss(vector: FloatArray) -> float:
            return float(loss(self._split(vector), *self.args))

        def flat_gradient(vector: FloatArray) -> FloatArray:
            return _joined(gradient(self._split(vector), *self.args))

        return Task(flat_loss, flat_gradient, _joined(self.params))

    def _split(self, vector: FloatArray) -> Params:
        """The parameters as views of a flat vector, which costs next to nothing."""
        (width, _), each = next(iter(self.params.values())).shape, len(vector) // len(self.params)
        return {
            name: vector[k * each : (k + 1) * each].reshape(width, width)
            for k, name in enumerate(self.params)
        }


def _joined(params: Params) -> FloatArray:
    return np.concatenate([W.ravel() for W in params.values()])


def network(size: int, layers: int, samples: int = 8, seed: int = 0) -> Network:
    """A network of about so many entries, in at most so many layers.

    Examples
    --------
    >>> network(1000, layers=20).size, network(10, layers=20).size
    (980, 10)
    """
    layers = min(layers, size)
    width = max(1, round((size / layers) ** 0.5))
    rng = np.random.default_rng(seed)
    params = {f"W{k}": rng.standard_normal((width, width)) / width**0.5 for k in range(layers)}
    return Network(
        params, (rng.standard_normal((samples, width)), rng.standard_normal((samples, width)))
    )
