"""The textbook network of sigmoid units with a quadratic cost, one sample at a time.

Column vectors, weights of shape (to, from); the cost is ½ Σ |a − y|² over the samples.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 5, "sizes": (3, 4, 2)},
    "medium": {"samples": 7, "sizes": (4, 8, 6, 3)},
}


def problem(rng, samples, sizes):
    params = {}
    for i in range(1, len(sizes)):
        params[f"W{i}"] = rng.standard_normal((sizes[i], sizes[i - 1]))
        params[f"b{i}"] = rng.standard_normal((sizes[i], 1))
    xs = rng.standard_normal((samples, sizes[0], 1))
    ys = rng.random((samples, sizes[-1], 1))
    return params, (xs, ys)


def sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def feedforward(params, a):
    for i in range(1, len(params) // 2 + 1):
        a = sigmoid(params[f"W{i}"] @ a + params[f"b{i}"])
    return a


def loss(params, xs, ys):
    cost = 0.0
    for x, y in zip(xs, ys, strict=True):
        cost = cost + 0.5 * np.sum((feedforward(params, x) - y) ** 2)
    return cost


def backprop(params, x, y):
    """The gradient of the cost of one sample."""
    last = len(params) // 2
    activations, zs = [x], [None]
    for i in range(1, last + 1):
        zs.append(params[f"W{i}"] @ activations[-1] + params[f"b{i}"])
        activations.append(sigmoid(zs[-1]))
    grads = {}
    delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
    grads[f"b{last}"] = delta
    grads[f"W{last}"] = delta @ activations[-2].T
    for i in range(last - 1, 0, -1):
        upper = params[f"W{i + 1}"]
        delta = (upper.T @ delta) * sigmoid_prime(zs[i])
        grads[f"b{i}"] = delta
        grads[f"W{i}"] = delta @ activations[i - 1].T
    return grads


def gradient(params, xs, ys):
    total = {name: np.zeros_like(value) for name, value in params.items()}
    for x, y in zip(xs, ys, strict=True):
        for name, grad in backprop(params, x, y).items():
            total[name] += grad
    return total


MISTAKES = [
    Site(
        "square-factor-doubled",
        {"delta = (activations[-1] - y)": "delta = 2 * (activations[-1] - y)"},
    ),
    Site("batch-mean-for-sum", {"total[name] += grad": "total[name] += grad / len(xs)"}),
    Site("delta-sign", {"(activations[-1] - y)": "(y - activations[-1])"}),
    Site("hidden-sign", {"delta = (upper.T @ delta)": "delta = -(upper.T @ delta)"}),
    Site("derivative-missing-output", {" * sigmoid_prime(zs[-1])": ""}),
    Site("derivative-missing", {" * sigmoid_prime(zs[i])": ""}),
    Site("derivative-missing", {"sigmoid_prime(zs[i])": "(sigmoid_prime(zs[i]) if i > 1 else 1)"}),
    Site("derivative-elsewhere", {"sigmoid_prime(zs[i])": "sigmoid_prime(activations[i])"}),
    Site("derivative-elsewhere", {"sigmoid_prime(zs[-1])": "sigmoid_prime(activations[-1])"}),
    Site("derivative-elsewhere", {"sigmoid_prime(zs[i])": "(zs[i] * (1 - zs[i]))"}),
    Site("derivative-of-another", {"sigmoid_prime(zs[i])": "(1 - activations[i] ** 2)"}),
    Site("derivative-twice", {"sigmoid_prime(zs[-1])": "sigmoid_prime(zs[-1]) ** 2"}),
    Site("cached-input", {"delta @ activations[-2].T": "delta @ zs[-2].T"}),
    Site("cached-input", {"delta @ activations[-2].T": "delta @ (1 - activations[-2]).T"}),
    Site("upstream-dropped", {"(upper.T @ delta) *": "np.sum(upper, axis=0)[:, None] *"}),
    Site(
        "stale-weights",
        {'upper = params[f"W{i + 1}"]': 'upper = params[f"W{i + 1}"] - 3.0 * grads[f"W{i + 1}"]'},
    ),
    Site(
        "bias-one-sample",
        {"total[name] += grad": 'total[name] = grad + (name[0] == "W") * total[name]'},
    ),
    Site("bias-all-units", {'grads[f"b{i}"] = delta': 'grads[f"b{i}"] = np.sum(delta)'}),
    Site(
        "bias-mean",
        {"total[name] += grad": 'total[name] += grad / (len(xs) if name[0] == "b" else 1)'},
    ),
    Site("block-not-computed", {'        grads[f"b{i}"] = delta\n': ""}),
    Site(
        "accumulator-kept",
        {
            "def gradient(params, xs, ys):": "memory = {}\n\n\ndef gradient(params, xs, ys):",
            "{name: np.zeros_like(value) for": "{name: memory.setdefault(name, 0 * value) for",
        },
    ),
]
