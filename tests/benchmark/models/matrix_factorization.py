"""Matrix factorization with biases of rows and columns, on the observed entries alone.

½ Σ (U[i] · V[j] + a[i] + c[j] + mean - value)² over the observations + ½ λ (|U|² + |V|²);
rows and columns are observed several times.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"rows": 5, "columns": 4, "rank": 2, "observed": 13},
    "medium": {"rows": 12, "columns": 10, "rank": 3, "observed": 37},
}


def problem(rng, rows, columns, rank, observed):
    i = rng.permutation(np.arange(observed) % rows)
    j = rng.permutation(np.arange(observed) % columns)
    values = 2 * rng.standard_normal(observed)
    params = {
        "U": rng.standard_normal((rows, rank)),
        "V": rng.standard_normal((columns, rank)),
        "a": rng.standard_normal(rows),
        "c": rng.standard_normal(columns),
        "mean": rng.standard_normal(1),
    }
    return params, (i, j, values, 0.3)


def errors(params, i, j, values):
    U, V = params["U"], params["V"]
    interaction = np.sum(U[i] * V[j], axis=1)
    return interaction + params["a"][i] + params["c"][j] + params["mean"] - values


def loss(params, i, j, values, lam):
    penalty = np.sum(params["U"] ** 2) + np.sum(params["V"] ** 2)
    return 0.5 * np.sum(errors(params, i, j, values) ** 2) + 0.5 * lam * penalty


def gradient(params, i, j, values, lam):
    U, V = params["U"], params["V"]
    e = errors(params, i, j, values)
    dU = lam * U
    dV = lam * V
    da = np.zeros_like(params["a"])
    dc = np.zeros_like(params["c"])
    np.add.at(dU, i, e[:, None] * V[j])
    np.add.at(dV, j, e[:, None] * U[i])
    np.add.at(da, i, e)
    np.add.at(dc, j, e)
    return {"U": dU, "V": dV, "a": da, "c": dc, "mean": np.array([np.sum(e)])}


MISTAKES = [
    Site(
        "square-factor-doubled",
        {
            "np.add.at(dU, i, e[:, None] * V[j])": "np.add.at(dU, i, 2 * e[:, None] * V[j])",
            "np.add.at(dV, j, e[:, None] * U[i])": "np.add.at(dV, j, 2 * e[:, None] * U[i])",
            "np.add.at(da, i, e)": "np.add.at(da, i, 2 * e)",
            "np.add.at(dc, j, e)": "np.add.at(dc, j, 2 * e)",
            "np.sum(e)": "2 * np.sum(e)",
        },
    ),
    Site(
        "batch-mean-for-sum",
        {"e = errors(params, i, j, values)\n": "e = errors(params, i, j, values) / len(values)\n"},
    ),
    Site(
        "delta-sign",
        {"e = errors(params, i, j, values)\n": "e = -errors(params, i, j, values)\n"},
    ),
    Site("delta-sign", {"np.add.at(dc, j, e)": "np.add.at(dc, j, -e)"}),
    Site(
        "scatter-overwrites", {"np.add.at(dU, i, e[:, None] * V[j])": "dU[i] += e[:, None] * V[j]"}
    ),
    Site(
        "scatter-overwrites", {"np.add.at(dV, j, e[:, None] * U[i])": "dV[j] += e[:, None] * U[i]"}
    ),
    Site("scatter-overwrites", {"np.add.at(da, i, e)": "da[i] = e"}),
    Site(
        "scatter-overwrites",
        {"np.add.at(da, i, e)": "da[i] += e", "np.add.at(dc, j, e)": "dc[j] += e"},
    ),
    Site(
        "regularizer-missing",
        {"dU = lam * U\n": "dU = np.zeros_like(U)\n", "dV = lam * V\n": "dV = np.zeros_like(V)\n"},
    ),
    Site("regularizer-missing", {"dV = lam * V\n": "dV = np.zeros_like(V)\n"}),
    Site(
        "regularizer-doubled",
        {"dU = lam * U\n": "dU = 2 * lam * U\n", "dV = lam * V\n": "dV = 2 * lam * V\n"},
    ),
    Site("regularizer-sign", {"dU = lam * U\n": "dU = -lam * U\n"}),
    Site(
        "regularizer-averaged",
        {
            "dU = lam * U\n": "dU = lam / len(values) * U\n",
            "dV = lam * V\n": "dV = lam / len(values) * V\n",
        },
    ),
    Site(
        "bias-regularized",
        {
            'da = np.zeros_like(params["a"])': 'da = lam * params["a"]',
            'dc = np.zeros_like(params["c"])': 'dc = lam * params["c"]',
        },
    ),
    Site("bias-regularized", {"np.array([np.sum(e)])": 'np.sum(e) + lam * params["mean"]'}),
    Site("bias-mean", {"np.sum(e)": "np.mean(e)"}),
    Site("bias-one-sample", {"np.sum(e)": "e[0]"}),
    Site(
        "cached-input",
        {"np.add.at(dV, j, e[:, None] * U[i])": "np.add.at(dV, j, e[:, None] * V[j])"},
    ),
    Site("upstream-dropped", {"np.add.at(dU, i, e[:, None] * V[j])": "np.add.at(dU, i, V[j])"}),
    Site(
        "stale-weights",
        {
            "np.add.at(dV, j, e[:, None] * U[i])": (
                "np.add.at(dV, j, e[:, None] * (U - 0.05 * dU)[i])"
            )
        },
    ),
    Site("block-not-computed", {"    np.add.at(dc, j, e)\n": ""}),
]
