"""A self-normalizing network in single precision, sequential layers, mean absolute error smoothed.

::

    h1 = selu(x W0 + b0)        h2 = selu(h1 W1 + b1)        out = h2 W2 + b2
    loss = mean of log cosh(out − y)
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float32]
Layers = dict[str, dict[str, Array]]

LAMBDA, ALPHA = np.float32(1.0507), np.float32(1.6733)


def selu(z: Array) -> Array:
    return np.where(z > 0, LAMBDA * z, LAMBDA * ALPHA * (np.exp(np.minimum(z, 0)) - 1))


def selu_prime(z: Array) -> Array:
    return np.where(z > 0, LAMBDA, LAMBDA * ALPHA * np.exp(np.minimum(z, 0)))


def loss(layers: Layers, x: Array, y: Array) -> float:
    h1 = selu(x @ layers["dense0"]["W"] + layers["dense0"]["b"])
    h2 = selu(h1 @ layers["dense1"]["W"] + layers["dense1"]["b"])
    out = h2 @ layers["dense2"]["W"] + layers["dense2"]["b"]
    mean: float = np.mean(np.log(np.cosh(out - y)))
    return mean


def backward(layers: Layers, x: Array, y: Array) -> Layers:
    z1 = x @ layers["dense0"]["W"] + layers["dense0"]["b"]
    h1 = selu(z1)
    z2 = h1 @ layers["dense1"]["W"] + layers["dense1"]["b"]
    h2 = selu(z2)
    out = h2 @ layers["dense2"]["W"] + layers["dense2"]["b"]
    d3 = np.tanh(out - y) / np.float32(out.size)
    d2 = (d3 @ layers["dense2"]["W"].T) * selu_prime(z2)
    d1 = (d2 @ layers["dense1"]["W"].T) * selu_prime(z1)
    return {
        "dense0": {"W": x.T @ d1, "b": d1.sum(0)},
        "dense1": {"W": h1.T @ d2, "b": d2.sum(0)},
        "dense2": {"W": h2.T @ d3, "b": d3.sum(0)},
    }


def dense(rng: np.random.Generator, n: int, k: int) -> dict[str, Array]:
    W, b = rng.standard_normal((n, k)) / np.sqrt(n), rng.standard_normal(k)
    return {"W": W.astype(np.float32), "b": b.astype(np.float32)}


# eight samples of four features, five units twice, three outputs
rng = np.random.default_rng(213)
x = rng.standard_normal((8, 4)).astype(np.float32)
y = rng.standard_normal((8, 3)).astype(np.float32)
layers = {"dense0": dense(rng, 4, 5), "dense1": dense(rng, 5, 5), "dense2": dense(rng, 5, 3)}

model = tricheck.Model(loss, backward, layers, args=(x, y), name="selu_single")
