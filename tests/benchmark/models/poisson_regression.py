"""Poisson regression of several counts with the log link, an exposure and an L2 penalty.

mean over samples of Σ (exp(η) - y η), η = X W + b + log exposure, + λ Σ W².
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 9, "features": 5, "counts": 3},
    "medium": {"samples": 15, "features": 10, "counts": 6},
}
POINTS = ("random", "zero", "tiny")  # the rate is out of range at the last


def problem(rng, samples, features, counts):
    X = rng.standard_normal((samples, features))
    y = 1.0 * rng.poisson(2.0, size=(samples, counts))
    exposure = rng.uniform(0.5, 2.0, size=(samples, 1))
    params = {
        "W": 0.4 * rng.standard_normal((features, counts)),
        "b": 0.5 * rng.standard_normal(counts),
    }
    return params, (X, y, exposure, 0.03)


def predictor(params, X, exposure):
    return X @ params["W"] + params["b"] + np.log(exposure)


def loss(params, X, y, exposure, lam):
    eta = predictor(params, X, exposure)
    deviance = np.mean(np.sum(np.exp(eta) - y * eta, axis=1))
    return deviance + lam * np.sum(params["W"] * params["W"])


def gradient(params, X, y, exposure, lam):
    mu = np.exp(predictor(params, X, exposure))
    score = (mu - y) / X.shape[0]
    return {
        "W": np.einsum("nd,nk->dk", X, score) + 2 * lam * params["W"],
        "b": np.einsum("nk->k", score),
    }


MISTAKES = [
    Site("batch-sum-for-mean", {"(mu - y) / X.shape[0]": "mu - y"}),
    Site("output-mean", {"(mu - y) / X.shape[0]": "(mu - y) / y.size"}),
    Site("delta-sign", {"(mu - y) / X.shape[0]": "(y - mu) / X.shape[0]"}),
    Site("term-sign", {"(mu - y) / X.shape[0]": "(mu + y) / X.shape[0]"}),
    Site("path-left-out", {"(mu - y) / X.shape[0]": "mu / X.shape[0]"}),
    Site("derivative-missing-output", {"(mu - y) / X.shape[0]": "(1 - y) / X.shape[0] + 0 * mu"}),
    Site("extra-derivative", {"(mu - y) / X.shape[0]": "(mu - y) * mu / X.shape[0]"}),
    Site(
        "derivative-elsewhere",
        {"np.exp(predictor(params, X, exposure))": 'np.exp(X @ params["W"] + params["b"])'},
    ),
    Site(
        "derivative-of-another",
        {"mu = np.exp(predictor(params, X, exposure))": "mu = predictor(params, X, exposure)"},
    ),
    Site("regularizer-missing", {' + 2 * lam * params["W"]': ""}),
    Site("regularizer-doubled", {"+ 2 * lam": "+ 4 * lam"}),
    Site("regularizer-averaged", {"+ 2 * lam": "+ lam"}),
    Site("regularizer-averaged", {"+ 2 * lam": "+ 2 * lam / X.shape[0]"}),
    Site("regularizer-sign", {"+ 2 * lam": "- 2 * lam"}),
    Site(
        "bias-regularized",
        {'np.einsum("nk->k", score)': 'np.einsum("nk->k", score) + 2 * lam * params["b"]'},
    ),
    Site("bias-mean", {'np.einsum("nk->k", score)': "score.mean(axis=0)"}),
    Site("bias-all-units", {'np.einsum("nk->k", score)': 'np.full_like(params["b"], score.sum())'}),
    Site("bias-not-reduced", {'np.einsum("nk->k", score)': "score"}),
    Site("bias-wrong-axis", {'np.einsum("nk->k", score)': 'np.einsum("nk->n", score)'}),
    Site("bias-one-sample", {'np.einsum("nk->k", score)': "score[0]"}),
    Site(
        "transposed-product",
        {
            '"nd,nk->dk", X, score': '"nd,nk->kd", X, score',
            '2 * lam * params["W"],': '2 * lam * params["W"].T,',
        },
    ),
]
