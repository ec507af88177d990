"""Several yes-or-no outputs over a sigmoid layer: cross-entropy taken from the logits.

The loss is the mean over the samples of Σₖ log(1 + exp(zₙₖ)) − tₙₖ zₙₖ.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 6, "inputs": 4, "hidden": 3, "labels": 2},
    "medium": {"samples": 10, "inputs": 9, "hidden": 7, "labels": 4},
}


def problem(rng, samples, inputs, hidden, labels):
    X = rng.standard_normal((samples, inputs))
    T = np.where(rng.random((samples, labels)) < 0.5, 0.0, 1.0)
    params = {
        "W": rng.standard_normal((inputs, hidden)),
        "b": rng.standard_normal(hidden),
        "V": rng.standard_normal((hidden, labels)),
        "c": rng.standard_normal(labels),
    }
    return params, (X, T)


def sigmoid(z):
    return 0.5 * (1 + np.tanh(z / 2))


def forward(params, X):
    h = sigmoid(X @ params["W"] + params["b"])
    logits = h @ params["V"] + params["c"]
    return logits, (X, h)


def cross_entropy(z, t):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))) - t * z


def loss(params, X, T):
    logits, _ = forward(params, X)
    return cross_entropy(logits, T).sum() / X.shape[0]


def gradient(params, X, T):
    logits, cache = forward(params, X)
    return backward(params, (sigmoid(logits) - T) / X.shape[0], cache)


def backward(params, dlogits, cache):
    X, h = cache
    grads = {"V": h.T @ dlogits, "c": dlogits.sum(0)}
    dh = dlogits @ params["V"].T
    da = dh * h * (1 - h)
    grads["W"] = X.T @ da
    grads["b"] = da.sum(0)
    return grads


MISTAKES = [
    Site("batch-sum-for-mean", {"(sigmoid(logits) - T) / X.shape[0]": "sigmoid(logits) - T"}),
    Site("output-mean", {"(sigmoid(logits) - T) / X.shape[0]": "(sigmoid(logits) - T) / T.size"}),
    Site("delta-sign", {"(sigmoid(logits) - T)": "(T - sigmoid(logits))"}),
    Site("hidden-sign", {"dh = dlogits @": "dh = -dlogits @"}),
    Site("hidden-scaled", {"dh = dlogits @": "dh = 2 * dlogits @"}),
    Site(
        "extra-derivative",
        {"(sigmoid(logits) - T)": "(sigmoid(logits) - T) * sigmoid(logits) * sigmoid(-logits)"},
    ),
    Site("derivative-missing", {"dh * h * (1 - h)": "dh"}),
    Site("derivative-twice", {"dh * h * (1 - h)": "dh * (h * (1 - h)) ** 2"}),
    Site("derivative-elsewhere", {"dh * h * (1 - h)": "dh * sigmoid(h) * (1 - sigmoid(h))"}),
    Site("derivative-of-another", {"dh * h * (1 - h)": "dh * (1 - h**2)"}),
    Site("derivative-of-another", {"dh * h * (1 - h)": "dh * h * (h > 0)"}),
    Site("derivative-of-another", {"dh * h * (1 - h)": "dh * (1 - h)"}),
    Site("cached-input", {'"V": h.T @ dlogits': '"V": (h * (1 - h)).T @ dlogits'}),
    Site(
        "cached-input", {'"V": h.T @ dlogits': '"V": (X @ params["W"] + params["b"]).T @ dlogits'}
    ),
    Site("upstream-dropped", {"da = dh * h * (1 - h)": "da = h * (1 - h)"}),
    Site(
        "stale-weights", {'dlogits @ params["V"].T': 'dlogits @ (params["V"] - 0.5 * grads["V"]).T'}
    ),
    Site("transposed-product", {'"V": h.T @ dlogits': '"V": dlogits.T @ h'}),
    Site("bias-one-sample", {'"c": dlogits.sum(0)': '"c": dlogits[0]'}),
    Site(
        "bias-mean",
        {'"c": dlogits.sum(0)': '"c": dlogits.mean(0)', '"b"] = da.sum(0)': '"b"] = da.mean(0)'},
    ),
    Site("bias-wrong-axis", {'"c": dlogits.sum(0)': '"c": dlogits.sum(1)'}),
    Site(
        "block-not-computed", {'grads["W"] = X.T @ da': 'grads["W"] = np.zeros_like(params["W"])'}
    ),
]
