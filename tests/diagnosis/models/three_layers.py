"""A network of three layers in a list, tanh in the hidden ones, and the mean of all squared errors.

For every layer but the last a = tanh(x W + b), and for the last one out = x W + b::

    E = (1/NK) Σₙ Σₖ (out − Y)²
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Layers = list[tuple[FloatArray, FloatArray]]


def forward(layers: Layers, X: FloatArray) -> list[FloatArray]:
    """The input, then the output of every layer."""
    xs = [X]
    for number, (W, b) in enumerate(layers):
        z = xs[-1] @ W + b
        xs.append(np.tanh(z) if number < len(layers) - 1 else z)
    return xs


def loss(layers: Layers, X: FloatArray, Y: FloatArray) -> float:
    return float(np.mean((forward(layers, X)[-1] - Y) ** 2))


def gradient(layers: Layers, X: FloatArray, Y: FloatArray) -> Layers:
    xs = forward(layers, X)
    grads: Layers = []
    delta = 2 * (xs[-1] - Y) / Y.size
    for number in range(len(layers) - 1, -1, -1):
        W, _ = layers[number]
        dW = xs[number].T @ delta
        db = np.sum(delta, axis=0)
        grads.append((dW, db))
        if number > 0:
            dx = delta @ W.T
            delta = dx * (1 - xs[number] ** 2)
    return grads[::-1]


def drawn(sizes: list[int], seed: int) -> Layers:
    rng = np.random.default_rng(seed)
    return [
        (rng.standard_normal((m, n)) / np.sqrt(m), rng.standard_normal(n))
        for m, n in pairwise(sizes)
    ]


# six samples; once with square hidden weights, once with every size the same
rng = np.random.default_rng(103)
X, Y = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
X4, Y4 = rng.standard_normal((4, 4)), rng.standard_normal((4, 4))

model = tricheck.Model(loss, gradient, drawn([3, 4, 4, 2], 1), args=(X, Y), name="three_layers")
square = tricheck.Model(loss, gradient, drawn([4, 4, 4, 4], 2), args=(X4, Y4), name="all_square")
