"""A variational autoencoder of binary vectors; its noise was drawn once, with a seed.

::

    h = tanh(x We + be)        μ = h Wm + bm        ℓ = h Wv + bv        z = μ + e^(ℓ/2) ε
    k = tanh(z Wd + bd)        s = k Wo + bo
    L = (1/N) Σ [log(1 + eˢ) − x s] − (1/2N) Σ (1 + ℓ − μ² − e^ℓ)
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


class VAE:
    def __init__(self, pixels: int, hidden: int, latent: int, batch: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.We, self.be = rng.standard_normal((pixels, hidden)), rng.standard_normal(hidden)
        self.Wm, self.bm = rng.standard_normal((hidden, latent)), rng.standard_normal(latent)
        self.Wv, self.bv = rng.standard_normal((hidden, latent)), rng.standard_normal(latent)
        self.Wd, self.bd = rng.standard_normal((latent, hidden)), rng.standard_normal(hidden)
        self.Wo, self.bo = rng.standard_normal((hidden, pixels)), rng.standard_normal(pixels)
        self.noise = rng.standard_normal((batch, latent))

    def encode(self, x: Array) -> None:
        self.h = np.tanh(x @ self.We + self.be)
        self.mu = self.h @ self.Wm + self.bm
        self.logvar = self.h @ self.Wv + self.bv
        self.z = self.mu + np.exp(0.5 * self.logvar) * self.noise

    def decode(self) -> None:
        self.k = np.tanh(self.z @ self.Wd + self.bd)
        self.s = self.k @ self.Wo + self.bo

    def elbo_loss(self, x: Array) -> float:
        self.encode(x)
        self.decode()
        reconstruction = np.sum(np.logaddexp(0, self.s) - x * self.s)
        kl = -0.5 * np.sum(1 + self.logvar - self.mu**2 - np.exp(self.logvar))
        L: float = (reconstruction + kl) / len(x)
        return L

    def elbo_gradient(self, x: Array) -> dict[str, Array]:
        self.encode(x)
        self.decode()
        N = len(x)
        ds = (1 / (1 + np.exp(-self.s)) - x) / N
        dk = ds @ self.Wo.T * (1 - self.k**2)
        dz = dk @ self.Wd.T
        dmu = dz + self.mu / N
        dlogvar = dz * self.noise * 0.5 * np.exp(0.5 * self.logvar)
        dlogvar += 0.5 * (np.exp(self.logvar) - 1) / N
        dh = (dmu @ self.Wm.T + dlogvar @ self.Wv.T) * (1 - self.h**2)
        return {
            "We": x.T @ dh,
            "be": dh.sum(0),
            "Wm": self.h.T @ dmu,
            "bm": dmu.sum(0),
            "Wv": self.h.T @ dlogvar,
            "bv": dlogvar.sum(0),
            "Wd": self.z.T @ dk,
            "bd": dk.sum(0),
            "Wo": self.k.T @ ds,
            "bo": ds.sum(0),
        }


x = (np.random.default_rng(316).random((5, 4)) < 0.5).astype(float)
vae = VAE(pixels=4, hidden=3, latent=2, batch=5, seed=317)

model = tricheck.Model.from_object(
    vae,
    ["We", "be", "Wm", "bm", "Wv", "bv", "Wd", "bd", "Wo", "bo"],
    VAE.elbo_loss,
    VAE.elbo_gradient,
    args=(x,),
    name="variational",
)
