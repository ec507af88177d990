"""Multi-head self-attention, after Vaswani et al., Attention Is All You Need (2017).

N sequences x of T tokens, D features each, and H heads that share them, d = D / H for each head.
For every sequence and every head, with Q, K, V of shape (T, d)::

    Q, K, V = x Wq, x Wk, x Wv, split into heads
    S = Q Kᵀ / √d
    A = softmax of S, row by row
    out = [A V of all heads, side by side] Wo
    E = (1/2N) Σ (out − target)²

A row a of A, made from the row s of S, has daₖ/dsⱼ = aₖ (δₖⱼ − aⱼ), so that::

    dE/dsⱼ = Σₖ dE/daₖ aₖ (δₖⱼ − aⱼ) = aⱼ (dE/daⱼ − Σₖ aₖ dE/daₖ)
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]

HEADS = 2


class Cache(NamedTuple):
    """What the forward pass leaves for the backward pass; of each head but `merged`."""

    Q: FloatArray
    K: FloatArray
    V: FloatArray
    A: FloatArray
    merged: FloatArray


def split_heads(x: FloatArray) -> FloatArray:
    """From (N, T, D) to (N, H, T, D / H)."""
    N, T, D = x.shape
    return x.reshape(N, T, HEADS, D // HEADS).transpose(0, 2, 1, 3)


def merge_heads(x: FloatArray) -> FloatArray:
    """From (N, H, T, D / H) to (N, T, D)."""
    N, H, T, d = x.shape
    return x.transpose(0, 2, 1, 3).reshape(N, T, H * d)


def softmax(s: FloatArray) -> FloatArray:
    e = np.exp(s - np.max(s, axis=-1, keepdims=True))
    a: FloatArray = e / np.sum(e, axis=-1, keepdims=True)
    return a


def forward(params: Params) -> tuple[FloatArray, Cache]:
    x = params["x"]
    Q = split_heads(x @ params["Wq"])
    K = split_heads(x @ params["Wk"])
    V = split_heads(x @ params["Wv"])
    A = softmax(Q @ K.transpose(0, 1, 3, 2) / np.sqrt(Q.shape[-1]))
    merged = merge_heads(A @ V)
    return merged @ params["Wo"], Cache(Q, K, V, A, merged)


def loss(params: Params, targets: FloatArray) -> float:
    out, _ = forward(params)
    E: float = np.sum((out - targets) ** 2) / (2 * len(out))
    return E


def weight_gradient(inputs: FloatArray, dout: FloatArray) -> FloatArray:
    """dE/dW of out = inputs W, which serves every token of every sequence."""
    return np.tensordot(inputs, dout, axes=([0, 1], [0, 1]))


def heads_backward(dheads: FloatArray, cache: Cache) -> tuple[FloatArray, FloatArray, FloatArray]:
    """dE/dQ, dE/dK and dE/dV."""
    Q, K, V, A, _ = cache
    # heads = A V
    dA = dheads @ V.transpose(0, 1, 3, 2)
    dV = A.transpose(0, 1, 3, 2) @ dheads
    # the softmax, row by row
    dS = A * (dA - np.sum(A * dA, axis=-1, keepdims=True))
    # S = Q Kᵀ / √d
    dS = dS / np.sqrt(Q.shape[-1])
    return dS @ K, dS.transpose(0, 1, 3, 2) @ Q, dV


def inner_gradients(params: Params, dmerged: FloatArray, cache: Cache) -> Params:
    """dE/dx and dE/dW of all that lies before Wo."""
    x = params["x"]
    dx = np.zeros_like(x)
    grads = {}
    for name, dheads in zip("qkv", heads_backward(split_heads(dmerged), cache), strict=True):
        dprojection = merge_heads(dheads)
        grads[f"W{name}"] = weight_gradient(x, dprojection)
        # x is seen three times: by Q, K and V
        dx += dprojection @ params[f"W{name}"].T
    return {"x": dx, **grads}


def gradient(params: Params, targets: FloatArray) -> Params:
    out, cache = forward(params)
    # dE/d out, for the ½ cancels the 2 of the square
    dout = (out - targets) / len(out)
    # out = merged Wo
    dWo = weight_gradient(cache.merged, dout)
    dmerged = dout @ params["Wo"].T
    return {**inner_gradients(params, dmerged, cache), "Wo": dWo}


# two sequences of three tokens, four features, two heads
rng = np.random.default_rng(17)
params = {
    "x": rng.standard_normal((2, 3, 4)),
    "Wq": rng.standard_normal((4, 4)),
    "Wk": rng.standard_normal((4, 4)),
    "Wv": rng.standard_normal((4, 4)),
    "Wo": rng.standard_normal((4, 4)),
}
targets = rng.standard_normal((2, 3, 4))

model = tricheck.Model(loss, gradient, params, args=(targets,), name="multi_head_attention")

if __name__ == "__main__":
    print(tricheck.check(model))
