"""A 2-2-1 classifier whose weights sit in a list of layers, shown a single pattern.

Every layer computes a = σ(W x + b) from the layer before it; the last one's a is `out`::

    E = ½ (out − target)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Layer = dict[str, FloatArray]


def sigmoid(z: FloatArray) -> FloatArray:
    return 1.0 / (1.0 + np.exp(-z))


def forward(layers: list[Layer], x: FloatArray) -> list[FloatArray]:
    """The pattern itself, then the output of every layer."""
    outputs = [x]
    for layer in layers:
        outputs.append(sigmoid(layer["W"] @ outputs[-1] + layer["b"]))
    return outputs


def loss(layers: list[Layer], x: FloatArray, target: FloatArray) -> float:
    out = forward(layers, x)[-1]
    E: float = 0.5 * np.sum((out - target) ** 2)
    return E


def backward(layers: list[Layer], outputs: list[FloatArray], dE_da: FloatArray) -> list[Layer]:
    """From dE/da of the last layer back to the weights of the first."""
    grads: list[Layer] = []
    for k in reversed(range(len(layers))):
        x, a = outputs[k], outputs[k + 1]
        # dE/dz = dE/da σ'(z), and σ'(z) = a (1 − a)
        dE_dz = dE_da * a * (1.0 - a)
        # zᵢ = Σⱼ Wᵢⱼ xⱼ + bᵢ, so dE/dWᵢⱼ = dE/dzᵢ xⱼ and dE/dbᵢ = dE/dzᵢ
        grads.insert(0, {"W": np.outer(dE_dz, x), "b": dE_dz})
        # dE/dxⱼ = Σᵢ Wᵢⱼ dE/dzᵢ, which is dE/da of the layer before
        dE_da = layers[k]["W"].T @ dE_dz
    return grads


def gradient(layers: list[Layer], x: FloatArray, target: FloatArray) -> list[Layer]:
    outputs = forward(layers, x)
    # dE/d out = out − target, for the ½ cancels the 2 of the square
    return backward(layers, outputs, outputs[-1] - target)


x = np.array([0.35, 0.9])
target = np.array([1.0])
params = [
    {"W": np.array([[0.1, 0.8], [0.4, -0.6]]), "b": np.array([0.2, -0.1])},
    {"W": np.array([[0.3, 0.9]]), "b": np.array([-0.4])},
]

model = tricheck.Model(loss, gradient, params, args=(x, target), name="feedforward_2_2_1")

if __name__ == "__main__":
    print(tricheck.check(model))
