"""A bidirectional recurrent tagger; where nothing was observed, the state stays as it was.

With the mask m of what was observed, in both directions of time::

    h[t] = m[t] tanh(x[t] Wx + h[before] Wh + b) + (1 − m[t]) h[before]
    s[t] = [forwards[t], backwards[t]] V + c
    L = Σ m (log(1 + eˢ) − y s) / Σ m
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Weights = dict[str, dict[str, Array]]


def scan(w: dict[str, Array], x: Array, m: Array, order: list[int]) -> dict[int, Array]:
    """The states by time; at -1 the one before the first step."""
    h = np.zeros((x.shape[1], len(w["b"])))
    states = {-1: h}
    for t in order:
        new = np.tanh(x[t] @ w["Wx"] + h @ w["Wh"] + w["b"])
        h = m[t, :, None] * new + (1 - m[t, :, None]) * h
        states[t] = h
    return states


def scan_back(
    w: dict[str, Array], x: Array, m: Array, order: list[int], states: dict[int, Array], ds: Array
) -> dict[str, Array]:
    grad = {name: np.zeros_like(value) for name, value in w.items()}
    dh = np.zeros_like(states[-1])
    for t, before in zip(order[::-1], [*order[-2::-1], -1], strict=True):
        seen = m[t, :, None]
        dh = dh + ds[t]
        # the state is the new one wherever the mask lets it through
        dz = dh * seen * (1 - states[t] ** 2)
        grad["Wx"] += x[t].T @ dz
        grad["Wh"] += states[before].T @ dz
        grad["b"] += dz.sum(axis=0)
        dh = dz @ w["Wh"].T + (1 - seen) * dh
    return grad


def scores(w: Weights, x: Array, m: Array) -> tuple[dict[int, Array], dict[int, Array], Array]:
    times = list(range(len(x)))
    ahead = scan(w["ahead"], x, m, times)
    back = scan(w["back"], x, m, times[::-1])
    h = np.stack([np.concatenate([ahead[t], back[t]], axis=1) for t in times])
    return ahead, back, h


def loss(w: Weights, x: Array, m: Array, y: Array) -> float:
    _, _, h = scores(w, x, m)
    s = h @ w["out"]["V"] + w["out"]["c"]
    L: float = np.sum(m[..., None] * (np.logaddexp(0, s) - y * s)) / np.sum(m)
    return L


def grads(w: Weights, x: Array, m: Array, y: Array) -> Weights:
    ahead, back, h = scores(w, x, m)
    s = h @ w["out"]["V"] + w["out"]["c"]
    ds = m[..., None] * (1 / (1 + np.exp(-s)) - y) / m.sum()
    dh = ds @ w["out"]["V"].T
    half = dh.shape[2] // 2
    times = list(range(len(x)))
    return {
        "ahead": scan_back(w["ahead"], x, m, times, ahead, dh[:, :, :half]),
        "back": scan_back(w["back"], x, m, times[::-1], back, dh[:, :, half:]),
        "out": {"V": np.einsum("tnh,tnk->hk", h, ds), "c": ds.sum(axis=(0, 1))},
    }


def cell(rng: np.random.Generator, inputs: int, units: int) -> dict[str, Array]:
    return {
        "Wx": rng.standard_normal((inputs, units)),
        "Wh": 0.7 * rng.standard_normal((units, units)),
        "b": 0.5 * rng.standard_normal(units),
    }


# six steps, four sequences of two features, three units each way, two tags
rng = np.random.default_rng(302)
x = rng.standard_normal((6, 4, 2))
m = (rng.random((6, 4)) < 0.7).astype(float)
y = rng.integers(0, 2, size=(6, 4, 2)).astype(float)
w = {
    "ahead": cell(rng, 2, 3),
    "back": cell(rng, 2, 3),
    "out": {"V": rng.standard_normal((6, 2)), "c": 0.5 * rng.standard_normal(2)},
}

model = tricheck.Model(loss, grads, w, args=(x, m, y), name="bidirectional")
