"""A binary classifier: tanh, then a sigmoid with cross-entropy, whose derivatives cancel.

::

    h = tanh(X V + c)        p = σ(h u + d)
    E = −(1/N) Σ (t log p + (1 − t) log(1 − p)),        dE/ds = (p − t) / N
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]


def sigmoid(s: FloatArray) -> FloatArray:
    return 1.0 / (1.0 + np.exp(-s))


def forward(params: Params, X: FloatArray) -> tuple[FloatArray, FloatArray]:
    h = np.tanh(X.dot(params["V"]) + params["c"])
    p = sigmoid(h.dot(params["u"]) + params["d"])
    return h, p


def loss(params: Params, X: FloatArray, t: FloatArray) -> float:
    _, p = forward(params, X)
    return -float(np.mean(t * np.log(p) + (1.0 - t) * np.log(1.0 - p)))


def gradient(params: Params, X: FloatArray, t: FloatArray) -> Params:
    h, p = forward(params, X)
    ds = (p - t) / len(t)
    dh = np.outer(ds, params["u"])
    dz = dh * (1.0 - h * h)
    return {
        "V": X.T.dot(dz),
        "c": dz.sum(axis=0),
        "u": h.T.dot(ds),
        "d": ds.sum(keepdims=True),
    }


# six samples of three features, five hidden units
rng = np.random.default_rng(104)
X = rng.standard_normal((6, 3))
t = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 0.0])
params = {
    "V": rng.standard_normal((3, 5)),
    "c": rng.standard_normal(5),
    "u": rng.standard_normal(5),
    "d": rng.standard_normal(1),
}

model = tricheck.Model(loss, gradient, params, args=(X, t), name="cross_entropy")
