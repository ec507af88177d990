"""The bag of words, its gradients added to the embeddings by an indexed +=.

dE[words] += dx reads all the rows, adds, and writes them back: a word that occurs several times
keeps the gradient of one occurrence. The words that occur once are right, and the read-out too.
"""

import numpy as np

import tricheck
from examples.embedding import (
    FloatArray,
    Params,
    Words,
    forward,
    loss,
    params,
    targets,
    word_deltas,
    words,
)

EXPECTED = {"verdict": "backprop", "cause": "entries", "parameters": ["E"]}


def embedding_backward(E: FloatArray, words: Words, dx: FloatArray) -> FloatArray:
    """dL/dE."""
    dE = np.zeros_like(E)
    dE[words] += dx
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


model = tricheck.Model(loss, gradient, params, args=(words, targets), name="broken_embedding")

if __name__ == "__main__":
    print(tricheck.check(model))
