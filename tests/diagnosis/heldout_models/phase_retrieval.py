"""A complex network by real and imaginary parts, of which only intensities are measured.

::

    h = tanh of both parts of x W        q = h V        L = (1/4N) Σ (|q|² − intensity)²
    (a + ib)(c + id) = (ac − bd) + i (ad + bc)
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Parts = tuple[Array, Array]
Weights = dict[str, Array]


def times(a: Parts, b: Parts) -> Parts:
    return a[0] @ b[0] - a[1] @ b[1], a[0] @ b[1] + a[1] @ b[0]


def forward(w: Weights, x: Parts) -> tuple[Parts, Parts]:
    re, im = times(x, (w["Wre"], w["Wim"]))
    h = np.tanh(re), np.tanh(im)
    return h, times(h, (w["Vre"], w["Vim"]))


def loss(w: Weights, x: Parts, intensity: Array) -> float:
    re, im = forward(w, x)[1]
    L: float = np.sum((re**2 + im**2 - intensity) ** 2) / (4 * len(intensity))
    return L


def gradient(w: Weights, x: Parts, intensity: Array) -> Weights:
    h, (re, im) = forward(w, x)
    excess = (re**2 + im**2 - intensity) / len(intensity)
    dre, dim = excess * re, excess * im
    dh_re = dre @ w["Vre"].T + dim @ w["Vim"].T
    dh_im = dim @ w["Vre"].T - dre @ w["Vim"].T
    dz_re, dz_im = dh_re * (1 - h[0] ** 2), dh_im * (1 - h[1] ** 2)
    return {
        "Wre": x[0].T @ dz_re + x[1].T @ dz_im,
        "Wim": x[0].T @ dz_im - x[1].T @ dz_re,
        "Vre": h[0].T @ dre + h[1].T @ dim,
        "Vim": h[0].T @ dim - h[1].T @ dre,
    }


# eight samples of three complex features, three units, two intensities
rng = np.random.default_rng(324)
x = (rng.standard_normal((8, 3)), rng.standard_normal((8, 3)))
intensity = rng.uniform(0.0, 3.0, (8, 2))
w = {
    "Wre": rng.standard_normal((3, 3)),
    "Wim": rng.standard_normal((3, 3)),
    "Vre": rng.standard_normal((3, 2)),
    "Vim": rng.standard_normal((3, 2)),
}

model = tricheck.Model(loss, gradient, w, args=(x, intensity), name="phase_retrieval")
