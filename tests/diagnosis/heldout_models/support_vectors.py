"""A linear classifier with the hinge loss of many classes, in loops, after a course's exercise.

::

    L = (1/N) Σ_i Σ_{j ≠ y_i} max(0, s_ij − s_iy + 1) + reg Σ W²        s = X W
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def svm_loss(W: Array, X: Array, y: Labels, reg: float) -> float:
    total = 0.0
    for i in range(len(X)):
        scores = X[i] @ W
        for j in range(W.shape[1]):
            if j != y[i]:
                total = total + np.maximum(0.0, scores[j] - scores[y[i]] + 1.0)
    L: float = total / len(X) + reg * np.sum(W * W)
    return L


def svm_gradient(W: Array, X: Array, y: Labels, reg: float) -> Array:
    dW = np.zeros(W.shape)
    for i in range(len(X)):
        scores = X[i] @ W
        for j in range(W.shape[1]):
            if j == y[i]:
                continue
            margin = scores[j] - scores[y[i]] + 1.0
            if margin > 0:
                dW[:, j] += X[i]
                dW[:, y[i]] -= X[i]
    dW /= len(X)
    dW += 2 * reg * W
    return dW


# ten samples of five features, four classes
rng = np.random.default_rng(328)
X, y = rng.standard_normal((10, 5)), rng.integers(0, 4, size=10)
W = 0.5 * rng.standard_normal((5, 4))

model = tricheck.Model(svm_loss, svm_gradient, W, args=(X, y, 0.05), name="support_vectors")
