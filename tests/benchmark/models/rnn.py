"""Elman network with a softmax at every time step, trained by back-propagation through time.

h[t] = tanh(X[t] Wx + h[t-1] Wh + bh), and the loss is the cross-entropy of softmax(h[t] Wy + by)
with the labels, summed over time and averaged over the sequences.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"steps": 6, "batch": 5, "inputs": 2, "hidden": 3, "classes": 4},
    "medium": {"steps": 5, "batch": 3, "inputs": 4, "hidden": 7, "classes": 6},
}


def problem(rng, steps, batch, inputs, hidden, classes):
    X = rng.standard_normal((steps, batch, inputs))
    labels = rng.integers(classes, size=(steps, batch))
    params = {
        "Wx": rng.standard_normal((inputs, hidden)) / inputs**0.5,
        "Wh": rng.standard_normal((hidden, hidden)) / hidden**0.5,
        "bh": 0.3 * rng.standard_normal(hidden),
        "Wy": rng.standard_normal((hidden, classes)) / hidden**0.5,
        "by": 0.3 * rng.standard_normal(classes),
    }
    return params, (X, labels)


def run(params, X):
    """The states h[0], h[1], ..., the first of them zero, and the logits of every step."""
    states, logits = [np.zeros_like(X[0] @ params["Wx"])], []
    for x in X:
        states.append(np.tanh(x @ params["Wx"] + states[-1] @ params["Wh"] + params["bh"]))
        logits.append(states[-1] @ params["Wy"] + params["by"])
    return states, logits


def log_softmax(z):
    shifted = z - np.max(z, axis=1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))


def loss(params, X, labels):
    _, logits = run(params, X)
    rows = np.arange(labels.shape[1])
    total = 0.0
    for z, label in zip(logits, labels, strict=True):
        total = total - np.sum(log_softmax(z)[rows, label])
    return total / labels.shape[1]


def gradient(params, X, labels):
    states, logits = run(params, X)
    steps, batch = labels.shape
    rows = np.arange(batch)
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    dh_next = np.zeros_like(states[0])
    for t in reversed(range(steps)):
        h, h_prev = states[t + 1], states[t]
        p = np.exp(log_softmax(logits[t]))
        delta = np.copy(p)
        delta[rows, labels[t]] -= 1
        delta = delta / batch
        grads["Wy"] += h.T @ delta
        grads["by"] += np.sum(delta, axis=0)
        dh = delta @ params["Wy"].T + dh_next
        dz = dh * (1 - h**2)
        grads["Wx"] += X[t].T @ dz
        grads["Wh"] += h_prev.T @ dz
        grads["bh"] += np.sum(dz, axis=0)
        dh_next = dz @ params["Wh"].T
    return grads


MISTAKES = [
    Site("batch-sum-for-mean", {"delta = delta / batch\n": "delta = 1 * delta\n"}),
    Site("time-mean", {"delta = delta / batch\n": "delta = delta / (batch * steps)\n"}),
    Site("output-mean", {"delta = delta / batch\n": "delta = delta / delta.size\n"}),
    Site("delta-sign", {"delta = delta / batch\n": "delta = -delta / batch\n"}),
    Site("extra-derivative", {"delta = delta / batch\n": "delta = delta * p * (1 - p) / batch\n"}),
    Site(
        "hidden-sign",
        {'dh = delta @ params["Wy"].T + dh_next': 'dh = -delta @ params["Wy"].T + dh_next'},
    ),
    Site("hidden-scaled", {"dz = dh * (1 - h**2)": "dz = dh * (1 - h**2) / steps"}),
    Site("block-averaged", {"h_prev.T @ dz": "h_prev.T @ dz / batch"}),
    Site("block-averaged", {"h.T @ delta": "h.T @ delta / steps"}),
    Site(
        "bias-mean",
        {
            "np.sum(delta, axis=0)": "np.mean(delta, axis=0)",
            "np.sum(dz, axis=0)": "np.mean(dz, axis=0)",
        },
    ),
    Site("bias-mean", {"np.sum(dz, axis=0)": "np.mean(dz, axis=0)"}),
    Site("bias-all-units", {"np.sum(delta, axis=0)": "np.sum(delta)"}),
    Site("bias-one-sample", {"np.sum(dz, axis=0)": "dz[0]"}),
    Site("derivative-missing", {"dz = dh * (1 - h**2)": "dz = dh"}),
    Site("derivative-elsewhere", {"dz = dh * (1 - h**2)": "dz = dh * (1 - np.tanh(h) ** 2)"}),
    Site("derivative-elsewhere", {"dz = dh * (1 - h**2)": "dz = dh * (1 - h_prev**2)"}),
    Site("derivative-of-another", {"dz = dh * (1 - h**2)": "dz = dh * h * (1 - h)"}),
    Site("carry-dropped", {".T + dh_next\n": ".T\n"}),
    Site(
        "path-left-out",
        {
            'dh = delta @ params["Wy"].T + dh_next': (
                'dh = dh_next if t < steps - 1 else delta @ params["Wy"].T'
            )
        },
    ),
    Site("path-left-out", {'grads["Wh"] += h_prev': 'grads["Wh"] = h_prev'}),
    Site("one-iteration-short", {"in reversed(range(steps))": "in reversed(range(1, steps))"}),
    Site("cached-input", {"h_prev.T @ dz": "h.T @ dz"}),
    Site("cached-input", {"h.T @ delta": "np.arctanh(h).T @ delta"}),
    Site("transposed-product", {"h_prev.T @ dz": "dz.T @ h_prev"}),
    Site("not-transposed-back", {'dz @ params["Wh"].T': 'dz @ params["Wh"]'}),
    Site(
        "stale-weights",
        {'delta @ params["Wy"].T': '(delta @ (params["Wy"] - 0.1 * grads["Wy"]).T)'},
    ),
    Site(
        "accumulator-kept",
        {
            "def gradient(params, X, labels):": "def gradient(params, X, labels, grads={}):",
            "grads = {name: np.zeros_like(value) for name, value in params.items()}": (
                "for name, value in params.items():\n"
                "        grads.setdefault(name, np.zeros_like(value))"
            ),
        },
    ),
]
