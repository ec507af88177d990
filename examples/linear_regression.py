"""Linear regression: five features, one output, fitted by gradient descent.

With x0 = 1 in the first column of X, so that w0 is the bias::

    ŷ = w0 x0 + w1 x1 + ... + w5 x5         Ŷ = X w
    E = ½ Σₙ (ŷₙ − yₙ)²
    dE/dw = Xᵀ (Ŷ − Y)
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]


def predict(w: FloatArray, X: FloatArray) -> FloatArray:
    return X @ w


def loss(w: FloatArray, X: FloatArray, Y: FloatArray) -> float:
    E: float = 0.5 * np.sum((predict(w, X) - Y) ** 2)
    return E


def gradient(w: FloatArray, X: FloatArray, Y: FloatArray) -> FloatArray:
    # dE/dŷₙ = ŷₙ − yₙ, for the ½ cancels the 2 of the square
    dE_dY = predict(w, X) - Y
    # dŷₙ/dwⱼ = xₙⱼ, so dE/dwⱼ = Σₙ (ŷₙ − yₙ) xₙⱼ
    return X.T @ dE_dY


def descend(w: FloatArray, X: FloatArray, Y: FloatArray, rate: float) -> FloatArray:
    """The weights after one step of gradient descent."""
    return w - rate * gradient(w, X, Y)


def numerical_gradient(w: FloatArray, X: FloatArray, Y: FloatArray, e: float) -> FloatArray:
    """Every weight in turn moved by e both ways: (E(w + e) − E(w − e)) / 2e."""
    shifts = e * np.eye(w.size)
    return np.array([loss(w + s, X, Y) - loss(w - s, X, Y) for s in shifts]) / (2.0 * e)


rng = np.random.default_rng(1)
features = rng.uniform(-1.0, 1.0, size=(8, 5))
X = np.column_stack([np.ones(8), features])
Y = X @ np.array([1.0, -2.0, 0.5, 3.0, 0.0, -1.5]) + 0.1 * rng.standard_normal(8)
initial_weights = np.array([0.1, 0.2, -0.3, 0.4, -0.5, 0.6])

model = tricheck.Model(loss, gradient, initial_weights, args=(X, Y), name="linear_regression")

if __name__ == "__main__":
    print("weights after one step:", descend(initial_weights, X, Y, rate=0.05))

    print(f"\n{'weight':<6} {'backprop':>15} {'numerical':>15} {'difference':>11}")
    backprop = gradient(initial_weights, X, Y)
    numerical = numerical_gradient(initial_weights, X, Y, e=1e-4)
    for j, (by_hand, measured) in enumerate(zip(backprop, numerical, strict=True)):
        print(f"w{j:<5} {by_hand:>15.10f} {measured:>15.10f} {abs(by_hand - measured):>11.1e}")

    print()
    print(tricheck.check(model, step=1e-4))
