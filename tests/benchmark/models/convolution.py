"""A convolution in four loops, tanh, and one linear output; half the mean squared error.

Filter f sees the window of image n from (i, j) on, through all channels:
z[n, f, i, j] = b[f] + Σ w[f] window.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 4, "channels": 3, "filters": 2, "image": (3, 4), "kernel": (2, 2)},
    "medium": {"samples": 5, "channels": 2, "filters": 3, "image": (4, 6), "kernel": (2, 3)},
}


def problem(rng, samples, channels, filters, image, kernel):
    places = (image[0] - kernel[0] + 1, image[1] - kernel[1] + 1)
    images = rng.standard_normal((samples, channels, *image))
    targets = rng.standard_normal(samples)
    params = {
        "w": 0.5 * rng.standard_normal((filters, channels, *kernel)),
        "b": 0.5 * rng.standard_normal(filters),
        "v": rng.standard_normal((filters, *places)),
        "c": rng.standard_normal(1),
    }
    return params, (images, targets)


def convolve(images, w, b):
    N, _, H, W = images.shape
    F, _, HH, WW = w.shape
    out = np.zeros((N, F, H - HH + 1, W - WW + 1), dtype=w.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(H - HH + 1):
                for j in range(W - WW + 1):
                    window = images[n, :, i : i + HH, j : j + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out


def predict(params, images):
    a = np.tanh(convolve(images, params["w"], params["b"]))
    return np.sum(a * params["v"], axis=(1, 2, 3)) + params["c"], a


def loss(params, images, targets):
    prediction, _ = predict(params, images)
    return 0.5 * np.mean((prediction - targets) ** 2)


def gradient(params, images, targets):
    prediction, a = predict(params, images)
    dout = (prediction - targets) / len(targets)
    dv = np.einsum("n,nfij->fij", dout, a)
    dc = np.sum(dout, keepdims=True)
    da = np.einsum("n,fij->nfij", dout, params["v"])
    dz = da * (1 - a**2)
    dw, db = convolve_backward(dz, images, params["w"])
    return {"w": dw, "b": db, "v": dv, "c": dc}


def convolve_backward(dz, images, w):
    N, F, H_out, W_out = dz.shape
    _, _, HH, WW = w.shape
    dw = np.zeros_like(w)
    db = np.zeros(F, dtype=w.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    patch = images[n, :, i : i + HH, j : j + WW]
                    dw[f] += dz[n, f, i, j] * patch
                    db[f] += dz[n, f, i, j]
    return dw, db


MISTAKES = [
    Site("square-factor-doubled", {"dout = (prediction": "dout = 2 * (prediction"}),
    Site("batch-sum-for-mean", {"(prediction - targets) / len(targets)": "prediction - targets"}),
    Site("delta-sign", {"(prediction - targets) / len": "(targets - prediction) / len"}),
    Site("hidden-sign", {"dz = da": "dz = -da"}),
    Site("derivative-missing", {"dz = da * (1 - a**2)": "dz = da"}),
    Site("derivative-elsewhere", {"(1 - a**2)": "(1 - np.tanh(a) ** 2)"}),
    Site("derivative-of-another", {"(1 - a**2)": "(a > 0)"}),
    Site("upstream-dropped", {"dz = da * (1 - a**2)": "dz = 1 - a**2"}),
    Site(
        "kernel-flipped",
        {"dw[f] += dz[n, f, i, j] * patch": "dw[f] += dz[n, f, i, j] * patch[:, ::-1, ::-1]"},
    ),
    Site(
        "kernel-flipped",
        {"dw[f] += dz[n, f, i, j] * patch": "dw[f] += dz[n, f, i, j] * patch[::-1]"},
    ),
    Site(
        "cached-input",
        {"patch = images[n, :, i : i + HH, j : j + WW]": "patch = images[n, :, :HH, :WW]"},
    ),
    Site("cached-input", {"patch = images[n,": "patch = images[f,"}),
    Site("block-averaged", {"return dw, db": "return dw / (H_out * W_out), db"}),
    Site("path-left-out", {"dw[f] += dz": "dw[f] = dz"}),
    Site("path-left-out", {"for j in range(W_out)": "for j in range(W_out - 1)"}),
    Site("bias-one-sample", {"db[f] += dz": "db[f] = dz"}),
    Site("bias-all-units", {"db[f] += dz[n, f, i, j]": "db += dz[n, f, i, j]"}),
    Site("bias-mean", {"return dw, db": "return dw, db / N"}),
    Site("bias-not-reduced", {"return dw, db": "return dw, dz.sum(axis=(0, 1))"}),
    Site("bias-wrong-axis", {"return dw, db": "return dw, dz.sum(axis=(1, 2, 3))"}),
    Site("block-not-computed", {"                    db[f] += dz[n, f, i, j]\n": ""}),
    Site(
        "accumulator-kept",
        {
            "def convolve_backward(": "filters_so_far = {}\n\n\ndef convolve_backward(",
            "return dw, db": (
                'filters_so_far["dw"] = dw + filters_so_far.get("dw", 0)\n'
                '    return filters_so_far["dw"], db'
            ),
        },
    ),
]
