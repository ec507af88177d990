"""Two graph convolutions that classify nodes, some of them labelled; decay on the first weights.

With the adjacency A of every node and itself, its rows normalized::

    H = relu(A X W0)        Z = A H W1        p = softmax(Z)
    L = −Σ labelled log p[label] / #labelled + ½ λ Σ W0²
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


class GCN:
    def __init__(self, A: Array, X: Array, onehot: Array, labelled: Array, decay: float) -> None:
        self.A, self.X, self.onehot, self.labelled = A, X, onehot, labelled
        self.decay = decay

    def forward(self, weights: list[Array]) -> tuple[Array, Array, Array]:
        U = self.A @ self.X @ weights[0]
        H = np.maximum(U, 0)
        Z = self.A @ H @ weights[1]
        Z = Z - Z.max(axis=1, keepdims=True)
        logp = Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))
        return U, H, logp

    def loss(self, weights: list[Array]) -> float:
        logp = self.forward(weights)[2]
        nll = -np.sum(self.labelled[:, None] * self.onehot * logp) / self.labelled.sum()
        L: float = nll + 0.5 * self.decay * np.sum(weights[0] ** 2)
        return L

    def gradients(self, weights: list[Array]) -> list[Array]:
        W0, W1 = weights
        U, H, logp = self.forward(weights)
        dZ = (np.exp(logp) - self.onehot) * self.labelled[:, None] / self.labelled.sum()
        dW1 = (self.A @ H).T @ dZ
        dH = self.A.T @ dZ @ W1.T
        dU = dH * (U > 0)
        dW0 = (self.A @ self.X).T @ dU + self.decay * W0
        return [dW0, dW1]


# nine nodes of three features, five labelled, four hidden units, three classes
rng = np.random.default_rng(339)
upper = np.triu(rng.random((9, 9)) < 0.35, 1)
A = (upper + upper.T + np.eye(9)).astype(float)
A /= A.sum(axis=1, keepdims=True)
labelled = np.zeros(9)
labelled[[0, 2, 3, 6, 8]] = 1.0
onehot = np.eye(3)[rng.integers(0, 3, size=9)]
gcn = GCN(A, rng.standard_normal((9, 3)), onehot, labelled, 0.05)
weights = [rng.standard_normal((3, 4)), rng.standard_normal((4, 3))]

model = tricheck.Model(gcn.loss, gcn.gradients, weights, name="graph_convolution")
