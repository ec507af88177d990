"""A mixture of experts: every expert answers, and a gate weighs the answers.

::

    g = softmax(x G)        a_k = tanh(x E_k + b_k)        out = Σ_k g_k a_k
    L = ½ mean of (out − y)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Params = dict[str, Array]


def gate(G: Array, x: Array) -> Array:
    e = np.exp(x @ G)
    g: Array = e / e.sum(axis=1, keepdims=True)
    return g


def answers(p: Params, x: Array) -> Array:
    a: Array = np.tanh(np.einsum("nd,kdo->nko", x, p["E"]) + p["b"])
    return a


def loss(p: Params, x: Array, y: Array) -> float:
    out = np.einsum("nk,nko->no", gate(p["G"], x), answers(p, x))
    L: float = 0.5 * np.mean((out - y) ** 2)
    return L


def gradient(p: Params, x: Array, y: Array) -> Params:
    g, a = gate(p["G"], x), answers(p, x)
    dout = (np.einsum("nk,nko->no", g, a) - y) / y.size
    dg = np.einsum("no,nko->nk", dout, a)
    ds = g * (dg - (g * dg).sum(axis=1, keepdims=True))
    da = np.einsum("nk,no->nko", g, dout)
    dz = da * (1 - a**2)
    return {"G": x.T @ ds, "E": np.einsum("nd,nko->kdo", x, dz), "b": dz.sum(axis=0)}


# nine samples of four features, three experts with two outputs
rng = np.random.default_rng(327)
x, y = rng.standard_normal((9, 4)), rng.standard_normal((9, 2))
p = {
    "G": rng.standard_normal((4, 3)),
    "E": rng.standard_normal((3, 4, 2)),
    "b": rng.standard_normal((3, 2)),
}

model = tricheck.Model(loss, gradient, p, args=(x, y), name="experts")
