"""A Gaussian likelihood whose log standard deviations are clamped, and a hard tanh.

::

    m = clip(X W, −1, 1)        s = clip(log_sigma, −2, 1)
    E = (1/N) Σₙ Σₖ (½ (Y − m)² exp(−2 s) + s)
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]


def loss(params: Params, X: FloatArray, Y: FloatArray) -> float:
    m = np.clip(X @ params["W"], -1, 1)
    s = np.clip(params["log_sigma"], -2, 1)
    E: float = np.sum(0.5 * (Y - m) ** 2 * np.exp(-2 * s) + s) / len(X)
    return E


def gradient(params: Params, X: FloatArray, Y: FloatArray) -> Params:
    z = X @ params["W"]
    m = np.clip(z, -1, 1)
    s = np.clip(params["log_sigma"], -2, 1)
    dm = (m - Y) * np.exp(-2 * s) / len(X)
    dz = dm * (np.abs(z) < 1)
    ds = np.sum(1 - (Y - m) ** 2 * np.exp(-2 * s), axis=0) / len(X)
    inside = (params["log_sigma"] > -2) & (params["log_sigma"] < 1)
    return {"W": X.T @ dz, "log_sigma": ds * inside}


# eight samples of three features, five outputs, one of them clamped below and one above
rng = np.random.default_rng(112)
X = rng.standard_normal((8, 3))
Y = rng.standard_normal((8, 5))
params = {
    "W": rng.standard_normal((3, 5)),
    "log_sigma": np.array([-0.3, -2.6, 0.2, 0.5, 1.4]),
}

model = tricheck.Model(loss, gradient, params, args=(X, Y), name="clamped")
