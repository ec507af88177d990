"""Ordinal regression, proportional odds: thresholds in order, by the logarithms of their gaps.

::

    θ = first, first + e^g₁, first + e^g₁ + e^g₂, …        P(y ≤ k) = σ(θ_k − x · w)
    L = −Σ log P(y)
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Params = dict[str, Array]


def sigmoid(z: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-z))


def thresholds(p: Params) -> Array:
    return np.concatenate([p["first"], p["first"] + np.cumsum(np.exp(p["gaps"]))])


def cumulative(p: Params, X: Array) -> Array:
    """P(y ≤ k) for k = -1, ..., K, shape (N, K + 2)."""
    inner = sigmoid(thresholds(p) - (X @ p["w"])[:, None])
    return np.concatenate([np.zeros((len(X), 1)), inner, np.ones((len(X), 1))], axis=1)


def negative_log_likelihood(p: Params, X: Array, y: Labels) -> float:
    F = cumulative(p, X)
    rows = np.arange(len(y))
    L: float = -np.sum(np.log(F[rows, y + 1] - F[rows, y]))
    return L


def score(p: Params, X: Array, y: Labels) -> Params:
    F = cumulative(p, X)
    rows = np.arange(len(y))
    upper, lower = F[rows, y + 1], F[rows, y]
    dupper = -upper * (1 - upper) / (upper - lower)
    dlower = lower * (1 - lower) / (upper - lower)
    # the outermost two are no thresholds
    dtheta = np.zeros(F.shape[1])
    np.add.at(dtheta, y + 1, dupper)
    np.add.at(dtheta, y, dlower)
    dtheta = dtheta[1:-1]
    after = np.cumsum(dtheta[::-1])[::-1]
    return {
        "w": -X.T @ (dupper + dlower),
        "first": after[:1],
        "gaps": np.exp(p["gaps"]) * after[1:],
    }


# twenty samples of three features, five grades
rng = np.random.default_rng(311)
X, y = rng.standard_normal((20, 3)), rng.integers(0, 5, size=20)
p = {
    "w": np.array([0.8, -0.5, 0.3]),
    "first": np.array([-1.2]),
    "gaps": np.array([-0.3, 0.2, 0.4]),
}

model = tricheck.Model(negative_log_likelihood, score, p, args=(X, y), name="ordinal")
