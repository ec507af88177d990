"""`scipy.optimize._numdiff.check_derivative`: central differences, the largest error."""

from __future__ import annotations

from functools import partial

from tests.benchmark.opponents.opponent import Opponent, Task, below

TOLERANCE = 1e-6  # found by `python -m tests.benchmark.opponents.tune`


def check(task: Task, *, tolerance: float = 1e-6, double: bool = False) -> str | None:
    """Its documentation: right is an accuracy "on the order of 1e-6 or lower"."""
    from scipy.optimize._numdiff import check_derivative

    task = task.doubled if double else task
    return below(check_derivative(task.loss, task.gradient, task.point), tolerance)


OPPONENTS = (
    Opponent("scipy check_derivative", "default", check, "scipy.optimize"),
    Opponent(
        "scipy check_derivative",
        "best",
        partial(check, tolerance=TOLERANCE, double=True),
        "scipy.optimize",
    ),
)
