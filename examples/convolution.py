"""A convolution layer, with stride and zero padding, in naive loops.

N images x of C channels, H by W, and F filters w, HH by WW, each reaching through all channels.
Padded by P and moved by steps of S, output (i, j) sees the window from (iS, jS) on::

    H_out = 1 + (H + 2P − HH) / S        W_out = 1 + (W + 2P − WW) / S
    out[n, f, i, j] = b[f] + Σ_c Σ_k Σ_l w[f, c, k, l] x_pad[n, c, iS + k, jS + l]

The cost is a fixed weighting of the outputs, E = Σ out dout, so that dE/d out = dout. By the chain
rule each output sends its dout back to the three things it was made of::

    dE/dw[f] = Σ_n Σ_ij dout[n, f, i, j] window[n, i, j]
    dE/dx_pad[n], at the window's place, += dout[n, f, i, j] w[f]        for every f, i, j
    dE/db[f] = Σ_n Σ_ij dout[n, f, i, j]
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]
Cache = tuple[FloatArray, FloatArray, FloatArray, dict[str, int]]


def zero_pad(x: FloatArray, pad: int) -> FloatArray:
    return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")


def conv_forward_naive(
    x: FloatArray, w: FloatArray, b: FloatArray, conv_param: dict[str, int]
) -> tuple[FloatArray, Cache]:
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, _, H, W = x.shape
    F, _, HH, WW = w.shape
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride
    x_pad = zero_pad(x, pad)
    out = np.zeros((N, F, H_out, W_out))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    top, left = i * stride, j * stride
                    window = x_pad[n, :, top : top + HH, left : left + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def input_and_filter_gradients(dout: FloatArray, cache: Cache) -> tuple[FloatArray, FloatArray]:
    """dE/dx and dE/dw."""
    x, w, _, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, F, H_out, W_out = dout.shape
    _, _, HH, WW = w.shape
    x_pad = zero_pad(x, pad)
    dx_pad = np.zeros_like(x_pad)
    dw = np.zeros_like(w)
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    rows = slice(i * stride, i * stride + HH)
                    columns = slice(j * stride, j * stride + WW)
                    # out = Σ window w[f] + b[f]: each factor receives the other one times dout
                    dw[f] += dout[n, f, i, j] * x_pad[n, :, rows, columns]
                    # windows overlap, and all filters see the same one: add up
                    dx_pad[n, :, rows, columns] += dout[n, f, i, j] * w[f]
    # the padding is constant, so its gradient is dropped
    _, _, H, W = x.shape
    return dx_pad[:, :, pad : pad + H, pad : pad + W], dw


def bias_gradient(dout: FloatArray) -> FloatArray:
    """dE/db."""
    F = dout.shape[1]
    db = np.zeros(F)
    for f in range(F):
        # b[f] is added to every output of filter f, in every image
        db[f] = np.sum(dout[:, f])
    return db


def loss(params: Params, dout: FloatArray, conv_param: dict[str, int]) -> float:
    out, _ = conv_forward_naive(params["x"], params["w"], params["b"], conv_param)
    E: float = np.sum(out * dout)
    return E


def gradient(params: Params, dout: FloatArray, conv_param: dict[str, int]) -> Params:
    _, cache = conv_forward_naive(params["x"], params["w"], params["b"], conv_param)
    dx, dw = input_and_filter_gradients(dout, cache)
    return {"x": dx, "w": dw, "b": bias_gradient(dout)}


# two images of two channels, 3 by 5; three filters of 3 by 3; outputs of 2 by 3
rng = np.random.default_rng(11)
conv_param = {"stride": 2, "pad": 1}
params = {
    "x": rng.standard_normal((2, 2, 3, 5)),
    "w": rng.standard_normal((3, 2, 3, 3)),
    "b": rng.standard_normal(3),
}
dout = rng.standard_normal((2, 3, 2, 3))

model = tricheck.Model(loss, gradient, params, args=(dout, conv_param), name="convolution")

if __name__ == "__main__":
    print(tricheck.check(model))
