"""A part of the benchmark: what is measured, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmark.markdown import markdown


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

    def text(self, rows: Iterable[Any]) -> str:
        """Its rows in Markdown."""
        return f"### {self.title}\n\n{self.note}\n\n{markdown(self.head, map(self.cells, rows))}\n"
