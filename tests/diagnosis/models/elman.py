"""An Elman network with a read-out at every step, the cost averaged over the T steps.

::

    h[t] = tanh(x[t] U + h[t−1] W + b)        y[t] = h[t] V + c
    E = (1/2TN) Σₜ Σₙ Σₖ (y − target)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]


def states(params: Params, x: FloatArray) -> list[FloatArray]:
    """The hidden states, the one before the first step included."""
    hs = [np.zeros((x.shape[1], len(params["W"])))]
    for xt in x:
        hs.append(np.tanh(xt @ params["U"] + hs[-1] @ params["W"] + params["b"]))
    return hs


def loss(params: Params, x: FloatArray, targets: FloatArray) -> float:
    E = 0.0
    for h, target in zip(states(params, x)[1:], targets, strict=True):
        E += 0.5 * np.sum((h @ params["V"] + params["c"] - target) ** 2)
    mean: float = E / (len(x) * x.shape[1])
    return mean


def gradient(params: Params, x: FloatArray, targets: FloatArray) -> Params:
    T, N, _ = x.shape
    hs = states(params, x)
    g = {name: np.zeros_like(value) for name, value in params.items()}
    dh_next = np.zeros_like(hs[0])
    for t in range(T - 1, -1, -1):
        h, h_prev = hs[t + 1], hs[t]
        dy = (h @ params["V"] + params["c"] - targets[t]) / (T * N)
        g["V"] += h.T @ dy
        g["c"] += dy.sum(axis=0)
        dh = dy @ params["V"].T + dh_next
        dz = dh * (1 - h**2)
        g["U"] += x[t].T @ dz
        g["W"] += h_prev.T @ dz
        g["b"] += dz.sum(axis=0)
        dh_next = dz @ params["W"].T
    return g


# four steps, three sequences of two features, three hidden units, two outputs
rng = np.random.default_rng(111)
x = rng.standard_normal((4, 3, 2))
targets = rng.standard_normal((4, 3, 2))
params = {
    "U": rng.standard_normal((2, 3)),
    "W": rng.standard_normal((3, 3)),
    "b": rng.standard_normal(3),
    "V": rng.standard_normal((3, 2)),
    "c": rng.standard_normal(2),
}

model = tricheck.Model(loss, gradient, params, args=(x, targets), name="elman")
