"""A max-pooling layer in naive loops, its windows overlapping: 3 by 3, moved by 2.

For N images x of C channels, H by W, and windows of HH by WW moved by steps of S::

    H_out = 1 + (H − HH) / S        W_out = 1 + (W − WW) / S
    out[n, c, i, j] = max of x[n, c] over the window from (iS, jS) on

The cost is a fixed weighting of the outputs, E = Σ out dout, so that dE/d out = dout. A window's
output is its largest pixel, whatever the others are, so the whole of dout goes back to that one::

    dE/dx[n, c, k, l] = Σ dout[n, c, i, j] over the windows (i, j) whose maximum is pixel (k, l)
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]
Cache = tuple[FloatArray, dict[str, int]]


def max_pool_forward_naive(x: FloatArray, pool_param: dict[str, int]) -> tuple[FloatArray, Cache]:
    HH, WW = pool_param["pool_height"], pool_param["pool_width"]
    stride = pool_param["stride"]
    N, C, H, W = x.shape
    H_out = 1 + (H - HH) // stride
    W_out = 1 + (W - WW) // stride
    out = np.zeros((N, C, H_out, W_out))
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    top, left = i * stride, j * stride
                    out[n, c, i, j] = np.max(x[n, c, top : top + HH, left : left + WW])
    return out, (x, pool_param)


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
                    # one pixel may be the maximum of several windows: add up
                    dx[n, c, top + row, left + column] += dout[n, c, i, j]
    return dx


def loss(params: Params, dout: FloatArray, pool_param: dict[str, int]) -> float:
    out, _ = max_pool_forward_naive(params["x"], pool_param)
    E: float = np.sum(out * dout)
    return E


def gradient(params: Params, dout: FloatArray, pool_param: dict[str, int]) -> Params:
    _, cache = max_pool_forward_naive(params["x"], pool_param)
    return {"x": max_pool_backward_naive(dout, cache)}


# two images of two channels, 5 by 5, with no two pixels alike: there are no ties
rng = np.random.default_rng(45)
pool_param = {"pool_height": 3, "pool_width": 3, "stride": 2}
params = {"x": rng.permutation(np.linspace(-2.0, 2.0, num=100)).reshape(2, 2, 5, 5)}
dout = rng.standard_normal((2, 2, 2, 2))

model = tricheck.Model(loss, gradient, params, args=(dout, pool_param), name="max_pooling")

if __name__ == "__main__":
    print(tricheck.check(model))
