# ruff: noqa: N801, N802 - the tutorial's own names, for those who come with its code
"""Neural Networks Demystified, without the minus of dJ/dŷ = −(y − ŷ).

Everything is computed from dJ/dŷ: the whole gradient is minus what it should be, and gradient
descent would climb.
"""

import numpy as np

import tricheck
from examples.neural_networks_demystified import (
    FloatArray,
    Neural_Network,
    X,
    gradient,
    loss,
    params,
    y,
)

EXPECTED = {"verdict": "backprop", "cause": "sign", "parameters": ["params"]}


class Wrong_Neural_Network(Neural_Network):
    def costFunctionPrime(self, X: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        self.forward(X)
        # dJ/dz3 = dJ/dŷ dŷ/dz3
        delta3 = (y - self.yHat) * self.sigmoidPrime(self.z3)
        # z3 = a2 W2, so dJ/dW2 = a2ᵀ dJ/dz3
        dJdW2 = np.dot(self.a2.T, delta3)
        # dJ/dz2 = dJ/dz3 W2ᵀ σ'(z2)
        delta2 = np.dot(delta3, self.W2.T) * self.sigmoidPrime(self.z2)
        # z2 = X W1, so dJ/dW1 = Xᵀ dJ/dz2
        dJdW1 = np.dot(X.T, delta2)
        return dJdW1, dJdW2


model = tricheck.Model(
    loss,
    gradient,
    params,
    args=(Wrong_Neural_Network(), X, y),
    name="broken_neural_networks_demystified",
)

if __name__ == "__main__":
    print(tricheck.check(model))
