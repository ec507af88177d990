"""Lines of meaning on a terminal: in colours or without, in the characters that it can show."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from tricheck.report.text import Line, can_show, to_ascii

_COLOURS = {
    "good": "green",
    "bad": "red",
    "doubtful": "yellow",
    "strong": "bold",
    "faint": "dim",
    "code": "cyan",
    "plain": "",
}


def show(lines: Iterable[Line], *, to_stderr: bool = False) -> None:
    """Print lines as they come."""
    console = _Console(highlight=False, soft_wrap=True, stderr=to_stderr)
    ascii_only = not can_show(console.file)
    for line in lines:
        text = Text()
        for span in line:
            shown = to_ascii(span.text) if ascii_only else span.text
            text.append(shown, style=_COLOURS[span.style])
        console.print(text)


class _Console(Console):
    """One whose reader may go, as head does when it has seen enough: the rest goes nowhere."""

    def on_broken_pipe(self) -> None:
        """Print on, into nothing."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
