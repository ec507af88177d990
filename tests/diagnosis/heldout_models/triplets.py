"""Triplets embedded by one network on the sphere: near what is alike, far from what is not.

::

    a = tanh(x W + b)        e = a / |a|
    L = mean of max(0, margin + |e − e₊|² − |e − e₋|²)
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Weights = dict[str, Array]


def embed(w: Weights, x: Array) -> tuple[Array, Array, Array]:
    a = np.tanh(x @ w["W"] + w["b"])
    length = np.linalg.norm(a, axis=1, keepdims=True)
    return a, length, a / length


def hinges(w: Weights, x: Array, pos: Array, neg: Array, margin: float) -> Array:
    e, ep, en = (embed(w, z)[2] for z in (x, pos, neg))
    near, far = ((e - ep) ** 2).sum(axis=1), ((e - en) ** 2).sum(axis=1)
    hinge: Array = np.maximum(0.0, margin + near - far)
    return hinge


def triplet_loss(w: Weights, x: Array, pos: Array, neg: Array, margin: float) -> float:
    L: float = hinges(w, x, pos, neg, margin).mean()
    return L


def triplet_gradient(w: Weights, x: Array, pos: Array, neg: Array, margin: float) -> Weights:
    grads = {"W": np.zeros_like(w["W"]), "b": np.zeros_like(w["b"])}
    e, ep, en = (embed(w, z)[2] for z in (x, pos, neg))
    violated = hinges(w, x, pos, neg, margin) > 0
    weight = (violated / len(x))[:, None]
    d_anchor = 2 * weight * (en - ep)
    d_pos = -2 * weight * (e - ep)
    d_neg = 2 * weight * (e - en)
    for inputs, de in ((x, d_anchor), (pos, d_pos), (neg, d_neg)):
        a, length, unit = embed(w, inputs)
        da = (de - unit * (unit * de).sum(axis=1, keepdims=True)) / length
        dz = da * (1 - a**2)
        grads["W"] += inputs.T @ dz
        grads["b"] += dz.sum(axis=0)
    return grads


# nine triplets of three features, embedded in three dimensions
rng = np.random.default_rng(309)
x = rng.standard_normal((9, 3))
pos, neg = x + 0.5 * rng.standard_normal((9, 3)), rng.standard_normal((9, 3))
w = {"W": rng.standard_normal((3, 3)), "b": 0.5 * rng.standard_normal(3)}

model = tricheck.Model(triplet_loss, triplet_gradient, w, args=(x, pos, neg, 0.3), name="triplets")
