"""Linear, batch normalization in training, tanh, linear; half the mean squared error.

x̂ = (z − μ) / √(σ² + ε) with the mean and the variance of the batch, a = tanh(γ x̂ + β).
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 6, "inputs": 3, "hidden": 4, "outputs": 2},
    "medium": {"samples": 9, "inputs": 7, "hidden": 8, "outputs": 5},
}

EPS = 1e-3


def problem(rng, samples, inputs, hidden, outputs):
    X = rng.standard_normal((samples, inputs))
    Y = rng.standard_normal((samples, outputs))
    params = {
        "W1": rng.standard_normal((inputs, hidden)),
        "gamma": rng.uniform(0.5, 1.5, hidden),
        "beta": 0.5 * rng.standard_normal(hidden),
        "W2": rng.standard_normal((hidden, outputs)),
        "b2": rng.standard_normal(outputs),
    }
    return params, (X, Y)


def batch_norm(z, gamma, beta):
    centred = z - np.mean(z, axis=0)
    std = np.sqrt(np.mean(centred**2, axis=0) + EPS)
    xhat = centred / std
    return gamma * xhat + beta, {"xhat": xhat, "std": std, "gamma": gamma}


def batch_norm_backward(dout, cache):
    xhat, std = cache["xhat"], cache["std"]
    dgamma = np.sum(dout * xhat, axis=0)
    dbeta = np.sum(dout, axis=0)
    dxhat = dout * cache["gamma"]
    through_mean = np.mean(dxhat, axis=0)
    through_variance = xhat * np.mean(dxhat * xhat, axis=0)
    dz = (dxhat - through_mean - through_variance) / std
    return dz, dgamma, dbeta


def forward(params, X):
    y, cache = batch_norm(X @ params["W1"], params["gamma"], params["beta"])
    a = np.tanh(y)
    return a @ params["W2"] + params["b2"], a, cache


def loss(params, X, Y):
    out, _, _ = forward(params, X)
    return np.sum((out - Y) ** 2) / (2 * len(X))


def gradient(params, X, Y):
    out, a, cache = forward(params, X)
    dout = (out - Y) / len(X)
    da = dout @ params["W2"].T
    dy = da * (1 - a**2)
    dz, dgamma, dbeta = batch_norm_backward(dy, cache)
    return {
        "W1": X.T @ dz,
        "gamma": dgamma,
        "beta": dbeta,
        "W2": a.T @ dout,
        "b2": dout.sum(axis=0),
    }


MISTAKES = [
    Site(
        "square-factor-forgotten", {"dout = (out - Y) / len(X)": "dout = (out - Y) / (2 * len(X))"}
    ),
    Site("batch-sum-for-mean", {"dout = (out - Y) / len(X)": "dout = out - Y"}),
    Site("output-mean", {"dout = (out - Y) / len(X)": "dout = (out - Y) / Y.size"}),
    Site("delta-sign", {"dout = (out - Y)": "dout = (Y - out)"}),
    Site("statistics-constant", {"dxhat - through_mean - through_variance": "dxhat"}),
    Site(
        "statistics-constant", {"dxhat - through_mean - through_variance": "dxhat - through_mean"}
    ),
    Site(
        "statistics-constant",
        {"dxhat - through_mean - through_variance": "dxhat - through_variance"},
    ),
    Site("term-sign", {"through_mean - through_variance": "through_mean + through_variance"}),
    Site("hidden-scaled", {"through_variance) / std": "through_variance) / std**2"}),
    Site("hidden-scaled", {"through_variance) / std": "through_variance)"}),
    Site("upstream-dropped", {'dxhat = dout * cache["gamma"]': 'dxhat = xhat * cache["gamma"]'}),
    Site("hidden-scaled", {'dxhat = dout * cache["gamma"]': "dxhat = dout"}),
    Site("derivative-missing", {"dy = da * (1 - a**2)": "dy = da"}),
    Site("derivative-elsewhere", {"(1 - a**2)": '(1 - np.tanh(cache["xhat"]) ** 2)'}),
    Site("derivative-twice", {"(1 - a**2)": "(1 - a**2) ** 2"}),
    Site("cached-input", {"np.sum(dout * xhat, axis=0)": "np.sum(dout * xhat * std, axis=0)"}),
    Site("cached-input", {'"W2": a.T @ dout': '"W2": cache["xhat"].T @ dout'}),
    Site("bias-mean", {"dbeta = np.sum(dout, axis=0)": "dbeta = np.mean(dout, axis=0)"}),
    Site(
        "bias-all-units",
        {"dbeta = np.sum(dout, axis=0)": "dbeta = np.full_like(std, np.sum(dout))"},
    ),
    Site("bias-one-sample", {'"b2": dout.sum(axis=0)': '"b2": dout[0]'}),
    Site("bias-not-reduced", {"dgamma = np.sum(dout * xhat, axis=0)": "dgamma = dout * xhat"}),
    Site(
        "block-averaged",
        {"np.sum(dout * xhat, axis=0)": "np.mean(dout * xhat, axis=0)"},
        "bias-reduction",
    ),
    Site("block-not-computed", {'"beta": dbeta': '"beta": np.zeros_like(dbeta)'}),
]
