"""A finite difference in every entry, beside a bare loop that calls the loss as often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from time import perf_counter, process_time
from typing import Any

import tricheck
from tests.benchmark.speed import child
from tests.benchmark.speed.clock import fastest, loop, seconds
from tests.benchmark.speed.network import Network, Params, gradient, loss, network
from tests.benchmark.speed.section import Section

# entries, and samples enough for a loss of 20 µs
_SIZES, _QUICK = ((1_000, 64), (4_000, 32), (10_000, 24), (40_000, 8)), ((200, 64), (1_000, 64))
_LAYERS = 4
_LIMIT = 300.0


@dataclass(frozen=True)
class Row:
    """One network.

    Attributes
    ----------
    entries : int
    loss : float
        Seconds of a call in the bare loop.
    evaluations : int
    ratio : float
        Processor time of the check over that of the bare loop.
    inside, around, rest : float
        What takes it, in the same unit: the calls themselves, what is done from one to the next,
        and all else. They were noted in another run.
    """

    entries: int
    loss: float
    evaluations: int
    ratio: float
    inside: float
    around: float
    rest: float


def rows(quick: bool) -> Iterator[Row]:
    """A row for each size."""
    for size, samples in _QUICK if quick else _SIZES:
        yield child.only(measured, network(size, _LAYERS, samples), 10.0, limit=_LIMIT)


def measured(network: Network, lasting: float) -> Iterator[Row]:
    """One row."""
    model = network.model()
    evaluations = tricheck.check(model, entries="all").evaluations["loss"]
    bare, checked = fastest(
        loop(network.evaluate, evaluations),
        lambda: tricheck.check(model, entries="all"),
        repeats=3,
        lasting=lasting,
        clock=process_time,
    )
    split = (part / bare for part in _split(network))
    yield Row(network.size, bare / evaluations, evaluations, checked / bare, *split)


def _split(network: Network) -> tuple[float, float, float]:
    """Seconds in the loss, from one call to the next, and elsewhere, where runs are traced too."""
    spans: list[tuple[float, float]] = []

    def noted(params: Params, *args: Any) -> Any:
        start = perf_counter()
        value = loss(params, *args)
        spans.append((start, perf_counter()))
        return value

    model = tricheck.Model(noted, gradient, network.params, args=network.args)
    whole = seconds(lambda: tricheck.check(model, entries="all"), process_time)
    inside = len(spans) * median(end - start for start, end in spans)
    around = len(spans) * median(start - end for (_, end), (start, _) in pairwise(spans))
    return inside, around, whole - inside - around


def cells(row: Row) -> list[str]:
    """As the table shows it."""
    return [
        f"{row.entries:,}",
        f"{row.loss * 1e6:.0f} µs",
        f"{row.evaluations / row.entries:.2f}",
        f"{row.ratio:.2f}",
        f"{row.inside:.2f} + {row.around:.2f} + {row.rest:.2f}",
    ]


SECTION = Section(
    "Full check",
    '`tricheck.check(model, entries="all")` beside a bare loop with as many calls of the loss, '
    "in processor time; aims: 1.10 of that loop's, 2.5 calls for each entry.",
    ["entries", "one loss", "calls per entry", "time", "in the loss + between calls + the rest"],
    rows,
    cells,
)
