"""Multinomial regression: mean cross-entropy of a linear softmax, labels as integers.

The gradient goes through the samples one by one, as the formula of one sample reads.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 7, "features": 5, "classes": 3},
    "medium": {"samples": 11, "features": 14, "classes": 6},
}


def problem(rng, samples, features, classes):
    X = rng.standard_normal((samples, features))
    labels = rng.integers(classes, size=samples)
    params = {
        "W": 0.5 * rng.standard_normal((features, classes)),
        "b": 0.5 * rng.standard_normal(classes),
    }
    return params, (X, labels, 0.02)


def log_softmax(z):
    shifted = z - np.max(z)
    return shifted - np.log(np.sum(np.exp(shifted)))


def loss(params, X, labels, lam):
    W, b = params["W"], params["b"]
    total = 0.0
    for x, label in zip(X, labels, strict=True):
        total = total - log_softmax(x @ W + b)[label]
    return total / len(X) + lam * np.sum(W * W)


def gradient(params, X, labels, lam):
    W, b = params["W"], params["b"]
    dW = np.zeros_like(W)
    db = np.zeros_like(b)
    for x, label in zip(X, labels, strict=True):
        delta = np.exp(log_softmax(x @ W + b))
        delta[label] -= 1
        dW += np.outer(x, delta)
        db += delta
    return {"W": dW / len(X) + 2 * lam * W, "b": db / len(X)}


MISTAKES = [
    Site("batch-sum-for-mean", {"dW / len(X) + 2": "dW + 2", "db / len(X)": "db"}),
    Site("output-mean", {"delta[label] -= 1\n": "delta[label] -= 1\n        delta /= len(b)\n"}),
    Site("delta-sign", {"delta[label] -= 1\n": "delta[label] -= 1\n        delta *= -1\n"}),
    Site("term-sign", {"delta[label] -= 1": "delta[label] += 1"}),
    Site("term-sign", {"dW += np.outer(x, delta)": "dW -= np.outer(x, delta)"}),
    Site("regularizer-missing", {" + 2 * lam * W,": ","}),
    Site("regularizer-averaged", {"dW / len(X) + 2 * lam * W": "(dW + 2 * lam * W) / len(X)"}),
    Site("regularizer-sign", {"+ 2 * lam * W,": "- 2 * lam * W,"}),
    Site("regularizer-doubled", {"+ 2 * lam * W,": "+ 4 * lam * W,"}),
    Site("bias-regularized", {"db / len(X)}": "db / len(X) + 2 * lam * b}"}),
    Site("bias-mean", {"db / len(X)}": "db / len(X) ** 2}"}),
    Site("bias-one-sample", {"db += delta": "db = delta"}),
    Site("block-averaged", {"dW += np.outer(x, delta)": "dW += np.outer(x, delta) / len(b)"}),
    Site(
        "softmax-diagonal",
        {"delta[label] -= 1\n": "delta = (delta[label] - 1) * np.eye(len(b))[label]\n"},
    ),
    Site(
        "extra-derivative",
        {"        dW += np": "        delta *= delta * (1 - delta)\n        dW += np"},
    ),
    Site(
        "transposed-product",
        {"np.outer(x, delta)": "np.outer(delta, x).reshape(W.shape)"},
        "permuted",
    ),
    Site("block-not-computed", {"        db += delta\n": ""}),
    Site(
        "accumulator-kept",
        {
            "def gradient(": "total = {}\n\n\ndef gradient(",
            "    dW = np.zeros_like(W)\n": "    dW = total.setdefault('W', np.zeros_like(W))\n",
        },
    ),
]
