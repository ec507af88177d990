"""A softmax classifier with cross-entropy and weight decay.

N samples X with labels y, the scores shifted by their maximum, which changes no probability and
keeps exp from overflowing::

    s = X W + b
    pₙₖ = exp(sₙₖ − maxₖ sₙₖ) / Σₖ exp(sₙₖ − maxₖ sₙₖ)
    L = −(1/N) Σₙ log pₙ,yₙ + λ Σ W²

With log p_y = s_y − log Σₖ exp sₖ and d log Σₖ exp sₖ / dsₖ = pₖ, a sample's loss has::

    dL/dsₖ = (1/N) (pₖ − 1[k = y])
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Params = dict[str, FloatArray]


def probabilities(params: Params, X: FloatArray) -> FloatArray:
    scores = X.dot(params["W"]) + params["b"]
    scores -= np.max(scores, axis=1, keepdims=True)
    exp_scores = np.exp(scores)
    p: FloatArray = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    return p


def loss(params: Params, X: FloatArray, y: Labels, reg: float) -> float:
    correct_logprobs = -np.log(probabilities(params, X)[np.arange(len(y)), y])
    data_loss = np.sum(correct_logprobs) / len(y)
    L: float = data_loss + reg * np.sum(params["W"] * params["W"])
    return L


def scores_delta(params: Params, X: FloatArray, y: Labels) -> FloatArray:
    """dL/ds."""
    dscores = probabilities(params, X)
    # (1/N) (pₖ − 1[k = y])
    dscores[np.arange(len(y)), y] -= 1
    dscores /= len(y)
    return dscores


def gradient(params: Params, X: FloatArray, y: Labels, reg: float) -> Params:
    dscores = scores_delta(params, X, y)
    # s = X W + b, so dL/dW = Xᵀ dL/ds and dL/db = Σₙ dL/ds
    dW = X.T.dot(dscores)
    db = np.sum(dscores, axis=0)
    # λ Σ W² has the derivative 2 λ W; b is not decayed
    dW += 2 * reg * params["W"]
    return {"W": dW, "b": db}


# eight samples of four features, three classes
rng = np.random.default_rng(15)
X = rng.standard_normal((8, 4))
y = rng.integers(3, size=8)
params = {"W": rng.standard_normal((4, 3)), "b": rng.standard_normal(3)}
reg = 0.05

model = tricheck.Model(loss, gradient, params, args=(X, y, reg), name="softmax_cross_entropy")

if __name__ == "__main__":
    print(tricheck.check(model))
