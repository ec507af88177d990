"""Evidence of a Gaussian process with a length scale for every input, by SciPy's habit.

One function gives value and gradient, in one flat vector of logarithms::

    K = s² exp(−½ Σ_d (x_d − x'_d)² / ℓ_d²) + σ² I        −log p = ½ yᵀ K⁻¹ y + ½ log |K|
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


def evidence(theta: Array, X: Array, y: Array) -> tuple[float, Array]:
    D = X.shape[1]
    scales, s2, noise = np.exp(theta[:D]), np.exp(2 * theta[D]), np.exp(2 * theta[D + 1])
    gaps = (X[:, None, :] - X[None, :, :]) ** 2
    Kf = s2 * np.exp(-0.5 * np.sum(gaps / scales**2, axis=2))
    K = Kf + noise * np.eye(len(y))
    K_inv = np.linalg.inv(K)
    a = K_inv @ y
    value = 0.5 * y @ a + np.sum(np.log(np.diag(np.linalg.cholesky(K))))
    inner = K_inv - np.outer(a, a)
    g = np.zeros_like(theta)
    for d in range(D):
        g[d] = 0.5 * np.sum(inner * Kf * gaps[:, :, d] / scales[d] ** 2)
    g[D] = 0.5 * np.sum(inner * 2 * Kf)
    g[D + 1] = 0.5 * np.trace(inner) * 2 * noise
    return value, g


def value(theta: Array, X: Array, y: Array) -> float:
    return evidence(theta, X, y)[0]


def gradient(theta: Array, X: Array, y: Array) -> Array:
    return evidence(theta, X, y)[1]


# fourteen points in six dimensions, two of which matter
rng = np.random.default_rng(319)
X = rng.uniform(-2.0, 2.0, (14, 6))
y = np.sin(X[:, 0]) + 0.5 * X[:, 1] + 0.1 * rng.standard_normal(14)
theta = np.array([0.1, 0.4, 0.9, 1.2, 0.7, 1.0, 0.2, -0.9])

model = tricheck.Model(value, gradient, theta, args=(X, y), name="relevance")
