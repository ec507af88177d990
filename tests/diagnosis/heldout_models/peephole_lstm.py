"""An LSTM with peepholes, all its weights in one flat vector.

::

    i = σ(a_i + p_i c)    f = σ(a_f + p_f c)    g = tanh(a_g)        a = [x, h] W + b
    c' = f c + i g        o = σ(a_o + p_o c')   h' = o tanh(c')
    loss = ½ mean of (h_T · v + v0 − y)²
"""

import math

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]

D, H = 2, 2
SHAPES = {"W": (D + H, 4 * H), "b": (4 * H,), "p": (3, H), "v": (H,), "v0": (1,)}


def unpack(theta: Array) -> dict[str, Array]:
    """Views of the flat vector."""
    views, start = {}, 0
    for name, shape in SHAPES.items():
        stop = start + math.prod(shape)
        views[name] = theta[start:stop].reshape(shape)
        start = stop
    return views


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def run(w: dict[str, Array], xs: Array) -> tuple[Array, list[tuple[Array, ...]]]:
    h: Array = np.zeros((xs.shape[1], H))
    c: Array = h
    steps: list[tuple[Array, ...]] = []
    for x in xs:
        joined, before = np.concatenate([x, h], axis=1), c
        a = joined @ w["W"] + w["b"]
        i = sigmoid(a[:, :H] + w["p"][0] * c)
        f = sigmoid(a[:, H : 2 * H] + w["p"][1] * c)
        g = np.tanh(a[:, 2 * H : 3 * H])
        c = f * c + i * g
        o = sigmoid(a[:, 3 * H :] + w["p"][2] * c)
        h = o * np.tanh(c)
        steps.append((joined, before, i, f, g, c, o, h))
    return h, steps


def cost(theta: Array, xs: Array, y: Array) -> float:
    w = unpack(theta)
    h, _ = run(w, xs)
    error = h @ w["v"] + w["v0"] - y
    mean: float = np.sum(error**2) / (2 * len(y))
    return mean


def cost_grad(theta: Array, xs: Array, y: Array) -> Array:
    w = unpack(theta)
    grad = np.zeros_like(theta)
    d = unpack(grad)
    h, steps = run(w, xs)
    error = (h @ w["v"] + w["v0"] - y) / len(y)
    d["v"][:] = h.T @ error
    d["v0"][0] = error.sum()
    dh, dc = np.outer(error, w["v"]), np.zeros_like(h)
    for joined, before, i, f, g, c, o, _ in reversed(steps):
        tc = np.tanh(c)
        do = dh * tc * o * (1 - o)
        dc = dc + dh * o * (1 - tc**2) + do * w["p"][2]
        di = dc * g * i * (1 - i)
        df = dc * before * f * (1 - f)
        dg = dc * i * (1 - g**2)
        da = np.concatenate([di, df, dg, do], axis=1)
        d["W"] += joined.T @ da
        d["b"] += da.sum(axis=0)
        d["p"][0] += (di * before).sum(axis=0)
        d["p"][1] += (df * before).sum(axis=0)
        d["p"][2] += (do * c).sum(axis=0)
        dh = (da @ w["W"].T)[:, D:]
        dc = dc * f + di * w["p"][0] + df * w["p"][1]
    return grad


# four steps, three sequences
rng = np.random.default_rng(303)
xs, y = rng.standard_normal((4, 3, D)), rng.standard_normal(3)
theta = 0.8 * rng.standard_normal(sum(map(math.prod, SHAPES.values())))

model = tricheck.Model(cost, cost_grad, theta, args=(xs, y), name="peephole_lstm")
