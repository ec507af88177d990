"""Huber regression, the sign of the outliers' residuals forgotten.

Beyond ±δ the derivative of δ (|r| − ½ δ) is δ sign(r), and δ was written. An outlier above the line
is right, one below pulls the wrong way, and with it all of the gradient.
"""

import numpy as np

import tricheck
from examples.huber_regression import (
    FloatArray,
    Params,
    X,
    delta,
    loss,
    params,
    residuals,
    y,
)

EXPECTED = {"verdict": "backprop", "cause": "activation-derivative", "parameters": ["w", "b"]}


def huber_derivative(r: FloatArray, delta: float) -> FloatArray:
    """ρ'(r)."""
    return np.where(np.abs(r) <= delta, r, delta)


def gradient(params: Params, X: FloatArray, y: FloatArray, delta: float) -> Params:
    dE_dr = huber_derivative(residuals(params, X, y), delta) / len(y)
    # r = X w + b − y, so dE/dw = Xᵀ dE/dr and dE/db = Σₙ dE/dr
    return {"w": X.T.dot(dE_dr), "b": np.sum(dE_dr, keepdims=True)}


model = tricheck.Model(loss, gradient, params, args=(X, y, delta), name="broken_huber_regression")

if __name__ == "__main__":
    print(tricheck.check(model))
