"""Logistic regression with a ridge, its parameters one flat vector as optimizers take it.

Labels y of ±1; theta holds the weights and, last, the bias, which is not penalized::

    f = X w + b
    E = Σₙ log(1 + exp(−y f)) + ½ λ Σ w²
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]


def scores(theta: FloatArray, X: FloatArray) -> FloatArray:
    f: FloatArray = X.dot(theta[:-1]) + theta[-1]
    return f


def cost(theta: FloatArray, X: FloatArray, y: FloatArray, lam: float) -> float:
    w = theta[:-1]
    E: float = np.sum(np.log1p(np.exp(-y * scores(theta, X)))) + 0.5 * lam * w.dot(w)
    return E


def jac(theta: FloatArray, X: FloatArray, y: FloatArray, lam: float) -> FloatArray:
    # d log(1 + e⁻ᵘ)/du = −1 / (1 + eᵘ)
    df = -y / (1 + np.exp(y * scores(theta, X)))
    grad = np.zeros_like(theta)
    grad[:-1] = X.T.dot(df) + lam * theta[:-1]
    grad[-1] = np.sum(df)
    return grad


# nine samples of four features
rng = np.random.default_rng(102)
X = rng.standard_normal((9, 4))
y = rng.choice([-1.0, 1.0], size=9)
theta = rng.standard_normal(5)

model = tricheck.Model(cost, jac, theta, args=(X, y, 0.3), name="logistic_ridge")
