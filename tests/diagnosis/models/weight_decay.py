"""A tanh network with weight decay on both weights, and none on the biases.

N samples, over which the squared error is averaged::

    a = tanh(X W1 + b1)        out = a W2 + b2
    E = (1/2N) Σₙ Σₖ (out − Y)² + ½ λ (Σ W1² + Σ W2²)
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]


def hidden(params: Params, X: FloatArray) -> FloatArray:
    a: FloatArray = np.tanh(X @ params["W1"] + params["b1"])
    return a


def loss(params: Params, X: FloatArray, Y: FloatArray, lam: float) -> float:
    out = hidden(params, X) @ params["W2"] + params["b2"]
    data = 0.5 * np.sum((out - Y) ** 2) / len(X)
    decay = 0.5 * lam * (np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2))
    E: float = data + decay
    return E


def gradient(params: Params, X: FloatArray, Y: FloatArray, lam: float) -> Params:
    a = hidden(params, X)
    dout = (a @ params["W2"] + params["b2"] - Y) / len(X)
    dz = (dout @ params["W2"].T) * (1 - a**2)
    return {
        "W1": X.T @ dz + lam * params["W1"],
        "b1": dz.sum(axis=0),
        "W2": a.T @ dout + lam * params["W2"],
        "b2": dout.sum(axis=0),
    }


# seven samples of three features, four hidden units, two outputs
rng = np.random.default_rng(101)
X = rng.standard_normal((7, 3))
Y = rng.standard_normal((7, 2))
params = {
    "W1": rng.standard_normal((3, 4)),
    "b1": rng.standard_normal(4),
    "W2": rng.standard_normal((4, 2)),
    "b2": rng.standard_normal(2),
}

model = tricheck.Model(loss, gradient, params, args=(X, Y, 0.1), name="weight_decay")
