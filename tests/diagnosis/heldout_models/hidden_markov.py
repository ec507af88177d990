"""A hidden Markov model with Gaussian emissions: forwards in logarithms, its score by both ways.

::

    log α[t] = log N(y[t]; μ, e^τ) + log Σ_i α[t−1, i] P[i]        P = softmax of every row
    L = −log Σ α[T]
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


class HMM(NamedTuple):
    start: Array
    trans: Array
    mu: Array
    tau: Array


def logsumexp(a: Array, axis: int) -> Array:
    top = a.max(axis=axis, keepdims=True)
    total: Array = np.log(np.exp(a - top).sum(axis=axis)) + top.sum(axis=axis)
    return total


def log_rows(logits: Array) -> Array:
    log_p: Array = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return log_p


def emissions(hmm: HMM, y: Array) -> Array:
    z = (y[:, None] - hmm.mu) / np.exp(hmm.tau)
    log_b: Array = -0.5 * z**2 - hmm.tau - 0.5 * np.log(2 * np.pi)
    return log_b


def forwards(hmm: HMM, y: Array) -> list[Array]:
    log_b, log_P = emissions(hmm, y), log_rows(hmm.trans)
    alphas = [log_rows(hmm.start) + log_b[0]]
    for b in log_b[1:]:
        alphas.append(b + logsumexp(alphas[-1][:, None] + log_P, axis=0))
    return alphas


def nll(hmm: HMM, y: Array) -> float:
    evidence: Any = logsumexp(forwards(hmm, y)[-1], axis=0)
    L: float = -evidence
    return L


def nll_grad(hmm: HMM, y: Array) -> HMM:
    log_b, log_P = emissions(hmm, y), log_rows(hmm.trans)
    alphas = forwards(hmm, y)
    evidence = logsumexp(alphas[-1], axis=0)
    beta = np.zeros(len(hmm.mu))
    posterior, transitions = np.zeros(log_b.shape), np.zeros(log_P.shape)
    for t in reversed(range(len(y))):
        posterior[t] = np.exp(alphas[t] + beta - evidence)
        if t == 0:
            break
        follow = log_P + log_b[t] + beta
        transitions += np.exp(alphas[t - 1][:, None] + follow - evidence)
        beta = logsumexp(follow, axis=1)
    left = transitions.sum(axis=1, keepdims=True)
    sigma = np.exp(hmm.tau)
    z = (y[:, None] - hmm.mu) / sigma
    return HMM(
        start=np.exp(log_rows(hmm.start)) - posterior[0],
        trans=left * np.exp(log_P) - transitions,
        mu=-(posterior * z).sum(axis=0) / sigma,
        tau=(posterior * (1 - z**2)).sum(axis=0),
    )


# twelve observations, three states
rng = np.random.default_rng(315)
y = np.repeat([-1.5, 0.5, 2.0, -1.0], 3) + 0.6 * rng.standard_normal(12)
hmm = HMM(
    start=np.array([0.2, -0.3, 0.4]),
    trans=rng.standard_normal((3, 3)),
    mu=np.array([-1.2, 0.3, 1.8]),
    tau=np.array([-0.2, 0.1, 0.3]),
)

model = tricheck.Model(nll, nll_grad, hmm, args=(y,), name="hidden_markov")
