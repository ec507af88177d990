"""An autoencoder whose decoder has the encoder's weights, so that W is seen on two ways.

::

    h = σ(X W + b)        out = h Wᵀ + c
    E = (1/2N) Σₙ Σₖ (out − X)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]


def sigmoid(z: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-z))


def loss(params: Params, X: FloatArray) -> float:
    h = sigmoid(X @ params["W"] + params["b"])
    out = h @ params["W"].T + params["c"]
    E: float = np.sum((out - X) ** 2) / (2 * len(X))
    return E


def gradient(params: Params, X: FloatArray) -> Params:
    W = params["W"]
    h = sigmoid(X @ W + params["b"])
    dout = (h @ W.T + params["c"] - X) / len(X)
    dz = dout @ W * h * (1 - h)
    dW = dout.T @ h
    dW += X.T @ dz
    return {"W": dW, "b": dz.sum(axis=0), "c": dout.sum(axis=0)}


# seven samples of four features, three hidden units
rng = np.random.default_rng(114)
X = rng.standard_normal((7, 4))
params = {
    "W": rng.standard_normal((4, 3)),
    "b": rng.standard_normal(3),
    "c": rng.standard_normal(4),
}

model = tricheck.Model(loss, gradient, params, args=(X,), name="tied_autoencoder")
