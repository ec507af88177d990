"""Matrix factorization of ratings, with biases of users and items and a ridge on the factors.

::

    e = base + bu[i] + bi[j] + p[i]·q[j] − rating
    L = Σ e² + λ (Σ p² + Σ q²)
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
State = dict[str, Array]


def errors(state: State, i: Indices, j: Indices, rating: Array) -> Array:
    interaction = np.einsum("nf,nf->n", state["p"][i], state["q"][j])
    e: Array = state["base"] + state["bu"][i] + state["bi"][j] + interaction - rating
    return e


def loss(state: State, i: Indices, j: Indices, rating: Array, lam: float) -> float:
    squares = np.sum(errors(state, i, j, rating) ** 2)
    L: float = squares + lam * (np.sum(state["p"] ** 2) + np.sum(state["q"] ** 2))
    return L


def loss_grad(state: State, i: Indices, j: Indices, rating: Array, lam: float) -> State:
    de = 2 * errors(state, i, j, rating)
    p, q = state["p"], state["q"]
    dp, dq = 2 * lam * p, 2 * lam * q
    dbu, dbi = np.zeros(len(p)), np.zeros(len(q))
    for n in range(len(rating)):
        dp[i[n]] += de[n] * q[j[n]]
        dq[j[n]] += de[n] * p[i[n]]
        dbu[i[n]] += de[n]
        dbi[j[n]] += de[n]
    return {"base": np.array([de.sum()]), "bu": dbu, "bi": dbi, "p": dp, "q": dq}


# ten ratings of eight users and nine items, two factors; few are seen twice
rng = np.random.default_rng(209)
i = np.array([0, 1, 2, 3, 4, 5, 6, 7, 0, 3])
j = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 1])
rating = rng.integers(1, 6, size=10).astype(float)
state = {
    "base": np.array([2.8]),
    "bu": 0.3 * rng.standard_normal(8),
    "bi": 0.3 * rng.standard_normal(9),
    "p": rng.standard_normal((8, 2)),
    "q": rng.standard_normal((9, 2)),
}

model = tricheck.Model(loss, loss_grad, state, args=(i, j, rating, 0.1), name="ratings")
