"""Single-head cross attention of queries over a memory, with a causal mask, by einsum.

::

    q = y P        k = m R        v = m S
    w = softmax(q kᵀ / √d + mask)        o = y + w v
    cost = Σ o G for a fixed G
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Tensors = dict[str, Array]


def attend(t: Tensors, m: Array, mask: Array) -> tuple[Array, Array, Array, Array, Array]:
    q = np.einsum("td,de->te", t["y"], t["P"])
    k = np.einsum("sd,de->se", m, t["R"])
    v = np.einsum("sd,de->se", m, t["S"])
    logits = np.einsum("te,se->ts", q, k) / np.sqrt(q.shape[1]) + mask
    w = np.exp(logits - logits.max(axis=1, keepdims=True))
    w = w / w.sum(axis=1, keepdims=True)
    return q, k, v, w, t["y"] + w @ v


def cost(t: Tensors, m: Array, mask: Array, G: Array) -> float:
    o = attend(t, m, mask)[-1]
    total: float = np.sum(o * G)
    return total


def cost_grad(t: Tensors, m: Array, mask: Array, G: Array) -> Tensors:
    q, k, v, w, _ = attend(t, m, mask)
    dw = G @ v.T
    dv = w.T @ G
    dlogits = w * (dw - (dw * w).sum(axis=1, keepdims=True))
    dlogits /= np.sqrt(q.shape[1])
    dq = dlogits @ k
    dk = dlogits.T @ q
    return {
        "y": G + dq @ t["P"].T,
        "P": t["y"].T @ dq,
        "R": m.T @ dk,
        "S": m.T @ dv,
    }


# four queries over four places of three dimensions; every weight is square
rng = np.random.default_rng(204)
m, G = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
mask = np.where(np.tri(4) > 0, 0.0, -1e9)
t = {
    "y": rng.standard_normal((4, 3)),
    "P": rng.standard_normal((3, 3)),
    "R": rng.standard_normal((3, 3)),
    "S": rng.standard_normal((3, 3)),
}

model = tricheck.Model(cost, cost_grad, t, args=(m, mask, G), name="cross_attention")
