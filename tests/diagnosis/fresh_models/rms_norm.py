"""Layers with a norm: root mean square along the features, then a gain; and a gated unit (SwiGLU).

::

    out = g x / √(mean of x² + ε)
    out = (x A swish) (x B),        swish(u) = u σ(u)
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


def rms_forward(x: Array, g: Array, eps: float) -> tuple[Array, tuple[Array, Array, Array]]:
    r = np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    return g * x / r, (x, g, r)


def rms_backward(dout: Array, cache: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    x, g, r = cache
    dg = (dout * x / r).sum(axis=0)
    dn = dout * g
    dx = dn / r - x * (dn * x).mean(axis=-1, keepdims=True) / r**3
    return dx, dg


def gated_forward(x: Array, A: Array, B: Array) -> tuple[Array, dict[str, Array]]:
    u, v = x @ A, x @ B
    s = 1.0 / (1.0 + np.exp(-u))
    out = u * s * v
    return out, {"x": x, "A": A, "B": B, "u": u, "v": v, "s": s}


def gated_backward(dout: Array, cache: dict[str, Array]) -> dict[str, Array]:
    x, u, v, s = (cache[name] for name in ("x", "u", "v", "s"))
    dv = dout * u * s
    du = dout * v * (s + u * s * (1.0 - s))
    dx = du @ cache["A"].T + dv @ cache["B"].T
    return {"x": dx, "A": x.T @ du, "B": x.T @ dv}


rng = np.random.default_rng(205)
rms_norm = tricheck.Model.from_layer(
    rms_forward,
    rms_backward,
    {"x": rng.standard_normal((4, 6)), "g": rng.standard_normal(6)},
    args=(1e-6,),
    name="rms_norm",
)
gated = tricheck.Model.from_layer(
    gated_forward,
    gated_backward,
    {
        "x": rng.standard_normal((5, 3)),
        "A": rng.standard_normal((3, 3)),
        "B": rng.standard_normal((3, 3)),
    },
    name="gated_unit",
)
