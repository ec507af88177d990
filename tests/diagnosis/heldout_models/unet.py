"""A small U-shaped network on signals: down by max pooling, up by repetition, joined by a skip.

::

    h1 = relu(x * k1 + b1)        h2 = relu(pool(h1) * k2 + b2)
    out = [up(h2), h1] * k3 + b3        loss = mean of (out − y)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


def neighbours(x: Array) -> Array:
    """(N, C, L) to (N, C, 3, L), zeros beyond both ends."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1)))
    return np.stack([padded[:, :, s : s + x.shape[2]] for s in range(3)], axis=2)


class UNet:
    def __init__(self, rng: np.random.Generator, channels: int) -> None:
        self.k1 = rng.standard_normal((channels, 1, 3))
        self.b1 = 0.5 * rng.standard_normal(channels)
        self.k2 = rng.standard_normal((channels, channels, 3))
        self.b2 = 0.5 * rng.standard_normal(channels)
        self.k3 = rng.standard_normal((2, 2 * channels, 3))
        self.b3 = 0.5 * rng.standard_normal(2)
        self.cache: dict[str, Array] = {}

    def conv(self, name: str, x: Array) -> Array:
        self.cache["into" + name] = x
        k, b = getattr(self, "k" + name), getattr(self, "b" + name)
        out: Array = np.einsum("ncsl,fcs->nfl", neighbours(x), k) + b[:, None]
        return out

    def forward(self, x: Array) -> Array:
        h1 = np.maximum(self.conv("1", x), 0)
        pairs = h1.reshape(*h1.shape[:2], -1, 2)
        pooled = pairs.max(axis=3)
        h2 = np.maximum(self.conv("2", pooled), 0)
        joined = np.concatenate([np.repeat(h2, 2, axis=2), h1], axis=1)
        self.cache.update(h1=h1, h2=h2, pairs=pairs, pooled=pooled)
        return self.conv("3", joined)

    def loss(self, x: Array, y: Array) -> float:
        out = self.forward(x)
        mse: float = ((out - y) ** 2).mean()
        return mse

    def conv_back(self, name: str, dout: Array, grads: dict[str, Array]) -> Array:
        x, k = self.cache["into" + name], getattr(self, "k" + name)
        length = x.shape[2]
        grads["k" + name] = np.einsum("nfl,ncsl->fcs", dout, neighbours(x))
        grads["b" + name] = dout.sum(axis=(0, 2))
        dpadded = np.zeros((*x.shape[:2], length + 2))
        for s in range(3):
            dpadded[:, :, s : s + length] += np.einsum("nfl,fc->ncl", dout, k[:, :, s])
        return dpadded[:, :, 1:-1]

    def backward(self, x: Array, y: Array) -> dict[str, Array]:
        grads: dict[str, Array] = {}
        out = self.forward(x)
        c = self.cache
        djoined = self.conv_back("3", 2 * (out - y) / out.size, grads)
        dup, dh1 = np.split(djoined, 2, axis=1)
        dh2 = dup.reshape(*c["h2"].shape, 2).sum(axis=3)
        dpooled = self.conv_back("2", dh2 * (c["h2"] > 0), grads)
        winners = c["pairs"] == c["pooled"][..., None]
        dh1 = dh1 + (winners * dpooled[..., None]).reshape(dh1.shape)
        self.conv_back("1", dh1 * (c["h1"] > 0), grads)
        return grads


# three signals of eight samples, two channels up and down, two outputs at every sample
rng = np.random.default_rng(332)
x, y = rng.standard_normal((3, 1, 8)), rng.standard_normal((3, 2, 8))

model = tricheck.Model.from_object(
    UNet(rng, 2),
    ["k1", "b1", "k2", "b2", "k3", "b3"],
    UNet.loss,
    UNet.backward,
    args=(x, y),
    name="unet",
)
