"""Word vectors trained from counts, as GloVe does: both words' rows and biases are looked up.

For pairs (i, j) of words with the logarithm of their count, weighted::

    e = u[i]·v[j] + a[i] + c[j] − log count
    E = ½ Σ weight e²
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Words = npt.NDArray[np.int64]
Params = dict[str, FloatArray]


def errors(
    params: Params, i: Words, j: Words, log_counts: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    u, v = params["u"][i], params["v"][j]
    return u, v, np.sum(u * v, axis=1) + params["a"][i] + params["c"][j] - log_counts


def loss(params: Params, i: Words, j: Words, log_counts: FloatArray, weights: FloatArray) -> float:
    _, _, e = errors(params, i, j, log_counts)
    E: float = 0.5 * np.sum(weights * e**2)
    return E


def gradient(
    params: Params, i: Words, j: Words, log_counts: FloatArray, weights: FloatArray
) -> Params:
    u, v, e = errors(params, i, j, log_counts)
    de = weights * e
    g = {name: np.zeros_like(value) for name, value in params.items()}
    np.add.at(g["u"], i, de[:, None] * v)
    np.add.at(g["v"], j, de[:, None] * u)
    np.add.at(g["a"], i, de)
    np.add.at(g["c"], j, de)
    return g


# eleven pairs of nine words, two dimensions; words 0 and 4 stand first twice, 1 second twice
rng = np.random.default_rng(116)
i = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 4])
j = np.array([1, 0, 3, 2, 5, 4, 7, 6, 8, 1, 8])
log_counts, weights = rng.standard_normal(11), rng.uniform(0.2, 1.0, size=11)
params = {
    "u": rng.standard_normal((9, 2)),
    "v": rng.standard_normal((9, 2)),
    "a": rng.standard_normal(9),
    "c": rng.standard_normal(9),
}

model = tricheck.Model(
    loss, gradient, params, args=(i, j, log_counts, weights), name="counting_words"
)
