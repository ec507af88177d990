# ruff: noqa: N801, N802 - the tutorial's own names, for those who come with its code
"""Neural Networks Demystified: hours of sleep and of study give the score in a test.

A 2-3-1 network as a class that keeps what it computed, so that each method finds what the one
before it left behind. X is divided by its column maxima, y by 100::

    z2 = X W1        a2 = σ(z2)
    z3 = a2 W2       ŷ = σ(z3)
    J = ½ Σ (y − ŷ)²
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]


class Neural_Network:
    def __init__(self) -> None:
        self.inputLayerSize = 2
        self.hiddenLayerSize = 3
        self.outputLayerSize = 1
        rng = np.random.default_rng(3)
        self.W1 = rng.standard_normal((self.inputLayerSize, self.hiddenLayerSize))
        self.W2 = rng.standard_normal((self.hiddenLayerSize, self.outputLayerSize))

    def forward(self, X: FloatArray) -> FloatArray:
        self.z2 = np.dot(X, self.W1)
        self.a2 = self.sigmoid(self.z2)
        self.z3 = np.dot(self.a2, self.W2)
        self.yHat = self.sigmoid(self.z3)
        return self.yHat

    def sigmoid(self, z: FloatArray) -> FloatArray:
        return 1 / (1 + np.exp(-z))

    def sigmoidPrime(self, z: FloatArray) -> FloatArray:
        # σ'(z) = e⁻ᶻ / (1 + e⁻ᶻ)²
        prime: FloatArray = np.exp(-z) / (1 + np.exp(-z)) ** 2
        return prime

    def costFunction(self, X: FloatArray, y: FloatArray) -> float:
        self.forward(X)
        J: float = 0.5 * np.sum((y - self.yHat) ** 2)
        return J

    def costFunctionPrime(self, X: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        self.forward(X)
        # dJ/dz3 = dJ/dŷ dŷ/dz3 = −(y − ŷ) σ'(z3)
        delta3 = -(y - self.yHat) * self.sigmoidPrime(self.z3)
        # z3 = a2 W2, so dJ/dW2 = a2ᵀ dJ/dz3
        dJdW2 = np.dot(self.a2.T, delta3)
        # dJ/dz2 = dJ/dz3 W2ᵀ σ'(z2)
        delta2 = np.dot(delta3, self.W2.T) * self.sigmoidPrime(self.z2)
        # z2 = X W1, so dJ/dW1 = Xᵀ dJ/dz2
        dJdW1 = np.dot(X.T, delta2)
        return dJdW1, dJdW2

    def getParams(self) -> FloatArray:
        return np.concatenate((self.W1.ravel(), self.W2.ravel()))

    def setParams(self, params: FloatArray) -> None:
        W1_end = self.inputLayerSize * self.hiddenLayerSize
        W2_end = W1_end + self.hiddenLayerSize * self.outputLayerSize
        self.W1 = np.reshape(params[:W1_end], (self.inputLayerSize, self.hiddenLayerSize))
        self.W2 = np.reshape(params[W1_end:W2_end], (self.hiddenLayerSize, self.outputLayerSize))

    def computeGradients(self, X: FloatArray, y: FloatArray) -> FloatArray:
        dJdW1, dJdW2 = self.costFunctionPrime(X, y)
        return np.concatenate((dJdW1.ravel(), dJdW2.ravel()))


def computeNumericalGradient(N: Neural_Network, X: FloatArray, y: FloatArray) -> FloatArray:
    """The tutorial's check: every weight in turn moved by e = 1e-4 both ways."""
    paramsInitial = N.getParams()
    numgrad = np.zeros(paramsInitial.shape)
    perturb = np.zeros(paramsInitial.shape)
    e = 1e-4
    for p in range(len(paramsInitial)):
        perturb[p] = e
        N.setParams(paramsInitial + perturb)
        loss2 = N.costFunction(X, y)
        N.setParams(paramsInitial - perturb)
        loss1 = N.costFunction(X, y)
        numgrad[p] = (loss2 - loss1) / (2 * e)
        perturb[p] = 0
    N.setParams(paramsInitial)
    return numgrad


def loss(params: FloatArray, N: Neural_Network, X: FloatArray, y: FloatArray) -> float:
    N.setParams(params)
    return N.costFunction(X, y)


def gradient(params: FloatArray, N: Neural_Network, X: FloatArray, y: FloatArray) -> FloatArray:
    N.setParams(params)
    return N.computeGradients(X, y)


X = np.array([[3, 5], [5, 1], [10, 2]], dtype=float)
X = X / np.amax(X, axis=0)
y = np.array([[75], [82], [93]], dtype=float) / 100
NN = Neural_Network()
params = NN.getParams()

model = tricheck.Model(loss, gradient, params, args=(NN, X, y), name="neural_networks_demystified")

if __name__ == "__main__":
    numgrad = computeNumericalGradient(NN, X, y)
    grad = NN.computeGradients(X, y)
    error = np.linalg.norm(grad - numgrad) / np.linalg.norm(grad + numgrad)
    print(f"‖grad − numgrad‖ / ‖grad + numgrad‖ = {error:.1e}, to be below 1e-8\n")
    print(tricheck.check(model))
