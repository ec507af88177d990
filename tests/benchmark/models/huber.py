"""Huber regression: squared error up to `delta`, absolute error beyond, and weight decay."""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 11, "features": 5, "outputs": 3},
    "medium": {"samples": 14, "features": 9, "outputs": 7},
}


def problem(rng, samples, features, outputs):
    X = rng.standard_normal((samples, features))
    Y = rng.standard_normal((samples, outputs))
    params = {
        "W": 0.5 * rng.standard_normal((features, outputs)),
        "b": rng.standard_normal(outputs),
    }
    return params, (X, Y, 0.8, 0.02)


def residuals(params, X, Y):
    return X @ params["W"] + params["b"] - Y


def huber(r, delta):
    a = np.abs(r)
    return np.where(a <= delta, 0.5 * r**2, delta * (a - 0.5 * delta))


def loss(params, X, Y, delta, lam):
    data = np.sum(huber(residuals(params, X, Y), delta)) / len(X)
    return data + lam * np.sum(params["W"] ** 2)


def gradient(params, X, Y, delta, lam):
    r = residuals(params, X, Y)
    dr = np.where(np.abs(r) <= delta, r, delta * np.sign(r)) / len(X)
    return {"W": X.T @ dr + 2 * lam * params["W"], "b": dr.sum(axis=0)}


def near_kink(params, args, distance, rng):
    """One residual a distance above `delta`, where the slope bends but does not jump."""
    X, Y, delta, _ = args
    sample, output = rng.integers(len(X)), rng.integers(Y.shape[1])
    b = np.copy(params["b"])
    b[output] += delta + distance - residuals(params, X, Y)[sample, output]
    return {"W": params["W"], "b": b}


MISTAKES = [
    Site(
        "derivative-of-another",
        {"<= delta, r, delta": "<= delta, 2 * r, delta"},
    ),
    Site("batch-sum-for-mean", {"np.sign(r)) / len(X)": "np.sign(r))"}),
    Site("output-mean", {"np.sign(r)) / len(X)": "np.sign(r)) / r.size"}),
    Site("delta-sign", {"dr = np.where(": "dr = -np.where("}),
    Site("half-domain-sign", {"delta * np.sign(r))": "delta * np.ones_like(r))"}),
    Site("half-domain-sign", {"delta * np.sign(r))": "-delta * np.sign(r))"}),
    Site("clamp-not-zeroed", {"np.where(np.abs(r) <= delta, r, delta * np.sign(r))": "r"}),
    Site("leaky-slope-wrong", {"delta * np.sign(r))": "np.sign(r))"}),
    Site("leaky-slope-ignored", {"delta * np.sign(r))": "0 * r)"}),
    Site(
        "derivative-of-another",
        {"np.where(np.abs(r) <= delta, r, delta * np.sign(r))": "delta * np.tanh(r / delta)"},
    ),
    Site("regularizer-missing", {' + 2 * lam * params["W"], "b"': ', "b"'}),
    Site("regularizer-doubled", {"+ 2 * lam": "+ 4 * lam"}),
    Site("regularizer-averaged", {"+ 2 * lam": "+ lam"}),
    Site("regularizer-averaged", {"+ 2 * lam": "+ 2 * lam / len(X)"}),
    Site("regularizer-sign", {"+ 2 * lam": "- 2 * lam"}),
    Site("bias-regularized", {"dr.sum(axis=0)": 'dr.sum(axis=0) + 2 * lam * params["b"]'}),
    Site("bias-mean", {"dr.sum(axis=0)": "dr.mean(axis=0)"}),
    Site("bias-all-units", {"dr.sum(axis=0)": "np.repeat(dr.sum(), dr.shape[1])"}),
    Site("bias-not-reduced", {"dr.sum(axis=0)": "dr"}),
    Site("bias-wrong-axis", {"dr.sum(axis=0)": "dr.sum(axis=1)"}),
    Site("bias-one-sample", {"dr.sum(axis=0)": "dr[-1]"}),
    Site(
        "transposed-product",
        {'X.T @ dr + 2 * lam * params["W"]': 'dr.T @ X + 2 * lam * params["W"].T'},
    ),
]
