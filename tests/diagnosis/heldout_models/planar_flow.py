"""A normalizing flow of planar maps: the density of samples that are carried to a Gaussian.

::

    z ← z + u tanh(w · z + b)        log |det| = log |1 + (u · w) (1 − tanh²)|
    L = mean of (½ |z|² − Σ log |det|), without the constant
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Flow = list[dict[str, Array]]


def nll(flow: Flow, z: Array) -> float:
    log_det = np.zeros(len(z))
    for layer in flow:
        h = np.tanh(z @ layer["w"] + layer["b"])
        log_det = log_det + np.log(np.abs(1 + layer["u"] @ layer["w"] * (1 - h**2)))
        z = z + h[:, None] * layer["u"]
    L: float = np.mean(0.5 * np.sum(z**2, axis=1) - log_det)
    return L


def nll_backward(flow: Flow, z: Array) -> Flow:
    zs, hs = [z], []
    for layer in flow:
        h = np.tanh(zs[-1] @ layer["w"] + layer["b"])
        hs.append(h)
        zs.append(zs[-1] + h[:, None] * layer["u"])
    N = len(z)
    dz = zs[-1] / N
    grads: Flow = []
    for layer, z_in, h in zip(flow[::-1], zs[-2::-1], hs[::-1], strict=True):
        u, w = layer["u"], layer["w"]
        slope = 1 - h**2
        curvature = -2 * h * slope
        ddet = -1 / (N * (1 + u @ w * slope))
        da = dz @ u * slope + ddet * (u @ w) * curvature
        duw = np.sum(ddet * slope)
        grads.append({"u": h @ dz + duw * w, "w": z_in.T @ da + duw * u, "b": np.array([da.sum()])})
        dz = dz + np.outer(da, w)
    return grads[::-1]


# ten samples in three dimensions, two maps
rng = np.random.default_rng(318)
z = rng.standard_normal((10, 3)) + np.array([1.0, 0.0, -0.5])
flow = [
    {"u": np.array([0.8, -0.3, 0.5]), "w": np.array([0.6, 0.9, 0.4]), "b": np.array([0.3])},
    {"u": np.array([-0.2, 0.7, 0.4]), "w": np.array([0.5, 0.8, -0.3]), "b": np.array([-0.6])},
]

model = tricheck.Model(nll, nll_backward, flow, args=(z,), name="planar_flow")
