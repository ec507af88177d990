"""Linear regression with the Huber loss (Huber, 1964), which outliers pull at no harder than δ.

N samples X with responses y, and the residual r of each::

    r = X w + b − y
    ρ(r) = ½ r²               where |r| ≤ δ
           δ (|r| − ½ δ)      elsewhere
    E = (1/N) Σₙ ρ(rₙ)

The derivative is the residual, clipped::

    ρ'(r) = r            where |r| ≤ δ
            δ sign(r)    elsewhere
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]


def residuals(params: Params, X: FloatArray, y: FloatArray) -> FloatArray:
    r: FloatArray = X.dot(params["w"]) + params["b"] - y
    return r


def loss(params: Params, X: FloatArray, y: FloatArray, delta: float) -> float:
    r = residuals(params, X, y)
    abs_r = np.abs(r)
    rho = np.where(abs_r <= delta, 0.5 * r**2, delta * (abs_r - 0.5 * delta))
    E: float = np.sum(rho) / len(y)
    return E


def huber_derivative(r: FloatArray, delta: float) -> FloatArray:
    """ρ'(r)."""
    return np.where(np.abs(r) <= delta, r, delta * np.sign(r))


def gradient(params: Params, X: FloatArray, y: FloatArray, delta: float) -> Params:
    dE_dr = huber_derivative(residuals(params, X, y), delta) / len(y)
    # r = X w + b − y, so dE/dw = Xᵀ dE/dr and dE/db = Σₙ dE/dr
    return {"w": X.T.dot(dE_dr), "b": np.sum(dE_dr, keepdims=True)}


# twelve samples of three features, two responses far too high and one far too low
rng = np.random.default_rng(20)
X = rng.standard_normal((12, 3))
y = X.dot(np.array([1.0, -2.0, 0.5])) + 0.7 + 0.1 * rng.standard_normal(12)
y[[1, 6]] += 8.0
y[9] -= 8.0
params = {"w": np.array([0.8, -1.7, 0.2]), "b": np.array([0.4])}
delta = 1.345

model = tricheck.Model(loss, gradient, params, args=(X, y, delta), name="huber_regression")

if __name__ == "__main__":
    print(tricheck.check(model))
