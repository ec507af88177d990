"""The two-layer network, the sign flipped in the hidden delta.

The minus of dE/dx2 = −(2/N) (y − x2) is applied a second time on the way to the hidden layer: the
gradients in W1 and b1 are minus what they should be, those in W2 and b2 are right.
"""

import tricheck
from examples.two_layer_mse import (
    FloatArray,
    Params,
    X,
    Y,
    forward,
    from_deltas,
    loss,
    output_delta,
    params,
)

EXPECTED = {"verdict": "backprop", "cause": "sign", "parameters": ["W1", "b1"]}


def hidden_delta(params: Params, x1: FloatArray, dE_dz2: FloatArray) -> FloatArray:
    """dE/dz1."""
    # z2 = x1 W2 + b2
    dE_dx1 = -dE_dz2 @ params["W2"].T
    # dx1/dz1 = σ'(z1) = x1 (1 − x1)
    return dE_dx1 * x1 * (1.0 - x1)


def gradient(params: Params, X: FloatArray, Y: FloatArray) -> Params:
    x1, x2 = forward(params, X)
    dE_dz2 = output_delta(x2, Y)
    dE_dz1 = hidden_delta(params, x1, dE_dz2)
    return from_deltas(X, x1, dE_dz1, dE_dz2)


model = tricheck.Model(loss, gradient, params, args=(X, Y), name="broken_two_layer_mse_sign")

if __name__ == "__main__":
    print(tricheck.check(model))
