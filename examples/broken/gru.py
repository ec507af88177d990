"""The GRU, its gradients put together in another order of the gates.

The weights sit in the order z, r, n, their gradients in the order r, z, n, which other libraries
have. Every number is right, but the update gate learns what the reset gate should.
"""

import numpy as np

import tricheck
from examples.gru import (
    FloatArray,
    Params,
    States,
    deltas,
    forward,
    loss,
    over_time,
    params,
    targets,
    x,
)

EXPECTED = {"verdict": "backprop", "cause": "permuted", "parameters": ["Wx", "Wh", "b"]}


def from_deltas(
    x: FloatArray, states: States, daz: FloatArray, dar: FloatArray, dan: FloatArray
) -> Params:
    """The gradients in the weights, which are the same at every step: sum over the steps."""
    h_prev = states.h[:-1]
    da = np.concatenate((dar, daz, dan), axis=-1)
    dWh = (over_time(h_prev, dar), over_time(h_prev, daz), over_time(states.r * h_prev, dan))
    return {
        "Wx": over_time(x, da),
        "Wh": np.concatenate(dWh, axis=-1),
        "b": np.sum(da, axis=(0, 1)),
    }


def gradient(params: Params, x: FloatArray, targets: FloatArray) -> Params:
    states = forward(params, x)
    daz, dar, dan = deltas(params, states, targets)
    return from_deltas(x, states, daz, dar, dan)


model = tricheck.Model(loss, gradient, params, args=(x, targets), name="broken_gru")

if __name__ == "__main__":
    print(tricheck.check(model))
