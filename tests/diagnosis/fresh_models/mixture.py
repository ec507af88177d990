"""A mixture of Gaussians on the line: the log likelihood in logits, means and log deviations.

With the responsibilities γ of the components::

    ℓ = Σₙ log Σₖ softmax(logits)ₖ N(xₙ; μₖ, exp(τₖ)²)
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Params = dict[str, Array]


def log_joint(p: Params, x: Array) -> Array:
    log_weights = p["logits"] - np.log(np.sum(np.exp(p["logits"])))
    z = (x[:, None] - p["mu"]) / np.exp(p["tau"])
    joint: Array = log_weights - p["tau"] - 0.5 * z**2 - 0.5 * np.log(2 * np.pi)
    return joint


def negative_log_likelihood(p: Params, x: Array) -> float:
    joint = log_joint(p, x)
    top = np.max(joint, axis=1, keepdims=True)
    total: float = -np.sum(top[:, 0] + np.log(np.sum(np.exp(joint - top), axis=1)))
    return total


def nll_gradient(p: Params, x: Array) -> Params:
    joint = log_joint(p, x)
    gamma = np.exp(joint - joint.max(axis=1, keepdims=True))
    gamma /= gamma.sum(axis=1, keepdims=True)
    weights = np.exp(p["logits"]) / np.exp(p["logits"]).sum()
    sigma = np.exp(p["tau"])
    z = (x[:, None] - p["mu"]) / sigma
    return {
        "logits": len(x) * weights - gamma.sum(axis=0),
        "mu": -(gamma * z / sigma).sum(axis=0),
        "tau": (gamma * (1.0 - z**2)).sum(axis=0),
    }


rng = np.random.default_rng(211)
x = np.concatenate([rng.normal(-2.0, 0.5, 8), rng.normal(1.0, 1.0, 10), rng.normal(4.0, 0.7, 5)])
p = {
    "logits": np.array([0.2, -0.1, 0.4]),
    "mu": np.array([-1.5, 0.7, 3.5]),
    "tau": np.array([-0.3, 0.2, 0.1]),
}

model = tricheck.Model(negative_log_likelihood, nll_gradient, p, args=(x,), name="mixture")
