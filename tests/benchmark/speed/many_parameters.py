"""`entries="auto"`, from ten entries to ten million."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import process_time

import tricheck
from tests.benchmark.speed import child, planted
from tests.benchmark.speed.clock import fastest, seconds
from tests.benchmark.speed.network import Network, loss, network
from tests.benchmark.speed.planted import Planted
from tests.benchmark.speed.section import Section
from tricheck.parameters import Parameters
from tricheck.tracing.reverse import value_and_gradient

_SIZES, _QUICK = tuple(10**k for k in range(1, 8)), (10, 100, 10_000)
_WEIGHED = (10**5, 10**7)  # sizes at which memory is measured
_LAYERS = 20
_LIMIT = 300.0
_ERRORS: dict[str, Callable[[Network], Planted]] = {
    "nothing": planted.nothing,
    "one entry": planted.entry,
    "one layer": planted.layer,
}


@dataclass(frozen=True)
class Row:
    """One network with one error.

    Attributes
    ----------
    entries : int
    wrong : str
    seconds : float
        Of the processor.
    evaluations : int
    units : float
        The time in those of a loss, a gradient and a reference gradient together.
    exact : bool
        Whether what is wrong was named, all of it and nothing else.
    memory : float or None
        The most that was held at a time, over what the parameters take.
    """

    entries: int
    wrong: str
    seconds: float
    evaluations: int
    units: float
    exact: bool
    memory: float | None


def rows(quick: bool) -> Iterator[Row]:
    """A row for each size and error."""
    for size in _QUICK if quick else _SIZES:
        for wrong in _ERRORS:
            memory = child.only(weighed, size, wrong, limit=_LIMIT) if size in _WEIGHED else None
            yield child.only(measured, size, wrong, memory, 2.0, limit=_LIMIT)


def measured(size: int, wrong: str, memory: float | None, lasting: float) -> Iterator[Row]:
    """One row."""
    tricheck.check(network(10, _LAYERS).model())  # loads what is loaded on use
    subject = network(size, _LAYERS)
    error = _ERRORS[wrong](subject)
    parameters = Parameters.read(subject.params)

    def unit() -> None:
        subject.evaluate()
        error.gradient(subject.params, *subject.args)
        value_and_gradient(loss, parameters, parameters.values, (subject.args, {}))

    reports: list[tricheck.Report] = []

    def check() -> None:
        reports[:] = [tricheck.check(subject.model(error.gradient))]

    before = [seconds(unit, process_time) for _ in range(3)]
    checked, after = fastest(check, unit, repeats=1, lasting=lasting, clock=process_time)
    yield Row(
        subject.size,
        wrong,
        checked,
        reports[0].evaluations["loss"],
        checked / min(*before, after),
        error.is_named_by(reports[0]),
        memory,
    )


def weighed(size: int, wrong: str) -> Iterator[float]:
    """Peak memory of a check, as `tracemalloc` counts it, over that of the parameters."""
    tricheck.check(network(10, _LAYERS).model())
    subject = network(size, _LAYERS)
    model = subject.model(_ERRORS[wrong](subject).gradient)
    tracemalloc.start()
    report = tricheck.check(model)
    _, peak = tracemalloc.get_traced_memory()
    del report
    yield peak / sum(W.nbytes for W in subject.params.values())


def cells(row: Row) -> list[str]:
    """As the table shows it."""
    return [
        f"{row.entries:,}",
        row.wrong,
        f"{row.seconds:.2f} s",
        f"{row.evaluations:,}",
        f"{row.units:.0f}",
        "yes" if row.exact else "**no**",
        "" if row.memory is None else f"{row.memory:.1f}×",
    ]


SECTION = Section(
    "Many parameters",
    '`tricheck.check(model)` of a network of twenty arrays, with `entries="auto"`. A unit is one '
    "loss, one gradient and one reference gradient together, in processor time; aims: 25 units, "
    "and in a pass of its own, by `tracemalloc`, 12 times the memory of the parameters.",
    ["entries", "wrong", "time", "calls of the loss", "units", "named exactly", "memory"],
    rows,
    cells,
)
