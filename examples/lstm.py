"""An LSTM with a linear read-out at every time step, trained by back-propagation through time.

Each of the gates f, i, g, o has its W and b and acts on hx = [h, x], the state before beside the
input, for a batch of N sequences::

    f = σ(hx Wf + bf)       how much of the old cell stays
    i = σ(hx Wi + bi)       how much of the candidate comes in
    g = tanh(hx Wg + bg)    the candidate
    o = σ(hx Wo + bo)       how much of the cell is shown
    c = f c_prev + i g
    h = o tanh(c)
    y = h Wy + by
    E = (1/2N) Σₜ Σₙ Σₖ (y − target)²
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]

GATES = ("f", "i", "g", "o")
STEPS, BATCH, INPUTS, HIDDEN, OUTPUTS = 5, 3, 2, 4, 2


class Step(NamedTuple):
    """What one time step computed."""

    hx: FloatArray
    c_prev: FloatArray
    f: FloatArray
    i: FloatArray
    g: FloatArray
    o: FloatArray
    c: FloatArray
    h: FloatArray


def sigmoid(z: FloatArray) -> FloatArray:
    return 1.0 / (1.0 + np.exp(-z))


def forward_step(params: Params, x: FloatArray, h_prev: FloatArray, c_prev: FloatArray) -> Step:
    hx = np.concatenate([h_prev, x], axis=1)
    f = sigmoid(hx @ params["Wf"] + params["bf"])
    i = sigmoid(hx @ params["Wi"] + params["bi"])
    g = np.tanh(hx @ params["Wg"] + params["bg"])
    o = sigmoid(hx @ params["Wo"] + params["bo"])
    c = f * c_prev + i * g
    return Step(hx, c_prev, f, i, g, o, c, o * np.tanh(c))


def forward(params: Params, X: FloatArray) -> tuple[list[Step], list[FloatArray]]:
    """The time steps and their read-outs, from a state of zeros."""
    h = c = np.zeros((X.shape[1], HIDDEN))
    steps = []
    for x in X:
        steps.append(forward_step(params, x, h, c))
        h, c = steps[-1].h, steps[-1].c
    return steps, [step.h @ params["Wy"] + params["by"] for step in steps]


def loss(params: Params, X: FloatArray, targets: FloatArray) -> float:
    _, ys = forward(params, X)
    E: float = np.sum((np.stack(ys) - targets) ** 2) / (2.0 * X.shape[1])
    return E


def read_out_delta(ys: list[FloatArray], targets: FloatArray) -> FloatArray:
    """dE/dy at every time step."""
    # the ½ cancels the 2 of the square
    dE_dy: FloatArray = (np.stack(ys) - targets) / targets.shape[1]
    return dE_dy


def read_out_gradient(steps: list[Step], dE_dy: FloatArray) -> Params:
    # y = h Wy + by at every time step, with the same Wy and by: sum over the steps
    return {
        "Wy": np.sum([s.h.T @ dy for s, dy in zip(steps, dE_dy, strict=True)], axis=0),
        "by": np.sum(dE_dy, axis=(0, 1)),
    }


def backward_step(
    params: Params, s: Step, dE_dh: FloatArray, dE_dc: FloatArray
) -> tuple[Params, FloatArray, FloatArray]:
    """One step back in time.

    Takes dE/dh and what the later steps say of dE/dc; returns the step's share of the gates'
    gradient, and what it says of dE/dh and dE/dc of the step before.
    """
    # h = o tanh(c): the cell is also seen through h, with tanh' = 1 − tanh²
    tanh_c = np.tanh(s.c)
    dE_dc = dE_dc + dE_dh * s.o * (1.0 - tanh_c**2)
    # c = f c_prev + i g and h = o tanh(c), each gate behind its σ' = σ (1 − σ) or tanh'
    dE_dz = {
        "f": dE_dc * s.c_prev * s.f * (1.0 - s.f),
        "i": dE_dc * s.g * s.i * (1.0 - s.i),
        "g": dE_dc * s.i * (1.0 - s.g**2),
        "o": dE_dh * tanh_c * s.o * (1.0 - s.o),
    }
    # z = hx W + b, so dE/dW = hxᵀ dE/dz and dE/db = Σₙ dE/dz
    grads = {f"W{gate}": s.hx.T @ dE_dz[gate] for gate in GATES}
    grads |= {f"b{gate}": np.sum(dE_dz[gate], axis=0) for gate in GATES}
    # dE/dhx = Σ dE/dz Wᵀ over the gates; its first columns belong to h_prev
    dE_dhx = np.sum([dE_dz[gate] @ params[f"W{gate}"].T for gate in GATES], axis=0)
    # c = f c_prev + i g, so dE/dc_prev = dE/dc f
    return grads, dE_dhx[:, :HIDDEN], dE_dc * s.f


def gates_gradient(params: Params, steps: list[Step], dE_dy: FloatArray) -> Params:
    shares = []
    dE_dh_next = dE_dc_next = np.zeros_like(steps[-1].h)  # nothing follows the last step
    for s, dy in zip(reversed(steps), reversed(dE_dy), strict=True):
        # h is seen twice: by y = h Wy + by, and by the gates of the next step
        dE_dh = dy @ params["Wy"].T + dE_dh_next
        share, dE_dh_next, dE_dc_next = backward_step(params, s, dE_dh, dE_dc_next)
        shares.append(share)
    return add_up(shares)


def add_up(shares: list[Params]) -> Params:
    """Every step has the same W and b, so their gradient is the sum of its shares."""
    return {name: np.sum([share[name] for share in shares], axis=0) for name in shares[0]}


def gradient(params: Params, X: FloatArray, targets: FloatArray) -> Params:
    steps, ys = forward(params, X)
    dE_dy = read_out_delta(ys, targets)
    return gates_gradient(params, steps, dE_dy) | read_out_gradient(steps, dE_dy)


rng = np.random.default_rng(5)
X = rng.standard_normal((STEPS, BATCH, INPUTS))
targets = rng.standard_normal((STEPS, BATCH, OUTPUTS))
params = {}
for gate in GATES:
    params[f"W{gate}"] = 0.5 * rng.standard_normal((HIDDEN + INPUTS, HIDDEN))
    params[f"b{gate}"] = 0.5 * rng.standard_normal(HIDDEN)
params["Wy"] = rng.standard_normal((HIDDEN, OUTPUTS))
params["by"] = rng.standard_normal(OUTPUTS)

model = tricheck.Model(loss, gradient, params, args=(X, targets), name="lstm")

if __name__ == "__main__":
    print(tricheck.check(model))
