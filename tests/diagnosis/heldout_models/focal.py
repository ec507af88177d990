"""Detection with few positives: a hidden layer of arc tangents and the balanced focal loss.

With t = ±1 for the label, the weight α of its class, and p of what is true::

    h = arctan(x W + b)        s = h · v + v0        p = σ(t s)
    L = −mean of α (1 − p)^γ log p
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Net = dict[str, Array]


def hidden(net: Net, x: Array) -> tuple[Array, Array]:
    z = x @ net["W"] + net["b"]
    return z, np.arctan(z)


def focal_loss(net: Net, x: Array, t: Array, alpha: Array, gamma: float) -> float:
    _, h = hidden(net, x)
    log_p = -np.logaddexp(0, -t * (h @ net["v"] + net["v0"]))
    L: float = -np.sum(alpha * (1 - np.exp(log_p)) ** gamma * log_p) / len(x)
    return L


def focal_backward(net: Net, x: Array, t: Array, alpha: Array, gamma: float) -> Net:
    z, h = hidden(net, x)
    s = h @ net["v"] + net["v0"]
    p = 1 / (1 + np.exp(-t * s))
    # d/ds of −(1 − p)^γ log p, where dp/ds = t p (1 − p)
    slope = (1 - p) ** gamma * (gamma * p * np.log(p) - (1 - p))
    ds = t * alpha * slope / len(x)
    dz = np.outer(ds, net["v"]) / (1 + z**2)
    return {
        "W": x.T @ dz,
        "b": dz.sum(axis=0),
        "v": h.T @ ds,
        "v0": np.array([ds.sum()]),
    }


# eleven samples of three features, four positive; five hidden units
rng = np.random.default_rng(310)
x = rng.standard_normal((11, 3))
t = np.where(np.arange(11) < 4, 1.0, -1.0)
alpha = np.where(t > 0, 0.75, 0.25)
net = {
    "W": rng.standard_normal((3, 5)),
    "b": rng.standard_normal(5),
    "v": rng.standard_normal(5),
    "v0": np.array([-0.4]),
}

model = tricheck.Model(focal_loss, focal_backward, net, args=(x, t, alpha, 2.0), name="focal")
