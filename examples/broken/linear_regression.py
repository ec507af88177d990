"""Linear regression, its gradient divided by the number of samples.

The cost sums over the samples, the gradient averages over them: every entry is N times too small.
"""

import tricheck
from examples.linear_regression import FloatArray, X, Y, initial_weights, loss, predict

EXPECTED = {"verdict": "backprop", "cause": "scale", "parameters": ["params"]}


def gradient(w: FloatArray, X: FloatArray, Y: FloatArray) -> FloatArray:
    # dE/dŷₙ = ŷₙ − yₙ
    dE_dY = predict(w, X) - Y
    # dŷₙ/dwⱼ = xₙⱼ
    return X.T @ dE_dY / len(Y)


model = tricheck.Model(
    loss, gradient, initial_weights, args=(X, Y), name="broken_linear_regression"
)

if __name__ == "__main__":
    print(tricheck.check(model))
