"""Two hidden layers of ReLUs of the same width, and half the summed squared error."""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 7, "inputs": 2, "hidden": 3, "outputs": 1},
    "medium": {"samples": 12, "inputs": 5, "hidden": 7, "outputs": 3},
}


def draw(rng, samples, inputs, hidden, outputs):
    X = rng.standard_normal((samples, inputs))
    Y = rng.standard_normal((samples, outputs))
    params = {
        "W1": rng.standard_normal((inputs, hidden)),
        "b1": 0.3 * rng.standard_normal(hidden),
        "W2": rng.standard_normal((hidden, hidden)) / np.sqrt(hidden),
        "b2": 0.3 * rng.standard_normal(hidden),
        "W3": rng.standard_normal((hidden, outputs)),
        "b3": rng.standard_normal(outputs),
    }
    return params, (X, Y)


def problem(rng, **size):
    # drawn again until every unit is on in some samples and off in others, near a kink in none
    while True:
        params, (X, Y) = draw(rng, **size)
        z1, _, z2, _, _ = forward(params, X)
        alive = all(np.all(entry != 0) for entry in gradient(params, X, Y).values())
        if alive and switches(z1) and switches(z2):
            return params, (X, Y)


def switches(z):
    return np.all(z.max(axis=0) > 0) and np.all(z.min(axis=0) < 0) and np.min(np.abs(z)) > 0.01


def near_kink(params, args, distance, rng):
    X, _ = args
    unit = int(rng.integers(len(params["b1"])))
    sample = int(rng.integers(len(X)))
    b1 = params["b1"].copy()
    b1[unit] = distance - (X @ params["W1"])[sample, unit]
    return {**params, "b1": b1}


def relu(z):
    return np.maximum(z, 0)


def forward(params, X):
    z1 = X @ params["W1"] + params["b1"]
    a1 = relu(z1)
    z2 = a1 @ params["W2"] + params["b2"]
    a2 = relu(z2)
    out = a2 @ params["W3"] + params["b3"]
    return z1, a1, z2, a2, out


def loss(params, X, Y):
    *_, out = forward(params, X)
    return 0.5 * np.sum((out - Y) ** 2)


def gradient(params, X, Y):
    z1, a1, z2, a2, out = forward(params, X)
    delta3 = out - Y
    dW3 = a2.T @ delta3
    db3 = delta3.sum(axis=0)
    delta2 = delta3 @ params["W3"].T
    delta2 = delta2 * (z2 > 0)
    dW2 = a1.T @ delta2
    db2 = delta2.sum(axis=0)
    delta1 = delta2 @ params["W2"].T
    delta1 = delta1 * (z1 > 0)
    dW1 = X.T @ delta1
    db1 = delta1.sum(axis=0)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "W3": dW3, "b3": db3}


MISTAKES = [
    Site("square-factor-doubled", {"delta3 = out - Y": "delta3 = 2 * (out - Y)"}),
    Site("batch-mean-for-sum", {"delta3 = out - Y": "delta3 = (out - Y) / len(X)"}),
    Site("delta-sign", {"delta3 = out - Y": "delta3 = Y - out"}),
    Site("hidden-sign", {"delta1 = delta1 * (z1 > 0)": "delta1 = -delta1 * (z1 > 0)"}),
    Site("half-domain-sign", {"delta1 * (z1 > 0)": "delta1 * np.sign(z1)"}),
    Site("derivative-missing", {"    delta2 = delta2 * (z2 > 0)\n": ""}),
    Site("derivative-missing", {"    delta1 = delta1 * (z1 > 0)\n": ""}),
    Site("derivative-elsewhere", {"delta1 * (z1 > 0)": "delta1 * (delta1 > 0)"}),
    Site("derivative-elsewhere", {"delta1 * (z1 > 0)": "delta1 * (z2 > 0)"}),
    Site("derivative-of-another", {"delta2 * (z2 > 0)": "delta2 * a2"}),
    Site("cached-input", {"dW2 = a1.T": "dW2 = z1.T"}),
    Site("cached-input", {"dW3 = a2.T": "dW3 = z2.T"}),
    Site("not-transposed-back", {'delta2 @ params["W2"].T': 'delta2 @ params["W2"]'}),
    Site("transposed-product", {"dW2 = a1.T @ delta2": "dW2 = delta2.T @ a1"}),
    Site("stale-weights", {'delta2 @ params["W2"].T': 'delta2 @ (params["W2"] - 0.05 * dW2).T'}),
    Site("stale-weights", {'delta3 @ params["W3"].T': 'delta3 @ (params["W3"] - 0.01 * dW3).T'}),
    Site("upstream-dropped", {"delta2 = delta2 * (z2 > 0)": "delta2 = 1.0 * (z2 > 0)"}),
    Site("upstream-dropped", {"delta1 = delta1 * (z1 > 0)": "delta1 = 1.0 * (z1 > 0)"}),
    Site(
        "bias-mean",
        {
            "db1 = delta1.sum(": "db1 = delta1.mean(",
            "db2 = delta2.sum(": "db2 = delta2.mean(",
            "db3 = delta3.sum(": "db3 = delta3.mean(",
        },
    ),
    Site("bias-one-sample", {"db1 = delta1.sum(axis=0)": "db1 = delta1[-1]"}),
    Site("bias-wrong-axis", {"db2 = delta2.sum(axis=0)": "db2 = delta2.sum(axis=1)"}),
    Site("block-not-computed", {"db2 = delta2.sum(axis=0)": 'db2 = np.zeros_like(params["b2"])'}),
]
