"""Linear least squares of very many weights, a bare array of them, on three samples.

E = 1/(2N) Σ (xₙ·w − yₙ)² + λ/2 |w|²
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"features": 10},
    "medium": {"features": 200},
    "large": {"features": 1_000},
    "huge": {"features": 100_000},
}


def problem(rng, features):
    X = rng.standard_normal((3, features))
    w = rng.standard_normal(features)
    # as far off as random weights are, on both sides
    y = X @ w + np.sqrt(features) * rng.uniform(0.5, 1.5, 3) * np.array([1.0, -1.0, 1.0])
    return w, (X, y, 0.25)


def loss(w, X, y, lam):
    error = X @ w - y
    return error @ error / (2 * len(y)) + lam / 2 * (w @ w)


def gradient(w, X, y, lam):
    error = X @ w - y
    return error @ X / len(y) + lam * w


MISTAKES = [
    Site("square-factor-doubled", {"return error @ X / len(y)": "return 2 * error @ X / len(y)"}),
    Site("square-factor-forgotten", {"error @ X / len(y)": "error @ X / (2 * len(y))"}),
    Site("batch-sum-for-mean", {"error @ X / len(y)": "error @ X"}),
    Site(
        "delta-sign",
        {"return error @ X / len(y) + lam * w": "return -(error @ X / len(y) + lam * w)"},
    ),
    Site("term-sign", {"return error @ X": "return -error @ X"}),
    Site("half-domain-sign", {"return error @ X": "return np.abs(error) @ X"}),
    Site("regularizer-missing", {"len(y) + lam * w": "len(y)"}),
    Site("regularizer-doubled", {"len(y) + lam * w": "len(y) + 2 * lam * w"}),
    Site("regularizer-doubled", {"len(y) + lam * w": "len(y) + lam / 2 * w"}),
    Site("regularizer-sign", {"len(y) + lam * w": "len(y) - lam * w"}),
    Site(
        "regularizer-averaged", {"error @ X / len(y) + lam * w": "(error @ X + lam * w) / len(y)"}
    ),
    Site("upstream-dropped", {"return error @ X": "return np.ones_like(error) @ X"}),
    Site("path-left-out", {"return error @ X": "return error[:-1] @ X[:-1]"}),
    Site(
        "accumulator-kept",
        {
            "def gradient(w, X, y, lam):": "def gradient(w, X, y, lam, runs=[]):",
            "return error @ X / len(y) + lam * w": (
                "runs.append(error @ X / len(y) + lam * w)\n    return sum(runs)"
            ),
        },
    ),
    Site("block-not-computed", {"return error @ X / len(y) + lam * w": "return np.zeros_like(w)"}),
    Site(
        "output-mean",
        {"return error @ X / len(y) + lam * w": "return (error @ X / len(y) + lam * w) / len(w)"},
    ),
]
