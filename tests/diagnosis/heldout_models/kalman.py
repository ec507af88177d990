"""The likelihood of a linear state-space model by Kalman's filter; its score by sensitivities.

Every parameter's derivatives of mean and covariance are carried along with the filter::

    m ← A m        P ← A P Aᵀ + Q        v = y − C m        S = C P Cᵀ + R        K = P Cᵀ S⁻¹
    L = ½ Σ (log |S| + vᵀ S⁻¹ v)         m ← m + K v        P ← P − K C P
"""

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]
Params = dict[str, Array]

C = np.array([[1.0, 0.3], [0.2, -0.8]])


def loss(p: Params, ys: Array) -> float:
    A, Q, R = p["A"], np.diag(np.exp(p["log_q"])), np.diag(np.exp(p["log_r"]))
    m, P = np.zeros(2), np.eye(2)
    L = 0.0
    for y in ys:
        m, P = A @ m, A @ P @ A.T + Q
        v, S = y - C @ m, C @ P @ C.T + R
        L = L + 0.5 * (np.log(np.linalg.det(S)) + v @ np.linalg.solve(S, v))
        K = P @ C.T @ np.linalg.inv(S)
        m, P = m + K @ v, P - K @ C @ P
    return L


def sensitivity(p: Params, ys: Array, dA: Array, dQ: Array, dR: Array) -> float:
    """The derivative of the loss along a change of A, Q and R."""
    A, Q, R = p["A"], np.diag(np.exp(p["log_q"])), np.diag(np.exp(p["log_r"]))
    m, P = np.zeros(2), np.eye(2)
    dm, dP = np.zeros(2), np.zeros((2, 2))
    dL = 0.0
    for y in ys:
        dm, dP = dA @ m + A @ dm, dA @ P @ A.T + A @ dP @ A.T + A @ P @ dA.T + dQ
        m, P = A @ m, A @ P @ A.T + Q
        v, S = y - C @ m, C @ P @ C.T + R
        dv, dS = -C @ dm, C @ dP @ C.T + dR
        S_inv = np.linalg.inv(S)
        w = S_inv @ v
        dL += 0.5 * np.trace(S_inv @ dS) + w @ dv - 0.5 * w @ dS @ w
        K = P @ C.T @ S_inv
        dK = (dP @ C.T - K @ dS) @ S_inv
        dm, dP = dm + dK @ v + K @ dv, dP - dK @ C @ P - K @ C @ dP
        m, P = m + K @ v, P - K @ C @ P
    return dL


def gradient(p: Params, ys: Array) -> Params:
    g = {name: np.zeros_like(value) for name, value in p.items()}
    none = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            dA = np.zeros((2, 2))
            dA[i, j] = 1.0
            g["A"][i, j] = sensitivity(p, ys, dA, none, none)
        one = np.diag(np.eye(2)[i])
        g["log_q"][i] = sensitivity(p, ys, none, np.exp(p["log_q"][i]) * one, none)
        g["log_r"][i] = sensitivity(p, ys, none, none, np.exp(p["log_r"][i]) * one)
    return g


rng = np.random.default_rng(314)
p = {
    "A": np.array([[0.8, 0.3], [-0.4, 0.7]]),
    "log_q": np.array([-0.5, -1.2]),
    "log_r": np.array([-0.8, 0.3]),
}
ys = np.cumsum(rng.standard_normal((6, 2)), axis=0) * 0.6

model = tricheck.Model(loss, gradient, p, args=(ys,), name="kalman")
