"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table without a caption.

    Examples
    --------
    >>> print(markdown(["n", "time"], [["10", "1 s"]]))
    | n | time |
    | --- | --- |
    | 10 | 1 s |
    """
    return "\n".join(lines(head, rows))


def lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Its lines, each as soon as there is what it shows."""
    for cells in (head, ["---"] * len(head)):
        yield _line(cells)
    yield from map(_line, rows)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
