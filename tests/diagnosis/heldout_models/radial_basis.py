"""A network of radial basis functions: centres, widths and weights are all learned.

::

    φ_m(x) = exp(−½ |x − c_m|² e^(−2 s_m))        out = φ w + bias
    L = (1/2N) Σ (out − y)² + ½ λ Σ w²
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


class RBF:
    def __init__(self, centres: Array, log_widths: Array, weights: Array, lam: float) -> None:
        self.centres = centres
        self.log_widths = log_widths
        self.weights = weights
        self.bias = 0.1
        self.lam = lam

    def basis(self, x: Array) -> tuple[Array, Array, Array]:
        gaps = x[:, None, :] - self.centres
        scaled = np.einsum("nmd,nmd->nm", gaps, gaps) * np.exp(-2 * self.log_widths)
        return gaps, scaled, np.exp(-0.5 * scaled)

    def loss(self, x: Array, y: Array) -> float:
        residual = self.basis(x)[2] @ self.weights + self.bias - y
        ridge = 0.5 * self.lam * np.sum(self.weights**2)
        L: float = np.sum(residual**2) / (2 * len(y)) + ridge
        return L

    def gradient(self, x: Array, y: Array) -> dict[str, Array]:
        gaps, scaled, phi = self.basis(x)
        dout = (phi @ self.weights + self.bias - y) / len(y)
        dphi = np.outer(dout, self.weights) * phi
        precision = np.exp(-2 * self.log_widths)
        return {
            "centres": np.einsum("nm,nmd->md", dphi, gaps) * precision[:, None],
            "log_widths": np.einsum("nm,nm->m", dphi, scaled),
            "weights": phi.T @ dout + self.lam * self.weights,
            "bias": dout.sum(),
        }


# twelve samples of two features, four basis functions
rng = np.random.default_rng(323)
x, y = rng.standard_normal((12, 2)), rng.standard_normal(12)
rbf = RBF(rng.standard_normal((4, 2)), 0.3 * rng.standard_normal(4), rng.standard_normal(4), 0.1)

model = tricheck.Model.from_object(
    rbf,
    ["centres", "log_widths", "weights", "bias"],
    RBF.loss,
    RBF.gradient,
    args=(x, y),
    name="radial_basis",
)
