"""Quantile regression by a network of one tanh layer, several quantiles at once: pinball loss.

For the quantile τ the loss of a residual r = y - prediction is max(τ r, (τ - 1) r), averaged over
samples and summed over quantiles. Written one sample after another.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 7, "features": 2, "hidden": 4, "levels": [0.1, 0.5, 0.9]},
    "medium": {"samples": 13, "features": 5, "hidden": 9, "levels": [0.1, 0.4, 0.6, 0.9]},
}


def problem(rng, samples, features, hidden, levels):
    X = rng.standard_normal((samples, features))
    y = rng.standard_normal(samples)
    params = {
        "W1": rng.standard_normal((hidden, features)),
        "b1": rng.standard_normal(hidden),
        "W2": rng.standard_normal((len(levels), hidden)) / hidden**0.5,
        "b2": rng.standard_normal(len(levels)),
    }
    return params, (X, y, np.array(levels))


def predict(params, x):
    h = np.tanh(params["W1"] @ x + params["b1"])
    return h, params["W2"] @ h


def loss(params, X, y, levels):
    total = 0
    for x, target in zip(X, y, strict=True):
        _, s = predict(params, x)
        r = target - s - params["b2"]
        total = total + np.sum(np.maximum(levels * r, (levels - 1) * r))
    return total / len(X)


def gradient(params, X, y, levels):
    W2 = params["W2"]
    dW1, db1 = np.zeros_like(params["W1"]), np.zeros_like(params["b1"])
    dW2, db2 = np.zeros_like(W2), np.zeros_like(params["b2"])
    for x, target in zip(X, y, strict=True):
        h, s = predict(params, x)
        r = target - s - params["b2"]
        dout = -np.where(r > 0, levels, levels - 1)
        dW2 += np.outer(dout, h)
        db2 += dout
        dh = W2.T @ dout
        dz = (1 - h * h) * dh
        dW1 += np.outer(dz, x)
        db1 += dz
    n = len(X)
    return {"W1": dW1 / n, "b1": db1 / n, "W2": dW2 / n, "b2": db2 / n}


def near_kink(params, args, distance, rng):
    """One residual at a distance from 0; at 0 exactly in the loss's own arithmetic."""
    X, y, levels = args
    sample, level = rng.integers(len(X)), rng.integers(len(levels))
    _, s = predict(params, X[sample])
    b2 = np.copy(params["b2"])
    b2[level] = y[sample] - s[level] - distance
    return {**params, "b2": b2}


MISTAKES = [
    Site(
        "batch-sum-for-mean",
        {
            "n = len(X)": "n = 1",
        },
    ),
    Site("output-mean", {"n = len(X)": "n = len(X) * len(levels)"}),
    Site("block-averaged", {'"W1": dW1 / n': '"W1": dW1 / n**2'}),
    Site("block-averaged", {'"W2": dW2 / n': '"W2": dW2'}),
    Site("delta-sign", {"dout = -np.where(": "dout = np.where("}),
    Site("half-domain-sign", {"levels, levels - 1)": "levels, 1 - levels)"}),
    Site("derivative-of-another", {"np.where(r > 0, levels, levels - 1)": "np.sign(r)"}),
    Site(
        "derivative-elsewhere",
        {"np.where(r > 0, levels, levels - 1)": "np.where(target > 0, levels, levels - 1)"},
    ),
    Site("derivative-of-another", {"levels, levels - 1)": "1 - levels, -levels)"}),
    Site("leaky-slope-ignored", {"levels, levels - 1)": "levels, 0)"}),
    Site("leaky-slope-wrong", {"levels, levels - 1)": "levels, -levels)"}),
    Site("bias-mean", {'"b2": db2 / n': '"b2": db2 / n**2'}),
    Site("bias-mean", {'"b1": db1 / n': '"b1": db1 / n**2', '"b2": db2 / n': '"b2": db2 / n**2'}),
    Site("bias-one-sample", {"db1 += dz": "db1 = dz"}),
    Site("derivative-missing", {"dz = (1 - h * h) * dh": "dz = dh"}),
    Site("derivative-elsewhere", {"dz = (1 - h * h) * dh": "dz = (1 - np.tanh(h) ** 2) * dh"}),
    Site("derivative-twice", {"dz = (1 - h * h) * dh": "dz = (1 - h * h) ** 2 * dh"}),
    Site("derivative-of-another", {"dz = (1 - h * h) * dh": "dz = h * (1 - h) * dh"}),
    Site("upstream-dropped", {"dh = W2.T @ dout": "dh = np.sum(W2, axis=0)"}),
    Site("hidden-sign", {"dh = W2.T @ dout": "dh = -W2.T @ dout"}),
    Site(
        "stale-weights",
        {
            '    W2 = params["W2"]\n': '    W2 = np.copy(params["W2"])\n',
            "db2 += dout": "db2 += dout\n        W2 -= 0.01 * np.outer(dout, h)",
        },
    ),
    Site("path-left-out", {"dW2 += np.outer": "dW2 = np.outer"}),
]
