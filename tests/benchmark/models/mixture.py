"""Gaussian mixture with diagonal covariances: mean negative log-likelihood.

Weights softmax(logits), means and variances exp(log_var), of every component a row.
"""

import math

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 7, "components": 3, "dimensions": 4},
    "medium": {"samples": 11, "components": 5, "dimensions": 8},
}


def problem(rng, samples, components, dimensions):
    X = 1.5 * rng.standard_normal((samples, dimensions))
    params = {
        "logits": rng.standard_normal(components),
        "means": rng.standard_normal((components, dimensions)),
        "log_var": 0.5 + 0.4 * rng.standard_normal((components, dimensions)),
    }
    return params, (X,)


def log_sum_exp(a, axis):
    top = np.max(a, axis=axis, keepdims=True)
    return top + np.log(np.sum(np.exp(a - top), axis=axis, keepdims=True))


def log_joint(params, X):
    """The log of weight times density, of shape (samples, components)."""
    log_weights = params["logits"] - log_sum_exp(params["logits"], axis=0)
    d = X[:, None, :] - params["means"]
    exponent = np.sum(d**2 * np.exp(-params["log_var"]) + params["log_var"], axis=2)
    return log_weights - 0.5 * (exponent + X.shape[1] * math.log(2 * math.pi))


def loss(params, X):
    return -np.mean(log_sum_exp(log_joint(params, X), axis=1))


def gradient(params, X):
    joint = log_joint(params, X)
    responsibility = np.exp(joint - log_sum_exp(joint, axis=1))
    weights = np.exp(params["logits"] - log_sum_exp(params["logits"], axis=0))
    precision = np.exp(-params["log_var"])
    N = len(X)
    population = responsibility.sum(axis=0) / N
    r = responsibility[:, :, None]
    d = X[:, None, :] - params["means"]
    return {
        "logits": weights - population,
        "means": -np.sum(r * d, axis=0) * precision / N,
        "log_var": 0.5 * np.sum(r * (1 - d**2 * precision), axis=0) / N,
    }


MISTAKES = [
    Site(
        "batch-sum-for-mean",
        {
            "weights - population": "N * (weights - population)",
            "* precision / N": "* precision",
            "precision), axis=0) / N": "precision), axis=0)",
        },
    ),
    Site("block-averaged", {"* precision / N": "* precision"}),
    Site("block-averaged", {"precision), axis=0) / N": "precision), axis=0) / r.size"}),
    Site("block-averaged", {"0.5 * np.sum(r * (1": "np.sum(r * (1"}),
    Site("delta-sign", {"-np.sum(r * d, axis=0)": "np.sum(r * d, axis=0)"}),
    Site(
        "delta-sign",
        {"weights - population": "population - weights"},
    ),
    Site("term-sign", {"(1 - d**2 * precision)": "(1 + d**2 * precision)"}),
    Site("path-left-out", {"r * (1 - d**2 * precision)": "-r * d**2 * precision"}),
    Site(
        "path-left-out",
        {"weights - population": "-population"},
    ),
    Site(
        "softmax-diagonal",
        {"weights - population": "-population * (1 - weights)"},
    ),
    Site(
        "extra-derivative",
        {"weights - population": "(weights - population) * weights * (1 - weights)"},
    ),
    Site(
        "upstream-dropped",
        {"r = responsibility[:, :, None]": "r = np.ones_like(responsibility)[:, :, None]"},
    ),
    Site("derivative-missing", {"axis=0) * precision / N": "axis=0) / N"}),
    Site("derivative-missing", {"precision), axis=0) / N": "precision), axis=0) * precision / N"}),
    Site("derivative-elsewhere", {"axis=0) * precision / N": "axis=0) * precision**0.5 / N"}),
    Site(
        "derivative-elsewhere",
        {"axis=0) * precision / N": 'axis=0) * np.exp(params["log_var"]) / N'},
    ),
    Site("block-not-computed", {"weights - population": "np.zeros_like(weights)"}),
]
