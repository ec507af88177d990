"""What starting costs, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from tests.benchmark.speed.clock import fastest
from tests.benchmark.speed.section import Section

_BASE = "import numpy; import autograd"
_COMMANDS = {
    "pass": ["-c", "pass"],
    _BASE: ["-c", _BASE],
    "import tricheck": ["-c", "import tricheck"],
    "from tricheck import check": ["-c", "from tricheck import check"],
    "tricheck --help": ["-m", "tricheck", "--help"],
}


@dataclass(frozen=True)
class Row:
    """One command: the least it took, and that over what its two dependencies take to import."""

    command: str
    seconds: float
    ratio: float


def rows(quick: bool) -> Iterator[Row]:
    """A row for each command, these taking turns."""
    works = [partial(_run, arguments) for arguments in _COMMANDS.values()]
    times = dict(zip(_COMMANDS, fastest(*works, repeats=3 if quick else 15), strict=True))
    for command, took in times.items():
        yield Row(command, took, took / times[_BASE])


def _run(arguments: list[str]) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def cells(row: Row) -> list[str]:
    """As the table shows it."""
    return [f"`{row.command}`", f"{row.seconds:.3f} s", f"{row.ratio:.2f}"]


SECTION = Section(
    "Import",
    f"Whole processes, the interpreter's start among it, beside `{_BASE}`; aims: 1.15 for "
    "`import tricheck`, 2 for `tricheck --help`.",
    ["command", "time", "ratio"],
    rows,
    cells,
)
