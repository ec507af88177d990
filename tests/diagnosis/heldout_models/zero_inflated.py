"""Counts with too many zeros: Poisson regression beside a logistic one for what is always zero.

::

    λ = exp(X β)        π = σ(Z γ)
    −log p(0) = −log(π + (1 − π) e^−λ)        −log p(y) = −log(1 − π) + λ − y log λ + log y!
"""

import numpy as np
import numpy.typing as npt
from scipy.special import expit, gammaln

import tricheck

Array = npt.NDArray[np.float64]


class ZeroInflatedPoisson:
    def __init__(self, X: Array, Z: Array, y: Array) -> None:
        self.X, self.Z, self.y = X, Z, y

    def nll(self, params: tuple[Array, Array]) -> float:
        beta, gamma = params
        lam, pi = np.exp(self.X @ beta), expit(self.Z @ gamma)
        zero = np.log(pi + (1 - pi) * np.exp(-lam))
        count = np.log(1 - pi) - lam + self.y * np.log(lam) - gammaln(self.y + 1)
        total: float = -np.sum(np.where(self.y == 0, zero, count))
        return total

    def nll_grad(self, params: tuple[Array, Array]) -> tuple[Array, Array]:
        beta, gamma = params
        lam, pi = np.exp(self.X @ beta), expit(self.Z @ gamma)
        # how probably a zero is one of those that always are
        always = np.where(self.y == 0, pi / (pi + (1 - pi) * np.exp(-lam)), 0.0)
        dlog_lam = (1 - always) * (lam - self.y)
        dlogit = pi - always
        return self.X.T @ dlog_lam, self.Z.T @ dlogit


rng = np.random.default_rng(312)
X = np.column_stack([np.ones(18), rng.standard_normal((18, 2))])
Z = np.column_stack([np.ones(18), rng.standard_normal((18, 2))])
y = rng.poisson(2.0, size=18) * (rng.random(18) < 0.6).astype(float)
zip_model = ZeroInflatedPoisson(X, Z, y)
params = (np.array([0.5, 0.3, -0.4]), np.array([-0.6, 0.5, 0.8]))

model = tricheck.Model(zip_model.nll, zip_model.nll_grad, params, name="zero_inflated")
