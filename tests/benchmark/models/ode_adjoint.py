"""Lotka-Volterra species fitted to observed abundances, by Runge-Kutta and its discrete adjoint.

In log abundances u the dynamics are du/dt = r + exp(u) Aᵀ; growth rates r, interactions A and the
initial states u0 of several runs are learned. Loss: squared error of u after every step,
½ Σ, averaged over the runs.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"runs": 5, "species": 3, "steps": 4},
    "medium": {"runs": 8, "species": 5, "steps": 3},
}
POINTS = ("random", "zero", "tiny")  # abundances grow as exp(exp(30)) at the last


def problem(rng, runs, species, steps):
    observed = 0.5 * rng.standard_normal((steps, runs, species))
    params = {
        "r": 0.7 * rng.standard_normal(species),
        "A": 0.3 * rng.standard_normal((species, species)) - np.eye(species),
        "u0": 0.5 * rng.standard_normal((runs, species)),
    }
    return params, (observed, 0.25)


def rate(params, u):
    return params["r"] + np.exp(u) @ params["A"].T


def rk4(params, u, h):
    """The next state and the four points the rate was taken at."""
    k1 = rate(params, u)
    u2 = u + h / 2 * k1
    k2 = rate(params, u2)
    u3 = u + h / 2 * k2
    k3 = rate(params, u3)
    u4 = u + h * k3
    k4 = rate(params, u4)
    return u + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), (u, u2, u3, u4)


def loss(params, observed, h):
    u, total = params["u0"], 0
    for target in observed:
        u, _ = rk4(params, u, h)
        total = total + np.sum((u - target) ** 2)
    return 0.5 * total / len(params["u0"])


def rate_back(params, u, dk, grads):
    """The gradient of the point the rate was taken at; parameters' parts are added to `grads`."""
    abundance = np.exp(u)
    grads["r"] += np.sum(dk, axis=0)
    grads["A"] += dk.T @ abundance
    return dk @ params["A"] * abundance


def rk4_back(params, du_next, points, h, grads):
    u1, u2, u3, u4 = points
    dk4 = h / 6 * du_next
    du4 = rate_back(params, u4, dk4, grads)
    dk3 = h / 3 * du_next + h * du4
    du3 = rate_back(params, u3, dk3, grads)
    dk2 = h / 3 * du_next + h / 2 * du3
    du2 = rate_back(params, u2, dk2, grads)
    dk1 = h / 6 * du_next + h / 2 * du2
    du1 = rate_back(params, u1, dk1, grads)
    return du_next + du1 + du2 + du3 + du4


def gradient(params, observed, h):
    states, stages = [params["u0"]], []
    for _ in observed:
        u, points = rk4(params, states[-1], h)
        states.append(u)
        stages.append(points)
    grads = {"r": np.zeros_like(params["r"]), "A": np.zeros_like(params["A"])}
    adjoint = np.zeros_like(params["u0"])
    for n in range(len(observed) - 1, -1, -1):
        adjoint = adjoint + (states[n + 1] - observed[n]) / len(adjoint)
        adjoint = rk4_back(params, adjoint, stages[n], h, grads)
    return {**grads, "u0": adjoint}


MISTAKES = [
    Site(
        "square-factor-doubled",
        {"(states[n + 1] - observed[n])": "2 * (states[n + 1] - observed[n])"},
    ),
    Site("batch-sum-for-mean", {"observed[n]) / len(adjoint)": "observed[n])"}),
    Site("output-mean", {"observed[n]) / len(adjoint)": "observed[n]) / adjoint.size"}),
    Site(
        "time-mean",
        {"observed[n]) / len(adjoint)": "observed[n]) / (len(adjoint) * len(observed))"},
    ),
    Site("delta-sign", {"(states[n + 1] - observed[n])": "(observed[n] - states[n + 1])"}),
    Site("bias-mean", {"np.sum(dk, axis=0)": "np.mean(dk, axis=0)"}),
    Site("bias-all-units", {"np.sum(dk, axis=0)": "np.sum(dk)"}),
    Site("bias-one-sample", {"np.sum(dk, axis=0)": "dk[0]"}),
    Site("derivative-missing", {'dk @ params["A"] * abundance': 'dk @ params["A"]'}),
    Site(
        "derivative-elsewhere",
        {"du3 = rate_back(params, u3, dk3, grads)": "du3 = rate_back(params, u2, dk3, grads)"},
        also="upstream cached-input",
    ),
    Site("not-transposed-back", {'dk @ params["A"] * abundance': 'dk @ params["A"].T * abundance'}),
    Site("transposed-product", {"dk.T @ abundance": "abundance.T @ dk"}),
    Site("cached-input", {"dk.T @ abundance": "dk.T @ u"}),
    Site("carry-dropped", {"adjoint = adjoint + (states": "adjoint = 0 * adjoint + (states"}),
    Site("path-left-out", {"return du_next + du1 +": "return du1 +"}),
    Site("path-left-out", {"+ du1 + du2 + du3 + du4": "+ du1"}),
    Site("path-left-out", {"dk2 = h / 3 * du_next + h / 2 * du3": "dk2 = h / 3 * du_next"}),
    Site(
        "hidden-scaled", {"dk3 = h / 3 * du_next + h * du4": "dk3 = h / 3 * du_next + h / 2 * du4"}
    ),
    Site(
        "hidden-sign",
        {"dk1 = h / 6 * du_next + h / 2 * du2": "dk1 = h / 6 * du_next - h / 2 * du2"},
    ),
    Site(
        "one-iteration-short",
        {"range(len(observed) - 1, -1, -1)": "range(len(observed) - 1, 0, -1)"},
    ),
    Site(
        "upstream-dropped",
        {'return dk @ params["A"]': 'return np.ones_like(dk) @ params["A"]'},
    ),
    Site("block-averaged", {"dk.T @ abundance": "dk.T @ abundance / len(u)"}),
    Site(
        "accumulator-kept",
        {
            "def gradient(params,": "TOTALS = {}\n\n\ndef gradient(params,",
            'grads = {"r": np.zeros_like(params["r"]), "A": np.zeros_like(params["A"])}': (
                "grads = TOTALS\n"
                '    grads.setdefault("r", np.zeros_like(params["r"]))\n'
                '    grads.setdefault("A", np.zeros_like(params["A"]))'
            ),
            "return {**grads,": "return {name: np.copy(v) for name, v in grads.items()} | {",
        },
    ),
]
