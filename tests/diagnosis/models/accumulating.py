"""Layers as objects that keep their gradients, as small frameworks do.

A network of two linear layers with a sigmoid in between and the error ½ Σ (out − Y)², each layer
adding to its `dW` and `db`, which are set to zero before every pass.
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]


class Linear:
    def __init__(self, rng: np.random.Generator, inputs: int, outputs: int) -> None:
        self.W = rng.standard_normal((inputs, outputs))
        self.b = rng.standard_normal(outputs)
        self.dW = np.zeros_like(self.W)
        self.db = np.zeros_like(self.b)

    def zero_grad(self) -> None:
        self.dW = np.zeros_like(self.W)
        self.db = np.zeros_like(self.b)

    def forward(self, x: FloatArray) -> FloatArray:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: FloatArray) -> FloatArray:
        self.dW += self.x.T @ dout
        self.db += dout.sum(axis=0)
        return dout @ self.W.T


class Sigmoid:
    def forward(self, z: FloatArray) -> FloatArray:
        self.out = 1 / (1 + np.exp(-z))
        return self.out

    def backward(self, dout: FloatArray) -> FloatArray:
        return dout * self.out * (1 - self.out)


class Network:
    def __init__(self) -> None:
        rng = np.random.default_rng(117)
        self.first = Linear(rng, 3, 5)
        self.activation = Sigmoid()
        self.second = Linear(rng, 5, 2)

    def forward(self, x: FloatArray) -> FloatArray:
        return self.second.forward(self.activation.forward(self.first.forward(x)))

    def loss(self, X: FloatArray, Y: FloatArray) -> float:
        E: float = 0.5 * np.sum((self.forward(X) - Y) ** 2)
        return E

    def gradient(self, X: FloatArray, Y: FloatArray) -> list[FloatArray]:
        self.first.zero_grad()
        self.second.zero_grad()
        dout = self.forward(X) - Y
        for layer in (self.second, self.activation, self.first):
            dout = layer.backward(dout)
        return [self.first.dW, self.first.db, self.second.dW, self.second.db]


# four samples of three features, five hidden units, two outputs
rng = np.random.default_rng(118)
X = rng.standard_normal((4, 3))
Y = rng.standard_normal((4, 2))

model = tricheck.Model.from_object(
    Network(),
    ["first.W", "first.b", "second.W", "second.b"],
    Network.loss,
    Network.gradient,
    args=(X, Y),
    name="accumulating",
)
