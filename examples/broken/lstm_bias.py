"""The LSTM, the gradient of its read-out bias averaged over the time steps instead of summed.

by is added at each of the T steps and the cost sums over them, so its gradient comes out T times
too small; every other gradient is right.
"""

import numpy as np

import tricheck
from examples.lstm import (
    FloatArray,
    Params,
    Step,
    X,
    forward,
    gates_gradient,
    loss,
    params,
    read_out_delta,
    targets,
)

EXPECTED = {"verdict": "backprop", "cause": "bias-reduction", "parameters": ["by"]}


def read_out_gradient(steps: list[Step], dE_dy: FloatArray) -> Params:
    # y = h Wy + by at every time step
    return {
        "Wy": np.sum([s.h.T @ dy for s, dy in zip(steps, dE_dy, strict=True)], axis=0),
        "by": np.mean(np.sum(dE_dy, axis=1), axis=0),
    }


def gradient(params: Params, X: FloatArray, targets: FloatArray) -> Params:
    steps, ys = forward(params, X)
    dE_dy = read_out_delta(ys, targets)
    return gates_gradient(params, steps, dE_dy) | read_out_gradient(steps, dE_dy)


model = tricheck.Model(loss, gradient, params, args=(X, targets), name="broken_lstm_bias")

if __name__ == "__main__":
    print(tricheck.check(model))
