"""The LSTM, the derivative through the cell's carry dropped between time steps.

c = f c_prev + i g hands dE/dc_prev = dE/dc f to the step before, and that is thrown away. So dE/dc
lacks a term at every step but the last, which spoils the gates f, i and g. Their deltas go on into
dE/dh of the step before, from which the gate o is computed: with three steps or more it is wrong
too. The read-out lies outside the recurrence and is right.
"""

import numpy as np

import tricheck
from examples.lstm import (
    FloatArray,
    Params,
    Step,
    X,
    add_up,
    backward_step,
    forward,
    loss,
    params,
    read_out_delta,
    read_out_gradient,
    targets,
)

EXPECTED = {
    "verdict": "backprop",
    "cause": "upstream",
    "parameters": ["Wf", "bf", "Wi", "bi", "Wg", "bg", "Wo", "bo"],
}


def gates_gradient(params: Params, steps: list[Step], dE_dy: FloatArray) -> Params:
    shares = []
    dE_dh_next = dE_dc = np.zeros_like(steps[-1].h)
    for s, dy in zip(reversed(steps), reversed(dE_dy), strict=True):
        # h is seen twice: by y = h Wy + by, and by the gates of the next step
        dE_dh = dy @ params["Wy"].T + dE_dh_next
        share, dE_dh_next, _ = backward_step(params, s, dE_dh, dE_dc)
        shares.append(share)
    return add_up(shares)


def gradient(params: Params, X: FloatArray, targets: FloatArray) -> Params:
    steps, ys = forward(params, X)
    dE_dy = read_out_delta(ys, targets)
    return gates_gradient(params, steps, dE_dy) | read_out_gradient(steps, dE_dy)


model = tricheck.Model(loss, gradient, params, args=(X, targets), name="broken_lstm_forget_gate")

if __name__ == "__main__":
    print(tricheck.check(model))
