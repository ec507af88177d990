"""Heteroscedastic regression: one trunk, a head for the mean and a head for the log variance.

::

    h = tanh(X U)        mu = h m + m0        s = h v + v0
    L = (1/N) Σ ½ (s + (y − mu)² exp(−s)) + ½ κ Σ U²
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


class Heteroscedastic:
    def __init__(self, inputs: int, width: int, kappa: float) -> None:
        rng = np.random.default_rng(206)
        self.U = rng.standard_normal((inputs, width))
        self.m = rng.standard_normal(width)
        self.m0 = 0.3
        self.v = 0.5 * rng.standard_normal(width)
        self.v0 = -0.2
        self.kappa = kappa

    def heads(self, X: Array) -> tuple[Array, Array, Array]:
        h = np.tanh(X.dot(self.U))
        return h, h.dot(self.m) + self.m0, h.dot(self.v) + self.v0

    def value(self, X: Array, y: Array) -> float:
        _, mu, s = self.heads(X)
        penalty = 0.5 * self.kappa * np.sum(self.U**2)
        L: float = np.mean(0.5 * (s + (y - mu) ** 2 * np.exp(-s))) + penalty
        return L

    def derivatives(self, X: Array, y: Array) -> dict[str, Array]:
        n = len(y)
        h, mu, s = self.heads(X)
        precision = np.exp(-s)
        gmu = (mu - y) * precision / n
        gs = 0.5 * (1.0 - (y - mu) ** 2 * precision) / n
        gh = np.outer(gmu, self.m) + np.outer(gs, self.v)
        gz = gh * (1.0 - h**2)
        return {
            "U": X.T.dot(gz) + self.kappa * self.U,
            "m": h.T.dot(gmu),
            "m0": gmu.sum(),
            "v": h.T.dot(gs),
            "v0": gs.sum(),
        }


# twelve samples of two features, five hidden units
rng = np.random.default_rng(207)
X, y = rng.standard_normal((12, 2)), rng.standard_normal(12)

model = tricheck.Model.from_object(
    Heteroscedastic(2, 5, 0.05),
    ["U", "m", "m0", "v", "v0"],
    Heteroscedastic.value,
    Heteroscedastic.derivatives,
    args=(X, y),
    name="two_heads",
)
