"""The convolution layer, its bias gradient summed over the filters as well.

The index f is missing in the loop over the filters: every filter's bias gets the sum over all of
them. The gradients in the images and in the filters do not pass through the bias and are right.
"""

import numpy as np

import tricheck
from examples.convolution import (
    FloatArray,
    Params,
    conv_forward_naive,
    conv_param,
    dout,
    input_and_filter_gradients,
    loss,
    params,
)

EXPECTED = {"verdict": "backprop", "cause": "bias-reduction", "parameters": ["b"]}


def bias_gradient(dout: FloatArray) -> FloatArray:
    """dE/db."""
    F = dout.shape[1]
    db = np.zeros(F)
    for f in range(F):
        # b[f] is added to every output
        db[f] = np.sum(dout)
    return db


def gradient(params: Params, dout: FloatArray, conv_param: dict[str, int]) -> Params:
    _, cache = conv_forward_naive(params["x"], params["w"], params["b"], conv_param)
    dx, dw = input_and_filter_gradients(dout, cache)
    return {"x": dx, "w": dw, "b": bias_gradient(dout)}


model = tricheck.Model(loss, gradient, params, args=(dout, conv_param), name="broken_convolution")

if __name__ == "__main__":
    print(tricheck.check(model))
