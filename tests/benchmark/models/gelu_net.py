"""A network with one hidden layer of GELUs in their tanh form, and the mean squared error.

gelu(z) = z/2 (1 + tanh(√(2/π) (z + 0.044715 z³)))
"""

import math

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 6, "inputs": 4, "hidden": 3, "outputs": 2},
    "medium": {"samples": 10, "inputs": 7, "hidden": 12, "outputs": 3},
}

C = math.sqrt(2 / math.pi)
A = 0.044715


def problem(rng, samples, inputs, hidden, outputs):
    X = rng.standard_normal((samples, inputs))
    Y = rng.standard_normal((samples, outputs))
    params = {
        "hidden": {
            "W": rng.standard_normal((hidden, inputs)) / math.sqrt(inputs),
            "b": rng.standard_normal(hidden),
        },
        "out": {
            "W": rng.standard_normal((outputs, hidden)) / math.sqrt(hidden),
            "b": rng.standard_normal(outputs),
        },
    }
    return params, (X, Y)


def gelu(z):
    return 0.5 * z * (1 + np.tanh(C * (z + A * z**3)))


def gelu_slope(z):
    t = np.tanh(C * (z + A * z**3))
    gate = 0.5 * (1 + t)
    dgate = 0.5 * (1 - t**2) * C * (1 + 3 * A * z**2)
    return gate + z * dgate


def affine(layer, x):
    return x @ layer["W"].T + layer["b"]


def affine_backward(layer, x, dout):
    grads = {"W": dout.T @ x, "b": np.sum(dout, axis=0)}
    return dout @ layer["W"], grads


def loss(params, X, Y):
    hidden = gelu(affine(params["hidden"], X))
    return np.mean((affine(params["out"], hidden) - Y) ** 2)


def gradient(params, X, Y):
    z = affine(params["hidden"], X)
    hidden = gelu(z)
    out = affine(params["out"], hidden)
    dout = 2 * (out - Y) / Y.size
    dhidden, grads_out = affine_backward(params["out"], hidden, dout)
    dz = dhidden * gelu_slope(z)
    _, grads_hidden = affine_backward(params["hidden"], X, dz)
    return {"hidden": grads_hidden, "out": grads_out}


MISTAKES = [
    Site("square-factor-forgotten", {"2 * (out - Y)": "(out - Y)"}),
    Site("batch-sum-for-mean", {"2 * (out - Y) / Y.size": "2 * (out - Y) / Y.shape[1]"}),
    Site("output-mean", {"2 * (out - Y) / Y.size": "2 * (out - Y) / len(Y)"}),
    Site("delta-sign", {"2 * (out - Y)": "2 * (Y - out)"}),
    Site("hidden-sign", {"dz = dhidden": "dz = -dhidden"}),
    Site("derivative-missing", {"dhidden * gelu_slope(z)": "dhidden"}),
    Site("derivative-elsewhere", {"gelu_slope(z)\n    _": "gelu_slope(hidden)\n    _"}),
    Site("derivative-twice", {"gelu_slope(z)\n    _": "gelu_slope(z) ** 2\n    _"}),
    Site("derivative-of-another", {"gelu_slope(z)\n    _": "(z > 0)\n    _"}),
    # the product rule: the gate's own dependence on z is forgotten
    Site("derivative-of-another", {"return gate + z * dgate": "return gate"}),
    Site("derivative-of-another", {"(1 + 3 * A * z**2)": "(1 + A * z**2)"}),
    Site("derivative-of-another", {"(1 - t**2) * C * (1": "(1 - t**2) * (1"}),
    # the slope of z σ(1.702 z), the cheaper form
    Site(
        "derivative-approximated",
        {
            "gate = 0.5 * (1 + t)\n": "gate = 0.5 * (1 + np.tanh(0.851 * z))\n",
            "dgate = 0.5 * (1 - t**2) * C * (1 + 3 * A * z**2)": (
                "dgate = 1.702 * gate * (1 - gate)"
            ),
        },
    ),
    Site("cached-input", {'(params["out"], hidden, dout)': '(params["out"], z, dout)'}),
    Site("upstream-dropped", {"dz = dhidden * gelu_slope(z)": "dz = gelu_slope(z)"}),
    Site(
        "stale-weights",
        {'return dout @ layer["W"], grads': 'return dout @ (layer["W"] - 0.1 * grads["W"]), grads'},
    ),
    Site("transposed-product", {"dout.T @ x": "x.T @ dout"}),
    Site("bias-mean", {"np.sum(dout, axis=0)": "np.mean(dout, axis=0)"}),
    Site("bias-all-units", {"np.sum(dout, axis=0)": 'np.full_like(layer["b"], np.sum(dout))'}),
    Site("bias-not-reduced", {"np.sum(dout, axis=0)": "dout"}),
    Site(
        "accumulator-kept",
        {
            "def affine_backward(layer, x, dout):\n    grads = {": (
                "sums = {}\n\n\n"
                "def affine_backward(layer, x, dout):\n"
                '    size = layer["b"].size\n'
                "    sums[size] = sums.get(size, 0.0) + np.sum(dout, axis=0)\n"
                "    grads = {"
            ),
            '"b": np.sum(dout, axis=0)}': '"b": sums[size]}',
        },
    ),
]
