"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table without a caption.

    Examples
    --------
    >>> print(markdown(["n", "time"], [["10", "1 s"]]))
    | n | time |
    | --- | --- |
    | 10 | 1 s |
    """
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
