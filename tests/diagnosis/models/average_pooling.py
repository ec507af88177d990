"""Average pooling over windows that are not square, and a scale for each channel.

::

    out[n, c, i, j] = s[c] × mean of x[n, c] over the window from (iHH, jWW) on
    E = ½ Σ (out − target)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]

HH, WW = 2, 3


def pooled(x: FloatArray) -> FloatArray:
    N, C, H, W = x.shape
    windows = x.reshape(N, C, H // HH, HH, W // WW, WW)
    means: FloatArray = windows.mean(axis=(3, 5))
    return means


def loss(params: Params, targets: FloatArray) -> float:
    out = pooled(params["x"]) * params["s"][:, None, None]
    E: float = 0.5 * np.sum((out - targets) ** 2)
    return E


def gradient(params: Params, targets: FloatArray) -> Params:
    x, s = params["x"], params["s"]
    p = pooled(x)
    dout = p * s[:, None, None] - targets
    dx = np.zeros_like(x)
    N, C, H_out, W_out = dout.shape
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    window = dx[n, c, i * HH : (i + 1) * HH, j * WW : (j + 1) * WW]
                    window += dout[n, c, i, j] * s[c] / (HH * WW)
    return {"x": dx, "s": np.sum(dout * p, axis=(0, 2, 3))}


# two images of three channels, 4 by 6, pooled to 2 by 2
rng = np.random.default_rng(113)
params = {"x": rng.standard_normal((2, 3, 4, 6)), "s": rng.standard_normal(3)}
targets = rng.standard_normal((2, 3, 2, 2))

model = tricheck.Model(loss, gradient, params, args=(targets,), name="average_pooling")
