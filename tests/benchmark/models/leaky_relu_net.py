"""A leaky ReLU layer under a linear one, half the mean squared error, parameters in a list."""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 7, "inputs": 3, "hidden": 4, "outputs": 2},
    "medium": {"samples": 9, "inputs": 8, "hidden": 10, "outputs": 5},
}

SLOPE = 0.1


def problem(rng, samples, inputs, hidden, outputs):
    # drawn again until every unit has samples on both sides of its kink, and none near it
    while True:
        X = rng.standard_normal((samples, inputs))
        W1 = rng.standard_normal((inputs, hidden))
        b1 = 0.2 * rng.standard_normal(hidden)
        z = X @ W1 + b1
        if np.all(z.max(0) > 0) and np.all(z.min(0) < 0) and np.min(np.abs(z)) > 0.01:
            break
    W2 = rng.standard_normal((hidden, outputs))
    b2 = rng.standard_normal(outputs)
    return [W1, b1, W2, b2], (X, rng.standard_normal((samples, outputs)))


def near_kink(params, args, distance, rng):
    W1, b1, W2, b2 = params
    X, _ = args
    sample, unit = int(rng.integers(len(X))), int(rng.integers(len(b1)))
    b1 = b1.copy()
    b1[unit] = distance - (X @ W1)[sample, unit]
    return [W1, b1, W2, b2]


def leaky(z):
    return np.where(z > 0, z, SLOPE * z)


def loss(params, X, Y):
    W1, b1, W2, b2 = params
    residual = leaky(X @ W1 + b1) @ W2 + b2 - Y
    return np.sum(residual**2) / (2 * len(X))


def gradient(params, X, Y):
    W1, b1, W2, b2 = params
    Z = X @ W1 + b1
    H = leaky(Z)
    dout = (H @ W2 + b2 - Y) / len(X)
    dW2 = np.einsum("nh,no->ho", H, dout)
    db2 = np.einsum("no->o", dout)
    dH = np.einsum("no,ho->nh", dout, W2)
    dZ = np.where(Z > 0, dH, SLOPE * dH)
    dW1 = np.einsum("ni,nh->ih", X, dZ)
    db1 = np.einsum("nh->h", dZ)
    return [dW1, db1, dW2, db2]


MISTAKES = [
    Site("square-factor-doubled", {"dout = (H @ W2 + b2 - Y)": "dout = 2 * (H @ W2 + b2 - Y)"}),
    Site("square-factor-forgotten", {"b2 - Y) / len(X)": "b2 - Y) / (2 * len(X))"}),
    Site("batch-sum-for-mean", {"dout = (H @ W2 + b2 - Y) / len(X)": "dout = H @ W2 + b2 - Y"}),
    Site("output-mean", {"b2 - Y) / len(X)": "b2 - Y) / Y.size"}),
    Site("delta-sign", {"dout = (H @ W2 + b2 - Y)": "dout = (Y - H @ W2 - b2)"}),
    Site(
        "hidden-scaled",
        {
            '"nh->h", dZ)': '"nh->h", dZ) / len(X)',
            '"ni,nh->ih", X, dZ)': '"ni,nh->ih", X, dZ) / len(X)',
        },
    ),
    Site("half-domain-sign", {"dH, SLOPE * dH": "dH, -SLOPE * dH"}),
    Site("leaky-slope-ignored", {"np.where(Z > 0, dH, SLOPE * dH)": "dH * (Z > 0)"}),
    Site("leaky-slope-wrong", {"dH, SLOPE * dH": "dH, 0.01 * dH"}),
    Site("derivative-missing", {"np.where(Z > 0, dH, SLOPE * dH)": "dH"}),
    Site("derivative-elsewhere", {"np.where(Z > 0, dH": "np.where(dH > 0, dH"}),
    Site("leaky-slope-wrong", {"dH, SLOPE * dH)": "dH, SLOPE**2 * dH)"}),
    Site(
        "derivative-of-another", {"np.where(Z > 0, dH, SLOPE * dH)": "dH * (1 - np.tanh(Z) ** 2)"}
    ),
    Site("cached-input", {'"nh,no->ho", H, dout': '"nh,no->ho", Z, dout'}),
    Site(
        "upstream-dropped",
        {"dZ = np.where(Z > 0, dH, SLOPE * dH)": "dZ = np.where(Z > 0, 1.0, SLOPE)"},
    ),
    Site("transposed-product", {"nh,no->ho": "nh,no->oh"}),
    Site("stale-weights", {'"no,ho->nh", dout, W2': '"no,ho->nh", dout, W2 - 0.1 * dW2'}),
    Site(
        "bias-mean",
        {
            'np.einsum("nh->h", dZ)': "np.mean(dZ, axis=0)",
            'np.einsum("no->o", dout)': "np.mean(dout, axis=0)",
        },
    ),
    Site("bias-wrong-axis", {'"nh->h"': '"nh->n"'}),
    Site("bias-not-reduced", {'np.einsum("no->o", dout)': "dout"}),
]
