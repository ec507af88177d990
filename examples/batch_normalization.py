"""Batch normalization in training: every feature normalized over the N samples of the batch.

With the mean and the variance of each column of x, all sums running over the samples::

    μ = (1/N) Σ x        σ² = (1/N) Σ (x − μ)²
    x̂ = (x − μ) / √(σ² + ε)
    out = γ x̂ + β
    E = ½ Σₙ Σₖ (out − target)²

A sample reaches its column's outputs on three ways: directly, through μ, and through σ²::

    dE/dx = dE/dx̂ / √(σ² + ε) + dE/dσ² dσ²/dx + dE/dμ dμ/dx
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]

EPS = 1e-5


class Cache(NamedTuple):
    """What the forward pass leaves for the backward pass."""

    xmu: FloatArray
    xhat: FloatArray
    std: FloatArray


def batchnorm_forward(
    x: FloatArray, gamma: FloatArray, beta: FloatArray
) -> tuple[FloatArray, Cache]:
    xmu = x - np.mean(x, axis=0)
    std = np.sqrt(np.mean(xmu**2, axis=0) + EPS)
    xhat = xmu / std
    return gamma * xhat + beta, Cache(xmu, xhat, std)


def input_gradient(dout: FloatArray, gamma: FloatArray, cache: Cache) -> FloatArray:
    """dE/dx."""
    N = len(dout)
    # out = γ x̂ + β
    dxhat = dout * gamma
    # x̂ = (x − μ) (σ² + ε)^−½, so dx̂/dσ² = −½ (x − μ) (σ² + ε)^−3/2
    dvar = np.sum(dxhat * cache.xmu, axis=0) * -0.5 / cache.std**3
    # σ² = (1/N) Σ (x − μ)², so dσ²/d(x − μ) = (2/N) (x − μ), beside the direct way over x̂
    dxmu = dxhat / cache.std + dvar * 2.0 / N * cache.xmu
    # x − μ with μ = (1/N) Σ x: dE/dμ = −Σ dE/d(x − μ), and each sample has 1/N of it
    dx: FloatArray = dxmu - np.sum(dxmu, axis=0) / N
    return dx


def scale_and_shift_gradients(dout: FloatArray, cache: Cache) -> tuple[FloatArray, FloatArray]:
    """dE/dγ and dE/dβ."""
    # out = γ x̂ + β in every sample
    return np.sum(dout * cache.xhat, axis=0), np.sum(dout, axis=0)


def loss(params: Params, targets: FloatArray) -> float:
    out, _ = batchnorm_forward(params["x"], params["gamma"], params["beta"])
    E: float = 0.5 * np.sum((out - targets) ** 2)
    return E


def gradient(params: Params, targets: FloatArray) -> Params:
    out, cache = batchnorm_forward(params["x"], params["gamma"], params["beta"])
    # dE/d out, for the ½ cancels the 2 of the square
    dout = out - targets
    dgamma, dbeta = scale_and_shift_gradients(dout, cache)
    return {"x": input_gradient(dout, params["gamma"], cache), "gamma": dgamma, "beta": dbeta}


# a batch of six samples, four features, each with its own mean and spread
rng = np.random.default_rng(13)
params = {
    "x": rng.standard_normal((6, 4)) * np.array([0.5, 1.0, 2.0, 4.0]) + rng.standard_normal(4),
    "gamma": rng.uniform(0.5, 1.5, size=4),
    "beta": rng.standard_normal(4),
}
targets = rng.standard_normal((6, 4))

model = tricheck.Model(loss, gradient, params, args=(targets,), name="batch_normalization")

if __name__ == "__main__":
    print(tricheck.check(model))
