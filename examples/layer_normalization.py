"""Layer normalization: every sample normalized over its own D features.

With the mean and the variance of each row of x, all sums running over the features::

    μ = (1/D) Σ x        σ² = (1/D) Σ (x − μ)²
    x̂ = (x − μ) / √(σ² + ε)
    out = γ x̂ + β

The cost is a fixed weighting of the outputs, E = Σ out dout, so that dE/d out = dout. Each of the
D features of a sample moves all of its x̂, through μ and σ²::

    dx̂ₖ/dxⱼ = (δₖⱼ − 1/D − x̂ₖ x̂ⱼ / D) / √(σ² + ε)
    dE/dxⱼ = Σₖ dE/dx̂ₖ dx̂ₖ/dxⱼ
           = (dE/dx̂ⱼ − mean of dE/dx̂ − x̂ⱼ × mean of (dE/dx̂ x̂)) / √(σ² + ε)

where x̂ⱼ comes from dσ²/dxⱼ = (2/D) (xⱼ − μ) and d(σ² + ε)^−½/dσ² = −½ (σ² + ε)^−3/2.
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]
Cache = tuple[FloatArray, FloatArray, FloatArray]

EPS = 1e-5


def layernorm_forward(
    x: FloatArray, gamma: FloatArray, beta: FloatArray
) -> tuple[FloatArray, Cache]:
    mu = x.mean(axis=1, keepdims=True)
    var = x.var(axis=1, keepdims=True)
    xhat = (x - mu) / np.sqrt(var + EPS)
    return gamma * xhat + beta, (x, xhat, gamma)


def layernorm_backward(dout: FloatArray, cache: Cache) -> tuple[FloatArray, FloatArray, FloatArray]:
    """dE/dx, dE/dγ and dE/dβ."""
    x, xhat, gamma = cache
    std = np.sqrt(x.var(axis=1, keepdims=True) + EPS)
    # out = γ x̂ + β
    dxhat = dout * gamma
    mean = dxhat.mean(axis=1, keepdims=True)
    mean_along_xhat = (dxhat * xhat).mean(axis=1, keepdims=True)
    dx = (dxhat - mean - xhat * mean_along_xhat) / std
    # the same γ and β serve all samples: sum over them
    return dx, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)


def loss(params: Params, dout: FloatArray) -> float:
    out, _ = layernorm_forward(params["x"], params["gamma"], params["beta"])
    E: float = np.sum(out * dout)
    return E


def gradient(params: Params, dout: FloatArray) -> Params:
    _, cache = layernorm_forward(params["x"], params["gamma"], params["beta"])
    dx, dgamma, dbeta = layernorm_backward(dout, cache)
    return {"x": dx, "gamma": dgamma, "beta": dbeta}


# four samples of five features
rng = np.random.default_rng(14)
params = {
    "x": rng.standard_normal((4, 5)) + rng.standard_normal((4, 1)),
    "gamma": rng.uniform(0.5, 1.5, size=5),
    "beta": rng.standard_normal(5),
}
dout = rng.standard_normal((4, 5))

model = tricheck.Model(loss, gradient, params, args=(dout,), name="layer_normalization")

if __name__ == "__main__":
    print(tricheck.check(model))
