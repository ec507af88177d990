"""Skip-gram with negative sampling: a vector for every word as centre, another as context.

::

    L = −Σ [log σ(u[context] · v[centre]) + Σ_negatives log σ(−u[negative] · v[centre])]
"""

from typing import Any

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Words = npt.NDArray[np.int64]
Vectors = dict[str, Array]


def log_sigmoid(z: Any) -> Any:
    return -np.logaddexp(0, -z)


def objective(vectors: Vectors, centres: Words, contexts: Words, negatives: Words) -> float:
    v, u = vectors["v"], vectors["u"]
    total = 0.0
    for centre, context, drawn in zip(centres, contexts, negatives, strict=True):
        total = total - log_sigmoid(u[context] @ v[centre])
        total = total - log_sigmoid(-u[drawn] @ v[centre]).sum()
    return total


def objective_grad(vectors: Vectors, centres: Words, contexts: Words, negatives: Words) -> Vectors:
    v, u = vectors["v"], vectors["u"]
    dv, du = np.zeros_like(v), np.zeros_like(u)
    for centre, context, drawn in zip(centres, contexts, negatives, strict=True):
        pull = 1 / (1 + np.exp(-u[context] @ v[centre])) - 1
        dv[centre] += pull * u[context]
        du[context] += pull * v[centre]
        push = 1 / (1 + np.exp(-u[drawn] @ v[centre]))
        dv[centre] += push @ u[drawn]
        np.add.at(du, drawn, np.outer(push, v[centre]))
    return {"v": dv, "u": du}


# nine pairs from a vocabulary of seven, four negatives each; some are drawn twice
rng = np.random.default_rng(321)
centres = rng.integers(0, 7, size=9)
contexts = (centres + rng.integers(1, 7, size=9)) % 7
negatives = rng.integers(0, 7, size=(9, 4))
vectors = {"v": rng.standard_normal((7, 3)), "u": rng.standard_normal((7, 3))}

model = tricheck.Model(
    objective, objective_grad, vectors, args=(centres, contexts, negatives), name="skipgram"
)
