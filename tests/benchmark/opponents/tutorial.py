"""Gradient checking as tutorials teach it: central differences and a relative error.

By default as in the notes of CS231n: every entry's error over the larger of the two, and below
1e-7 "you should be happy". The other reading is Andrew Ng's: one relative error of the norms.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.benchmark.opponents.opponent import Loss, Opponent, Task, below
from tricheck.parameters import FloatArray

# found by `python -m tests.benchmark.opponents.tune`
STEP, NORMWISE, TOLERANCE = 1e-4, False, 1e-5


def check(
    task: Task,
    *,
    step: float = 1e-4,
    tolerance: float = 1e-7,
    normwise: bool = False,
    double: bool = False,
) -> str | None:
    """What a reader of the tutorials writes."""
    task = task.doubled if double else task
    numeric = central_difference(task.loss, task.point, step)
    gradient = task.gradient(task.point)
    error = norm_error(gradient, numeric) if normwise else entry_error(gradient, numeric)
    return below(error, tolerance)


def central_difference(loss: Loss, point: FloatArray, step: float) -> FloatArray:
    """The derivative in every entry of the point."""
    x = point.copy()
    numeric = np.empty_like(point)
    for i in range(x.size):
        x[i] = point[i] + step
        above = loss(x)
        x[i] = point[i] - step
        numeric[i] = (above - loss(x)) / (2 * step)
        x[i] = point[i]
    return numeric


def entry_error(gradient: FloatArray, numeric: FloatArray) -> float:
    """The largest relative error of an entry; two zeros are equal.

    Examples
    --------
    >>> entry_error(np.array([1.0, 0.0, 2.0]), np.array([1.0, 0.0, 1.0]))
    0.5
    """
    larger = np.maximum(np.abs(gradient), np.abs(numeric))
    larger[larger == 0] = 1
    return float(np.max(np.abs(gradient - numeric) / larger))


def norm_error(gradient: FloatArray, numeric: FloatArray) -> float:
    """The norm of the error over the sum of the norms; two zeros are equal.

    Examples
    --------
    >>> norm_error(np.array([3.0, 0.0]), np.array([1.0, 0.0]))
    0.5
    """
    sizes = np.linalg.norm(gradient) + np.linalg.norm(numeric)
    return float(np.linalg.norm(gradient - numeric) / (sizes if sizes != 0 else 1))


OPPONENTS = (
    Opponent("tutorial", "default", check, "numpy"),
    Opponent(
        "tutorial",
        "best",
        partial(check, step=STEP, normwise=NORMWISE, tolerance=TOLERANCE, double=True),
        "numpy",
    ),
)
