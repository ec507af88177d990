"""`torch.autograd.gradcheck`, entry by entry and in `fast_mode`, one fixed random direction."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.benchmark.opponents.opponent import Opponent, Task

# found by `python -m tests.benchmark.opponents.tune`
EPS, ATOL, RTOL = 1e-5, 1e-8, 1e-5
FAST_EPS, FAST_ATOL, FAST_RTOL = 1e-5, 1e-8, 1e-6


def check(task: Task, *, double: bool = False, **settings: Any) -> str | None:
    """The model is a `torch.autograd.Function` whose backward is the hand-written gradient."""
    import torch
    from torch.autograd.gradcheck import GradcheckError

    task = task.doubled if double else task
    point = torch.tensor(task.point, requires_grad=True)
    try:
        torch.autograd.gradcheck(lambda x: _function().apply(x, task), (point,), **settings)
    except GradcheckError as mismatch:
        return str(mismatch)
    return None


@cache
def _function() -> Any:
    import torch

    class Model(torch.autograd.Function):  # type: ignore[misc]  # torch is not type-checked
        @staticmethod
        def forward(ctx: Any, x: Any, task: Task) -> Any:
            ctx.save_for_backward(x)
            ctx.task = task
            return x.new_tensor(task.loss(x.detach().numpy()))

        @staticmethod
        def backward(ctx: Any, upstream: Any) -> Any:
            (x,) = ctx.saved_tensors
            return upstream * torch.as_tensor(ctx.task.gradient(x.detach().numpy())), None

    return Model


BEST = partial(check, double=True, eps=EPS, atol=ATOL, rtol=RTOL)
FAST_BEST = partial(
    check, double=True, fast_mode=True, eps=FAST_EPS, atol=FAST_ATOL, rtol=FAST_RTOL
)
OPPONENTS = (
    Opponent("torch gradcheck", "default", check, "torch"),
    Opponent("torch gradcheck", "best", BEST, "torch"),
    Opponent("torch gradcheck, fast", "default", partial(check, fast_mode=True), "torch"),
    Opponent("torch gradcheck, fast", "best", FAST_BEST, "torch"),
)
