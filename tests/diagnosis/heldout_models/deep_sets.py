"""Regression on sets of different sizes, padded with zeros: an embedding, its mean, a read-out.

::

    e = elu(x A + a)        pooled = Σ over the members of e / how many
    out = elu(pooled B + b) · c + c0        L = (1/2N) Σ (out − y)²
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Params = dict[str, Array]


def elu(z: Array) -> Array:
    return np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1)


def problem(
    x: Array, member: Array, y: Array
) -> tuple[Callable[[Params], float], Callable[[Params], Params]]:
    size = member.sum(axis=1)[:, None]

    def pool(p: Params) -> tuple[Array, Array]:
        e = elu(x @ p["A"] + p["a"])
        return e, (e * member[:, :, None]).sum(axis=1) / size

    def loss(p: Params) -> float:
        h = elu(pool(p)[1] @ p["B"] + p["b"])
        L: float = np.sum((h @ p["c"] + p["c0"] - y) ** 2) / (2 * len(y))
        return L

    def gradient(p: Params) -> Params:
        def through(d: Array, value: Array) -> Array:
            # elu'(z) is elu(z) + 1 below zero
            return d * np.where(value > 0, 1.0, value + 1)

        e, pooled = pool(p)
        h = elu(pooled @ p["B"] + p["b"])
        dout = (h @ p["c"] + p["c0"] - y) / len(y)
        dv = through(np.outer(dout, p["c"]), h)
        dpooled = dv @ p["B"].T
        de = dpooled[:, None, :] * member[:, :, None] / size[:, :, None]
        du = through(de, e)
        return {
            "A": np.tensordot(x, du, ((0, 1), (0, 1))),
            "a": du.sum(axis=(0, 1)),
            "B": pooled.T @ dv,
            "b": dv.sum(axis=0),
            "c": h.T @ dout,
            "c0": dout.sum(keepdims=True),
        }

    return loss, gradient


# six sets of at most five members of two features
rng = np.random.default_rng(305)
member = (np.arange(5) < np.array([5, 2, 3, 4, 1, 3])[:, None]).astype(float)
x = rng.standard_normal((6, 5, 2)) * member[:, :, None]
loss, gradient = problem(x, member, rng.standard_normal(6))
params = {
    "A": rng.standard_normal((2, 4)),
    "a": rng.standard_normal(4),
    "B": rng.standard_normal((4, 3)),
    "b": rng.standard_normal(3),
    "c": rng.standard_normal(3),
    "c0": np.array([0.2]),
}

model = tricheck.Model(loss, gradient, params, name="deep_sets")
