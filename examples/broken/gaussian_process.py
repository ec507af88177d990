"""The Gaussian process, with the gradient of the log marginal likelihood itself.

Books state d/dθ log p = ½ tr((α αᵀ − K⁻¹) dK/dθ), to be climbed; the loss is −log p, to be
descended. The sign was not carried over, so every entry is minus what it should be.
"""

import numpy as np

import tricheck
from examples.gaussian_process import (
    FloatArray,
    Params,
    X,
    kernel,
    kernel_derivatives,
    loss,
    noise,
    params,
    y,
)

EXPECTED = {
    "verdict": "backprop",
    "cause": "sign",
    "parameters": ["log_lengthscale", "log_amplitude", "log_noise"],
}


def gradient(params: Params, X: FloatArray, y: FloatArray) -> Params:
    L = np.linalg.cholesky(kernel(params, X) + noise(params, X))
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    K_inv = np.linalg.solve(L.T, np.linalg.solve(L, np.eye(len(y))))
    inner = np.outer(alpha, alpha) - K_inv
    # the trace of a product of symmetric matrices is the sum of their entrywise product
    return {name: 0.5 * np.sum(inner * dK) for name, dK in kernel_derivatives(params, X).items()}


model = tricheck.Model(loss, gradient, params, args=(X, y), name="broken_gaussian_process")

if __name__ == "__main__":
    print(tricheck.check(model))
