"""A bag of words: embeddings looked up by word index, averaged, and read out linearly.

Row w of E is the embedding of word w, and N sentences of T words hold the indices::

    x[n, t] = E[words[n, t]]
    h = tanh((1/T) Σₜ x[n, t])
    out = h W + b
    L = (1/2N) Σₙ Σₖ (out − target)²

A word that occurs several times has one row in E, looked up once for each time, so the gradients of
all its occurrences add up::

    dL/dE[w] = Σ dL/dx[n, t] over the (n, t) where words[n, t] = w
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Words = npt.NDArray[np.int64]
Params = dict[str, FloatArray]


def forward(params: Params, words: Words) -> tuple[FloatArray, FloatArray]:
    """The hidden units h and the outputs."""
    x = params["E"][words]
    h = np.tanh(np.mean(x, axis=1))
    return h, h.dot(params["W"]) + params["b"]


def loss(params: Params, words: Words, targets: FloatArray) -> float:
    _, out = forward(params, words)
    L: float = np.sum((out - targets) ** 2) / (2 * len(words))
    return L


def word_deltas(params: Params, words: Words, h: FloatArray, dout: FloatArray) -> FloatArray:
    """dL/dx, of shape (N, T, D)."""
    # out = h W + b, and tanh' = 1 − tanh²
    dmean = dout.dot(params["W"].T) * (1 - h**2)
    # each of the T words has 1/T of the mean
    T = words.shape[1]
    dx: FloatArray = np.repeat(dmean[:, np.newaxis, :], T, axis=1) / T
    return dx


def embedding_backward(E: FloatArray, words: Words, dx: FloatArray) -> FloatArray:
    """dL/dE."""
    dE = np.zeros_like(E)
    # add.at adds once per occurrence; dE[words] += dx would once per word
    np.add.at(dE, words, dx)
    return dE


def gradient(params: Params, words: Words, targets: FloatArray) -> Params:
    h, out = forward(params, words)
    # dL/d out, for the ½ cancels the 2 of the square
    dout = (out - targets) / len(words)
    dx = word_deltas(params, words, h, dout)
    return {
        "E": embedding_backward(params["E"], words, dx),
        "W": h.T.dot(dout),
        "b": np.sum(dout, axis=0),
    }


# three sentences from a vocabulary of ten words, three dimensions, two outputs; word 2 occurs in
# two sentences, word 7 twice in one, and three words do not occur
rng = np.random.default_rng(16)
words = np.array([[2, 0, 5], [7, 1, 7], [3, 2, 8]])
targets = rng.standard_normal((3, 2))
params = {
    "E": rng.standard_normal((10, 3)),
    "W": rng.standard_normal((3, 2)),
    "b": rng.standard_normal(2),
}

model = tricheck.Model(loss, gradient, params, args=(words, targets), name="embedding")

if __name__ == "__main__":
    print(tricheck.check(model))
