"""A network of one hidden layer, sigmoid twice, with the mean squared error.

Calling every layer's output x, the input x0 = X and the targets Y, over N samples and K outputs::

    z1 = x0 W1 + b1        x1 = σ(z1)
    z2 = x1 W2 + b2        x2 = σ(z2)
    E = (1/N) Σₙ Σₖ (yₙₖ − x2ₙₖ)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]


def sigmoid(z: FloatArray) -> FloatArray:
    return 1.0 / (1.0 + np.exp(-z))


def forward(params: Params, X: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The outputs x1 and x2 of the two layers."""
    x1 = sigmoid(X @ params["W1"] + params["b1"])
    x2 = sigmoid(x1 @ params["W2"] + params["b2"])
    return x1, x2


def loss(params: Params, X: FloatArray, Y: FloatArray) -> float:
    _, x2 = forward(params, X)
    E: float = np.sum((Y - x2) ** 2) / len(X)
    return E


def output_delta(x2: FloatArray, Y: FloatArray) -> FloatArray:
    """dE/dz2."""
    # dE/dx2 = −(2/N) (y − x2)
    dE_dx2 = -2.0 / len(Y) * (Y - x2)
    # dx2/dz2 = σ'(z2) = x2 (1 − x2)
    return dE_dx2 * x2 * (1.0 - x2)


def hidden_delta(params: Params, x1: FloatArray, dE_dz2: FloatArray) -> FloatArray:
    """dE/dz1."""
    # z2 = x1 W2 + b2, so dE/dx1 = dE/dz2 W2ᵀ
    dE_dx1 = dE_dz2 @ params["W2"].T
    # dx1/dz1 = σ'(z1) = x1 (1 − x1)
    return dE_dx1 * x1 * (1.0 - x1)


def from_deltas(X: FloatArray, x1: FloatArray, dE_dz1: FloatArray, dE_dz2: FloatArray) -> Params:
    """dE/dW = (the layer's input)ᵀ dE/dz, and dE/db = Σₙ dE/dz, since dz/db = 1 in each sample."""
    return {
        "W1": X.T @ dE_dz1,
        "b1": np.sum(dE_dz1, axis=0),
        "W2": x1.T @ dE_dz2,
        "b2": np.sum(dE_dz2, axis=0),
    }


def gradient(params: Params, X: FloatArray, Y: FloatArray) -> Params:
    x1, x2 = forward(params, X)
    dE_dz2 = output_delta(x2, Y)
    dE_dz1 = hidden_delta(params, x1, dE_dz2)
    return from_deltas(X, x1, dE_dz1, dE_dz2)


# five samples of three features, four hidden units, two outputs
rng = np.random.default_rng(2)
X = rng.uniform(-1.0, 1.0, size=(5, 3))
Y = rng.uniform(0.0, 1.0, size=(5, 2))
params = {
    "W1": rng.standard_normal((3, 4)),
    "b1": rng.standard_normal(4),
    "W2": rng.standard_normal((4, 2)),
    "b2": rng.standard_normal(2),
}

model = tricheck.Model(loss, gradient, params, args=(X, Y), name="two_layer_mse")

if __name__ == "__main__":
    print(tricheck.check(model))
    print("Every element perturbed by 0.0001:\n")
    print(tricheck.check(model, step=1e-4))
