"""Neighbourhood components analysis: a linear map in which neighbours are of one class.

::

    p_ij = exp(−|L (x_i − x_j)|²) / Σ_{k ≠ i} …        loss = −Σ_i Σ_{j alike} p_ij
    d loss/dL = 2 L Σ_ij c_ij (x_i − x_j)(x_i − x_j)ᵀ        c_ij = p_ij (alike_ij − p_i)
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


def neighbours(L: Array, X: Array) -> Array:
    apart = np.einsum("ijd,kd->ijk", X[:, None] - X[None], L)
    closeness = np.exp(-np.sum(apart**2, axis=2)) * (1 - np.eye(len(X)))
    p: Array = closeness / closeness.sum(axis=1, keepdims=True)
    return p


def nca(L: Array, X: Array, alike: Array) -> float:
    expected: float = -np.sum(alike * neighbours(L, X))
    return expected


def nca_gradient(L: Array, X: Array, alike: Array) -> Array:
    p = neighbours(L, X)
    right = (alike * p).sum(axis=1, keepdims=True)
    c = p * (alike - right)
    gaps = X[:, None] - X[None]
    dL: Array = 2 * L @ np.einsum("ij,ijd,ije->de", c, gaps, gaps)
    return dL


# ten samples of three features, three classes
rng = np.random.default_rng(322)
X, label = rng.standard_normal((10, 3)), np.arange(10) % 3
alike = (label[:, None] == label).astype(float)
L = 0.6 * rng.standard_normal((3, 3))

model = tricheck.Model(nca, nca_gradient, L, args=(X, alike), name="metric")
