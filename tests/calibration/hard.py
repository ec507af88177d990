"""Losses known to be hard for finite differences: exact gradient, point, and what is right to say.

Each must come out covered by its bound, or flagged with the right cause.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from tricheck import Verdict

Array = Any


def hashed(w: Array) -> float:
    """Deterministic noise in [-1/2, 1/2] from the bits of the input."""
    return zlib.crc32(struct.pack(f"{len(w)}d", *w)) / 2.0**32 - 0.5


def solved(w: Array, tolerance: float) -> Any:
    """The fixed point of y = cos(y)/2 + 3 sin(w)/10, by iteration to a tolerance."""
    y = 1.0
    for _ in range(200):
        step = 0.5 * np.cos(y) + 0.3 * np.sin(w[0]) - y
        y = y + step
        if abs(step) < tolerance:
            break
    return y


def implicit(w: Array) -> Array:
    """Its derivative by the implicit function theorem."""
    return 0.3 * np.cos(w) / (1.0 + 0.5 * np.sin(solved(w, 1e-15)))


CASES: dict[str, tuple[Any, Any, list[float], Verdict, str | None]] = {
    "relu 1e-7 from its kink": (
        lambda w: np.sum(np.maximum(w, 0.0)),
        lambda w: (w > 0) * 1.0,
        [1e-7, 0.5, -1e-7],
        Verdict.AGREE,
        "kink",
    ),
    "oscillation": (
        lambda w: np.sum(np.sin(1e5 * w)) / 1e5,
        lambda w: np.cos(1e5 * w),
        [0.3, 0.5],
        Verdict.AGREE,
        None,
    ),
    "cos far out": (
        lambda w: np.sum(np.cos(w)),
        lambda w: -np.sin(w),
        [1e6, 2e6 + 0.3],
        Verdict.AGREE,
        None,
    ),
    "log beside its domain": (
        lambda w: np.sum(np.log(w)),
        lambda w: 1 / w,
        [1e-6, 2.0],
        Verdict.AGREE,
        None,
    ),
    "1/x beside its pole": (
        lambda w: np.sum(1 / w),
        lambda w: -1 / w**2,
        [1e-4, 2.0],
        Verdict.AGREE,
        None,
    ),
    "offset 1e8 swallows small slopes": (
        lambda w: 1e8 + 0.02 * np.sum(np.sin(w)),
        lambda w: 0.02 * np.cos(w),
        [0.3, 0.9],
        Verdict.FINITE_DIFFERENCE,
        "round-off",
    ),
    "gradient 1e-12 beside a loss of 1": (
        lambda w: 1 + 1e-12 * np.sum(np.sin(w)),
        lambda w: 1e-12 * np.cos(w),
        [0.3, 2.0],
        Verdict.FINITE_DIFFERENCE,
        "round-off",
    ),
    "solver noise": (
        lambda w: np.sum(w**2) + 1e-9 * hashed(w),
        lambda w: 2 * w,
        [0.3, 2.0],
        Verdict.AGREE,
        None,
    ),
    "solver stopped at 1e-9": (
        lambda w: solved(w, 1e-9),
        lambda w: implicit(w),
        [0.4],
        Verdict.INCONCLUSIVE,
        "noise",
    ),
    "heavy noise": (
        lambda w: np.sum(w**2) + 1e-4 * hashed(w),
        lambda w: 2 * w,
        [0.3, 2.0],
        Verdict.INCONCLUSIVE,
        None,
    ),
    "jump at the point": (
        lambda w: np.sum(w**2) + np.floor(w[0]),
        lambda w: 2 * w,
        [1.0, 0.3],
        Verdict.FINITE_DIFFERENCE,
        "jump",
    ),
    "kink at the point": (
        lambda w: np.sum(np.maximum(w, 0.0)),
        lambda w: (w > 0) * 1.0,
        [0.0, 0.5],
        Verdict.NONDIFFERENTIABLE,
        "kink",
    ),
    "zero everywhere": (
        lambda w: 3.0 + 0.0 * np.sum(w),
        lambda w: 0.0 * w,
        [1.0, 0.5],
        Verdict.AGREE,
        None,
    ),
    "an optimum": (
        lambda w: np.sum((w - 1) ** 2),
        lambda w: 2 * (w - 1),
        [1.0, 1.0],
        Verdict.AGREE,
        None,
    ),
    "at zero, denormal and negative zero": (
        lambda w: np.sum(np.sin(w)),
        np.cos,
        [0.0, 1e-300, -0.0, 5e-324],
        Verdict.AGREE,
        None,
    ),
    "linear": (lambda w: np.sum(3 * w), lambda w: 0 * w + 3, [1.0, 2.0], Verdict.AGREE, None),
    "entries over twelve decades": (
        lambda w: np.sum(10.0 ** np.arange(-6.0, 7.0, 3.0) * np.sin(w)),
        lambda w: 10.0 ** np.arange(-6.0, 7.0, 3.0) * np.cos(w),
        [0.3, 0.4, 0.5, 0.6, 0.7],
        Verdict.AGREE,
        None,
    ),
}
