"""Logistic regression on labels of ±1, with a bias and weight decay on the weights.

The loss is the mean of log(1 + exp(−yₙ (xₙ·w + b))), plus λ/2 |w|².
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 9, "features": 6},
    "medium": {"samples": 13, "features": 70},
}


def problem(rng, samples, features):
    X = rng.standard_normal((samples, features))
    y = np.where(rng.random(samples) < 0.4, -1.0, 1.0)
    y[:2] = -1.0, 1.0  # both labels occur
    params = {
        "w": rng.standard_normal(features) / np.sqrt(features),
        "b": rng.standard_normal(1),
    }
    return params, (X, y, 0.05)


def softplus(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def loss(params, X, y, lam):
    w, b = params["w"], params["b"]
    margin = y * (X @ w + b)
    return np.mean(softplus(-margin)) + 0.5 * lam * (w @ w)


def gradient(params, X, y, lam):
    w, b = params["w"], params["b"]
    margin = y * (X @ w + b)
    wrong = sigmoid(-margin)  # the probability of the other label
    delta = -y * wrong / len(y)
    dw = X.T @ delta + lam * w
    db = np.sum(delta, keepdims=True)
    return {"w": dw, "b": db}


MISTAKES = [
    Site("batch-sum-for-mean", {"wrong / len(y)": "wrong"}),
    Site("delta-sign", {"delta = -y": "delta = y"}),
    Site("term-sign", {"X.T @ delta + lam": "-X.T @ delta + lam"}),
    Site("half-domain-sign", {"delta = -y * wrong": "delta = -wrong"}),
    Site("regularizer-missing", {"X.T @ delta + lam * w": "X.T @ delta"}),
    Site("regularizer-doubled", {"+ lam * w\n": "+ 2 * lam * w\n"}),
    Site("regularizer-sign", {"delta + lam * w": "delta - lam * w"}),
    Site("regularizer-averaged", {"+ lam * w\n": "+ lam * w / len(y)\n"}),
    Site("bias-regularized", {"np.sum(delta, keepdims=True)": "np.sum(delta) + lam * b"}),
    Site("bias-mean", {"np.sum(delta, keepdims=True)": "np.mean(delta, keepdims=True)"}),
    Site("bias-not-reduced", {"np.sum(delta, keepdims=True)": "delta"}),
    Site("bias-one-sample", {"np.sum(delta, keepdims=True)": "delta[:1]"}),
    Site("extra-derivative", {"wrong / len(y)": "wrong * wrong * (1 - wrong) / len(y)"}),
    Site("derivative-elsewhere", {"wrong = sigmoid(-margin)": "wrong = sigmoid(margin)"}),
    Site("block-averaged", {"X.T @ delta + lam": "X.T @ delta / len(w) + lam"}),
    Site("block-not-computed", {"np.sum(delta, keepdims=True)": "np.zeros_like(b)"}),
    Site(
        "accumulator-kept",
        {
            "def gradient(params, X, y, lam):": "def gradient(params, X, y, lam, kept=[0.0]):",
            "db = np.sum(delta, keepdims=True)": (
                "kept[0] = kept[0] + np.sum(delta, keepdims=True)\n    db = kept[0]"
            ),
        },
    ),
]
