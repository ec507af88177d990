"""Conformance: each row is a way people write NumPy, and must trace to its true derivative.

The truth is the complex step (Squire & Trapp, 1998) where the code takes complex numbers, else
central differences extrapolated twice (Richardson, 1911).
"""

from __future__ import annotations

import contextlib
import math
import pickle
import struct
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from itertools import pairwise
from math import exp, log
from typing import Any

import numpy
import numpy as np
import numpy as xp
import pytest
from numpy import dot, tanh, zeros

import tricheck
from tricheck.parameters import Parameters
from tricheck.tracing.reverse import value_and_gradient

Array = Any
Function = Callable[..., Any]

RNG = np.random.default_rng(7)
X = RNG.standard_normal((4, 3))
A = RNG.standard_normal((3, 3))
IMAGE = RNG.standard_normal((2, 5, 5))
Y = np.array([0, 2, 1, 2])
V = np.array([0.7, -1.3, 0.4, 2.1])
M = np.array([[0.5, -1.2, 0.8], [1.7, 0.3, -0.6], [-0.9, 1.1, 0.2]])
MN = np.array([[0.5, -1.2, 0.8], [1.7, 0.3, -0.6]])
T = RNG.standard_normal((2, 3, 4))
POSITIVE = np.array([0.4, 1.3, 2.2, 0.9])
SPD = M @ M.T + 3.0 * np.eye(3)


def weighted(value: Any) -> Any:
    """Any result as one number, each entry with a weight of its own."""
    if isinstance(value, tuple | list):
        return sum((weighted(part) * (1.0 + 0.3 * i) for i, part in enumerate(value)), 0.0)
    weights = np.cos(np.arange(1.0, np.size(value) + 1.0)).reshape(np.shape(value))
    return np.sum(value * weights)


def traced(function: Function, x: Array) -> Array:
    parameters = Parameters.read(x)
    value, gradient = value_and_gradient(
        lambda p: weighted(function(p)), parameters, parameters.values
    )
    plain = weighted(function(x.copy()))
    assert float(value) == pytest.approx(float(plain), rel=1e-13, abs=1e-13)
    return gradient.reshape(x.shape)


def complex_step(function: Function, x: Array) -> Array:
    gradient = np.empty(x.size)
    for i in range(x.size):
        moved = x.astype(complex).reshape(-1)
        moved[i] += 1e-30j
        gradient[i] = np.imag(weighted(function(moved.reshape(x.shape)))) / 1e-30
    return gradient.reshape(x.shape)


def differences(function: Function, x: Array) -> Array:
    """Error about h^6 eps-balanced: some 1e-11 on functions of size one."""

    def slope(i: int, h: float) -> float:
        up, down = x.copy().reshape(-1), x.copy().reshape(-1)
        up[i] += h
        down[i] -= h
        return float(
            (weighted(function(up.reshape(x.shape))) - weighted(function(down.reshape(x.shape))))
            / (up[i] - down[i])
        )

    gradient = np.empty(x.size)
    for i in range(x.size):
        d = [slope(i, 4e-3 / 2**k) for k in range(4)]
        for order in (4, 16, 64):
            d = [(order * b - a) / (order - 1) for a, b in pairwise(d)]
        gradient[i] = d[0]
    return gradient.reshape(x.shape)


# --- code that complex numbers run through --------------------------------------------------------


def naive_convolution(w: Array) -> Array:
    out = np.zeros((2, 3, 3), dtype=w.dtype)
    for n in range(2):
        for i in range(3):
            for j in range(3):
                out[n, i, j] = np.sum(IMAGE[n, i : i + 3, j : j + 3] * w)
    return out


def recurrent(w: Array) -> Array:
    h = np.zeros((5, 4), dtype=w.dtype)
    for t in range(1, 5):
        h[t] = np.tanh(h[t - 1] * w + V)
    return h


def chained_index(w: Array) -> Array:
    out = np.zeros((2, 4), dtype=w.dtype)
    for n in range(2):
        for k in range(4):
            out[n][k] = w[k] ** (n + 1)
    return out


def rows_are_views(w: Array) -> Array:
    out = np.zeros((3, 4), dtype=w.dtype)
    for i, row in enumerate(out):
        row += w * (i + 1.0)
        row[0] = w[1] * w[2]
    return out


def view_sees_later_write(w: Array) -> Array:
    out = np.ones(4, dtype=w.dtype)
    head = out[:2]
    out[0] = w[0] ** 2
    early = head * w[:2]
    out[0] = w[3] ** 3
    return early, head * 2.0, out


def write_through_reshape(w: Array) -> Array:
    out = np.zeros((2, 2), dtype=w.dtype)
    flat = out.reshape(-1)
    flat[1] = w[0] * w[1]
    out.T[0, 1] = w[2] ** 2
    out.ravel()[0] += w[3]
    return out


def value_held_before_overwrite(w: Array) -> Array:
    h = w * 2.0
    kept = np.exp(h)
    kept2 = kept * kept
    kept[1] = 0.0
    h[0] = 5.0
    h *= w
    return kept2, kept, h


def self_assignment(w: Array) -> Array:
    h = w * 1.0
    h[:] = h[::-1] * h
    h[1:] += h[:-1]
    return h


class Layer:
    """Keeps state, as classes in courses do."""

    def __init__(self) -> None:
        self.X = X
        self.cache: dict[str, Any] = {}

    def forward(self, w: Array) -> Array:
        self.z = self.X.dot(w)
        self.cache["a"] = np.tanh(self.z)
        return self.cache["a"]


class Deep(Layer):
    def forward(self, w: Array) -> Array:
        return super().forward(w) * 2.0


@dataclass
class Data:
    inputs: Array


layer, deep, data = Layer(), Deep(), Data(X)
settings: dict[str, Any] = {"inputs": X, "nested": [X, {"more": X}]}


def closure() -> Function:
    inputs = X.copy()
    return lambda w: inputs.dot(w)


@np.vectorize
def vectorized_sigmoid(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-z))


def basis_vectors(w: Array) -> Any:
    e, total = np.zeros(4), 0.0
    for i in range(4):
        e[i] = 1.0
        total = total + np.dot(e, w) ** 2 + np.sum(w**2 * e)
        e[i] = 0.0
    return total


def moving_index(w: Array) -> Any:
    pointer, out = np.zeros(2, int), np.zeros((2, 2), w.dtype)
    for i in range(2):
        out[i] = w[pointer] ** 2
        pointer += 1
    return out


def moving_mask(w: Array) -> Any:
    alive, total = np.ones(4, bool), 0.0
    for i in range(3):
        total = total + np.sum(w[alive] ** (i + 1))
        alive[i] = False
    return total


def list_writes(w: Array) -> Any:
    out = np.zeros((2, 4), w.dtype)
    out[0, :2] = [w[0] * w[1], w[2] ** 2]
    out[0, 2:] = w[3], w[0]
    out[1] = [z * z for z in w]
    return out


def layouts(w: Array) -> Any:
    b = w.T.copy()
    b.ravel()[2] = 0.0
    c = np.ascontiguousarray(w.T)
    c *= 2.0
    return b, c, w**2


def complex_parts(w: Array) -> Any:
    z = np.zeros(4, complex)
    z.real[:] = w
    z[1] = complex(w[0], w[1])
    z.imag = w**2
    return np.abs(z * z)


ANALYTIC: dict[str, tuple[Function, Array]] = {
    # elementwise
    **{name: (getattr(np, name), V / 3.0) for name in (
        "exp", "expm1", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arctan",
        "arcsinh", "arctanh", "square", "negative", "positive", "exp2", "arccos",
    )},
    **{name: (getattr(np, name), POSITIVE) for name in (
        "log", "log2", "log10", "log1p", "sqrt", "reciprocal",
    )},
    "arccosh": (np.arccosh, POSITIVE + 1.0),
    "operators": (lambda w: (w * 2 + 1 / w - 3.0) ** 2 / 7 - -w, V),
    "reflected operators": (lambda w: 2 - (3 / (1 + (2**w))), V),
    "power of traced": (lambda w: np.power(w, w[::-1]), POSITIVE),
    "integer power": (lambda w: w**3 + w**-2, V),
    "array operator left": (lambda w: X * w, V[:3]),
    "scalar array left": (lambda w: V[0] * w + np.float64(3.0) * w, V),
    # matrices
    "matmul": (lambda w: X @ w, M),
    "matmul vector": (lambda w: X @ w, V[:3]),
    "matmul left": (lambda w: w @ A, MN),
    "matmul vector left": (lambda w: w @ A, V[:3]),
    "matmul of two": (lambda w: w @ w.T @ w, MN),
    "matmul batch": (lambda w: T @ w, RNG.standard_normal((4, 2))),
    "matmul batch both": (lambda w: w @ np.swapaxes(w, 1, 2), T),
    "matmul batch vector": (lambda w: T @ w, V),
    "matmul vector batch": (lambda w: w @ T, V[:3]),
    "dot function": (lambda w: np.dot(X, w), M),
    "dot traced method": (lambda w: w.dot(A), MN),
    "dot plain method": (lambda w: X.dot(w), M),
    "dot plain method vector": (lambda w: A.dot(w).dot(w), V[:3]),
    "dot plain transposed": (lambda w: X.T.dot(w), V),
    "dot 3d": (lambda w: np.dot(T, w), RNG.standard_normal((4, 2))),
    "dot 3d left": (lambda w: np.dot(w, A), T.transpose(0, 2, 1).copy()),
    "dot of two": (lambda w: np.dot(w, w), V),
    "dot scalar": (lambda w: np.dot(2.0, w), V),
    "vdot": (lambda w: np.vdot(V, w), V),
    "inner": (lambda w: np.inner(w, X), V[:3]),
    "outer": (lambda w: np.outer(w, V), V),
    "outer of two": (lambda w: np.outer(w, w), V),
    "multiply.outer": (lambda w: np.multiply.outer(w, w), V),
    "add.outer": (lambda w: np.add.outer(w, V) ** 2, V),
    "subtract.outer": (lambda w: np.subtract.outer(w, w) ** 2, V),
    "kron": (lambda w: np.kron(w, A), MN),
    "cross": (lambda w: np.cross(w, A[0]), V[:3]),
    "tensordot": (lambda w: np.tensordot(w, T, axes=([1], [1])), M),
    "tensordot int": (lambda w: np.tensordot(T, w, 1), RNG.standard_normal((4, 2))),
    "tensordot two axes": (lambda w: np.tensordot(w, w, axes=([0, 2], [0, 2])), T),
    "trace": (lambda w: np.trace(w @ w), M),
    "multi_dot": (lambda w: np.linalg.multi_dot([w, A, w]), M),
    "matrix_power": (lambda w: np.linalg.matrix_power(w, 3), M),
    # einsum
    "einsum matmul": (lambda w: np.einsum("ij,jk->ik", X, w), M),
    "einsum implicit": (lambda w: np.einsum("ij,jk", X, w), M),
    "einsum trace": (lambda w: np.einsum("ii->", w), M),
    "einsum diagonal": (lambda w: np.einsum("ii->i", w), M),
    "einsum sum axis": (lambda w: np.einsum("ij->j", w), MN),
    "einsum transpose": (lambda w: np.einsum("ij->ji", w), MN),
    "einsum of itself": (lambda w: np.einsum("ij,ij->i", w, w), MN),
    "einsum batch": (lambda w: np.einsum("nij,njk->nik", T, np.einsum("nij->nji", w)), T),
    "einsum ellipsis": (lambda w: np.einsum("...ij,jk->...ik", T, w), RNG.standard_normal((4, 2))),
    "einsum ellipsis traced": (lambda w: np.einsum("...ij,j->...i", w, V), T),
    "einsum three": (lambda w: np.einsum("ij,jk,kl->il", w, A, w), M),
    "einsum optimize": (lambda w: np.einsum("ij,jk,kl->il", w, A, w, optimize=True), M),
    "einsum outer": (lambda w: np.einsum("i,j->ij", w, w), V),
    "einsum attention": (lambda w: np.einsum("bqd,bkd->bqk", w, w) ** 2, T),
    # linear algebra
    "inv": (np.linalg.inv, M),
    "inv batch": (lambda w: np.linalg.inv(w + 3 * np.eye(3)), np.stack([M, A])),
    "solve": (lambda w: np.linalg.solve(w, V[:3]), M),
    "solve matrix": (lambda w: np.linalg.solve(w, X.T), M),
    "solve right": (lambda w: np.linalg.solve(A, w), V[:3]),
    "solve both": (lambda w: np.linalg.solve(w, w @ A), M),
    "det": (np.linalg.det, M),
    "det batch": (np.linalg.det, np.stack([M, A])),
    "pinv by hand": (lambda w: np.linalg.inv(w @ w.T) @ w, MN),
    # reductions
    **{f"sum {axis} {keep}": (
        partial(np.sum, axis=axis, keepdims=keep), T
    ) for axis in (None, 0, -1, (0, 2), (-1, 1)) for keep in (False, True)},
    **{f"mean {axis} {keep}": (
        partial(np.mean, axis=axis, keepdims=keep), T
    ) for axis in (None, 0, -1, (0, 2)) for keep in (False, True)},
    **{f"var {axis} {ddof}": (
        lambda w, axis=axis, ddof=ddof: np.sum((w - w.mean(axis=axis, keepdims=True)) ** 2,
                                               axis=axis) / (4 - ddof), T
    ) for axis in (None, -1) for ddof in (0, 1)},
    "sum method": (lambda w: w.sum(axis=1, keepdims=True) * w.sum(0), MN),
    "sum where": (lambda w: np.sum(w, where=V > 0), V),
    "sum where axis": (lambda w: np.sum(w**2, axis=0, where=MN > 0), MN),
    "sum initial": (lambda w: np.sum(w**2, initial=3.0), V),
    "mean where": (lambda w: np.mean(w**2, where=V > 0), V),
    "sum of a list": (lambda w: np.sum([w[0] ** 2, w[1] * w[2]]), V),
    "mean of a list": (lambda w: np.mean([w * 2, w**2], axis=0), V),
    "add.reduce": (lambda w: np.add.reduce(w, axis=1), MN),
    "add.reduce default": (lambda w: np.add.reduce(w**2), MN),
    "multiply.reduce": (lambda w: np.multiply.reduce(w), V),
    "prod": (np.prod, V),
    "prod axis": (partial(np.prod, axis=1), MN),
    "prod axes keepdims": (partial(np.prod, axis=(0, 2), keepdims=True), T),
    "prod with a zero": (np.prod, np.array([0.0, 2.0, 3.0])),
    "prod with two zeros": (lambda w: np.prod(w), np.array([0.0, 0.0, 3.0])),
    "cumsum": (np.cumsum, V),
    "cumsum axis": (partial(np.cumsum, axis=-1), MN),
    "cumsum flat": (np.cumsum, MN),
    "cumprod": (np.cumprod, V),
    "cumprod axis": (partial(np.cumprod, axis=0), MN),
    "add.accumulate": (lambda w: np.add.accumulate(w, axis=1), MN),
    "average": (lambda w: np.average(w, axis=0), MN),
    "average weights": (lambda w: np.average(w, weights=POSITIVE), V),
    "average traced weights": (lambda w: np.average(V, weights=w), POSITIVE),
    "dot with itself method": (lambda w: w.dot(w), V),
    "trapezoid": (lambda w: np.trapezoid(w, dx=0.5) if hasattr(np, "trapezoid") else w.sum(), V),
    "diff": (np.diff, V),
    "diff axis order": (partial(np.diff, n=2, axis=1), T),
    "gradient": (lambda w: np.gradient(w, 0.5), V),
    "convolve": (lambda w: np.convolve(w, V), V[:3]),
    "convolve same": (lambda w: np.convolve(POSITIVE, w, mode="same"), V[:3]),
    "convolve valid of both": (lambda w: np.convolve(w, w[:2], mode="valid"), V),
    "correlate": (lambda w: np.correlate(w, np.array([1.0, 2.0])), V),
    "polyval": (lambda w: np.polyval(w, 1.7), V),
    "vander": (lambda w: np.vander(w, 3), V),
    # indexing
    "slice": (lambda w: w[1:3] * w[::-1][1:3], V),
    "negative step": (lambda w: w[::-2], V),
    "integer": (lambda w: w[0] * w[-1], V),
    "two integers": (lambda w: w[0, 1] * w[1, 2], MN),
    "row": (lambda w: w[1] * w[0], MN),
    "column": (lambda w: w[:, 1], MN),
    "ellipsis": (lambda w: w[..., 0] * w[..., -1], T),
    "newaxis": (lambda w: w[:, None] * w[None, :], V),
    "fancy repeated": (lambda w: w[[0, 0, 1, 3]] ** 2, V),
    "fancy pairs": (lambda w: w[np.arange(4), Y], X),
    "fancy rows repeated": (lambda w: w[np.array([[0, 1], [1, 1]])], MN),
    "boolean": (lambda w: w[V > 0] ** 2, V),
    "boolean 2d": (lambda w: w[MN > 0] ** 2, MN),
    "slice and fancy": (lambda w: w[:, [0, 2, 0]], MN),
    "ix_": (lambda w: w[np.ix_([0, 1, 0], [2, 1])], MN),
    "take": (lambda w: np.take(w, [0, 2, 2]), V),
    "take axis": (lambda w: np.take(w, [0, 2, 2], axis=1), MN),
    "take method": (lambda w: w.take([1, 1], axis=-1), MN),
    "take_along_axis": (lambda w: np.take_along_axis(w, np.array([[2, 0], [1, 1]]), axis=1), MN),
    "choose": (lambda w: np.choose([0, 1, 1, 0], [w, w**2]), V),
    "compress": (lambda w: np.compress([True, False, True, True], w), V),
    "extract": (lambda w: np.extract(V > 0, w), V),
    "diag of a matrix": (np.diag, M),
    "diag of a vector": (np.diag, V),
    "diag offset": (lambda w: np.diag(w, 1), M),
    "diagonal": (lambda w: np.diagonal(w, axis1=1, axis2=2), T),
    "diag_indices": (lambda w: w[np.diag_indices(3)] ** 2, M),
    "tril": (np.tril, M),
    "triu": (lambda w: np.triu(w, 1), M),
    "tril_indices": (lambda w: w[np.tril_indices(3)] ** 2, M),
    "iteration": (lambda w: sum(row * (i + 1.0) for i, row in enumerate(w)), MN),
    "unpacking": (lambda w: (lambda a, b: a * b)(*w), MN),
    "zip": (lambda w: sum(a * b for a, b in zip(w, V, strict=True)), V),
    "enumerate": (lambda w: [x * i for i, x in enumerate(w)], V),
    "ndindex": (lambda w: sum(w[i] * w[0, 0] for i in np.ndindex(*w.shape)), MN),
    "ndenumerate": (lambda w: sum(v * (i[0] + 1.0) for i, v in np.ndenumerate(w)), MN),
    "flat": (lambda w: sum(v * v for v in w.flat), MN),
    # shape
    "reshape": (lambda w: w.reshape(3, 2) @ w, MN),
    "reshape tuple": (lambda w: np.reshape(w, (3, -1)) @ w, MN),
    "reshape F": (lambda w: w.reshape(3, 2, order="F"), MN),
    "T": (lambda w: w.T @ w, MN),
    "transpose axes": (lambda w: np.transpose(w, (2, 0, 1)), T),
    "transpose method": (lambda w: w.transpose(1, 2, 0), T),
    "swapaxes": (lambda w: w.swapaxes(0, -1), T),
    "moveaxis": (lambda w: np.moveaxis(w, 0, -1), T),
    "ravel": (lambda w: w.ravel() ** 2, MN),
    "ravel F": (lambda w: np.ravel(w, order="F"), MN),
    "flatten": (lambda w: w.flatten() ** 2, MN),
    "squeeze": (lambda w: np.squeeze(w[None], axis=0), MN),
    "expand_dims": (lambda w: np.expand_dims(w, (0, 2)), V),
    "atleast_2d": (lambda w: np.atleast_2d(w).T @ np.atleast_2d(w), V),
    "broadcast_to": (lambda w: np.broadcast_to(w, (3, 4)), V),
    "broadcast_arrays": (lambda w: np.broadcast_arrays(w, np.ones((2, 4))), V),
    "concatenate": (lambda w: np.concatenate([w, X[:2], w * 2], axis=0), MN),
    "concatenate axis": (lambda w: np.concatenate((w, w**2), axis=-1), MN),
    "concatenate flat": (lambda w: np.concatenate([w, w**2], axis=None), MN),
    "stack": (lambda w: np.stack([w, w**2, X[:2]], axis=1), MN),
    "vstack": (lambda w: np.vstack([w, w**2]), V),
    "hstack": (lambda w: np.hstack([w, w**2, [1.0]]), V),
    "dstack": (lambda w: np.dstack([w, w**2]), MN),
    "column_stack": (lambda w: np.column_stack([w, np.ones(4), w**2]), V),
    "block": (lambda w: np.block([[w, w**2], [X[:2], w]]), MN),
    "append": (lambda w: np.append(w, w**2), V),
    "append axis": (lambda w: np.append(w, X, axis=0), MN),
    "insert": (lambda w: np.insert(w, 1, 2.0), V),
    "delete": (lambda w: np.delete(w, 1, axis=1), MN),
    "r_": (lambda w: np.r_[1.0, w, w**2], V),
    "c_": (lambda w: np.c_[w, np.ones(4)], V),
    "split": (lambda w: np.split(w, 2, axis=0), M[:2]),
    "array_split": (lambda w: [p * (i + 1.0) for i, p in enumerate(np.array_split(w, 3))], V),
    "hsplit": (lambda w: np.hsplit(w, 3), MN),
    "pad": (lambda w: np.pad(w, ((1, 1), (0, 2))), MN),
    "pad value": (lambda w: np.pad(w, 1, mode="constant", constant_values=5.0), MN),
    "pad edge": (lambda w: np.pad(w, 2, mode="edge"), V),
    "pad reflect": (lambda w: np.pad(w, (2, 1), mode="reflect"), V),
    "pad wrap": (lambda w: np.pad(w, 2, mode="wrap"), V),
    "roll": (lambda w: np.roll(w, 2) * w, V),
    "roll axis": (lambda w: np.roll(w, -1, axis=1) * w, MN),
    "roll flat": (lambda w: np.roll(w, 2) * w, MN),
    "flip": (lambda w: np.flip(w, -1), MN),
    "rot90": (np.rot90, MN),
    "repeat": (lambda w: np.repeat(w, 3), V),
    "repeat axis": (lambda w: np.repeat(w, [1, 0, 2], axis=1), MN),
    "tile": (lambda w: np.tile(w, (2, 2)), MN),
    "tile 1d": (lambda w: np.tile(w, 3), V),
    "resize": (lambda w: np.resize(w, (3, 3)), V),
    "meshgrid": (lambda w: np.meshgrid(w, V), V),
    "sliding_window_view": (
        lambda w: np.lib.stride_tricks.sliding_window_view(w, (2, 2)), M
    ),
    "sliding_window_view axis": (
        lambda w: np.lib.stride_tricks.sliding_window_view(w, 2, axis=1), MN
    ),
    "where": (lambda w: np.where(V > 0, w, w**2), V),
    "where broadcast": (lambda w: np.where(MN > 0, w, 1.0), V[:3]),
    "where scalar": (lambda w: np.where(True, w, 0.0), V),
    "select": (lambda w: np.select([V > 1, V > 0], [w, w**2], default=w**3), V),
    # Python habits
    "builtin sum": (lambda w: sum(w * w), V),
    "sum of a generator": (lambda w: sum(x**2 for x in w), V),
    "reduce": (lambda w: reduce(lambda a, b: a * b, w), V),
    "array of scalars": (lambda w: np.array([w[0], w[1] * w[2], 3.0]), V),
    "nested array of scalars": (lambda w: np.array([[w[0], 1.0], [w[1] ** 2, w[2]]]), V),
    "array of arrays": (lambda w: np.array([w, w**2]), V),
    "asarray": (lambda w: np.asarray(w) ** 2, V),
    "asarray of a list": (lambda w: np.asarray([x**2 for x in w]), V),
    "ascontiguousarray": (lambda w: np.ascontiguousarray(w.T) ** 2, MN),
    "list of activations": (lambda w: [h := w, h := np.tanh(h @ A), np.tanh(h @ A)][-1], MN),
    "dict of activations": (lambda w: (c := {"z": X @ w}, c.update(a=np.tanh(c["z"])), c["a"])[-1],
                            M),
    "plus equals": (lambda w: [a := w * 1.0, a := a.__iadd__(w**2)][-1], V),
    "class with state": (lambda w: layer.forward(w), M),
    "inherited class with super": (lambda w: deep.forward(w), M),
    "class made inside": (lambda w: Layer().forward(w), M),
    "dataclass of data": (lambda w: data.inputs.dot(w), M),
    "dict of data": (lambda w: settings["inputs"].dot(w) + settings["nested"][1]["more"].dot(w), M),
    "closure of data": (closure(), M),
    "numpy under another name": (lambda w: xp.array([w[0]]) + numpy.asarray(w), V),
    "from numpy import": (lambda w: dot(X, tanh(w)), M),
    "from numpy import zeros": (lambda w: [o := zeros(4, w.dtype), o.__setitem__(1, w[0]), o][-1],
                                V),
    "copy method": (lambda w: w.copy() ** 2, V),
    "np.copy": (lambda w: np.copy(w) ** 2, V),
    "naive convolution": (naive_convolution, A),
    "recurrent buffer": (recurrent, V),
    "chained index": (chained_index, V),
    "rows are views": (rows_are_views, V),
    "a view sees later writes": (view_sees_later_write, V),
    "write through reshape": (write_through_reshape, V),
    "held before overwrite": (value_held_before_overwrite, V),
    "self-assignment": (self_assignment, V),
    "constants changed after use": (basis_vectors, V),
    "an index changed after use": (moving_index, V),
    "a mask changed after use": (moving_mask, V),
    "lists assigned": (list_writes, V),
    "add.at of a list": (lambda w: [o := np.zeros(3, w.dtype), np.add.at(o, [0, 0], [w[0], w[1]]),
                                    o][-1], V),
    "copies and layouts": (layouts, MN),
    "concatenate out": (lambda w: [o := np.zeros(8, w.dtype), np.concatenate([w, w * w], out=o), o]
                        [-1], V),
    "cumprod twice": (lambda w: np.cumprod(np.cumprod(w, axis=1), axis=1), MN),
    "bincount weights": (lambda w: np.bincount([0, 2, 0, 1], weights=w)
                         if not np.iscomplexobj(w) else
                         np.stack([w[0] + w[2], w[3], w[1]]), V),
    "dot of a list": (lambda w: np.dot(w, [1.0, 2.0, 3.0, 4.0]) + np.outer(w, [1, 2])[1, 1], V),
    "power of a list": (lambda w: np.power(w, [1, 2, 3, 4]), V),
    "trace axes": (lambda w: np.trace(w, axis1=0, axis2=2), T),
    "sinc at zero": (lambda w: np.sinc(w) if not np.iscomplexobj(w) else 1 - (np.pi * w) ** 2 / 6,
                     np.zeros(2)),
    "add.at": (lambda w: [o := np.zeros(3, w.dtype), np.add.at(o, [0, 1, 0, 2], w), o][-1], V),
    "subtract.at": (lambda w: [o := np.zeros(3, w.dtype), np.subtract.at(o, [0, 1, 0, 2], w), o]
                    [-1], V),
    "fancy write repeated": (lambda w: [o := np.zeros(3, w.dtype), o.__setitem__([0, 1, 0, 2], w),
                                        o][-1], V),
    "broadcast write": (lambda w: [o := np.zeros((3, 4), w.dtype), o.__setitem__(slice(1, 3), w),
                                   o][-1], V),
    "mask write of zero": (lambda w: [o := w * w, o.__setitem__(V < 0, 0.0), o][-1], V),
    "fill_diagonal": (lambda w: [o := w * w, np.fill_diagonal(o, 0.0), o][-1], M),
    "copyto where": (lambda w: [o := w * w, np.copyto(o, w, where=V > 0), o][-1], V),
    "put_along_axis": (lambda w: [o := w * w, np.put_along_axis(o, np.array([[1], [0]]), 7.0, 1),
                                  o][-1], MN),
    "out": (lambda w: [o := np.zeros(4, w.dtype), np.multiply(w, w, out=o), o][-1], V),
    "divide where out": (lambda w: np.divide(w, V - 0.7, out=np.zeros_like(w), where=V != 0.7), V),
    "fill": (lambda w: [o := w * w, o.fill(2.0), o * w][-1], V),
    "apply_along_axis": (lambda w: np.apply_along_axis(lambda r: r * r[0], 1, w), MN),
    "vectorize decorator": (lambda w: vectorized_sigmoid(w), V),
    "numpy in a nested function": (lambda w: (lambda: np.array([w[0] ** 2]))(), V),
    "logistic": (lambda w: np.log(1 + np.exp(-(2 * (V > 0) - 1) * w)), V),
    "softmax": (lambda w: np.exp(w) / np.sum(np.exp(w), axis=1, keepdims=True), MN),
    "cross-entropy": (lambda w: -np.log(np.exp(w) / np.exp(w).sum(1, keepdims=True))
                      [np.arange(4), Y], X),
    "one-hot": (lambda w: np.eye(3)[Y] * w, X),
    "batch norm": (lambda w: (w - w.mean(0)) / np.sqrt(((w - w.mean(0)) ** 2).mean(0) + 1e-5), X),
    "longhand variance": (lambda w: np.sum((w - np.mean(w)) ** 2) / (w.size - 1), V),
}  # fmt: skip


@pytest.mark.parametrize("name", ANALYTIC)
def test_traces_to_the_complex_step(name: str) -> None:
    function, x = ANALYTIC[name]
    assert traced(function, x) == pytest.approx(complex_step(function, x), rel=1e-11, abs=1e-12)


# --- code that needs real numbers -----------------------------------------------------------------


def with_try(w: Array) -> Any:
    try:
        return float(w[0]) ** 2
    except TypeError:
        return 0.0


def logged(w: Array) -> Any:
    text = f"{w[0]:.3f} {w} {w.mean()!r} %.2f" % w[1]
    assert len(text) > 3
    assert w.shape == (4,)
    assert w.dtype == float
    assert len(w) == 4
    assert isinstance(w, np.ndarray)
    assert isinstance(w[0], float)
    return w**2


def while_loop(w: Array) -> Any:
    x = w[0]
    while abs(x) < 4:
        x = x * 1.5 + 0.1
    return x


def in_threads(w: Array) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return sum(pool.map(lambda z: np.exp(z) * 1.0, [w, w]))


THETA = np.zeros(4)
HALVES = THETA[:2], THETA[2:]


def aliased(w: Array) -> Any:
    THETA[:] = w
    return np.sum(HALVES[0] ** 2) + np.sum(HALVES[1] ** 3)


def keyword_buffers(w: Array) -> Any:
    b, total = np.ones(4), 0.0
    for k in (2.0, 3.0):
        b[0] = k
        total = total + np.dot(a=w, b=b) ** 2
    return total


def local_import(w: Array) -> Any:
    import math as m

    import numpy.linalg as la
    from numpy import zeros as make

    out = make(4)
    out[1] = m.exp(w[0])
    return out * la.norm(w)


REAL: dict[str, tuple[Function, Array]] = {
    "abs": (np.abs, V),
    "builtin abs": (lambda w: abs(w), V),
    "fabs": (np.fabs, V),
    "sign": (lambda w: np.sign(w) * w, V),
    "maximum": (lambda w: np.maximum(w, 0.1), V),
    "maximum of two": (lambda w: np.maximum(w, w[::-1]), V),
    "minimum": (lambda w: np.minimum(0.1, w), V),
    "fmax": (lambda w: np.fmax(w, 0.1), V),
    "clip": (lambda w: np.clip(w, -1.0, 1.0), V),
    "clip method": (lambda w: w.clip(-1.0, 1.0), V),
    "clip min": (lambda w: np.clip(w, 0.0, None), V),
    "clip traced": (lambda w: np.clip(V, w[0] - 1, w[3] - 0.5), V),
    **{f"max {axis} {keep}": (partial(np.max, axis=axis, keepdims=keep), T)
       for axis in (None, 0, -1, (0, 2)) for keep in (False, True)},
    "min": (lambda w: np.min(w, axis=1), MN),
    "max method": (lambda w: w - w.max(axis=1, keepdims=True), MN),
    "max initial": (lambda w: np.max(w, initial=0.1), V),
    "max where": (lambda w: np.max(w, initial=-9.0, where=V < 2), V),
    "maximum.reduce": (lambda w: np.maximum.reduce(w, axis=1), MN),
    "maximum.accumulate": (lambda w: np.maximum.accumulate(w), V),
    "builtin max": (lambda w: max(w) * min(w), V),
    "builtin max of two": (lambda w: max(0.0, w[0]) + min(w[1], 0.0), V),
    "sorted": (lambda w: sorted(w)[1], V),
    "ptp": (np.ptp, V),
    "median": (np.median, V),
    "median axis": (lambda w: np.median(w, axis=1, keepdims=True), MN),
    "percentile": (lambda w: np.percentile(w, 30), V),
    "quantile": (lambda w: np.quantile(w, [0.25, 0.8], axis=1), MN),
    "sort": (np.sort, V),
    "sort axis": (lambda w: np.sort(w, axis=0), MN),
    "sort method": (lambda w: [o := w * 1.0, o.sort(), o][-1], V),
    "partition": (lambda w: np.partition(w, 2)[:2].sum(), V),
    "argsort": (lambda w: w[np.argsort(w)] ** 2, V),
    "argmax": (lambda w: w[np.argmax(w)] ** 2, V),
    "unique": (np.unique, V),
    "std": (np.std, V),
    "std axis ddof": (lambda w: np.std(w, axis=1, ddof=1), MN),
    "var": (np.var, V),
    "var axis": (lambda w: w.var(axis=(0, 2), keepdims=True), T),
    "cov": (np.cov, MN),
    "corrcoef": (np.corrcoef, MN),
    "nansum": (np.nansum, V),
    "nanmean": (lambda w: np.nanmean(np.where(V > 0, w, np.nan)), V),
    "nanstd": (lambda w: np.nanstd(np.where(MN > 0.2, w, np.nan), axis=1), MN),
    "nanmax": (lambda w: np.nanmax(np.where(V < 1, w, np.nan)), V),
    "nan_to_num": (np.nan_to_num, V),
    "logaddexp": (lambda w: np.logaddexp(w, 0.5), V),
    "logaddexp.reduce": (lambda w: np.logaddexp.reduce(w, axis=1), MN),
    "hypot": (lambda w: np.hypot(w, 2.0), V),
    "arctan2": (lambda w: np.arctan2(w, 2.0), V),
    "mod": (lambda w: w % 1.0, V),
    "fmod": (lambda w: np.fmod(w, 1.0), V),
    "cbrt": (np.cbrt, V),
    "copysign": (lambda w: np.copysign(w, -1.0), V),
    "sinc": (np.sinc, V),
    "deg2rad": (np.deg2rad, V),
    "floor has no slope": (lambda w: w * np.floor(w), V),
    "round has no slope": (lambda w: w * np.round(w, 1), V),
    "int has no slope": (lambda w: w * int(w[3]), V),
    "interp values": (lambda w: np.interp([0.5, 1.5, 9.0], [0.0, 1.0, 2.0, 3.0], w), V),
    "interp places": (lambda w: np.interp(w, [-2.0, 0.5, 3.0], [1.0, 5.0, 2.0]), V),
    "piecewise by where": (lambda w: np.where(w > 0, w**2, np.exp(w)), V),
    "piecewise": (lambda w: np.piecewise(w, [w < 0], [lambda z: z**2, lambda z: 3 * z]), V),
    "relu by mask": (lambda w: w * (w > 0), V),
    "leaky relu": (lambda w: np.where(w > 0, w, 0.01 * w), V),
    "relu in place": (lambda w: [o := w * 2.0, o.__setitem__(o < 0, 0), o][-1], V),
    "mask as float": (lambda w: (w > 0).astype(float) * w, V),
    "mask method": (lambda w: (w > 0).astype(float).dot(w), V),
    "huber": (lambda w: np.where(np.abs(w) < 1, 0.5 * w**2, np.abs(w) - 0.5), V),
    # norms
    **{f"norm {order}": (partial(np.linalg.norm, ord=order), V)
       for order in (None, 1, 2, 3, np.inf, -np.inf)},
    **{f"norm axis {axis} {keep}": (partial(np.linalg.norm, axis=axis, keepdims=keep), T)
       for axis in (0, -1, (0, 1)) for keep in (False, True)},
    **{f"matrix norm {order}": (partial(np.linalg.norm, ord=order), M)
       for order in ("fro", "nuc", 1, -1, np.inf, 2, -2)},
    # linear algebra
    "slogdet": (lambda w: np.linalg.slogdet(w)[1], SPD),
    "slogdet named": (lambda w: np.linalg.slogdet(w).logabsdet, SPD),
    "cholesky": (np.linalg.cholesky, SPD),
    "cholesky of a symmetric": (lambda w: np.linalg.cholesky(w @ w.T + np.eye(3)), M),
    "cholesky batch": (lambda w: np.linalg.cholesky(w @ np.swapaxes(w, 1, 2) + np.eye(3)), T),
    "eigh": (lambda w: np.linalg.eigh(w)[0], SPD),
    "eigh named": (lambda w: np.linalg.eigh(w).eigenvalues ** 2, SPD),
    "eigh vectors": (lambda w: np.linalg.eigh(w)[1] ** 2, SPD),
    "eigvalsh": (np.linalg.eigvalsh, SPD),
    "svd values": (lambda w: np.linalg.svd(w, compute_uv=False), MN),
    "svd": (lambda w: np.linalg.svd(w, full_matrices=False)[1], MN),
    "svd vectors": (lambda w: np.linalg.svd(w, full_matrices=False)[0] ** 2, M),
    "pinv": (np.linalg.pinv, MN),
    "cond": (np.linalg.cond, M),
    # Fourier
    "fft power": (lambda w: np.abs(np.fft.fft(w)) ** 2, V),
    "fft axis": (lambda w: np.abs(np.fft.fft(w, axis=0)), MN),
    **{f"rfft n={n} {norm}": (
        lambda w, n=n, norm=norm: np.abs(np.fft.rfft(w, n=n, norm=norm)) ** 2, V
    ) for n in (None, 3, 5, 8) for norm in ("backward", "forward", "ortho")},
    **{f"irfft n={n} {norm}": (
        lambda w, n=n, norm=norm: np.fft.irfft(np.fft.rfft(w) ** 2, n=n, norm=norm), V
    ) for n in (None, 3, 6) for norm in (None, "forward")},
    "ifft2 of a slice": (lambda w: np.abs(np.fft.ifft2(w, s=(2, 4))) ** 2, M),
    "rfft2": (lambda w: np.abs(np.fft.rfft2(w)) ** 2, MN),
    "rfft": (lambda w: np.abs(np.fft.rfft(w)) ** 2, V),
    "irfft": (lambda w: np.fft.irfft(np.fft.rfft(w) ** 2, 4), V),
    "fft2": (lambda w: np.real(np.fft.fft2(w)), M),
    "ifft": (lambda w: np.real(np.fft.ifft(np.fft.fft(w) * np.fft.fft(V))), V),
    "fftshift": (lambda w: np.real(np.fft.fftshift(np.fft.fft(w))), V),
    "complex parts": (complex_parts, V),
    "complex modulus": (lambda w: np.abs(w + 2j * w[::-1]), V),
    "real imag angle": (lambda w: (z := w + 1j * w**2).real * z.imag + np.angle(z), V),
    # Python habits
    "float of the loss": (lambda w: float(np.sum(w**2)), V),
    "float of an array of one": (lambda w: float(np.sum(w**2).reshape(())), V),
    "np.float64": (lambda w: np.float64(w[0]) * w[1], V),
    "item": (lambda w: (w**2).sum().item(), V),
    "item index": (lambda w: w.item(1) ** 2, V),
    "tolist": (lambda w: sum(x * x for x in (w * 2).tolist()), V),
    "math.exp": (lambda w: math.exp(w[0]) * math.log(w[3]), V),
    "from math import": (lambda w: exp(w[0]) + log(w[3], 10), V),
    "math many": (lambda w: math.sqrt(w[3]) + math.pow(w[0], 2) + math.tanh(w[1])
                  + math.hypot(w[0], w[1]) + math.atan2(w[0], w[1]) + math.fabs(w[1]), V),
    "math.erf": (lambda w: math.erf(w[0]) + math.erfc(w[1]), V),
    "math.fsum": (lambda w: math.fsum(x * x for x in w), V),
    "math.prod": (lambda w: math.prod(w), V),
    "math.isnan": (lambda w: 0.0 if math.isnan(w[0]) else w[0], V),
    "math on plain": (lambda w: w * math.exp(0.5) * math.pi, V),
    "if on values": (lambda w: w[0] ** 2 if w[0] > w[1] else w[1], V),
    "if on all": (lambda w: w**2 if (w < 5).all() else w, V),
    "while": (while_loop, V),
    "try around float": (with_try, V),
    "printing and asserts": (logged, V),
    "astype float": (lambda w: w.astype(float) ** 2, V),
    "astype np.float64": (lambda w: w.astype(np.float64) ** 2, V),
    "zeros with dtype float": (lambda w: [o := np.zeros(4, dtype=float), o.__setitem__(0, w[1]), o]
                               [-1], V),
    "full": (lambda w: np.full(3, w[0]) * w[1], V),
    "full_like": (lambda w: np.full_like(V, w[0]) * w[1], V),
    "zeros_like of plain": (lambda w: [o := np.zeros_like(V), o.__setitem__(0, w[1]), o][-1], V),
    "empty": (lambda w: [o := np.empty((2, 4)), o.__setitem__(0, w), o.__setitem__(1, w * w), o]
              [-1], V),
    "write into a product of plain": (lambda w: [o := 0 * V, o.__setitem__(0, w[1]), o][-1], V),
    "write into a copy of plain": (lambda w: [o := V.copy(), o.__setitem__(0, w[1]), o][-1], V),
    "random inputs dot": (lambda w: np.random.default_rng(0).random((2, 4)).dot(w), V),
    "vectorize": (lambda w: np.vectorize(lambda z: z**2 if z > 0 else math.exp(z))(w), V),
    "vectorize two": (lambda w: np.vectorize(lambda a, b: a * b)(w[:, None], V), V),
    "frompyfunc": (lambda w: sum(np.frompyfunc(lambda z: z * z, 1, 1)(w)), V),
    "map": (lambda w: np.array(list(map(math.tanh, w))), V),
    "list comprehension": (lambda w: np.array([math.tanh(z) for z in w]), V),
    "fromiter": (lambda w: np.fromiter((z * z for z in w), dtype=float), V),
    "linspace": (lambda w: np.linspace(w[0], w[1], 5), V),
    "local import": (local_import, V),
    "double sum": (lambda w: sum(w[i] * X[j, i] for i in range(3) for j in range(4)), V[:3]),
    "scalar accumulator": (lambda w: reduce(lambda total, z: total + z**2, w, 0.0), V),
    "dropout with a seeded mask": (
        lambda w: w * (np.random.default_rng(1).random(4) > 0.5) / 0.5, V
    ),
    "logsumexp by hand": (
        lambda w: np.log(np.sum(np.exp(w - w.max(1, keepdims=True)), 1)) + w.max(1), MN
    ),
    "views of the user's own memory": (aliased, V),
    "keyword buffers changed after use": (keyword_buffers, V),
    "append to an empty list": (lambda w: np.append([], np.hstack([[], w, w**2])), V),
    "linspace of arrays": (lambda w: np.linspace(0.0, w, 3), V),
    "another thread": (in_threads, V),
    "max pooling": (lambda w: np.array([[w[i : i + 2, j : j + 2].max() for j in range(2)]
                                        for i in range(2)]), M),
    "distance matrix": (
        lambda w: np.sqrt(((w[:, None] - w[None]) ** 2).sum(-1) + 1e-3), MN
    ),
    "gaussian process": (
        lambda w: (c := np.linalg.cholesky(w @ w.T + 2 * np.eye(3)),
                   np.sum(np.log(np.diag(c))) + np.sum(np.linalg.solve(c, V[:3]) ** 2))[-1], M
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_traces_to_extrapolated_differences(name: str) -> None:
    function, x = REAL[name]
    assert traced(function, x) == pytest.approx(differences(function, x), rel=2e-8, abs=2e-9)


# --- what cannot be traced ------------------------------------------------------------------------


def swallowing(w: Array) -> Any:
    try:
        return struct.unpack("d", struct.pack("d", w[0]))[0] ** 2
    except Exception:
        return w[0] ** 2


def strided_by_default(w: Array, strided: Any = np.lib.stride_tricks.as_strided) -> Any:
    return strided((w * w)[1:], shape=(2, 2), strides=(-8, 8))


UNTRACEABLE: dict[str, tuple[Function, str]] = {
    "compiled code": (lambda w: struct.unpack("d", struct.pack("d", w[0]))[0], "struct.pack"),
    "bytes": (lambda w: np.frombuffer(w.tobytes()), "tobytes"),
    "a buffer": (lambda w: np.array(memoryview(w.data)), ".data"),
    "unknown buffer": (
        lambda w: [o := np.random.default_rng(0).random(3), o.__setitem__(0, w[0]), o][-1],
        "o :=",
    ),
    "as_strided": (
        lambda w: np.lib.stride_tricks.as_strided(w, (3, 2), w.strides * 2),
        "as_strided",
    ),
    "as_strided as a default": (strided_by_default, "as_strided"),
    "write through a copied flat": (
        lambda w: [o := (w * 1.0).reshape(2, 2), o.T.flat.__setitem__(1, w[0]), o][-1],
        "views of",
    ),
    "write into an imaginary part": (
        lambda w: [z := w * (1 + 1j), z.imag.__setitem__(0, 0.0), np.abs(z)][-1],
        "views of",
    ),
    "histogram weights": (lambda w: np.histogram(V, weights=w)[0], "histogram"),
    "write beside a read-only view": (
        lambda w: [o := w * 1.0, d := np.broadcast_to(o, (2, 4)), o.fill(w[0]), d][-1],
        "a view of",
    ),
    "multiply.at": (
        lambda w: [o := np.ones(4), np.multiply.at(o, [0, 0], w[:2]), o][-1],
        "multiply.at",
    ),
    "lstsq": (lambda w: np.linalg.lstsq(A, w[:3], rcond=None)[0], "lstsq"),
    "qr": (lambda w: np.linalg.qr(w.reshape(2, 2))[1], "qr"),
    "a part through text": (lambda w: w**2 + float(f"{w[0]:.17g}") ** 2, "text"),
    "text and back": (lambda w: np.array([float(str(z)) for z in w]), ""),
    "swallowed": (swallowing, "struct.pack"),
    "pickled": (lambda w: pickle.loads(pickle.dumps(w)), "pickle"),
}


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_what_cannot_be_traced_never_gives_a_wrong_value(name: str) -> None:
    function, words = UNTRACEABLE[name]
    with pytest.raises(tricheck.TraceError) as caught:
        tricheck.check(lambda w: weighted(function(w)), np.zeros_like, V, reference="autograd")
    assert words in str(caught.value)
    report = tricheck.check(lambda w: weighted(function(w)), np.zeros_like, V)
    assert "autograd" not in str(report.reference)
    assert report.findings


# --- nothing is left behind -----------------------------------------------------------------------


def names_of_this_module() -> dict[str, Any]:
    return {name: id(value) for name, value in globals().items()}


def test_names_data_and_state_are_as_they_were() -> None:
    before, inside = names_of_this_module(), dict(vars(layer))
    held = settings["nested"][1]["more"]
    for function in (layer.forward, REAL["math.exp"][0], settings["inputs"].dot):
        with contextlib.suppress(tricheck.TraceError):
            traced(function, M)
    assert names_of_this_module() == before
    assert vars(layer)["X"] is inside["X"]
    assert settings["nested"][1]["more"] is held
    assert type(np.zeros(2)) is np.ndarray
    assert "float" not in globals()


def test_names_are_put_back_when_the_loss_raises() -> None:
    before = names_of_this_module()

    def raising(w: Array) -> Any:
        np.zeros(3)
        X.dot(w)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        traced(raising, M)
    assert names_of_this_module() == before
    assert type(X) is np.ndarray


def test_state_that_the_run_moves_about_ends_as_plain_arrays() -> None:
    class Net:
        last: Any = None

        def __init__(self) -> None:
            self.X, self.cache = np.ones((3, 4)), {"old": np.ones(2)}
            self.queue = [np.ones(3), np.zeros(3)]

        def loss(self, w: Array) -> Any:
            self.cache.clear()
            self.previous = self.X
            z = self.X.dot(w)
            self.cache["z"] = z
            self.queue.append(self.queue.pop(0))
            self.queue[0] = z
            self.history = [{"z": z, "X": self.X}]
            Net.last = z
            np.zeros(3)[1] = 2.0
            return float(np.sum(z**2))

    net, before = Net(), names_of_this_module()
    X = net.X
    gradient = traced(net.loss, V)
    np.testing.assert_allclose(gradient, 2 * 3 * np.sum(V) * np.ones(4) * np.cos(1.0))
    assert names_of_this_module() == before
    assert net.X is X
    assert net.previous is X
    left = [net.cache["z"], *net.queue, net.history[0]["z"], net.history[0]["X"], Net.last]
    assert [type(value) for value in left] == [np.ndarray] * 6


def test_data_leads_to_the_trace_through_its_own_method() -> None:
    """In one step, not number by number."""
    inputs, kinds = X.copy(), []

    def loss(w: Array) -> Any:
        z = inputs.dot(w)
        kinds.append(z.dtype)
        return np.sum(z**2)

    traced(loss, M)
    assert kinds[0] == np.float64


def test_a_recurrent_buffer_is_not_copied_at_every_step() -> None:
    def run(w: Array) -> Any:
        h = np.zeros((1000, 100))
        for t in range(1, 1000):
            h[t] = np.tanh(h[t - 1] * w[0] + 0.1)
        return h.sum()

    tracemalloc.start()
    traced(run, V[:1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 1000 * 100 * 8


def test_two_threads_trace_at_once() -> None:
    names = ("closure of data", "naive convolution", "recurrent buffer")
    expected = {name: complex_step(*ANALYTIC[name]) for name in names}

    def repeatedly(name: str) -> list[Array]:
        return [traced(*ANALYTIC[name]) for _ in range(20)]

    before = names_of_this_module()
    with ThreadPoolExecutor(6) as pool:
        for name, found in zip(list(expected) * 2, pool.map(repeatedly, list(expected) * 2),
                               strict=True):  # fmt: skip
            for gradient in found:
                np.testing.assert_allclose(gradient, expected[name], rtol=1e-11, atol=1e-12)
    assert names_of_this_module() == before


def test_filling_a_buffer_costs_no_more_than_its_entries() -> None:
    """Counted in bytes that steps keep, not in seconds: 20,000 writes into 20,000 entries."""
    n = 20_000

    def fill(w: Array) -> Array:
        out = np.zeros(n)
        for i in range(n):
            out[i] = w[i % 3]
        return out

    tracemalloc.start()
    traced(fill, V[:3])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * 4000
