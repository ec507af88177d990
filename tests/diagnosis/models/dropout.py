"""ReLU and inverted dropout, with the mask that was drawn beforehand.

Of the hidden units the share q is kept, and what is kept is scaled by 1/q::

    a = max(X W1 + b1, 0)        d = a mask / q
    out = d W2 + b2
    E = ½ Σₙ Σₖ (out − Y)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]

KEPT = 0.75


def forward(params: Params, X: FloatArray, mask: FloatArray) -> tuple[FloatArray, FloatArray]:
    a = np.maximum(X.dot(params["W1"]) + params["b1"], 0)
    return a, a * mask / KEPT


def loss(params: Params, X: FloatArray, Y: FloatArray, mask: FloatArray) -> float:
    _, dropped = forward(params, X, mask)
    out = dropped.dot(params["W2"]) + params["b2"]
    E: float = 0.5 * np.sum((out - Y) ** 2)
    return E


def gradient(params: Params, X: FloatArray, Y: FloatArray, mask: FloatArray) -> Params:
    a, dropped = forward(params, X, mask)
    dout = dropped.dot(params["W2"]) + params["b2"] - Y
    grads = {"W2": dropped.T.dot(dout), "b2": dout.sum(axis=0)}
    da = dout.dot(params["W2"].T)
    da = da * mask / KEPT
    dz = da * (a > 0)
    grads["W1"] = X.T.dot(dz)
    grads["b1"] = dz.sum(axis=0)
    return grads


# six samples of three features, eight hidden units, two outputs
rng = np.random.default_rng(106)
X = rng.standard_normal((6, 3))
Y = rng.standard_normal((6, 2))
mask = (rng.random((6, 8)) < KEPT).astype(float)
params = {
    "W1": rng.standard_normal((3, 8)),
    "b1": rng.standard_normal(8),
    "W2": rng.standard_normal((8, 2)),
    "b2": rng.standard_normal(2),
}

model = tricheck.Model(loss, gradient, params, args=(X, Y, mask), name="dropout")
