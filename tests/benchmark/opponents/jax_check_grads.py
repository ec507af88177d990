"""`jax.test_util.check_grads`: one fixed random direction."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import numpy as np

from tests.benchmark.opponents.opponent import Opponent, Task

# found by `python -m tests.benchmark.opponents.tune`
EPS, ATOL, RTOL = 1e-5, 1e-8, 1e-6


def check(task: Task, *, double: bool = False, **settings: Any) -> str | None:
    """The model is called back from a function with a custom derivative.

    As jax comes it computes in float32; a float64 model is checked with `jax_enable_x64`, by
    default too: without it the model would be another one than the other checkers are given.
    """
    import jax
    from jax.test_util import check_grads

    task = task.doubled if double else task
    with _enabled_x64(task.point.dtype == np.float64), _called_back(task):
        try:
            check_grads(_model(), (jax.numpy.asarray(task.point),), 1, ["rev"], **settings)
        except AssertionError as mismatch:
            return str(mismatch)
    return None


@contextmanager
def _enabled_x64(enabled: Any) -> Iterator[None]:
    """For all threads: what calls back with a large array is another one."""
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", bool(enabled))
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


_CALLED_BACK: list[Task] = []


@contextmanager
def _called_back(task: Task) -> Iterator[None]:
    """The task is what the one compiled function calls; compiling takes far longer than a check."""
    logger = logging.getLogger("jax._src.callback")  # prints what a callback raises
    disabled, logger.disabled = logger.disabled, True
    _CALLED_BACK.append(task)
    try:
        yield
    finally:
        _CALLED_BACK.pop()
        logger.disabled = disabled


def _loss(x: Any) -> Any:
    return np.asarray(_CALLED_BACK[-1].loss(np.asarray(x)), dtype=x.dtype)


def _gradient(x: Any) -> Any:
    return _CALLED_BACK[-1].gradient(np.asarray(x))


@cache
def _model() -> Any:
    import jax

    @jax.custom_vjp  # type: ignore[untyped-decorator]  # jax is not type-checked
    def model(x: Any) -> Any:
        return jax.pure_callback(_loss, jax.ShapeDtypeStruct((), x.dtype), x)

    def forward(x: Any) -> Any:
        return model(x), x

    def backward(x: Any, upstream: Any) -> Any:
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return (upstream * jax.pure_callback(_gradient, shape, x),)

    model.defvjp(forward, backward)
    return model


OPPONENTS = (
    Opponent("jax check_grads", "default", check, "jax.test_util"),
    Opponent(
        "jax check_grads",
        "best",
        partial(check, double=True, eps=EPS, atol=ATOL, rtol=RTOL),
        "jax.test_util",
    ),
)
