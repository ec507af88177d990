"""The negative log marginal likelihood of a Gaussian process, in its hyperparameters' logarithms.

A squared-exponential kernel with length scale ℓ and amplitude s, and noise of standard deviation σ,
after Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1::

    K = s² exp(−½ |x − x'|² / ℓ²) + σ² I = L Lᵀ
    α = K⁻¹ y = Lᵀ \\ (L \\ y)
    −log p(y|X) = ½ yᵀ α + Σᵢ log Lᵢᵢ + (n/2) log 2π

For a hyperparameter θ, with dK⁻¹ = −K⁻¹ dK K⁻¹ and d log |K| = tr(K⁻¹ dK)::

    d/dθ (−log p) = ½ tr((K⁻¹ − α αᵀ) dK/dθ)

Each hyperparameter is positive and enters as its logarithm, dK/d log ℓ = ℓ dK/dℓ and so on.
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, float]


def squared_distances(X: FloatArray) -> FloatArray:
    D2: FloatArray = np.sum((X[:, np.newaxis, :] - X[np.newaxis, :, :]) ** 2, axis=-1)
    return D2


def kernel(params: Params, X: FloatArray) -> FloatArray:
    """The covariance of the function itself, without the noise."""
    lengthscale = np.exp(params["log_lengthscale"])
    amplitude = np.exp(params["log_amplitude"])
    K: FloatArray = amplitude**2 * np.exp(-0.5 * squared_distances(X) / lengthscale**2)
    return K


def noise(params: Params, X: FloatArray) -> FloatArray:
    N: FloatArray = np.exp(params["log_noise"]) ** 2 * np.eye(len(X))
    return N


def loss(params: Params, X: FloatArray, y: FloatArray) -> float:
    L = np.linalg.cholesky(kernel(params, X) + noise(params, X))
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    nlml: float = (
        0.5 * y.dot(alpha) + np.sum(np.log(np.diag(L))) + 0.5 * len(y) * np.log(2.0 * np.pi)
    )
    return nlml


def kernel_derivatives(params: Params, X: FloatArray) -> dict[str, FloatArray]:
    """dK/dθ for every hyperparameter."""
    K = kernel(params, X)
    return {
        # d(−½ D²/ℓ²)/d log ℓ = D²/ℓ²
        "log_lengthscale": K * squared_distances(X) / np.exp(params["log_lengthscale"]) ** 2,
        # s² = exp(2 log s), and σ² = exp(2 log σ)
        "log_amplitude": 2.0 * K,
        "log_noise": 2.0 * noise(params, X),
    }


def gradient(params: Params, X: FloatArray, y: FloatArray) -> Params:
    L = np.linalg.cholesky(kernel(params, X) + noise(params, X))
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    K_inv = np.linalg.solve(L.T, np.linalg.solve(L, np.eye(len(y))))
    inner = K_inv - np.outer(alpha, alpha)
    # the trace of a product of symmetric matrices is the sum of their entrywise product
    return {name: 0.5 * np.sum(inner * dK) for name, dK in kernel_derivatives(params, X).items()}


# ten points on a line, a noisy sine
rng = np.random.default_rng(19)
X = np.sort(rng.uniform(-3.0, 3.0, size=(10, 1)), axis=0)
y = np.sin(2.0 * X[:, 0]) + 0.2 * rng.standard_normal(10)
params = {"log_lengthscale": -0.4, "log_amplitude": 0.3, "log_noise": -1.2}

model = tricheck.Model(loss, gradient, params, args=(X, y), name="gaussian_process")

if __name__ == "__main__":
    print(tricheck.check(model))
