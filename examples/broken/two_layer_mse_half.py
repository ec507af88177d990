"""The two-layer network, the 2 of the square forgotten.

dE/dx2 = −(2/N) (y − x2) lost its 2, and everything is computed from it: all four gradients are half
of what they should be.
"""

import tricheck
from examples.two_layer_mse import (
    FloatArray,
    Params,
    X,
    Y,
    forward,
    from_deltas,
    hidden_delta,
    loss,
    params,
)

EXPECTED = {"verdict": "backprop", "cause": "scale", "parameters": ["W1", "b1", "W2", "b2"]}


def output_delta(x2: FloatArray, Y: FloatArray) -> FloatArray:
    """dE/dz2."""
    # dE/dx2 = −(1/N) (y − x2)
    dE_dx2 = -(Y - x2) / len(Y)
    # dx2/dz2 = σ'(z2) = x2 (1 − x2)
    return dE_dx2 * x2 * (1.0 - x2)


def gradient(params: Params, X: FloatArray, Y: FloatArray) -> Params:
    x1, x2 = forward(params, X)
    dE_dz2 = output_delta(x2, Y)
    dE_dz1 = hidden_delta(params, x1, dE_dz2)
    return from_deltas(X, x1, dE_dz1, dE_dz2)


model = tricheck.Model(loss, gradient, params, args=(X, Y), name="broken_two_layer_mse_half")

if __name__ == "__main__":
    print(tricheck.check(model))
