"""Errors of whoever types a command, in lines that a terminal shows whole."""

from __future__ import annotations

import textwrap

import click

_WIDTH = 79
_LEAD = " " * len("Error: ")


class UsageError(click.UsageError):
    """Printed with the command's usage; the exit code is 2."""

    def __init__(self, message: str) -> None:
        super().__init__(wrapped(message))


def wrapped(message: str) -> str:
    """A message that is printed after ``Error: ``; names and paths stay in one piece.

    Examples
    --------
    >>> wrapped("short")
    'short'
    """
    return textwrap.fill(
        message,
        _WIDTH,
        initial_indent=_LEAD,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    ).removeprefix(_LEAD)
