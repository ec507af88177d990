"""Ridge regression: mean squared error and weight decay on the weights alone."""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 7, "features": 3, "outputs": 2},
    "medium": {"samples": 12, "features": 10, "outputs": 5},
}


def problem(rng, samples, features, outputs):
    X = rng.standard_normal((samples, features))
    Y = rng.standard_normal((samples, outputs))
    params = {
        "W": rng.standard_normal((features, outputs)),
        "b": rng.standard_normal(outputs),
    }
    return params, (X, Y, 0.1)


def loss(params, X, Y, lam):
    residual = X @ params["W"] + params["b"] - Y
    fit = np.sum(residual**2) / len(X)
    return fit + 0.5 * lam * np.sum(params["W"] ** 2)


def gradient(params, X, Y, lam):
    residual = X @ params["W"] + params["b"] - Y
    delta = 2.0 * residual / len(X)
    dW = X.T @ delta + lam * params["W"]
    db = np.sum(delta, axis=0)
    return {"W": dW, "b": db}


MISTAKES = [
    Site("square-factor-forgotten", {"2.0 * residual / len(X)": "residual / len(X)"}),
    Site("batch-sum-for-mean", {"2.0 * residual / len(X)": "2.0 * residual"}),
    Site("output-mean", {"2.0 * residual / len(X)": "2.0 * residual / Y.size"}),
    Site("delta-sign", {"2.0 * residual / len(X)": "-2.0 * residual / len(X)"}),
    Site("regularizer-missing", {' + lam * params["W"]\n': "\n"}),
    Site("regularizer-doubled", {"X.T @ delta + lam": "X.T @ delta + 2.0 * lam"}),
    Site("regularizer-sign", {"X.T @ delta + lam": "X.T @ delta - lam"}),
    Site("regularizer-averaged", {"delta + lam * params": "delta + lam / len(X) * params"}),
    Site(
        "bias-regularized", {"np.sum(delta, axis=0)": 'np.sum(delta, axis=0) + lam * params["b"]'}
    ),
    Site("bias-mean", {"np.sum(delta, axis=0)": "np.mean(delta, axis=0)"}),
    Site("bias-all-units", {"np.sum(delta, axis=0)": 'np.full_like(params["b"], np.sum(delta))'}),
    Site("bias-not-reduced", {"np.sum(delta, axis=0)": "delta"}),
    Site("bias-wrong-axis", {"np.sum(delta, axis=0)": "np.sum(delta, axis=1)"}),
    Site("bias-one-sample", {"np.sum(delta, axis=0)": "delta[0]"}),
]
