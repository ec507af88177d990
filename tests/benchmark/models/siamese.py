"""Siamese network with the triplet loss: three passes through the same weights.

embedding = leaky_relu(x W1 + b1) W2; mean over triplets of
max(0, margin + |anchor - positive|² - |anchor - negative|²), + ½ λ (|W1|² + |W2|²).
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"triplets": 7, "inputs": 3, "hidden": 5, "embedding": 2},
    "medium": {"triplets": 9, "inputs": 6, "hidden": 10, "embedding": 4},
}
SLOPE = 0.1


def problem(rng, triplets, inputs, hidden, embedding):
    anchor = rng.standard_normal((triplets, inputs))
    near = anchor + 0.5 * rng.standard_normal((triplets, inputs))
    far = anchor + 2.0 * rng.standard_normal((triplets, inputs))
    hard = np.arange(triplets)[:, None] % 3 == 0
    positive, negative = np.where(hard, far, near), np.where(hard, near, far)
    params = {
        "W1": rng.standard_normal((inputs, hidden)) / inputs**0.5,
        "b1": 0.5 * rng.standard_normal(hidden),
        "W2": rng.standard_normal((hidden, embedding)),
    }
    return params, (anchor, positive, negative, 0.2, 0.01)


def embed(params, x):
    z = x @ params["W1"] + params["b1"]
    h = np.where(z > 0, z, SLOPE * z)
    return h @ params["W2"], {"x": x, "z": z, "h": h}


def hinge_arguments(a, p, n, margin):
    return margin + np.sum((a - p) ** 2, axis=1) - np.sum((a - n) ** 2, axis=1)


def loss(params, anchor, positive, negative, margin, lam):
    a, _ = embed(params, anchor)
    p, _ = embed(params, positive)
    n, _ = embed(params, negative)
    ranking = np.mean(np.maximum(hinge_arguments(a, p, n, margin), 0))
    return ranking + 0.5 * lam * (np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2))


def embed_back(params, d_embedding, cache):
    z = cache["z"]
    dW2 = cache["h"].T @ d_embedding
    dh = d_embedding @ params["W2"].T
    dz = np.where(z > 0, dh, SLOPE * dh)
    return {"W1": cache["x"].T @ dz, "b1": dz.sum(axis=0), "W2": dW2}


def gradient(params, anchor, positive, negative, margin, lam):
    a, cache_a = embed(params, anchor)
    p, cache_p = embed(params, positive)
    n, cache_n = embed(params, negative)
    active = np.maximum(np.sign(hinge_arguments(a, p, n, margin)), 0)
    weight = active[:, None]
    da = 2 * weight * (n - p) / len(a)
    dp = 2 * weight * (p - a) / len(a)
    dn = 2 * weight * (a - n) / len(a)
    grads = {"W1": lam * params["W1"], "b1": 0 * params["b1"], "W2": lam * params["W2"]}
    for d_embedding, cache in ((da, cache_a), (dp, cache_p), (dn, cache_n)):
        for name, part in embed_back(params, d_embedding, cache).items():
            grads[name] = grads[name] + part
    return grads


def near_kink(params, args, distance, rng):
    """One hidden unit of one anchor at a distance from 0; at 0 exactly in the loss's arithmetic."""
    anchor, positive, negative, margin, _ = args
    unit = rng.integers(len(params["b1"]))
    for sample in rng.permutation(len(anchor)):
        b1 = np.copy(params["b1"])
        b1[unit] = distance - (anchor @ params["W1"])[sample, unit]
        moved = {**params, "b1": b1}
        a, p, n = (embed(moved, x)[0] for x in (anchor, positive, negative))
        if hinge_arguments(a, p, n, margin)[sample] > 0:  # else the loss does not see the kink
            return moved
    raise ValueError("no triplet is active")


MISTAKES = [
    Site(
        "square-factor-forgotten",
        {"weight = active[:, None]": "weight = 0.5 * active[:, None]"},
    ),
    Site(
        "batch-sum-for-mean",
        {"weight = active[:, None]": "weight = len(a) * active[:, None]"},
    ),
    Site("delta-sign", {"weight = active[:, None]": "weight = -active[:, None]"}),
    Site("term-sign", {"da = 2 * weight * (n - p)": "da = 2 * weight * (p - n)"}),
    Site("term-sign", {"dn = 2 * weight * (a - n)": "dn = 2 * weight * (n - a)"}),
    Site("path-left-out", {"(n - p) / len(a)": "(a - p) / len(a)"}),
    Site(
        "path-left-out",
        {"(da, cache_a), (dp, cache_p), (dn, cache_n))": "(da, cache_a), (dp, cache_p))"},
    ),
    Site(
        "path-left-out",
        {"(da, cache_a), (dp, cache_p), (dn, cache_n))": "(dp, cache_p), (dn, cache_n))"},
    ),
    Site("path-left-out", {"grads[name] = grads[name] + part": "grads[name] = part"}),
    Site(
        "clamp-not-zeroed", {"weight = active[:, None]": "weight = np.ones_like(active)[:, None]"}
    ),
    Site("leaky-slope-ignored", {"np.where(z > 0, dh, SLOPE * dh)": "np.where(z > 0, dh, 0)"}),
    Site("leaky-slope-ignored", {"np.where(z > 0, dh, SLOPE * dh)": "dh"}),
    Site("leaky-slope-wrong", {"dh, SLOPE * dh": "dh, 0.01 * dh"}),
    Site("half-domain-sign", {"dh, SLOPE * dh": "dh, -SLOPE * dh"}),
    Site(
        "derivative-elsewhere",
        {"np.where(z > 0, dh,": "np.where(dh > 0, dh,"},
    ),
    Site(
        "regularizer-missing",
        {
            '"W1": lam * params["W1"], "b1"': '"W1": 0 * params["W1"], "b1"',
            '"W2": lam * params["W2"]}': '"W2": 0 * params["W2"]}',
        },
    ),
    Site("regularizer-missing", {'"W2": lam * params["W2"]}': '"W2": 0 * params["W2"]}'}),
    Site(
        "regularizer-doubled",
        {
            '"W1": lam * params["W1"], "b1"': '"W1": 2 * lam * params["W1"], "b1"',
            '"W2": lam * params["W2"]}': '"W2": 2 * lam * params["W2"]}',
        },
    ),
    Site("regularizer-sign", {'"W1": lam * params["W1"], "b1"': '"W1": -lam * params["W1"], "b1"'}),
    Site("bias-regularized", {'"b1": 0 * params["b1"]': '"b1": lam * params["b1"]'}),
    Site("bias-mean", {"dz.sum(axis=0)": "dz.mean(axis=0)"}),
    Site("bias-all-units", {"dz.sum(axis=0)": "dz.sum()"}),
    Site("bias-one-sample", {"dz.sum(axis=0)": "dz[0]"}),
    Site("cached-input", {'dW2 = cache["h"].T': 'dW2 = cache["z"].T'}),
    Site("upstream-dropped", {"np.where(z > 0, dh, SLOPE * dh)": "np.where(z > 0, 1, SLOPE)"}),
    Site(
        "stale-weights",
        {'d_embedding @ params["W2"].T': 'd_embedding @ (params["W2"] - 0.5 * dW2).T'},
    ),
]
