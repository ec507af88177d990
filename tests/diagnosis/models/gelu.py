"""The tanh approximation of GELU between two linear layers.

With t(z) = tanh(√(2/π) (z + 0.044715 z³))::

    a = ½ z (1 + t(z)) of z = X W1 + b1        out = a W2 + b2
    E = (1/N) Σₙ Σₖ (out − Y)²
"""

import math

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]

C = np.sqrt(2.0 / np.pi)


def gelu(z: FloatArray) -> FloatArray:
    a: FloatArray = 0.5 * z * (1.0 + np.tanh(C * (z + 0.044715 * z**3)))
    return a


def gelu_derivative(z: FloatArray) -> FloatArray:
    t = np.tanh(C * (z + 0.044715 * z**3))
    slope = C * (1.0 + 3 * 0.044715 * z**2)
    d: FloatArray = 0.5 * (1.0 + t) + 0.5 * z * (1.0 - t**2) * slope
    return d


def exact_derivative(z: FloatArray) -> FloatArray:
    """The derivative of z Φ(z), which the forward pass approximates: off by up to 1e-3."""
    erf = np.vectorize(math.erf)(z / np.sqrt(2.0))
    d: FloatArray = 0.5 * (1.0 + erf) + z * np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    return d


def loss(params: Params, X: FloatArray, Y: FloatArray) -> float:
    z = X @ params["W1"] + params["b1"]
    out = gelu(z) @ params["W2"] + params["b2"]
    E: float = np.sum((out - Y) ** 2) / len(Y)
    return E


def gradient(params: Params, X: FloatArray, Y: FloatArray) -> Params:
    z = X @ params["W1"] + params["b1"]
    a = gelu(z)
    dout = 2.0 * (a @ params["W2"] + params["b2"] - Y) / len(Y)
    da = dout @ params["W2"].T
    dz = da * gelu_derivative(z)
    return {
        "W1": X.T @ dz,
        "b1": np.sum(dz, axis=0),
        "W2": a.T @ dout,
        "b2": np.sum(dout, axis=0),
    }


# five samples of two features, four hidden units, three outputs
rng = np.random.default_rng(107)
X = rng.standard_normal((5, 2))
Y = rng.standard_normal((5, 3))
params = {
    "W1": rng.standard_normal((2, 4)),
    "b1": rng.standard_normal(4),
    "W2": rng.standard_normal((4, 3)),
    "b2": rng.standard_normal(3),
}

model = tricheck.Model(loss, gradient, params, args=(X, Y), name="gelu")
