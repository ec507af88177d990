"""The max-pooling layer, its windows' gradients assigned instead of added up.

Windows of 3 moved by 2 overlap, and a pixel that is the maximum of several keeps the gradient of
the last one alone. All others are right, and without overlap nobody would notice.
"""

import numpy as np

import tricheck
from examples.max_pooling import (
    Cache,
    FloatArray,
    Params,
    dout,
    loss,
    max_pool_forward_naive,
    params,
    pool_param,
)

EXPECTED = {"verdict": "backprop", "cause": "entries", "parameters": ["x"]}


def max_pool_backward_naive(dout: FloatArray, cache: Cache) -> FloatArray:
    """dE/dx."""
    x, pool_param = cache
    HH, WW = pool_param["pool_height"], pool_param["pool_width"]
    stride = pool_param["stride"]
    N, C, H_out, W_out = dout.shape
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    top, left = i * stride, j * stride
                    window = x[n, c, top : top + HH, left : left + WW]
                    row, column = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, c, top + row, left + column] = dout[n, c, i, j]
    return dx


def gradient(params: Params, dout: FloatArray, pool_param: dict[str, int]) -> Params:
    _, cache = max_pool_forward_naive(params["x"], pool_param)
    return {"x": max_pool_backward_naive(dout, cache)}


model = tricheck.Model(loss, gradient, params, args=(dout, pool_param), name="broken_max_pooling")

if __name__ == "__main__":
    print(tricheck.check(model))
