"""`numdifftools.Gradient`: extrapolated differences with an estimate of their error.

It differentiates and does not compare; the reading is ours: every entry within the larger of the
error that it estimates and a share of the entry.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.benchmark.opponents.opponent import Opponent, Task

# found by `python -m tests.benchmark.opponents.tune`
ORDER, TOLERANCE = 2, 1e-6


def check(
    task: Task, *, tolerance: float = 1e-6, double: bool = False, **settings: Any
) -> str | None:
    """By default central differences of second order."""
    from numdifftools import Gradient

    task = task.doubled if double else task
    result = Gradient(task.loss, full_output=True, **settings)(task.point)
    estimate, estimated = (np.reshape(each, task.point.shape) for each in result[:2])
    error = np.abs(task.gradient(task.point) - estimate)
    outside = ~(error <= np.maximum(estimated, tolerance * np.abs(estimate)))
    if not outside.any():
        return None
    return f"{np.count_nonzero(outside)} of {outside.size} entries differ"


OPPONENTS = (
    Opponent("numdifftools Gradient", "default", check, "numdifftools"),
    Opponent(
        "numdifftools Gradient",
        "best",
        partial(check, double=True, method="central", order=ORDER, tolerance=TOLERANCE),
        "numdifftools",
    ),
)
