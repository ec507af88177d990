"""Causal self-attention in single precision, with a bias for every distance back in time.

::

    S = Q Kᵀ/√d + rel[i − j], −∞ above the diagonal        out = softmax(S) V
    L = (1/2NT) Σ (out − y)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float32]
Weights = dict[str, Array]

T = 6
PAST = np.tril(np.ones((T, T), dtype=bool))
DISTANCE = np.maximum(np.arange(T)[:, None] - np.arange(T), 0)


def attend(w: Weights, x: Array) -> tuple[Array, Array, Array, Array, Array]:
    Q, K, V = x @ w["Wq"], x @ w["Wk"], x @ w["Wv"]
    scale = np.float32(1 / np.sqrt(Q.shape[2]))
    S = np.where(PAST, scale * (Q @ K.transpose(0, 2, 1)) + w["rel"][DISTANCE], -np.inf)
    weights = np.exp(S - S.max(axis=2, keepdims=True))
    A = weights / weights.sum(axis=2, keepdims=True)
    return Q, K, V, A, A @ V


def loss(w: Weights, x: Array, y: Array) -> float:
    out = attend(w, x)[4]
    L: float = np.sum((out - y) ** 2) / (2 * len(x) * T)
    return L


def backward(w: Weights, x: Array, y: Array) -> Weights:
    Q, K, V, A, out = attend(w, x)
    scale = np.float32(1 / np.sqrt(Q.shape[2]))
    dout = (out - y) / np.float32(len(x) * T)
    dV = A.transpose(0, 2, 1) @ dout
    dA = dout @ V.transpose(0, 2, 1)
    dS = A * (dA - (A * dA).sum(axis=2, keepdims=True))
    drel = np.zeros_like(w["rel"])
    np.add.at(drel, DISTANCE[PAST], dS.sum(axis=0)[PAST])
    dQ, dK = scale * dS @ K, scale * dS.transpose(0, 2, 1) @ Q
    return {
        "Wq": np.einsum("ntd,nte->de", x, dQ),
        "Wk": np.einsum("ntd,nte->de", x, dK),
        "Wv": np.einsum("ntd,nte->de", x, dV),
        "rel": drel,
    }


def drawn(*shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


# three sequences in five dimensions
rng = np.random.default_rng(326)
x, y = drawn(3, T, 5), drawn(3, T, 5)
w = {"Wq": drawn(5, 5), "Wk": drawn(5, 5), "Wv": drawn(5, 5), "rel": drawn(T)}

model = tricheck.Model(loss, backward, w, args=(x, y), name="causal_attention")
