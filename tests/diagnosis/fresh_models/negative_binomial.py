"""Negative binomial regression of counts, with log link and offset, and its dispersion.

With the mean μ = exp(X β + offset) and the size r = exp(ρ)::

    −log p = −log Γ(y + r) + log Γ(r) + log y! − r log(r / (r + μ)) − y log(μ / (r + μ))
"""

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, gammaln

import tricheck

Array = npt.NDArray[np.float64]


def mean(beta: Array, X: Array, offset: Array) -> Array:
    mu: Array = np.exp(X @ beta + offset)
    return mu


def deviance(params: list[Array], X: Array, y: Array, offset: Array) -> float:
    beta, rho = params
    mu, r = mean(beta, X, offset), np.exp(rho[0])
    terms = (
        -gammaln(y + r)
        + gammaln(r)
        + gammaln(y + 1.0)
        - r * (np.log(r) - np.log(r + mu))
        - y * (np.log(mu) - np.log(r + mu))
    )
    D: float = np.sum(terms)
    return D


def score(params: list[Array], X: Array, y: Array, offset: Array) -> list[Array]:
    beta, rho = params
    mu, r = mean(beta, X, offset), np.exp(rho[0])
    # d(−log p)/dη = (μ − y) r / (r + μ)
    deta = (mu - y) * r / (r + mu)
    dr = -digamma(y + r) + digamma(r) - np.log(r / (r + mu)) - 1.0 + (r + y) / (r + mu)
    return [X.T @ deta, np.array([np.sum(dr) * r])]


rng = np.random.default_rng(210)
X = np.column_stack([np.ones(14), rng.standard_normal((14, 3))])
offset = 0.3 * rng.standard_normal(14)
y = rng.poisson(2.0, size=14).astype(float)
params = [np.array([0.6, -0.3, 0.2, 0.4]), np.array([0.5])]

model = tricheck.Model(deviance, score, params, args=(X, y, offset), name="negative_binomial")
