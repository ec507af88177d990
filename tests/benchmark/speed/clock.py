"""Times of what takes turns: other load on the machine then slows all of it alike."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

Work = Callable[[], object]
Clock = Callable[[], float]  # of the wall, or of the processor, which other load disturbs less

_LOOP = 0.05  # seconds that a loop of calls takes at least


def seconds(work: Work, clock: Clock = perf_counter) -> float:
    """How long it takes once."""
    start = clock()
    work()
    return clock() - start


def fastest(
    *works: Work, repeats: int, lasting: float = 0.0, clock: Clock = perf_counter
) -> list[float]:
    """The least that each took, the works taking turns.

    Parameters
    ----------
    *works : callable
    repeats : int
        How often each is run, or more often:
    lasting : float
        For so many seconds together.
    clock : callable
    """
    rounds: list[list[float]] = []
    while len(rounds) < repeats or sum(map(sum, rounds)) < lasting:
        rounds.append([seconds(work, clock) for work in works])
    return [min(times) for times in zip(*rounds, strict=True)]


def loop(work: Work, count: int) -> Work:
    """So many calls and nothing else."""

    def calls() -> None:
        for _ in range(count):
            work()

    return calls


def per_call(work: Work) -> float:
    """The least that a call takes in a bare loop."""
    count = max(1, round(_LOOP / max(seconds(work), 1e-6)))
    return min(seconds(loop(work, count)) for _ in range(3)) / count
