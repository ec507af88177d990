"""Inverted dropout after a tanh layer and on the input; the masks are drawn from a given seed.

The seed is an argument, so the loss is the same function at every call.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 9, "inputs": 3, "hidden": 5, "outputs": 2},
    "medium": {"samples": 11, "inputs": 9, "hidden": 8, "outputs": 6},
}

KEEP_INPUT = 0.875
KEEP_HIDDEN = 0.625


def problem(rng, samples, inputs, hidden, outputs):
    X = rng.standard_normal((samples, inputs))
    Y = rng.standard_normal((samples, outputs))
    params = {
        "W1": rng.standard_normal((inputs, hidden)),
        "b1": rng.standard_normal(hidden),
        "W2": rng.standard_normal((hidden, outputs)),
        "b2": rng.standard_normal(outputs),
    }
    # no unit may be dropped in all samples
    while True:
        seed = int(rng.integers(10**6))
        masks = draw_masks(seed, X.shape, (samples, hidden))
        if all(np.all(mask.any(axis=0)) for mask in masks):
            return params, (X, Y, seed)


def draw_masks(seed, *shapes):
    """What is kept of the input and of the hidden layer, as booleans."""
    generator = np.random.default_rng(seed)
    keeps = (KEEP_INPUT, KEEP_HIDDEN)
    return [generator.random(s) < keep for s, keep in zip(shapes, keeps, strict=True)]


def forward(params, X, seed):
    mask0, mask1 = draw_masks(seed, X.shape, (len(X), len(params["b1"])))
    x = X * mask0 / KEEP_INPUT
    h = np.tanh(x @ params["W1"] + params["b1"])
    kept = h * mask1 / KEEP_HIDDEN
    out = kept @ params["W2"] + params["b2"]
    return out, {"x": x, "h": h, "mask": mask1, "kept": kept}


def loss(params, X, Y, seed):
    out, _ = forward(params, X, seed)
    return np.mean(np.sum((out - Y) ** 2, axis=1))


def gradient(params, X, Y, seed):
    out, cache = forward(params, X, seed)
    dout = 2 * (out - Y) / len(Y)
    dkept = dout @ params["W2"].T
    dh = dkept * cache["mask"] / KEEP_HIDDEN
    dz = dh * (1 - cache["h"] ** 2)
    return {
        "W1": cache["x"].T @ dz,
        "b1": np.sum(dz, axis=0),
        "W2": cache["kept"].T @ dout,
        "b2": np.sum(dout, axis=0),
    }


MISTAKES = [
    Site("square-factor-forgotten", {"dout = 2 * (out - Y)": "dout = (out - Y)"}),
    Site("batch-sum-for-mean", {"dout = 2 * (out - Y) / len(Y)": "dout = 2 * (out - Y)"}),
    Site("output-mean", {"2 * (out - Y) / len(Y)": "2 * (out - Y) / Y.size"}),
    Site("delta-sign", {"dout = 2 * (out - Y)": "dout = 2 * (Y - out)"}),
    Site("hidden-sign", {"dkept = dout @": "dkept = -dout @"}),
    Site("mask-missing", {'dkept * cache["mask"] / KEEP_HIDDEN': "dkept"}),
    Site("mask-missing", {'dh = dkept * cache["mask"] / KEEP_HIDDEN': "dh = dkept / KEEP_HIDDEN"}),
    Site("keep-factor-missing", {'dkept * cache["mask"] / KEEP_HIDDEN': 'dkept * cache["mask"]'}),
    Site(
        "keep-factor-missing",
        {'dkept * cache["mask"] / KEEP_HIDDEN': ('dkept * cache["mask"] * KEEP_HIDDEN')},
    ),
    # another mask is drawn on the way back
    Site(
        "mask-missing",
        {
            'dh = dkept * cache["mask"] / KEEP_HIDDEN': (
                "dh = dkept * draw_masks(seed + 1, X.shape, dkept.shape)[1] / KEEP_HIDDEN"
            )
        },
    ),
    # the masks are drawn again, in the order of the way back
    Site(
        "mask-missing",
        {
            'dh = dkept * cache["mask"] / KEEP_HIDDEN': (
                "dh = dkept * draw_masks(seed, dkept.shape, X.shape)[0] / KEEP_HIDDEN"
            )
        },
    ),
    Site("cached-input", {'"W2": cache["kept"].T @ dout': '"W2": cache["h"].T @ dout'}),
    Site("cached-input", {'"W1": cache["x"].T @ dz': '"W1": X.T @ dz'}),
    Site("derivative-missing", {'dh * (1 - cache["h"] ** 2)': "dh"}),
    Site("derivative-elsewhere", {'(1 - cache["h"] ** 2)': '(1 - cache["kept"] ** 2)'}),
    Site("derivative-elsewhere", {'(1 - cache["h"] ** 2)': '(1 - np.tanh(cache["h"]) ** 2)'}),
    Site("upstream-dropped", {'dh = dkept * cache["mask"]': 'dh = cache["mask"]'}),
    Site(
        "stale-weights",
        {'dout @ params["W2"].T': 'dout @ (params["W2"] - 0.1 * cache["kept"].T @ dout).T'},
    ),
    Site("transposed-product", {'cache["kept"].T @ dout,': 'dout.T @ cache["kept"],'}),
    Site(
        "bias-mean",
        {
            "np.sum(dz, axis=0)": "np.mean(dz, axis=0)",
            "np.sum(dout, axis=0)": "np.mean(dout, axis=0)",
        },
    ),
    Site("bias-one-sample", {"np.sum(dz, axis=0)": "dz[0]"}),
    Site("block-averaged", {'"W1": cache["x"].T @ dz': '"W1": cache["x"].T @ dz / len(X)'}),
]
