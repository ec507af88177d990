"""The adjoint of an integration: predators and prey by Heun's method, fitted to what was seen.

With k1 = f(s), k2 = f(s + h k1), s ← s + ½ h (k1 + k2), and the sum of squares at every step::

    f(s) = (α s₀ − β s₀ s₁, δ s₀ s₁ − γ s₁)
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Params = dict[str, Array]

H = 0.1


def rates(s: Array, k: Array) -> Array:
    alpha, beta, gamma, delta = k
    return np.array([alpha * s[0] - beta * s[0] * s[1], delta * s[0] * s[1] - gamma * s[1]])


def rates_vjp(s: Array, k: Array, v: Array) -> tuple[Array, Array]:
    """v times the Jacobian of the rates in s and in k."""
    alpha, beta, gamma, delta = k
    J = np.array([[alpha - beta * s[1], -beta * s[0]], [delta * s[1], delta * s[0] - gamma]])
    K = np.array([[s[0], -s[0] * s[1], 0.0, 0.0], [0.0, 0.0, -s[1], s[0] * s[1]]])
    return v @ J, v @ K


def trajectory(p: Params, steps: int) -> list[Array]:
    states = [p["start"]]
    for _ in range(steps):
        s = states[-1]
        k1 = rates(s, p["k"])
        k2 = rates(s + H * k1, p["k"])
        states.append(s + 0.5 * H * (k1 + k2))
    return states


def misfit(p: Params, seen: Array) -> float:
    states = trajectory(p, len(seen))
    total: float = sum(np.sum((s - o) ** 2) for s, o in zip(states[1:], seen, strict=True))
    return total


def adjoint(p: Params, seen: Array) -> Params:
    states = trajectory(p, len(seen))
    lam, dk = np.zeros(2), np.zeros(4)
    for n in range(len(seen) - 1, -1, -1):
        lam = lam + 2.0 * (states[n + 1] - seen[n])
        s = states[n]
        middle = s + H * rates(s, p["k"])
        to_middle, in_k2 = rates_vjp(middle, p["k"], 0.5 * H * lam)
        to_s, in_k1 = rates_vjp(s, p["k"], 0.5 * H * lam + H * to_middle)
        dk += in_k1 + in_k2
        lam = lam + to_middle + to_s
    return {"start": lam, "k": dk}


rng = np.random.default_rng(212)
p = {"start": np.array([1.2, 0.8]), "k": np.array([1.1, 0.6, 0.9, 0.5])}
seen = np.array(trajectory(p, 12)[1:]) + 0.2 * rng.standard_normal((12, 2))

model = tricheck.Model(misfit, adjoint, p, args=(seen,), name="predator_prey")
