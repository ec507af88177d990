"""A tanh network as a list of layers, with half the mean squared error and weight decay."""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 5, "widths": (3, 4, 2)},
    "three-layers": {"samples": 6, "widths": (2, 5, 4, 3)},
    "medium": {"samples": 8, "widths": (5, 9, 7, 6, 3)},
}


def problem(rng, samples, widths):
    X = rng.standard_normal((samples, widths[0]))
    Y = rng.standard_normal((samples, widths[-1]))
    layers = []
    for i in range(1, len(widths)):
        W = rng.standard_normal((widths[i - 1], widths[i])) / np.sqrt(widths[i - 1])
        layers.append({"W": W, "b": 0.5 * rng.standard_normal(widths[i])})
    return layers, (X, Y, 0.03)


def forward(layers, X):
    """The activations of every layer, beginning with the input; the last layer is linear."""
    activations = [X]
    for layer in layers[:-1]:
        activations.append(np.tanh(activations[-1] @ layer["W"] + layer["b"]))
    activations.append(activations[-1] @ layers[-1]["W"] + layers[-1]["b"])
    return activations


def loss(layers, X, Y, decay):
    out = forward(layers, X)[-1]
    fit = 0.5 * np.sum((out - Y) ** 2) / len(X)
    return fit + 0.5 * decay * sum(np.sum(layer["W"] ** 2) for layer in layers)


def gradient(layers, X, Y, decay):
    activations = forward(layers, X)
    grads = [None] * len(layers)
    delta = (activations[-1] - Y) / len(X)
    for i in reversed(range(len(layers))):
        W = layers[i]["W"]
        dW = activations[i].T @ delta + decay * W
        db = delta.sum(axis=0)
        grads[i] = {"W": dW, "b": db}
        if i > 0:
            delta = (delta @ W.T) * (1 - activations[i] ** 2)
    return grads


MISTAKES = [
    Site(
        "square-factor-doubled",
        {"(activations[-1] - Y) / len(X)": "2 * (activations[-1] - Y) / len(X)"},
    ),
    Site("batch-sum-for-mean", {"(activations[-1] - Y) / len(X)": "activations[-1] - Y"}),
    Site("output-mean", {"(activations[-1] - Y) / len(X)": "(activations[-1] - Y) / Y.size"}),
    Site("delta-sign", {"(activations[-1] - Y) / len(X)": "(Y - activations[-1]) / len(X)"}),
    Site("hidden-sign", {"delta = (delta @ W.T)": "delta = -(delta @ W.T)"}),
    Site("hidden-scaled", {"delta = (delta @ W.T)": "delta = 0.5 * (delta @ W.T)"}),
    Site("regularizer-missing", {"delta + decay * W": "delta"}),
    Site("regularizer-missing", {"delta + decay * W": "delta + decay * W * (i > 0)"}),
    Site("regularizer-doubled", {"delta + decay * W": "delta + 2 * decay * W"}),
    Site("regularizer-sign", {"delta + decay * W": "delta - decay * W"}),
    Site("bias-regularized", {"delta.sum(axis=0)": "delta.sum(axis=0) + decay * layers[i]['b']"}),
    Site("bias-mean", {"delta.sum(axis=0)": "delta.mean(axis=0)"}),
    Site("bias-all-units", {"delta.sum(axis=0)": "np.full_like(layers[i]['b'], delta.sum())"}),
    Site("derivative-missing", {" * (1 - activations[i] ** 2)": ""}),
    Site(
        "derivative-missing", {"(1 - activations[i] ** 2)": "(1 - activations[i] ** 2 * (i > 1))"}
    ),
    Site("derivative-elsewhere", {"1 - activations[i] ** 2": "1 - np.tanh(activations[i]) ** 2"}),
    Site(
        "derivative-of-another",
        {"(1 - activations[i] ** 2)": "activations[i] * (1 - activations[i])"},
    ),
    Site("derivative-twice", {"(1 - activations[i] ** 2)": "(1 - activations[i] ** 2) ** 2"}),
    Site("cached-input", {"dW = activations[i].T": "dW = np.tanh(activations[i]).T"}),
    Site("upstream-dropped", {"(delta @ W.T) *": "(np.ones_like(delta) @ W.T) *"}),
    Site(
        "stale-weights",
        {"        if i > 0:\n": "        W = W - 0.1 * dW\n        if i > 0:\n"},
    ),
    Site("transposed-product", {'{"W": dW, "b"': '{"W": dW.T, "b"'}),
]
