"""Cox's partial likelihood of survival times, per event, with a ridge.

With the patients from the longest time to the shortest, those at risk are the ones so far::

    L = −(1/d) Σ events (η_i − log Σ_{j ≤ i} exp η_j) + ½ λ Σ β²        η = X β
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


def partial_likelihood(beta: Array, X: Array, event: Array, ridge: float) -> float:
    eta = X @ beta
    log_risk = np.log(np.cumsum(np.exp(eta)))
    L: float = -np.sum(event * (eta - log_risk)) / event.sum() + 0.5 * ridge * beta @ beta
    return L


def partial_likelihood_grad(beta: Array, X: Array, event: Array, ridge: float) -> Array:
    r = np.exp(X @ beta)
    at_risk = np.cumsum(r)
    average = np.cumsum(r[:, None] * X, axis=0) / at_risk[:, None]
    g: Array = -event @ (X - average) / event.sum() + ridge * beta
    return g


# sixteen patients in the order of their times, four covariates
rng = np.random.default_rng(313)
X = rng.standard_normal((16, 4))
event = (rng.random(16) < 0.7).astype(float)
beta = np.array([0.6, -0.4, 0.9, 0.2])

model = tricheck.Model(
    partial_likelihood, partial_likelihood_grad, beta, args=(X, event, 0.1), name="cox"
)
