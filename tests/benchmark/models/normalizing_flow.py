"""Two affine couplings to a standard normal: mean negative log-likelihood with the log-determinant.

The first coupling moves the second part of x, knowing the first; the other one the first part,
knowing the second: moved = part exp(s) + t with s = tanh(known S + c), t = known T + d. The
parameters are a list of layers.
"""

import math

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 7, "first": 2, "second": 3},
    "medium": {"samples": 11, "first": 4, "second": 5},
}


def problem(rng, samples, first, second):
    X = rng.standard_normal((samples, first + second))
    layers = []
    for known, moved in ((first, second), (second, first)):
        layers.append(
            {
                "S": 0.7 * rng.standard_normal((known, moved)),
                "c": 0.3 * rng.standard_normal(moved),
                "T": rng.standard_normal((known, moved)),
                "d": rng.standard_normal(moved),
            }
        )
    return layers, (X,)


def coupling(layer, known, part):
    s = np.tanh(known @ layer["S"] + layer["c"])
    t = known @ layer["T"] + layer["d"]
    return part * np.exp(s) + t, s


def transform(params, X):
    a, b = X[:, : len(params[0]["S"])], X[:, len(params[0]["S"]) :]
    b2, s1 = coupling(params[0], a, b)
    a2, s2 = coupling(params[1], b2, a)
    return a, b, a2, b2, s1, s2


def loss(params, X):
    _, _, a2, b2, s1, s2 = transform(params, X)
    energy = 0.5 * (np.sum(a2**2) + np.sum(b2**2))
    log_det = np.sum(s1) + np.sum(s2)
    return (energy - log_det) / len(X) + 0.5 * X.shape[1] * math.log(2 * math.pi)


def coupling_back(layer, known, part, s, d_moved):
    """Gradients of the layer and of what it knew."""
    scale = np.exp(s)
    dt = d_moved
    ds = d_moved * part * scale - np.ones_like(s) / len(s)
    dz = ds * (1 - s**2)
    grads = {
        "S": known.T @ dz,
        "c": np.sum(dz, axis=0),
        "T": known.T @ dt,
        "d": np.sum(dt, axis=0),
    }
    d_known = dz @ layer["S"].T + dt @ layer["T"].T
    return grads, d_known


def gradient(params, X):
    a, b, a2, b2, s1, s2 = transform(params, X)
    N = len(X)
    da2 = a2 / N
    second, d_known = coupling_back(params[1], b2, a, s2, da2)
    db2 = b2 / N + d_known
    first, _ = coupling_back(params[0], a, b, s1, db2)
    return [first, second]


MISTAKES = [
    Site(
        "batch-sum-for-mean", {"N = len(X)": "N = 1", "np.ones_like(s) / len(s)": "np.ones_like(s)"}
    ),
    Site(
        "output-mean",
        {
            "N = len(X)": "N = X.size",
            "np.ones_like(s) / len(s)": "np.ones_like(s) / (s.size + known.size)",
        },
    ),
    Site(
        "delta-sign",
        {"N = len(X)": "N = -len(X)", "- np.ones_like(s) / len(s)": "+ np.ones_like(s) / len(s)"},
    ),
    Site(
        "square-factor-doubled",
        {"da2 = a2 / N": "da2 = 2 * a2 / N", "db2 = b2 / N": "db2 = 2 * b2 / N"},
        also="upstream",
    ),
    Site("term-sign", {"- np.ones_like(s) / len(s)": "+ np.ones_like(s) / len(s)"}),
    Site("path-left-out", {" - np.ones_like(s) / len(s)": ""}),
    Site("path-left-out", {"db2 = b2 / N + d_known": "db2 = d_known"}),
    Site("path-left-out", {"db2 = b2 / N + d_known": "db2 = b2 / N"}),
    Site("path-left-out", {'dz @ layer["S"].T + dt @ layer["T"].T': 'dt @ layer["T"].T'}),
    Site("path-left-out", {'dz @ layer["S"].T + dt @ layer["T"].T': 'dz @ layer["S"].T'}),
    Site("derivative-missing", {"dz = ds * (1 - s**2)": "dz = ds"}),
    Site("derivative-missing", {"d_moved * part * scale": "d_moved * part"}),
    Site("derivative-elsewhere", {"dz = ds * (1 - s**2)": "dz = ds * (1 - np.tanh(s) ** 2)"}),
    Site("derivative-twice", {"dz = ds * (1 - s**2)": "dz = ds * (1 - s**2) ** 2"}),
    Site("derivative-of-another", {"dz = ds * (1 - s**2)": "dz = ds * s * (1 - s)"}),
    Site(
        "bias-mean",
        {"np.sum(dz, axis=0)": "np.mean(dz, axis=0)", "np.sum(dt, axis=0)": "np.mean(dt, axis=0)"},
    ),
    Site("bias-mean", {"np.sum(dt, axis=0)": "np.mean(dt, axis=0)"}),
    Site("bias-all-units", {"np.sum(dz, axis=0)": 'np.full_like(layer["c"], np.sum(dz))'}),
    Site("bias-one-sample", {"np.sum(dt, axis=0)": "dt[0]"}),
    Site("cached-input", {"coupling_back(params[1], b2, a,": "coupling_back(params[1], b, a,"}),
    Site("hidden-sign", {"db2 = b2 / N + d_known": "db2 = b2 / N - d_known"}),
    Site("hidden-scaled", {"db2 = b2 / N + d_known": "db2 = (b2 / N + d_known) / N"}),
    Site("upstream-dropped", {"d_moved * part * scale": "part * scale / len(part)"}),
    Site("block-not-computed", {'"T": known.T @ dt': '"T": np.zeros_like(layer["T"])'}),
    Site("stale-weights", {'dt @ layer["T"].T': 'dt @ (layer["T"] - 0.1 * grads["T"]).T'}),
]
