"""A network with batch normalization between its layers and a class-weighted cross-entropy.

::

    z = X V        n = (z − mean) / √(var + ε)        a = max(γ n + β, 0)
    s = a W + c        loss = −Σ weight log softmax(s)[label] / Σ weight
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Params = dict[str, Array]

EPS = 1e-3


class Pass:
    """One forward pass, and what is computed on the way."""

    def __init__(self, p: Params, X: Array) -> None:
        self.z = X @ p["V"]
        self.std = np.sqrt(self.z.var(axis=0) + EPS)
        self.n = (self.z - self.z.mean(axis=0)) / self.std
        self.pre = p["gamma"] * self.n + p["beta"]
        self.a = np.maximum(self.pre, 0)
        s = self.a @ p["W"] + p["c"]
        e = np.exp(s - s.max(axis=1)[:, None])
        self.probs = e / e.sum(axis=1)[:, None]


def loss(p: Params, X: Array, labels: Labels, weight: Array) -> float:
    probs = Pass(p, X).probs
    each = weight[labels]
    picked = np.log(probs[np.arange(len(labels)), labels])
    L: float = -np.sum(each * picked) / np.sum(each)
    return L


def gradient(p: Params, X: Array, labels: Labels, weight: Array) -> Params:
    f = Pass(p, X)
    each = weight[labels]
    ds = f.probs.copy()
    ds[np.arange(len(labels)), labels] -= 1
    ds *= (each / each.sum())[:, None]
    da = ds @ p["W"].T
    dpre = da * (f.pre > 0)
    dn = dpre * p["gamma"]
    dz = (dn - dn.mean(axis=0) - f.n * (dn * f.n).mean(axis=0)) / f.std
    return {
        "V": X.T @ dz,
        "gamma": (dpre * f.n).sum(axis=0),
        "beta": dpre.sum(axis=0),
        "W": f.a.T @ ds,
        "c": ds.sum(axis=0),
    }


# ten samples of three features, six units, four classes
rng = np.random.default_rng(214)
X = rng.standard_normal((10, 3))
labels = rng.integers(4, size=10)
weight = np.array([1.0, 2.0, 0.5, 1.5])
p = {
    "V": rng.standard_normal((3, 6)),
    "gamma": rng.uniform(0.5, 1.5, size=6),
    "beta": rng.standard_normal(6),
    "W": rng.standard_normal((6, 4)),
    "c": rng.standard_normal(4),
}

model = tricheck.Model(loss, gradient, p, args=(X, labels, weight), name="batch_normed_net")
