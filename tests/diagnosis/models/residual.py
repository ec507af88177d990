"""Two residual blocks as an object that keeps its weights and what the forward pass computed.

::

    h0 = X Win        h1 = h0 + tanh(h0 W1 + b1)        h2 = h1 + tanh(h1 W2 + b2)
    out = h2 Wout
    E = (1/2N) Σₙ Σₖ (out − Y)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]


class ResidualNet:
    def __init__(self, features: int, width: int, outputs: int) -> None:
        rng = np.random.default_rng(108)
        self.Win = rng.standard_normal((features, width))
        self.W1 = rng.standard_normal((width, width)) / 2
        self.b1 = rng.standard_normal(width)
        self.W2 = rng.standard_normal((width, width)) / 2
        self.b2 = rng.standard_normal(width)
        self.Wout = rng.standard_normal((width, outputs))

    def forward(self, X: FloatArray) -> FloatArray:
        self.X = X
        self.h0 = X @ self.Win
        self.t1 = np.tanh(self.h0 @ self.W1 + self.b1)
        self.h1 = self.h0 + self.t1
        self.t2 = np.tanh(self.h1 @ self.W2 + self.b2)
        self.h2 = self.h1 + self.t2
        return self.h2 @ self.Wout

    def loss(self, X: FloatArray, Y: FloatArray) -> float:
        E: float = np.sum((self.forward(X) - Y) ** 2) / (2 * len(X))
        return E

    def gradient(self, X: FloatArray, Y: FloatArray) -> dict[str, FloatArray]:
        dout = (self.forward(X) - Y) / len(X)
        g = {"Wout": self.h2.T @ dout}
        dh2 = dout @ self.Wout.T
        dz2 = dh2 * (1 - self.t2**2)
        g["W2"] = self.h1.T @ dz2
        g["b2"] = np.sum(dz2, axis=0)
        # h1 is seen twice: by the block and by the way around it
        dh1 = dh2 + dz2 @ self.W2.T
        dz1 = dh1 * (1 - self.t1**2)
        g["W1"] = self.h0.T @ dz1
        g["b1"] = np.sum(dz1, axis=0)
        dh0 = dh1 + dz1 @ self.W1.T
        g["Win"] = self.X.T @ dh0
        return g


# five samples of three features, four wide, two outputs
rng = np.random.default_rng(109)
X = rng.standard_normal((5, 3))
Y = rng.standard_normal((5, 2))

model = tricheck.Model.from_object(
    ResidualNet(3, 4, 2),
    ["Win", "W1", "b1", "W2", "b2", "Wout"],
    ResidualNet.loss,
    ResidualNet.gradient,
    args=(X, Y),
    name="residual",
)
