"""Batch normalization, the mean and the variance of the batch taken for constants.

Of the three ways from x to the outputs only the direct one is followed, as would be right at test
time, when the statistics do come from elsewhere. γ and β lie behind them and are right.
"""

import tricheck
from examples.batch_normalization import (
    Cache,
    FloatArray,
    Params,
    batchnorm_forward,
    loss,
    params,
    scale_and_shift_gradients,
    targets,
)

EXPECTED = {"verdict": "backprop", "cause": "upstream", "parameters": ["x"]}


def input_gradient(dout: FloatArray, gamma: FloatArray, cache: Cache) -> FloatArray:
    """dE/dx."""
    # out = γ x̂ + β
    dxhat = dout * gamma
    # x̂ = (x − μ) / √(σ² + ε)
    return dxhat / cache.std


def gradient(params: Params, targets: FloatArray) -> Params:
    out, cache = batchnorm_forward(params["x"], params["gamma"], params["beta"])
    # dE/d out, for the ½ cancels the 2 of the square
    dout = out - targets
    dgamma, dbeta = scale_and_shift_gradients(dout, cache)
    return {"x": input_gradient(dout, params["gamma"], cache), "gamma": dgamma, "beta": dbeta}


model = tricheck.Model(loss, gradient, params, args=(targets,), name="broken_batch_normalization")

if __name__ == "__main__":
    print(tricheck.check(model))
