"""Running cases through tricheck and the other checkers, on every core."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmark.case import Case, drawn
from tests.benchmark.judged import Judged, judged
from tests.benchmark.opponents.opponent import Answer, Task
from tests.benchmark.opponents.registry import OPPONENTS

_CHUNK = 25
# One thread each: the models are small, and threads of several workers would fight for the cores.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Outcome:
    """A case in words, and what every checker made of it.

    Attributes
    ----------
    number : int
    label : str
    model, point, dtype, setting : str
    mistake, row : str
        Empty for correct gradients.
    guilty : str
    verdicts, causes : list of str
        The admissible ones.
    magnitude : float
    wrong : bool
        Whether backprop is wrong.
    kinked : bool
        Whether the point stands at a kink, where no gradient is the right one.
    tricheck : Judged
    answers : dict of str to Answer
        By checker and setting.
    """

    number: int
    label: str
    model: str
    point: str
    dtype: str
    setting: str
    mistake: str
    row: str
    guilty: str
    verdicts: list[str]
    causes: list[str]
    magnitude: float
    wrong: bool
    kinked: bool
    tricheck: Judged
    answers: dict[str, Answer]


def outcomes(seed: int, numbers: Iterable[int], jobs: int, others: bool) -> Iterator[Outcome]:
    """What is made of the cases of a seed, in their order.

    Parameters
    ----------
    seed : int
    numbers : iterable of int
        The cases.
    jobs : int
        Worker processes; 1 runs in this one.
    others : bool
        Whether the other checkers run too.
    """
    chosen = list(numbers)
    chunks = [chosen[k : k + _CHUNK] for k in range(0, len(chosen), _CHUNK)]
    work = partial(_outcomes, seed, others)
    if jobs == 1:
        for chunk in chunks:
            yield from work(chunk)
        return
    os.environ.update(dict.fromkeys(THREADS, "1"))
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for results in pool.map(work, chunks):
            yield from results


def _outcomes(seed: int, others: bool, numbers: list[int]) -> list[Outcome]:
    with TemporaryDirectory() as folder:
        return [outcome(drawn(seed, number, Path(folder)), others) for number in numbers]


def outcome(case: Case, others: bool) -> Outcome:
    """What every checker makes of a case."""
    expected = case.expected
    return Outcome(
        case.number,
        case.label,
        case.model,
        case.point,
        case.dtype,
        case.setting.name,
        case.mistake.name if case.mistake else "",
        case.mistake.row if case.mistake else "",
        case.guilty,
        sorted(expected.verdicts),
        sorted(expected.causes),
        expected.magnitude,
        case.wrong,
        case.kinked,
        judged(case),
        _answers(case) if others else {},
    )


def _answers(case: Case) -> dict[str, Answer]:
    """What the other checkers answer; each gets functions that remember nothing."""
    answers = {}
    for opponent in OPPONENTS:
        task = Task.of(case.setting.loss, case.gradient(), case.problem.params, case.problem.args)
        answers[f"{opponent.name}, {opponent.setting}"] = opponent.run(task)
    return answers
