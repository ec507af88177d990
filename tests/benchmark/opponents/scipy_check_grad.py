"""`scipy.optimize.check_grad`: forward differences, the norm of the error."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.benchmark.opponents.opponent import Opponent, Task, below

# found by `python -m tests.benchmark.opponents.tune`
EPSILON = 1e-6
TOLERANCE = 1e-5


def check(
    task: Task, *, tolerance: float = 1e-6, double: bool = False, **settings: Any
) -> str | None:
    """The error it returns is read as its documentation's examples suggest, 1e-8 to 1e-6."""
    from scipy.optimize import check_grad

    task = task.doubled if double else task
    return below(check_grad(task.loss, task.gradient, task.point, **settings), tolerance)


OPPONENTS = (
    Opponent("scipy check_grad", "default", check, "scipy.optimize"),
    Opponent(
        "scipy check_grad",
        "best",
        partial(check, epsilon=EPSILON, tolerance=TOLERANCE, double=True),
        "scipy.optimize",
    ),
)
