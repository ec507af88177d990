"""tricheck beside other checkers: how long each takes, and how small an error it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from tests.benchmark.speed import child, planted
from tests.benchmark.speed.checkers import CHECKERS, Session
from tests.benchmark.speed.clock import per_call, seconds
from tests.benchmark.speed.network import Network, network
from tests.benchmark.speed.section import Section

_SIZES, _QUICK = (100, 1_000, 10_000, 100_000), (100,)
_LAYERS, _SAMPLES = 4, 4
_LIMIT = 60.0  # seconds for one check
_ENOUGH, _OFTEN = 2.0, 5  # a check is repeated for so many seconds, or so often
_PLACES = 5  # entries that an error is planted in where the checker does not go through all
_LAST = 15  # decades below the largest entry
_LIKELY = 6  # the decade that is tried first


@dataclass(frozen=True)
class Row:
    """One checker on one network.

    Attributes
    ----------
    entries : int
    checker : str
    outcome : str
        Why it did not end; empty where it did.
    seconds : float or None
        Of a check of the right gradient.
    losses : float or None
        That in calls of the loss in a bare loop.
    calls : int or None
        Of the loss.
    passes : bool or None
        Whether it passes the right gradient.
    decade : int or None
        The smallest error of one entry that it reports is 10 to minus this, over the gradient's
        largest entry; -1 where it does not even report one as large as that.
    searched : bool
        Whether the decade after it was tried, and not reported.
    claim : float or None
        What it says itself that it sees.
    """

    entries: int
    checker: str
    outcome: str = ""
    seconds: float | None = None
    losses: float | None = None
    calls: int | None = None
    passes: bool | None = None
    decade: int | None = None
    searched: bool = False
    claim: float | None = None


def rows(quick: bool) -> Iterator[Row]:
    """A row for each size and checker."""
    likely = dict.fromkeys(CHECKERS, _LIKELY)
    for size in _QUICK if quick else _SIZES:
        for name in CHECKERS:
            row = in_child(name, network(size, _LAYERS, _SAMPLES), likely[name])
            likely[name] = likely[name] if row.decade is None else row.decade
            yield row


def in_child(name: str, subject: Network, likely: int, limit: float = _LIMIT) -> Row:
    """The last row that came in time."""
    known = [Row(subject.size, name)]
    try:
        for row in child.each(measured, name, subject, likely, limit=limit):
            known.append(row)
    except child.OutOfTimeError:
        return known[-1] if known[-1].seconds else replace(known[-1], outcome=f"> {limit:.0f} s")
    except child.FailedError as failed:
        return replace(known[-1], outcome=str(failed))
    return known[-1]


def measured(name: str, subject: Network, likely: int) -> Iterator[Row]:
    """A row that is filled in step by step."""
    row, checker = Row(subject.size, name), CHECKERS[name]
    try:
        import_module(checker.package)
    except ImportError:
        yield replace(row, outcome="not installed")
        return
    checker.session(network(10, _LAYERS, _SAMPLES)).right()  # loads what is loaded on use
    yield row
    session = checker.session(subject)
    row = _timed(row, session, subject)
    yield row
    if row.passes:
        for decade, searched in smallest(_sees(session, subject), likely):
            yield replace(row, decade=decade, searched=searched)


def _timed(row: Row, session: Session, subject: Network) -> Row:
    """The least that a check takes, between two bare loops."""
    answers: list[bool] = []
    before, times = per_call(subject.evaluate), list[float]()
    while sum(times) < _ENOUGH and len(times) < _OFTEN:
        times.append(seconds(lambda: answers.append(session.right())))
    took, bare = min(times), min(before, per_call(subject.evaluate))
    return replace(
        row,
        seconds=took,
        losses=took / bare,
        calls=session.calls,
        passes=all(answers),
        claim=session.claim,
    )


def _sees(session: Session, subject: Network) -> Callable[[int], bool]:
    """Whether an error is reported, a lucky direction apart: then in each of several entries."""
    places = _PLACES if session.calls < subject.size else 1

    def sees(decade: int) -> bool:
        return all(
            session.reports(planted.entry(subject, 10.0**-decade, seed)) for seed in range(places)
        )

    return sees


def smallest(sees: Callable[[int], bool], likely: int) -> Iterator[tuple[int | None, bool]]:
    """The last decade that is seen, from the likely one onwards or backwards.

    Yields
    ------
    decade : int or None
        As far as it is known; -1 where not even an error as large as the largest entry is seen.
    searched : bool
        Whether it is certain to be the last.

    Examples
    --------
    >>> list(smallest(lambda decade: decade <= 5, 4))
    [(4, False), (5, False), (5, True)]
    >>> list(smallest(lambda decade: False, 1))
    [(None, False), (None, False), (-1, True)]
    """
    decade = max(likely, 0)
    if not sees(decade):
        yield None, False
        while decade > 0 and not sees(decade - 1):
            decade -= 1
            yield None, False
        yield decade - 1, True
        return
    yield decade, False
    while decade < _LAST and sees(decade + 1):
        decade += 1
        yield decade, False
    yield decade, True


def cells(row: Row) -> list[str]:
    """As the table shows it."""
    return [
        f"{row.entries:,}",
        row.checker,
        row.outcome if row.seconds is None else f"{row.seconds:.2g} s",
        _shown(row.losses, "{:,.0f}"),
        _shown(row.calls, "{:,}"),
        {None: "", True: "passes", False: "**accused**"}[row.passes],
        _seen(row),
        _shown(row.claim, "{:.0e}"),
    ]


def _shown(value: Any, how: str) -> str:
    return "" if value is None else how.format(value)


def _seen(row: Row) -> str:
    if row.decade is None:
        return "" if row.seconds is None else row.outcome
    if row.decade < 0:
        return "never"
    size = f"1e-{row.decade}" if row.decade else "1"
    return size if row.searched else f"≤ {size}"


SECTION = Section(
    "Side by side",
    "One network for all, each checker with its default settings, for at most "
    f"{_LIMIT:.0f} s and {child.MEMORY // 2**30} GiB. The smallest error of a single entry that "
    "is reported is a power of ten of the gradient's largest entry; for checkers that call the "
    f"loss less often than once for each entry, it is reported in each of {_PLACES} entries. "
    "tricheck reports an error if it blames backprop for exactly that entry.",
    [
        "entries", "checker", "time", "in losses", "calls", "right gradient", "smallest error",
        "claimed",
    ],
    rows,
    cells,
)  # fmt: skip
