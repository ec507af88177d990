"""Neighbourhood components analysis: -mean log probability of a neighbour of one's own class.

Every point picks a neighbour by a softmax of -|A x_i - A x_j|². The parameter is the bare matrix A.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 9, "classes": 3, "reduced": 2, "features": 4},
    "medium": {"samples": 11, "classes": 4, "reduced": 5, "features": 13},
}
NEVER = -1e30  # log of the odds of being one's own neighbour


def problem(rng, samples, classes, reduced, features):
    X = rng.standard_normal((samples, features))
    labels = np.arange(samples) % classes
    return 0.7 * rng.standard_normal((reduced, features)) / reduced**0.5, (X, labels)


def log_odds(A, X):
    Z = X @ A.T
    squared = np.sum((Z[:, None, :] - Z[None, :, :]) ** 2, axis=2)
    return np.where(np.arange(len(X))[:, None] == np.arange(len(X)), NEVER, -squared)


def log_sum_exp(a):
    top = np.max(a, axis=1, keepdims=True)
    return top + np.log(np.sum(np.exp(a - top), axis=1, keepdims=True))


def loss(A, X, labels):
    odds = log_odds(A, X)
    same = labels[:, None] == labels
    return np.mean(log_sum_exp(odds) - log_sum_exp(np.where(same, odds, NEVER)))


def gradient(A, X, labels):
    odds = log_odds(A, X)
    masked = np.where(labels[:, None] == labels, odds, NEVER)
    p = np.exp(odds - log_sum_exp(odds))
    p_same = np.exp(masked - log_sum_exp(masked))
    G = (p_same - p) / len(X)
    dA = np.zeros_like(A)
    for i in range(len(X)):
        for j in range(len(X)):
            x = X[i] - X[j]
            dA += 2 * G[i, j] * np.outer(A @ x, x)
    return dA


MISTAKES = [
    Site("square-factor-forgotten", {"2 * G[i, j]": "G[i, j]"}),
    Site("square-factor-doubled", {"2 * G[i, j]": "4 * G[i, j]"}),
    Site("batch-sum-for-mean", {"(p_same - p) / len(X)": "p_same - p"}),
    Site("output-mean", {"(p_same - p) / len(X)": "(p_same - p) / (len(X) * len(A))"}),
    Site("delta-sign", {"(p_same - p) / len(X)": "(p - p_same) / len(X)"}),
    Site("term-sign", {"(p_same - p) / len(X)": "(p_same + p) / len(X)"}),
    Site("path-left-out", {"(p_same - p) / len(X)": "p_same / len(X)"}),
    Site("path-left-out", {"(p_same - p) / len(X)": "-p / len(X)"}),
    Site("path-left-out", {"for j in range(len(X)):": "for j in range(i):"}),
    Site("path-left-out", {"np.outer(A @ x, x)": "np.outer(A @ x, X[i])"}, also="cached-input"),
    Site(
        "softmax-diagonal",
        {"(p_same - p) / len(X)": "(p_same * (1 - p_same) - p * (1 - p)) / len(X)"},
    ),
    Site("extra-derivative", {"(p_same - p) / len(X)": "(p_same - p) * p * (1 - p) / len(X)"}),
    Site("derivative-of-another", {"np.outer(A @ x, x)": "np.outer(np.sign(A @ x), x)"}),
    Site(
        "upstream-dropped", {"G = (p_same - p) / len(X)": "G = np.ones_like(p_same - p) / len(X)"}
    ),
    Site(
        "transposed-product",
        {"np.outer(A @ x, x)": "np.outer(x, A @ x)", "np.zeros_like(A)": "np.zeros_like(A.T)"},
    ),
]
