"""Autoencoder with tied weights and the GELU in its tanh form, with weight decay.

code = gelu(X W + b), output = code Wᵀ + c, ½ Σ (output - X)² / samples + ½ λ Σ W².
"""

import math

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 7, "visible": 5, "hidden": 3},
    "medium": {"samples": 11, "visible": 9, "hidden": 6},
}
CUBIC = 0.044715
ROOT = math.sqrt(2 / math.pi)


def problem(rng, samples, visible, hidden):
    X = rng.standard_normal((samples, visible))
    params = {
        "W": rng.standard_normal((visible, hidden)) / hidden**0.5,
        "b": rng.standard_normal(hidden),
        "c": rng.standard_normal(visible),
    }
    return params, (X, 0.02)


def gelu(z):
    return 0.5 * z * (1 + np.tanh(ROOT * (z + CUBIC * z**3)))


def forward(params, X):
    z = X @ params["W"] + params["b"]
    code = gelu(z)
    return z, code, code @ params["W"].T + params["c"]


def loss(params, X, lam):
    _, _, output = forward(params, X)
    error = 0.5 * np.sum((output - X) ** 2) / len(X)
    return error + 0.5 * lam * np.sum(params["W"] ** 2)


def gelu_slope(z):
    t = np.tanh(ROOT * (z + CUBIC * z**3))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * ROOT * (1 + CUBIC * (3 * z**2))


def gradient(params, X, lam):
    W = params["W"]
    z, code, output = forward(params, X)
    d_output = (output - X) / len(X)
    dc = d_output.sum(axis=0)
    d_code = d_output @ W
    dz = d_code * gelu_slope(z)
    db = dz.sum(axis=0)
    decoder = d_output.T @ code
    encoder = X.T @ dz
    dW = encoder + decoder + lam * W
    return {"W": dW, "b": db, "c": dc}


MISTAKES = [
    Site("square-factor-doubled", {"d_output = (output - X)": "d_output = 2 * (output - X)"}),
    Site("batch-sum-for-mean", {"(output - X) / len(X)\n": "(output - X)\n"}),
    Site("output-mean", {"(output - X) / len(X)\n": "(output - X) / X.size\n"}),
    Site("delta-sign", {"d_output = (output - X)": "d_output = (X - output)"}),
    Site("regularizer-missing", {"encoder + decoder + lam * W": "encoder + decoder"}),
    Site("regularizer-doubled", {"decoder + lam * W": "decoder + 2 * lam * W"}),
    Site("regularizer-sign", {"decoder + lam * W": "decoder - lam * W"}),
    Site("regularizer-averaged", {"decoder + lam * W": "decoder + lam / len(X) * W"}),
    Site("bias-regularized", {"db = dz.sum(axis=0)": 'db = dz.sum(axis=0) + lam * params["b"]'}),
    Site(
        "bias-mean",
        {
            "db = dz.sum(axis=0)": "db = dz.mean(axis=0)",
            "dc = d_output.sum(axis=0)": "dc = d_output.mean(axis=0)",
        },
    ),
    Site("bias-mean", {"dc = d_output.sum(axis=0)": "dc = d_output.mean(axis=0)"}),
    Site("bias-all-units", {"db = dz.sum(axis=0)": 'db = np.full_like(params["b"], dz.sum())'}),
    Site("bias-one-sample", {"db = dz.sum(axis=0)": "db = dz[0]"}),
    Site("path-left-out", {"dW = encoder + decoder +": "dW = encoder +"}),
    Site("path-left-out", {"dW = encoder + decoder +": "dW = decoder +"}),
    Site("derivative-missing", {"dz = d_code * gelu_slope(z)": "dz = d_code"}),
    Site("derivative-elsewhere", {"dz = d_code * gelu_slope(z)": "dz = d_code * gelu_slope(code)"}),
    Site("derivative-twice", {"dz = d_code * gelu_slope(z)": "dz = d_code * gelu_slope(z) ** 2"}),
    Site("derivative-of-another", {"dz = d_code * gelu_slope(z)": "dz = d_code * (z > 0)"}),
    Site(
        "derivative-approximated",
        {
            "t = np.tanh(ROOT * (z + CUBIC * z**3))": "t = np.tanh(0.851 * z)",
            "z * (1 - t**2) * ROOT * (1 + CUBIC * (3 * z**2))": "z * (1 - t**2) * 0.851",
        },
    ),
    Site("derivative-elsewhere", {"ROOT * (1 + CUBIC * (3 * z**2))": "ROOT"}, also="approximate"),
    Site(
        "half-domain-sign", {"dz = d_code * gelu_slope(z)": "dz = d_code * gelu_slope(np.abs(z))"}
    ),
    Site("cached-input", {"d_output.T @ code": "d_output.T @ z"}),
    Site("hidden-sign", {"d_code = d_output @ W": "d_code = -d_output @ W"}),
    Site("upstream-dropped", {"dz = d_code * gelu_slope(z)": "dz = gelu_slope(z)"}),
    Site(
        "transposed-product",
        {
            "decoder = d_output.T @ code": "decoder = code.T @ d_output",
            "encoder = X.T @ dz": "encoder = dz.T @ X",
            "lam * W\n    return": "lam * W.T\n    return",
        },
    ),
]
