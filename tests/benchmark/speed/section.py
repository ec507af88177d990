"""A part of the benchmark: what is measured, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmark.markdown import lines


@dataclass(frozen=True)
class Section:
    """A part of the benchmark.

    Attributes
    ----------
    title : str
    note : str
        What the figures are, and what they should be.
    head : sequence of str
        Of the table.
    measure : callable
        Given whether a small slice is enough, measures rows, which are frozen dataclasses.
    cells : callable
        A row as the table shows it.
    """

    title: str
    note: str
    head: Sequence[str]
    measure: Callable[[bool], Iterable[Any]]
    cells: Callable[[Any], Sequence[str]]

    def lines(self, rows: Iterable[Any]) -> Iterator[str]:
        """It in Markdown, every row as soon as it is measured."""
        yield from (f"### {self.title}", "", self.note, "")
        yield from lines(self.head, map(self.cells, rows))
        yield ""
