"""Kernel machine, one class against the rest, with the squared hinge and a learned kernel width.

f = K α + b with K = exp(-γ |x - x'|²), γ = exp(log_gamma); mean over samples of
Σ max(0, 1 - t f)² with targets t = ±1, + ½ λ Σ αᵀ K α.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 7, "features": 2, "classes": 3},
    "medium": {"samples": 13, "features": 4, "classes": 5},
}


def problem(rng, samples, features, classes):
    X = rng.standard_normal((samples, features))
    labels = np.arange(samples) % classes
    targets = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
    params = {
        "alpha": rng.standard_normal((samples, classes)),
        "b": 0.5 * rng.standard_normal(classes),
        "log_gamma": -0.5 + 0.2 * rng.standard_normal(1),
    }
    return params, (X, targets, 0.1)


def squared_distances(X):
    return np.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=-1)


def kernel(params, X):
    return np.exp(-np.exp(params["log_gamma"]) * squared_distances(X))


def loss(params, X, targets, lam):
    alpha = params["alpha"]
    K = kernel(params, X)
    margin = targets * (K @ alpha + params["b"])
    hinge = np.maximum(0, 1 - margin)
    return np.sum(hinge**2) / len(X) + 0.5 * lam * np.sum(alpha * (K @ alpha))


def gradient(params, X, targets, lam):
    alpha = params["alpha"]
    K = kernel(params, X)
    margin = targets * (K @ alpha + params["b"])
    slack = np.maximum(0, 1 - margin)
    df = -2 * targets * slack / len(X)
    d_alpha = K @ df + lam * K @ alpha
    dK = df @ alpha.T + 0.5 * lam * alpha @ alpha.T
    d_log_gamma = -np.exp(params["log_gamma"]) * np.sum(dK * K * squared_distances(X))
    return {"alpha": d_alpha, "b": np.sum(df, axis=0), "log_gamma": d_log_gamma}


def near_kink(params, args, distance, rng):
    """One sample a distance within the margin, where the slope bends but does not jump."""
    X, targets, _ = args
    sample, label = rng.integers(len(X)), rng.integers(targets.shape[1])
    f = kernel(params, X) @ params["alpha"]
    b = np.copy(params["b"])
    b[label] = targets[sample, label] * (1 - distance) - f[sample, label]
    return {**params, "b": b}


MISTAKES = [
    Site("square-factor-forgotten", {"df = -2 * targets": "df = -targets"}),
    Site("batch-sum-for-mean", {"targets * slack / len(X)": "targets * slack"}),
    Site(
        "output-mean",
        {"targets * slack / len(X)": "targets * slack / targets.size"},
    ),
    Site("delta-sign", {"df = -2 * targets": "df = 2 * targets"}),
    Site("half-domain-sign", {"df = -2 * targets * slack": "df = -2 * slack"}),
    Site(
        "derivative-missing-output",
        {"df = -2 * targets * slack": "df = -2 * targets * (slack > 0)"},
    ),
    Site("clamp-not-zeroed", {"slack = np.maximum(0, 1 - margin)": "slack = 1 - margin"}),
    Site(
        "leaky-slope-wrong",
        {"slack = np.maximum(0, 1 - margin)": "slack = np.maximum(0.1 * (1 - margin), 1 - margin)"},
    ),
    Site(
        "derivative-elsewhere",
        {"df = -2 * targets * slack": "df = -2 * targets * slack * (margin > 0)"},
    ),
    Site("regularizer-missing", {"K @ df + lam * K @ alpha": "K @ df"}),
    Site("regularizer-missing", {" + 0.5 * lam * alpha @ alpha.T": ""}, also="upstream"),
    Site("regularizer-doubled", {"K @ df + lam * K @ alpha": "K @ df + 2 * lam * K @ alpha"}),
    Site("regularizer-sign", {"K @ df + lam * K @ alpha": "K @ df - lam * K @ alpha"}),
    Site("regularizer-averaged", {"K @ df + lam * K @ alpha": "K @ df + lam / len(X) * K @ alpha"}),
    Site("bias-regularized", {"np.sum(df, axis=0)": 'np.sum(df, axis=0) + lam * params["b"]'}),
    Site("bias-mean", {"np.sum(df, axis=0)": "np.mean(df, axis=0)"}),
    Site("bias-all-units", {"np.sum(df, axis=0)": 'np.full_like(params["b"], np.sum(df))'}),
    Site("bias-not-reduced", {"np.sum(df, axis=0)": "df"}),
    Site("bias-one-sample", {"np.sum(df, axis=0)": "df[0]"}),
    Site(
        "derivative-missing",
        {'-np.exp(params["log_gamma"]) * np.sum': '-np.ones_like(params["log_gamma"]) * np.sum'},
        also="scale",
    ),
    Site("derivative-missing", {"np.sum(dK * K * sq": "np.sum(dK * sq"}),
    Site("hidden-sign", {"d_log_gamma = -np.exp": "d_log_gamma = np.exp"}),
    Site("upstream-dropped", {"d_alpha = K @ df": "d_alpha = K @ np.ones_like(df)"}),
    Site("stale-weights", {"dK = df @ alpha.T": "dK = df @ (alpha - 0.1 * d_alpha).T"}),
    Site(
        "block-not-computed",
        {'return {"alpha": d_alpha': 'd_log_gamma = 0 * d_log_gamma\n    return {"alpha": d_alpha'},
    ),
]
