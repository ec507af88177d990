"""Residual blocks that share one weight matrix, between an input and an output layer.

hₖ₊₁ = hₖ + tanh(hₖ W + b), run DEPTH times with the same W and b.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 6, "inputs": 2, "width": 3, "outputs": 4},
    "medium": {"samples": 8, "inputs": 5, "width": 7, "outputs": 3},
}

DEPTH = 2


def problem(rng, samples, inputs, width, outputs):
    params = {
        "U": rng.standard_normal((inputs, width)),
        "W": rng.standard_normal((width, width)),
        "b": rng.standard_normal(width),
        "V": rng.standard_normal((width, outputs)),
        "c": rng.standard_normal(outputs),
    }
    X = rng.standard_normal((samples, inputs))
    Y = rng.standard_normal((samples, outputs))
    return params, (X, Y, 0.05)


def states(params, X):
    """The states before, between and after the blocks, and what the blocks take the tanh of."""
    hs, zs = [X @ params["U"]], []
    for k in range(DEPTH):
        zs.append(hs[k] @ params["W"] + params["b"])
        hs.append(hs[k] + np.tanh(zs[k]))
    return hs, zs


def tanh_slope(z):
    # 1 - tanh² to full precision also where tanh rounds to one
    e = np.exp(-2.0 * np.abs(z))
    return 4.0 * e / (1.0 + e) ** 2


def loss(params, X, Y, lam):
    hs, _ = states(params, X)
    out = hs[-1] @ params["V"] + params["c"]
    decay = np.sum(params["W"] ** 2) + np.sum(params["V"] ** 2)
    return np.sum((out - Y) ** 2) + 0.5 * lam * decay


def gradient(params, X, Y, lam):
    hs, zs = states(params, X)
    out = hs[-1] @ params["V"] + params["c"]
    dout = 2.0 * (out - Y)
    dV = hs[-1].T @ dout + lam * params["V"]
    dc = dout.sum(axis=0)
    dW = lam * params["W"]
    db = np.zeros_like(params["b"])
    dh = dout @ params["V"].T
    for k in reversed(range(DEPTH)):
        dz = dh * tanh_slope(zs[k])
        dW = dW + hs[k].T @ dz
        db += dz.sum(axis=0)
        dh = dh + dz @ params["W"].T
    dU = X.T @ dh
    return {"U": dU, "W": dW, "b": db, "V": dV, "c": dc}


MISTAKES = [
    Site("square-factor-forgotten", {"dout = 2.0 * (out - Y)": "dout = out - Y"}),
    Site("batch-mean-for-sum", {"dout = 2.0 * (out - Y)": "dout = 2.0 * (out - Y) / len(X)"}),
    Site("delta-sign", {"dout = 2.0 * (out - Y)": "dout = -2.0 * (out - Y)"}),
    Site("hidden-sign", {"dz = dh *": "dz = -dh *"}),
    # the skip connection is forgotten
    Site("path-left-out", {"dh = dh + dz @": "dh = dz @"}),
    # the block is forgotten, and only the skip goes back
    Site("path-left-out", {'        dh = dh + dz @ params["W"].T\n': ""}),
    # the shared parameters keep the last use only
    Site(
        "path-left-out",
        {"dW = dW + hs[k].T @ dz": 'dW = lam * params["W"] + hs[k].T @ dz', "db += dz": "db = dz"},
    ),
    Site("path-left-out", {"dW = dW + hs[k].T @ dz": "dW = dW + (k > 0) * hs[k].T @ dz"}),
    Site(
        "one-iteration-short",
        {"for k in reversed(range(DEPTH))": "for k in reversed(range(1, DEPTH))"},
    ),
    Site("derivative-missing", {"dz = dh * tanh_slope(zs[k])": "dz = dh"}),
    Site("derivative-elsewhere", {"tanh_slope(zs[k])": "tanh_slope(hs[k + 1])"}),
    Site("derivative-elsewhere", {"tanh_slope(zs[k])": "(1.0 - zs[k] ** 2)"}),
    Site("derivative-twice", {"tanh_slope(zs[k])": "tanh_slope(zs[k]) ** 2"}),
    Site("cached-input", {"dW + hs[k].T @ dz": "dW + hs[k + 1].T @ dz"}),
    Site("cached-input", {"dV = hs[-1].T": "dV = (hs[-1] - hs[-2]).T"}),
    Site("not-transposed-back", {'dz @ params["W"].T': 'dz @ params["W"]'}),
    Site("transposed-product", {"dW = dW + hs[k].T @ dz": "dW = dW + dz.T @ hs[k]"}),
    Site("stale-weights", {'dz @ params["W"].T': 'dz @ (params["W"] - 0.02 * dW).T'}),
    Site("stale-weights", {'dout @ params["V"].T': 'dout @ (params["V"] - 0.02 * dV).T'}),
    Site("upstream-dropped", {"dz = dh * tanh_slope(zs[k])": "dz = tanh_slope(zs[k])"}),
    Site("regularizer-missing", {'dW = lam * params["W"]\n': 'dW = np.zeros_like(params["W"])\n'}),
    Site("regularizer-missing", {'hs[-1].T @ dout + lam * params["V"]': "hs[-1].T @ dout"}),
    # added again at every use
    Site(
        "regularizer-doubled",
        {"dW = dW + hs[k].T @ dz": 'dW = dW + hs[k].T @ dz + lam * params["W"] * (k > 0)'},
    ),
    Site("regularizer-sign", {'dout + lam * params["V"]': 'dout - lam * params["V"]'}),
    Site(
        "bias-regularized", {"dc = dout.sum(axis=0)": 'dc = dout.sum(axis=0) + lam * params["c"]'}
    ),
    Site(
        "bias-mean",
        {
            "dc = dout.sum(axis=0)": "dc = dout.mean(axis=0)",
            "db += dz.sum(axis=0)": "db += dz.mean(axis=0)",
        },
    ),
    Site("bias-all-units", {"db += dz.sum(axis=0)": "db += dz.sum()"}),
]
