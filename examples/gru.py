"""A gated recurrent unit over time (Cho et al., 2014), trained by back-propagation through time.

N sequences x of T steps. The weights of the update gate z, the reset gate r and the candidate n sit
side by side, in this order, in Wx, Wh and b::

    z = σ(x Wxz + h_prev Whz + bz)             how much of the old state stays
    r = σ(x Wxr + h_prev Whr + br)             how much of it the candidate sees
    n = tanh(x Wxn + (r h_prev) Whn + bn)      the candidate
    h = z h_prev + (1 − z) n
    E = (1/2N) Σₜ Σₙ Σₖ (h − target)²

With a for what a gate's σ or the candidate's tanh is taken of::

    dE/daz = dE/dh (h_prev − n) z (1 − z)
    dE/dan = dE/dh (1 − z) (1 − n²)
    dE/dar = (dE/dan Whnᵀ) h_prev r (1 − r)
    dE/dh_prev = dE/dh z + (dE/dan Whnᵀ) r + dE/daz Whzᵀ + dE/dar Whrᵀ
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]

STEPS, BATCH, INPUTS, HIDDEN = 4, 2, 2, 3


class States(NamedTuple):
    """What the forward pass computed; h[0] is the state before the first step."""

    h: FloatArray
    z: FloatArray
    r: FloatArray
    n: FloatArray


def sigmoid(a: FloatArray) -> FloatArray:
    return 1.0 / (1.0 + np.exp(-a))


def split(W: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The columns of z, r and n."""
    return W[..., :HIDDEN], W[..., HIDDEN : 2 * HIDDEN], W[..., 2 * HIDDEN :]


def forward(params: Params, x: FloatArray) -> States:
    Whz, Whr, Whn = split(params["Wh"])
    T, N, _ = x.shape
    h = np.zeros((T + 1, N, HIDDEN))
    z, r, n = np.zeros((T, N, HIDDEN)), np.zeros((T, N, HIDDEN)), np.zeros((T, N, HIDDEN))
    for t in range(T):
        az, ar, an = split(x[t].dot(params["Wx"]) + params["b"])
        z[t] = sigmoid(az + h[t].dot(Whz))
        r[t] = sigmoid(ar + h[t].dot(Whr))
        n[t] = np.tanh(an + (r[t] * h[t]).dot(Whn))
        h[t + 1] = z[t] * h[t] + (1 - z[t]) * n[t]
    return States(h, z, r, n)


def loss(params: Params, x: FloatArray, targets: FloatArray) -> float:
    h = forward(params, x).h
    E: float = np.sum((h[1:] - targets) ** 2) / (2 * x.shape[1])
    return E


def deltas(
    params: Params, states: States, targets: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """dE/daz, dE/dar and dE/dan at every time step."""
    h, z, r, n = states
    Whz, Whr, Whn = split(params["Wh"])
    daz, dar, dan = np.zeros_like(z), np.zeros_like(r), np.zeros_like(n)
    dh_next = np.zeros_like(h[0])  # nothing follows the last step
    for t in reversed(range(len(z))):
        # h is seen twice: by the cost, and by the next step
        dh = (h[t + 1] - targets[t]) / h.shape[1] + dh_next
        # h = z h_prev + (1 − z) n, with h[t] for h_prev
        daz[t] = dh * (h[t] - n[t]) * z[t] * (1 - z[t])
        dan[t] = dh * (1 - z[t]) * (1 - n[t] ** 2)
        # an = x Wxn + (r h_prev) Whn + bn
        drh = dan[t].dot(Whn.T)
        dar[t] = drh * h[t] * r[t] * (1 - r[t])
        dh_next = dh * z[t] + drh * r[t] + daz[t].dot(Whz.T) + dar[t].dot(Whr.T)
    return daz, dar, dan


def from_deltas(
    x: FloatArray, states: States, daz: FloatArray, dar: FloatArray, dan: FloatArray
) -> Params:
    """The gradients in the weights, which are the same at every step: sum over the steps."""
    h_prev = states.h[:-1]
    da = np.concatenate((daz, dar, dan), axis=-1)
    dWh = (over_time(h_prev, daz), over_time(h_prev, dar), over_time(states.r * h_prev, dan))
    return {
        "Wx": over_time(x, da),
        "Wh": np.concatenate(dWh, axis=-1),
        "b": np.sum(da, axis=(0, 1)),
    }


def over_time(inputs: FloatArray, da: FloatArray) -> FloatArray:
    """inputsᵀ da, summed over the time steps."""
    return np.tensordot(inputs, da, axes=([0, 1], [0, 1]))


def gradient(params: Params, x: FloatArray, targets: FloatArray) -> Params:
    states = forward(params, x)
    daz, dar, dan = deltas(params, states, targets)
    return from_deltas(x, states, daz, dar, dan)


rng = np.random.default_rng(18)
x = rng.standard_normal((STEPS, BATCH, INPUTS))
targets = rng.standard_normal((STEPS, BATCH, HIDDEN))
params = {
    "Wx": rng.standard_normal((INPUTS, 3 * HIDDEN)),
    "Wh": rng.standard_normal((HIDDEN, 3 * HIDDEN)),
    "b": rng.standard_normal(3 * HIDDEN),
}

model = tricheck.Model(loss, gradient, params, args=(x, targets), name="gru")

if __name__ == "__main__":
    print(tricheck.check(model))
