"""Three layers under the names of another school: softplus, einsum, and a tuple of arrays.

Row vectors and weights of shape (out, in); J is the mean over the batch of ½ |y − t|²::

    u1 = A x + a        s1 = log(1 + exp u1)
    u2 = B s1 + b       s2 = log(1 + exp u2)
    y = C s2 + c
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import tricheck

Array = npt.NDArray[np.float64]


class Theta(NamedTuple):
    A: Array
    a: Array
    B: Array
    b: Array
    C: Array
    c: Array


def softplus(u: Array) -> Array:
    return np.logaddexp(0.0, u)


def objective(theta: Theta, x: Array, t: Array) -> float:
    u1 = np.einsum("ni,hi->nh", x, theta.A) + theta.a
    s1 = softplus(u1)
    u2 = np.einsum("nh,kh->nk", s1, theta.B) + theta.b
    s2 = softplus(u2)
    y = np.einsum("nk,ok->no", s2, theta.C) + theta.c
    J: float = 0.5 * np.einsum("no,no->", y - t, y - t) / x.shape[0]
    return J


def objective_grad(theta: Theta, x: Array, t: Array) -> Theta:
    batch = x.shape[0]
    u1 = np.einsum("ni,hi->nh", x, theta.A) + theta.a
    s1 = softplus(u1)
    u2 = np.einsum("nh,kh->nk", s1, theta.B) + theta.b
    s2 = softplus(u2)
    y = np.einsum("nk,ok->no", s2, theta.C) + theta.c
    y_bar = (y - t) / batch
    s2_bar = np.einsum("no,ok->nk", y_bar, theta.C)
    u2_bar = s2_bar / (1.0 + np.exp(-u2))
    s1_bar = np.einsum("nk,kh->nh", u2_bar, theta.B)
    u1_bar = s1_bar / (1.0 + np.exp(-u1))
    return Theta(
        A=np.einsum("nh,ni->hi", u1_bar, x),
        a=np.einsum("nh->h", u1_bar),
        B=np.einsum("nk,nh->kh", u2_bar, s1),
        b=np.einsum("nk->k", u2_bar),
        C=np.einsum("no,nk->ok", y_bar, s2),
        c=np.einsum("no->o", y_bar),
    )


# nine samples of five features, hidden layers of four, two outputs
rng = np.random.default_rng(201)
x, t = rng.standard_normal((9, 5)), rng.standard_normal((9, 2))
theta = Theta(
    rng.standard_normal((4, 5)),
    rng.standard_normal(4),
    rng.standard_normal((4, 4)),
    rng.standard_normal(4),
    rng.standard_normal((2, 4)),
    rng.standard_normal(2),
)

model = tricheck.Model(objective, objective_grad, theta, args=(x, t), name="softplus_einsum")
