"""Layer normalization, the ε under the root left out on the way back.

The backward pass computes the standard deviation anew, as x.std(), where the forward pass had
√(σ² + ε). With ε = 1e-5 the gradient in x comes out right to five digits, which a check with a
tolerance of 1e-4 lets pass. γ and β use the x̂ of the forward pass and are right.
"""

import numpy as np

import tricheck
from examples.layer_normalization import (
    Cache,
    FloatArray,
    Params,
    dout,
    layernorm_forward,
    loss,
    params,
)

EXPECTED = {"verdict": "backprop", "cause": "approximate", "parameters": ["x"]}


def layernorm_backward(dout: FloatArray, cache: Cache) -> tuple[FloatArray, FloatArray, FloatArray]:
    """dE/dx, dE/dγ and dE/dβ."""
    x, xhat, gamma = cache
    std = x.std(axis=1, keepdims=True)
    # out = γ x̂ + β
    dxhat = dout * gamma
    mean = dxhat.mean(axis=1, keepdims=True)
    mean_along_xhat = (dxhat * xhat).mean(axis=1, keepdims=True)
    dx = (dxhat - mean - xhat * mean_along_xhat) / std
    # the same γ and β serve all samples: sum over them
    return dx, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)


def gradient(params: Params, dout: FloatArray) -> Params:
    _, cache = layernorm_forward(params["x"], params["gamma"], params["beta"])
    dx, dgamma, dbeta = layernorm_backward(dout, cache)
    return {"x": dx, "gamma": dgamma, "beta": dbeta}


model = tricheck.Model(loss, gradient, params, args=(dout,), name="broken_layer_normalization")

if __name__ == "__main__":
    print(tricheck.check(model))
