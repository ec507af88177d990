"""`autograd.test_util.check_grads`: one random direction; step and tolerances are fixed."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.benchmark.opponents.opponent import Opponent, Task

DOUBLE = True  # found by `python -m tests.benchmark.opponents.tune`


def check(task: Task, *, double: bool = False) -> str | None:
    """The model is a primitive whose rule is the hand-written gradient."""
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    task = task.doubled if double else task
    loss = primitive(task.loss)

    def rule(answer: Any, x: Any) -> Any:
        return lambda upstream: np.asarray(upstream * task.gradient(x), dtype=x.dtype)

    defvjp(loss, rule)
    state = np.random.get_state()
    np.random.seed(0)  # it draws from the global generator
    try:
        check_grads(loss, modes=["rev"], order=1)(task.point)
    except AssertionError as mismatch:
        return str(mismatch)
    finally:
        np.random.set_state(state)
    return None


OPPONENTS = (
    Opponent("autograd check_grads", "default", check, "autograd.test_util"),
    Opponent("autograd check_grads", "best", partial(check, double=DOUBLE), "autograd.test_util"),
)
