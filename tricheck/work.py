"""Measurements in chunks, in this process or in others, until all are made or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from tricheck.watch import Watch

if TYPE_CHECKING:
    from tricheck.sources.finite_difference import Sweeper

T = TypeVar("T")
Task = Callable[["Sweeper", Sequence[int]], T]

_CHUNK = 0.1  # seconds between two looks at the clock
_GROWTH = 4
_LOSSES = 4  # for one entry, before any has been timed


@dataclass(frozen=True)
class Work:
    """Who takes the finite differences, and for how long.

    What is measured of an entry depends on nothing but the entry: the results are the same however
    it is divided.

    Attributes
    ----------
    watch : Watch
    jobs : int
        Processes that work at a time; 1 is this one.
    loss_seconds : float
        How long one loss takes, about.
    """

    watch: Watch = field(default_factory=Watch)
    jobs: int = 1
    loss_seconds: float = 0.0

    def chunks(
        self, sweeper: Sweeper, task: Task[T], positions: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], T]]:
        """What a task gives for some positions, chunk by chunk; of fewer where time is up."""
        if self.jobs == 1 or len(positions) < 2:
            yield from self._here(sweeper, task, positions)
            return
        from tricheck.parallel import spread

        seconds = _LOSSES * self.loss_seconds
        yield from spread(sweeper, task, positions, self.jobs, seconds, self.watch)

    def affords(self, losses: float) -> bool:
        """Whether there is time for so many losses."""
        return self.watch.allows(losses * self.loss_seconds / max(self.jobs, 1))

    def forgoes(self, what: str, losses: int = 0) -> bool:
        """Whether something is not looked at that takes so many losses; then that is noted."""
        if self.watch.allows(losses * self.loss_seconds):
            return False
        self.watch.omit(what)
        return True

    def _here(
        self, sweeper: Sweeper, task: Task[T], positions: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], T]]:
        start, count, each = 0, 1, _LOSSES * self.loss_seconds
        while start < len(positions) and self.watch.allows(each / 2):
            chunk = positions[start : start + count]
            began = time.perf_counter()
            yield chunk, task(sweeper, chunk)
            each = (time.perf_counter() - began) / len(chunk)
            start += len(chunk)
            count = min(_GROWTH * count, max(1, int(_CHUNK / max(each, 1e-9))))


def one_blas_thread() -> AbstractContextManager[object]:
    """BLAS on one thread where threadpoolctl is installed: on two, sums come in another order.

    What many entries are for is done by processes, which give the same as this one then.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(limits=1)
    return limits
