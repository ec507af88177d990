"""Causal dilated convolutions with gates, as in WaveNet: windows by strides, residual blocks.

::

    f = tanh(x ∗ Wf + bf)    g = σ(x ∗ Wg + bg)    x ← x + (f g) R        for dilations 1 and 2
    L = ½ Σ (x · v − y)² / (N T)
"""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

import tricheck

Array = npt.NDArray[np.float64]
Blocks = list[dict[str, Array]]

K = 2


def windows(x: Array, dilation: int) -> Array:
    """(N, T, C) to (N, T, K, C): what came before, zeros before the start."""
    N, T, C = x.shape
    padded = np.concatenate([np.zeros((N, (K - 1) * dilation, C)), x], axis=1)
    n, t, c = padded.strides
    return as_strided(padded, (N, T, K, C), (n, t, dilation * t, c))


def block(p: dict[str, Array], x: Array, dilation: int) -> tuple[Array, tuple[Array, ...]]:
    w = windows(x, dilation)
    f = np.tanh(np.tensordot(w, p["Wf"], 2) + p["bf"])
    g = 1 / (1 + np.exp(-np.tensordot(w, p["Wg"], 2) - p["bg"]))
    return x + (f * g) @ p["R"], (w, f, g)


def block_back(
    p: dict[str, Array], dout: Array, cache: tuple[Array, ...], dilation: int
) -> tuple[Array, dict[str, Array]]:
    w, f, g = cache
    T = w.shape[1]
    dh = dout @ p["R"].T
    df = dh * g * (1 - f**2)
    dg = dh * f * g * (1 - g)
    dw = np.tensordot(df, p["Wf"], (2, 2)) + np.tensordot(dg, p["Wg"], (2, 2))
    dpadded = np.zeros((len(w), T + (K - 1) * dilation, w.shape[3]))
    for k in range(K):
        dpadded[:, k * dilation : k * dilation + T] += dw[:, :, k]
    grads = {
        "Wf": np.tensordot(w, df, ((0, 1), (0, 1))),
        "bf": df.sum(axis=(0, 1)),
        "Wg": np.tensordot(w, dg, ((0, 1), (0, 1))),
        "bg": dg.sum(axis=(0, 1)),
        "R": np.tensordot(f * g, dout, ((0, 1), (0, 1))),
    }
    dx = dout + dpadded[:, (K - 1) * dilation :]
    return dx, grads


def loss(blocks: Blocks, x: Array, y: Array, v: Array) -> float:
    for number, p in enumerate(blocks):
        x, _ = block(p, x, 2**number)
    L: float = 0.5 * np.sum((x @ v - y) ** 2) / y.size
    return L


def gradient(blocks: Blocks, x: Array, y: Array, v: Array) -> Blocks:
    caches = []
    for number, p in enumerate(blocks):
        x, cache = block(p, x, 2**number)
        caches.append(cache)
    dx = ((x @ v - y) / y.size)[:, :, None] * v
    grads = []
    for number in reversed(range(len(blocks))):
        dx, grad = block_back(blocks[number], dx, caches[number], 2**number)
        grads.append(grad)
    return grads[::-1]


def fresh_block(rng: np.random.Generator, channels: int) -> dict[str, Array]:
    C = channels
    return {
        "Wf": rng.standard_normal((K, C, C)),
        "bf": rng.standard_normal(C),
        "Wg": rng.standard_normal((K, C, C)),
        "bg": rng.standard_normal(C),
        "R": rng.standard_normal((C, C)),
    }


# two signals of seven steps in three channels
rng = np.random.default_rng(308)
blocks = [fresh_block(rng, 3), fresh_block(rng, 3)]
args = (rng.standard_normal((2, 7, 3)), rng.standard_normal((2, 7)), rng.standard_normal(3))

model = tricheck.Model(loss, gradient, blocks, args=args, name="dilated")
