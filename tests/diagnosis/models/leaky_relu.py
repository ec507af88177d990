"""Leaky ReLU, in double and in single precision.

::

    z = X W1 + b1        a = z where z > 0, else s z
    out = a W2 + b2
    E = (1/2N) Σₙ Σₖ (out − Y)²
"""

from typing import Any

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]

SLOPE = 0.1


def forward(params: Params, X: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    z = X @ params["W1"] + params["b1"]
    a = np.where(z > 0, z, SLOPE * z)
    return z, a, a @ params["W2"] + params["b2"]


def loss(params: Params, X: FloatArray, Y: FloatArray) -> float:
    _, _, out = forward(params, X)
    E: float = np.sum((out - Y) ** 2) / (2 * len(X))
    return E


def gradient(params: Params, X: FloatArray, Y: FloatArray) -> Params:
    z, a, out = forward(params, X)
    dout = (out - Y) / len(X)
    dz = dout @ params["W2"].T
    dz[z <= 0] *= SLOPE
    return {
        "W1": X.T @ dz,
        "b1": np.sum(dz, axis=0),
        "W2": a.T @ dout,
        "b2": np.sum(dout, axis=0),
    }


def built(dtype: Any, name: str) -> tricheck.Model:
    """Five samples of four features, six hidden units, two outputs."""
    rng = np.random.default_rng(105)
    X, Y = rng.standard_normal((5, 4)).astype(dtype), rng.standard_normal((5, 2)).astype(dtype)
    shapes = {"W1": (4, 6), "b1": (6,), "W2": (6, 2), "b2": (2,)}
    params = {key: rng.standard_normal(shape).astype(dtype) for key, shape in shapes.items()}
    return tricheck.Model(loss, gradient, params, args=(X, Y), name=name)


model = built(np.float64, "leaky_relu")
single = built(np.float32, "leaky_relu_single")
