"""A factorization machine for clicks: all pairs of features interact, through their factors.

::

    s = w0 + X w + ½ Σ_f [(X V)² − X² V²]_f
    L = mean of (log(1 + eˢ) − y s) + λ Σ V²
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Machine = dict[str, Array]


def scores(m: Machine, X: Array) -> Array:
    pairs = 0.5 * np.sum((X @ m["V"]) ** 2 - X**2 @ m["V"] ** 2, axis=1)
    s: Array = m["w0"] + X @ m["w"] + pairs
    return s


def loss(m: Machine, X: Array, y: Array, lam: float) -> float:
    s = scores(m, X)
    L: float = np.mean(np.logaddexp(0, s) - y * s) + lam * np.sum(m["V"] ** 2)
    return L


def gradient(m: Machine, X: Array, y: Array, lam: float) -> Machine:
    p = 1 / (1 + np.exp(-scores(m, X)))
    ds = (p - y) / len(y)
    dV = X.T @ (ds[:, None] * (X @ m["V"]))
    dV -= m["V"] * ((X**2).T @ ds)[:, None]
    dV += 2 * lam * m["V"]
    return {"w0": np.array([ds.sum()]), "w": X.T @ ds, "V": dV}


# thirteen samples of five features, three factors
rng = np.random.default_rng(320)
X = rng.standard_normal((13, 5))
y = rng.integers(0, 2, size=13).astype(float)
m = {
    "w0": np.array([0.3]),
    "w": rng.standard_normal(5),
    "V": 0.5 * rng.standard_normal((5, 3)),
}

model = tricheck.Model(loss, gradient, m, args=(X, y, 0.02), name="factorization_machine")
