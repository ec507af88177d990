"""Gated recurrent unit over a sequence, whose last state predicts a target (mean squared error).

With [x, h] the input beside the state: z = σ([x, h] Wz + bz) updates, r = σ([x, h] Wr + br)
resets, n = tanh([x, r h] Wn + bn), h' = (1 - z) n + z h, and the prediction is h v + c.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"steps": 4, "batch": 5, "inputs": 3, "hidden": 2},
    "medium": {"steps": 6, "batch": 7, "inputs": 4, "hidden": 5},
}


def problem(rng, steps, batch, inputs, hidden):
    X = rng.standard_normal((batch, steps, inputs))
    target = rng.standard_normal(batch)
    params = {}
    for gate in "zrn":
        params["W" + gate] = rng.standard_normal((inputs + hidden, hidden)) / hidden**0.5
        params["b" + gate] = 0.3 * rng.standard_normal(hidden)
    params["v"] = rng.standard_normal(hidden)
    params["c"] = rng.standard_normal(1)
    return params, (X, target)


def sigmoid(a):
    return 0.5 * (1 + np.tanh(0.5 * a))


def step(params, x, h):
    xh = np.concatenate([x, h], axis=1)
    z = sigmoid(xh @ params["Wz"] + params["bz"])
    r = sigmoid(xh @ params["Wr"] + params["br"])
    xrh = np.concatenate([x, r * h], axis=1)
    n = np.tanh(xrh @ params["Wn"] + params["bn"])
    return (1 - z) * n + z * h, {"h": h, "xh": xh, "xrh": xrh, "z": z, "r": r, "n": n}


def forward(params, X):
    h = np.zeros_like(X[:, 0, :1] * params["bz"])
    caches = []
    for t in range(X.shape[1]):
        h, cache = step(params, X[:, t], h)
        caches.append(cache)
    return h, h @ params["v"] + params["c"], caches


def loss(params, X, target):
    _, prediction, _ = forward(params, X)
    return np.mean((prediction - target) ** 2)


def step_back(params, dh_out, cache, grads):
    """Add one step's part to `grads`; the gradient of the state it started from."""
    h, z, r, n = cache["h"], cache["z"], cache["r"], cache["n"]
    inputs = len(params["Wz"]) - len(params["bz"])
    dn = dh_out * (1 - z)
    dz = dh_out * (h - n)
    dan = dn * (1 - n**2)
    drh = (dan @ params["Wn"].T)[:, inputs:]
    dr = drh * h
    dar = dr * r * (1 - r)
    daz = dz * z * (1 - z)
    grads["Wn"] += cache["xrh"].T @ dan
    grads["Wr"] += cache["xh"].T @ dar
    grads["Wz"] += cache["xh"].T @ daz
    for gate, da in (("n", dan), ("r", dar), ("z", daz)):
        grads["b" + gate] += np.sum(da, axis=0)
    direct = dh_out * z + drh * r
    through_gates = dar @ params["Wr"].T + daz @ params["Wz"].T
    return direct + through_gates[:, inputs:]


def gradient(params, X, target):
    h, prediction, caches = forward(params, X)
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    delta = 2 * (prediction - target) / len(target)
    grads["v"] = h.T @ delta
    grads["c"] = np.array([np.sum(delta)])
    dh = np.outer(delta, params["v"])
    for cache in reversed(caches):
        dh = step_back(params, dh, cache, grads)
    return grads


MISTAKES = [
    Site("square-factor-forgotten", {"2 * (prediction - target)": "(prediction - target)"}),
    Site("batch-sum-for-mean", {"(prediction - target) / len(target)": "(prediction - target)"}),
    Site("delta-sign", {"2 * (prediction - target)": "2 * (target - prediction)"}),
    Site(
        "hidden-scaled",
        {"dh = np.outer(delta, params": "dh = np.outer(delta / len(caches), params"},
    ),
    Site(
        "upstream-dropped",
        {"dh = np.outer(delta, params": "dh = np.outer(np.ones_like(delta), params"},
    ),
    Site("gate-derivative", {"dar = dr * r * (1 - r)": "dar = dr * r"}),
    Site("gate-derivative", {"daz = dz * z * (1 - z)": "daz = dz"}),
    Site("gate-derivative", {"daz = dz * z * (1 - z)": "daz = dz * (1 - z**2)"}),
    Site("gate-derivative", {"dan = dn * (1 - n**2)": "dan = dn * n * (1 - n)"}),
    Site("derivative-missing", {"dan = dn * (1 - n**2)": "dan = dn"}),
    Site("derivative-elsewhere", {"dan = dn * (1 - n**2)": "dan = dn * (1 - np.tanh(n) ** 2)"}),
    Site("derivative-twice", {"daz = dz * z * (1 - z)": "daz = dz * (z * (1 - z)) ** 2"}),
    Site("gate-other-state", {'cache["xrh"].T @ dan': 'cache["xh"].T @ dan'}),
    Site("gate-other-state", {'cache["xh"].T @ dar': 'cache["xrh"].T @ dar'}),
    Site("hidden-sign", {"dz = dh_out * (h - n)": "dz = dh_out * (n - h)"}),
    Site("term-sign", {"dh_out * z + drh * r": "dh_out * z - drh * r"}),
    Site("path-left-out", {"dh_out * z + drh * r": "dh_out * z"}),
    Site("path-left-out", {"dh_out * z + drh * r": "drh * r"}),
    Site("path-left-out", {' + daz @ params["Wz"].T\n': "\n"}),
    Site("carry-dropped", {"return direct + through_gates[:, inputs:]": "return direct"}),
    Site("one-iteration-short", {"in reversed(caches)": "in reversed(caches[1:])"}),
    Site("bias-mean", {"np.sum(da, axis=0)": "np.mean(da, axis=0)"}),
    Site("bias-all-units", {"np.sum(da, axis=0)": "np.sum(da)"}),
    Site("block-not-computed", {'    grads["Wr"] += cache["xh"].T @ dar\n': ""}),
    Site(
        "block-not-computed",
        {'(("n", dan), ("r", dar), ("z", daz))': '(("n", dan), ("z", daz))'},
    ),
]
