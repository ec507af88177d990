"""The softmax classifier, the 2 of the weight decay forgotten.

The loss decays with λ Σ W², the gradient with λ W, as would be right for ½ λ Σ W²: the gradient in
W lacks another λ W. The bias is not decayed and is right.
"""

import numpy as np

import tricheck
from examples.softmax_cross_entropy import (
    FloatArray,
    Labels,
    Params,
    X,
    loss,
    params,
    reg,
    scores_delta,
    y,
)

EXPECTED = {"verdict": "backprop", "cause": "regularizer", "parameters": ["W"]}


def gradient(params: Params, X: FloatArray, y: Labels, reg: float) -> Params:
    dscores = scores_delta(params, X, y)
    # s = X W + b, so dL/dW = Xᵀ dL/ds and dL/db = Σₙ dL/ds
    dW = X.T.dot(dscores)
    db = np.sum(dscores, axis=0)
    dW += reg * params["W"]
    return {"W": dW, "b": db}


model = tricheck.Model(
    loss, gradient, params, args=(X, y, reg), name="broken_softmax_cross_entropy"
)

if __name__ == "__main__":
    print(tricheck.check(model))
