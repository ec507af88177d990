"""A sine network whose weights are normalized: a direction and a length for every unit.

::

    w = g v / |v|        h = sin(x w1ᵀ + b1)        out = h w2ᵀ + b2
    E = (1/N) Σₙ Σₖ (out − y)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Params = dict[str, Array]


def lengths(v: Array) -> Array:
    n: Array = np.sqrt((v**2).sum(axis=1, keepdims=True))
    return n


def normalized(g: Array, v: Array) -> Array:
    return g[:, None] * v / lengths(v)


def energy(p: Params, x: Array, y: Array) -> float:
    w1, w2 = normalized(p["g1"], p["v1"]), normalized(p["g2"], p["v2"])
    h = np.sin(x @ w1.T + p["b1"])
    E: float = np.sum((h @ w2.T + p["b2"] - y) ** 2) / len(y)
    return E


def normalized_back(dw: Array, g: Array, v: Array) -> tuple[Array, Array]:
    n = lengths(v)
    unit = v / n
    dg = (dw * unit).sum(axis=1)
    dv = g[:, None] / n * (dw - dg[:, None] * unit)
    return dg, dv


def energy_grad(p: Params, x: Array, y: Array) -> Params:
    w1, w2 = normalized(p["g1"], p["v1"]), normalized(p["g2"], p["v2"])
    z = x @ w1.T + p["b1"]
    h = np.sin(z)
    dout = 2 * (h @ w2.T + p["b2"] - y) / len(y)
    dh = dout @ w2
    dz = dh * np.cos(z)
    dg1, dv1 = normalized_back(dz.T @ x, p["g1"], p["v1"])
    dg2, dv2 = normalized_back(dout.T @ h, p["g2"], p["v2"])
    return {
        "g1": dg1,
        "v1": dv1,
        "b1": dz.sum(axis=0),
        "g2": dg2,
        "v2": dv2,
        "b2": dout.sum(axis=0),
    }


# seven samples of three features, four units, two outputs
rng = np.random.default_rng(306)
x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
p = {
    "g1": rng.uniform(0.5, 2.0, 4),
    "v1": rng.standard_normal((4, 3)),
    "b1": rng.standard_normal(4),
    "g2": rng.uniform(0.5, 2.0, 2),
    "v2": rng.standard_normal((2, 4)),
    "b2": rng.standard_normal(2),
}

model = tricheck.Model(energy, energy_grad, p, args=(x, y), name="weight_norm")
