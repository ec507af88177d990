"""Group normalization as a layer: every sample's channels in groups, each of mean 0 and variance 1.

::

    x̂ = (x − μ) / √(σ² + ε)        out = gamma x̂ + beta, by channel
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Cache = tuple[Array, Array, Array, Array, int]


def groupnorm_forward(
    x: Array, gamma: Array, beta: Array, G: int, eps: float
) -> tuple[Array, Cache]:
    grouped = x.reshape(len(x), G, -1)
    mu = grouped.mean(axis=2, keepdims=True)
    sigma = np.sqrt(grouped.var(axis=2, keepdims=True) + eps)
    xhat = ((grouped - mu) / sigma).reshape(x.shape)
    out = gamma[:, None, None] * xhat + beta[:, None, None]
    return out, (x, gamma, xhat, sigma, G)


def groupnorm_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    x, gamma, xhat, sigma, G = cache
    N = len(x)
    dbeta = dout.sum(axis=(0, 2, 3))
    dgamma = (dout * xhat).sum(axis=(0, 2, 3))
    dxhat = (dout * gamma[:, None, None]).reshape(N, G, -1)
    normal = xhat.reshape(N, G, -1)
    M = normal.shape[2]
    mean = dxhat.sum(axis=2, keepdims=True) / M
    along = (dxhat * normal).sum(axis=2, keepdims=True) / M
    dx = (dxhat - mean - normal * along) / sigma
    return dx.reshape(x.shape), dgamma, dbeta


# two samples of six channels in three groups, 2 by 3
rng = np.random.default_rng(307)
model = tricheck.Model.from_layer(
    groupnorm_forward,
    groupnorm_backward,
    {
        "x": rng.standard_normal((2, 6, 2, 3)),
        "gamma": rng.standard_normal(6),
        "beta": rng.standard_normal(6),
    },
    args=(3, 1e-5),
    name="group_norm",
)
