"""Least squares with the penalty λ Σ |w|³, whose derivative 3 λ w |w| has the sign of w.

::

    E = ½ Σₙ (X w − y)² + λ Σ |w|³
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]


def loss(w: FloatArray, X: FloatArray, y: FloatArray, lam: float) -> float:
    E: float = 0.5 * np.sum((X @ w - y) ** 2) + lam * np.sum(np.abs(w) ** 3)
    return E


def gradient(w: FloatArray, X: FloatArray, y: FloatArray, lam: float) -> FloatArray:
    return X.T @ (X @ w - y) + 3 * lam * w * np.abs(w)


def penalty(w: FloatArray, strength: FloatArray) -> float:
    """The penalty alone, each weight with a strength of its own."""
    E: float = np.sum(strength * np.abs(w) ** 3)
    return E


def penalty_gradient(w: FloatArray, strength: FloatArray) -> FloatArray:
    return 3 * strength * w * np.abs(w)


# ten samples of six features
rng = np.random.default_rng(115)
X = rng.standard_normal((10, 6))
y = rng.standard_normal(10)
w = np.array([1.1, -0.7, 0.4, -1.6, 2.0, -0.2])
strength = rng.uniform(0.5, 2.0, size=6)

model = tricheck.Model(loss, gradient, w, args=(X, y, 0.2), name="cubic_penalty")
alone = tricheck.Model(penalty, penalty_gradient, w, args=(strength,), name="penalty_alone")
