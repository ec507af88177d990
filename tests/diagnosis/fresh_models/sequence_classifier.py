"""A recurrent classifier of one sequence at a time, in plain lists of vectors.

The last state decides, by a softmax over the classes; the loss adds up over the sequences::

    s[t] = tanh(Wx x[t] + Ws s[t−1] + bs)
    p = softmax(Wo s[T] + bo)        L = −Σ log p[label]
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Weights = dict[str, Array]
Sequences = list[list[Array]]


def run(w: Weights, xs: list[Array]) -> list[Array]:
    state = np.zeros(w["Ws"].shape[0])
    states = [state]
    for x in xs:
        state = np.tanh(w["Wx"] @ x + w["Ws"] @ state + w["bs"])
        states.append(state)
    return states


def log_softmax(v: Array) -> Array:
    v = v - v.max()
    lp: Array = v - np.log(np.exp(v).sum())
    return lp


def nll(w: Weights, sequences: Sequences, labels: list[int]) -> float:
    total = 0.0
    for xs, label in zip(sequences, labels, strict=True):
        last = run(w, xs)[-1]
        total = total - log_softmax(w["Wo"] @ last + w["bo"])[label]
    return total


def nll_grad(w: Weights, sequences: Sequences, labels: list[int]) -> Weights:
    grad = {k: np.zeros(v.shape) for k, v in w.items()}
    for xs, label in zip(sequences, labels, strict=True):
        states = run(w, xs)
        p = np.exp(log_softmax(w["Wo"] @ states[-1] + w["bo"]))
        p[label] -= 1.0
        grad["Wo"] += np.outer(p, states[-1])
        grad["bo"] += p
        ds = w["Wo"].T @ p
        for t in reversed(range(len(xs))):
            da = ds * (1.0 - states[t + 1] ** 2)
            grad["Wx"] += np.outer(da, xs[t])
            grad["Ws"] += np.outer(da, states[t])
            grad["bs"] += da
            ds = w["Ws"].T @ da
    return grad


# four sequences of different lengths, two features, four units, three classes
rng = np.random.default_rng(202)
sequences = [[rng.standard_normal(2) for _ in range(length)] for length in (3, 5, 2, 4)]
labels = [0, 2, 1, 2]
w = {
    "Wx": rng.standard_normal((4, 2)),
    "Ws": 0.6 * rng.standard_normal((4, 4)),
    "bs": rng.standard_normal(4),
    "Wo": rng.standard_normal((3, 4)),
    "bo": rng.standard_normal(3),
}

model = tricheck.Model(nll, nll_grad, w, args=(sequences, labels), name="sequence_classifier")
