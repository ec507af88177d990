"""A robust fit of a decaying oscillation, as a flat vector for an optimizer.

With the pseudo-Huber loss of the residuals, averaged::

    f(t) = a exp(−b t) cos(c t + d) + e
    F = (1/N) Σ δ² (√(1 + (r/δ)²) − 1),        r = f(t) − y
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


def curve(x: Array, t: Array) -> Array:
    a, b, c, d, e = x
    f: Array = a * np.exp(-b * t) * np.cos(c * t + d) + e
    return f


def fun(x: Array, t: Array, y: Array, delta: float) -> float:
    r = curve(x, t) - y
    return float(np.mean(delta**2 * (np.sqrt(1 + (r / delta) ** 2) - 1)))


def jac(x: Array, t: Array, y: Array, delta: float) -> Array:
    a, b, c, d, _ = x
    decay, phase = np.exp(-b * t), c * t + d
    r = curve(x, t) - y
    psi = r / np.sqrt(1 + (r / delta) ** 2)
    J = np.column_stack(
        [
            decay * np.cos(phase),
            -a * t * decay * np.cos(phase),
            -a * t * decay * np.sin(phase),
            -a * decay * np.sin(phase),
            np.ones_like(t),
        ]
    )
    return J.T @ psi / len(t)


rng = np.random.default_rng(208)
t = np.linspace(0.1, 4.0, 15)
y = 2.0 * np.exp(-0.5 * t) * np.cos(3 * t + 0.4) + 0.1 + 0.3 * rng.standard_normal(15)
x0 = np.array([1.7, 0.4, 2.8, 0.6, 0.2])

model = tricheck.Model(fun, jac, x0, args=(t, y, 0.3), name="robust_curve")
