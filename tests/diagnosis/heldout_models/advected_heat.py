"""Heat that is carried along a bar, by implicit steps: the adjoint of what was measured.

With κ = exp(k) between the cells, the differences D and the drift G::

    M = I + dt (Dᵀ diag(κ) D + G)        M u[n+1] = u[n]
    J = ½ Σₙ |u[n] − seen[n]|², without the start
"""

from typing import Any

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Params = dict[str, Array]


class Bar:
    def __init__(self, cells: int, dt: float, drift: float) -> None:
        self.dt = dt
        self.D = np.eye(cells + 1, cells) - np.eye(cells + 1, cells, -1)
        self.G = drift * (np.eye(cells) - np.eye(cells, k=-1))

    def matrix(self, k: Array) -> Array:
        stiffness = self.D.T @ (np.exp(k)[:, None] * self.D)
        M: Array = np.eye(len(self.G)) + self.dt * (stiffness + self.G)
        return M

    def march(self, p: Params, steps: int) -> list[Any]:
        M = self.matrix(p["k"])
        states: list[Any] = [p["u0"]]
        for _ in range(steps):
            states.append(np.linalg.solve(M, states[-1]))
        return states

    def misfit(self, p: Params, seen: Array) -> float:
        J = 0.0
        for u, target in zip(self.march(p, len(seen))[1:], seen, strict=True):
            J = J + 0.5 * np.sum((u - target) ** 2)
        return J

    def adjoint(self, p: Params, seen: Array) -> Params:
        M = self.matrix(p["k"])
        states = self.march(p, len(seen))
        lam = np.zeros_like(p["u0"])
        dkappa = np.zeros_like(p["k"])
        for n in range(len(seen), 0, -1):
            lam = np.linalg.solve(M.T, lam + states[n] - seen[n - 1])
            dkappa -= self.dt * (self.D @ lam) * (self.D @ states[n])
        return {"u0": lam, "k": np.exp(p["k"]) * dkappa}


# seven cells, five steps
bar = Bar(7, 0.2, 0.8)
rng = np.random.default_rng(325)
p = {"u0": rng.standard_normal(7), "k": 0.5 * rng.standard_normal(8)}
seen = rng.standard_normal((5, 7))

model = tricheck.Model(bar.misfit, bar.adjoint, p, args=(seen,), name="advected_heat")
