"""Gaussian process regression: negative log marginal likelihood of its hyperparameters.

Squared-exponential kernel with a lengthscale per feature, amplitude and noise, all by their logs,
and a linear mean X w + c. With K = L Lᵀ and e = y - X w - c:
½ eᵀ K⁻¹ e + Σ log L[i, i] + (N/2) log 2π.
"""

import math

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 9, "features": 4},
    "medium": {"samples": 11, "features": 29},
}
POINTS = ("random", "zero", "tiny")  # exp(30 x) is out of range


def problem(rng, samples, features):
    X = rng.standard_normal((samples, features)) / features**0.5
    y = rng.standard_normal(samples)
    params = {
        "log_lengthscale": 0.3 * rng.standard_normal(features),
        "log_amplitude": 0.2 + 0.3 * rng.standard_normal(1),
        "log_noise": -1 + 0.3 * rng.standard_normal(1),
        "w": rng.standard_normal(features),
        "c": rng.standard_normal(1),
    }
    return params, (X, y)


def scaled_differences(params, X):
    """(X[i] - X[j]) / lengthscale, of shape (samples, samples, features)."""
    return (X[:, None, :] - X[None, :, :]) * np.exp(-params["log_lengthscale"])


def covariance(params, X):
    squared = np.sum(scaled_differences(params, X) ** 2, axis=2)
    signal = np.exp(2 * params["log_amplitude"]) * np.exp(-0.5 * squared)
    same = np.arange(len(X))[:, None] == np.arange(len(X))
    return signal, signal + np.where(same, np.exp(2 * params["log_noise"]), 0)


def residual(params, X, y):
    return y - X @ params["w"] - params["c"]


def loss(params, X, y):
    _, K = covariance(params, X)
    e = residual(params, X, y)
    L = np.linalg.cholesky(K)
    half_log_det = np.sum(np.log(np.diagonal(L)))
    constant = 0.5 * len(y) * math.log(2 * math.pi)
    return 0.5 * e @ np.linalg.solve(K, e) + half_log_det + constant


def gradient(params, X, y):
    signal, K = covariance(params, X)
    K_inv = np.linalg.inv(K)
    alpha = K_inv @ residual(params, X, y)
    dK = 0.5 * (K_inv - np.outer(alpha, alpha))
    squares = scaled_differences(params, X) ** 2
    noise = np.exp(2 * params["log_noise"])
    return {
        "log_lengthscale": np.sum((dK * signal)[:, :, None] * squares, axis=(0, 1)),
        "log_amplitude": np.array([2 * np.sum(dK * signal)]),
        "log_noise": 2 * noise * np.trace(dK),
        "w": -X.T @ alpha,
        "c": np.array([-np.sum(alpha)]),
    }


MISTAKES = [
    Site("square-factor-doubled", {"dK = 0.5 * (K_inv": "dK = (K_inv"}),
    Site("hidden-sign", {"(K_inv - np.outer(alpha, alpha))": "(np.outer(alpha, alpha) - K_inv)"}),
    Site("term-sign", {"(K_inv - np.outer(alpha, alpha))": "(K_inv + np.outer(alpha, alpha))"}),
    Site("path-left-out", {"(K_inv - np.outer(alpha, alpha))": "K_inv"}),
    Site(
        "path-left-out", {"0.5 * (K_inv - np.outer(alpha, alpha))": "-0.5 * np.outer(alpha, alpha)"}
    ),
    Site(
        "derivative-missing",
        {'noise = np.exp(2 * params["log_noise"])': 'noise = np.ones_like(params["log_noise"])'},
        also="scale",
    ),
    Site("derivative-missing", {"(dK * signal)[:, :, None]": "dK[:, :, None]"}),
    Site(
        "derivative-missing",
        {
            "* squares, axis=(0, 1))": (
                '* squares, axis=(0, 1)) / np.exp(params["log_lengthscale"])'
            ),
        },
    ),
    Site("derivative-elsewhere", {"2 * np.sum(dK * signal)": "2 * np.sum(dK * K)"}),
    Site("block-averaged", {"2 * np.sum(dK * signal)": "np.sum(dK * signal)"}),
    Site("block-averaged", {"2 * noise * np.trace(dK)": "noise * np.trace(dK)"}),
    Site(
        "delta-sign",
        {"-X.T @ alpha": "X.T @ alpha", "-np.sum(alpha)": "np.sum(alpha)"},
    ),
    Site("bias-mean", {"-np.sum(alpha)": "-np.mean(alpha)"}),
    Site("bias-one-sample", {"-np.sum(alpha)": "-alpha[0]"}),
    Site("bias-not-reduced", {"np.array([-np.sum(alpha)])": "-alpha"}),
    Site(
        "upstream-dropped", {"-X.T @ alpha": "-X.T @ residual(params, X, y)"}, also="cached-input"
    ),
    Site("block-not-computed", {"-X.T @ alpha": 'np.zeros_like(params["w"])'}),
]
