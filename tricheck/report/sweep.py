"""A sweep as a plot and a table for an 80-column terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from tricheck.parameters import FloatArray
from tricheck.report.text import WIDTH, Line, Span
from tricheck.report.words import entry_name

if TYPE_CHECKING:
    from tricheck.sweeping import Sweep

_ALONE = "That is the finite difference's word alone; tricheck check asks three sources."
_ROWS = 16
_MARGIN = 10  # of the axis on the left
_COLUMNS = 2  # for each step
_ERROR, _TRUNCATION, _ROUNDING, _STEP, _BOUND, _BACKPROP = "●", "╲", "╱", "│", "─", "═"
_STYLES = {
    _ERROR: "code",
    _TRUNCATION: "doubtful",
    _ROUNDING: "doubtful",
    _BOUND: "good",
    _STEP: "good",
    _BACKPROP: "bad",
}


def to_text(sweep: Sweep) -> str:
    """The plot, its reading, and the table."""
    shown = ("".join(span.text for span in line).rstrip() for line in lines(sweep, table=True))
    return "\n".join(shown) + "\n"


def lines(sweep: Sweep, *, table: bool) -> Iterator[Line]:
    """The sweep line by line.

    Parameters
    ----------
    sweep : Sweep
    table : bool
        Whether the numbers follow: a line for each step with the slopes, the error, what rounding
        explains, and the reading.
    """
    name = entry_name(sweep.parameter, sweep.index)
    yield [Span(f"{sweep.model}: finite difference of {name} against step size", "strong")]
    certified = f"{sweep.derivative:.15g} ± {sweep.bound:.1e}"
    yield [Span(f"  certified {certified}, backprop {sweep.backprop:.15g}")]
    yield []
    if len(sweep.steps):
        yield from _plot(sweep)
        yield []
    for text in textwrap.wrap(sweep.reading, WIDTH - 2):
        yield [Span(f"  {text}")]
    if sweep.gap:
        yield [Span(f"  {_ALONE}", "faint")]
    if table:
        yield []
        yield from _table(sweep)


# --- the plot -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    """Characters over steps and powers of ten.

    Attributes
    ----------
    cells : list of list of str
        Row by row, the highest power first.
    bottom, decades : int
        The lowest power, and how many each row stands for.
    """

    cells: list[list[str]]
    bottom: int
    decades: int

    @classmethod
    def over(cls, levels: FloatArray, steps: int) -> _Grid:
        """An empty one that holds these powers; whole decades to a row, to be labelled with."""
        bottom, top = math.floor(levels.min()), math.ceil(levels.max())
        decades = max(math.ceil((top - bottom) / (_ROWS - 1)), 1)
        rows = max(math.ceil((top - bottom) / decades), 1) + 1
        return cls([[" "] * (_COLUMNS * steps) for _ in range(rows)], bottom, decades)

    def row(self, level: float) -> list[str]:
        """The row of a power; one that belongs to nothing for what is not in the grid."""
        if not math.isfinite(level) or level < self.bottom:
            return [" "] * len(self.cells[0])
        number = len(self.cells) - 1 - round((level - self.bottom) / self.decades)
        return self.cells[number] if number >= 0 else [" "] * len(self.cells[0])

    def across(self, size: float, mark: str) -> None:
        """A level line."""
        row = self.row(_levels([size])[0])
        row[:] = [mark] * len(row)

    def down(self, step: int) -> None:
        """A line at a step."""
        for row in self.cells:
            row[_COLUMNS * step] = _STEP

    def points(self, sizes: FloatArray) -> None:
        """The errors; none at all lies at the bottom."""
        for step, level in enumerate(_levels(sizes)):
            known = level if math.isnan(level) else max(level, self.bottom)
            self.row(known)[_COLUMNS * step] = _ERROR

    def law(self, sizes: FloatArray, mark: str) -> None:
        """Marks between the points, which would hide them."""
        levels = _levels(sizes)
        for step, level in enumerate((levels[:-1] + levels[1:]) / 2):
            self.row(level)[_COLUMNS * step + 1] = mark


def _plot(sweep: Sweep) -> Iterator[Line]:
    """Errors against steps, both in powers of ten; coarse steps on the left."""
    sizes = np.array([*sweep.errors, sweep.bound, sweep.gap])
    levels = _levels(sizes)
    known = levels[np.isfinite(levels) & (sizes <= sweep.ceiling)]
    if not known.size:
        return
    grid = _Grid.over(known, len(sweep.steps))
    grid.across(sweep.bound, _BOUND)
    if sweep.gap:
        grid.across(sweep.gap, _BACKPROP)
    if math.isfinite(sweep.step) and sweep.step > 0.0:
        grid.down(int(np.argmin(np.abs(np.log(sweep.steps / sweep.step)))))
    grid.law(sweep.truncation, _TRUNCATION)
    grid.law(sweep.rounding, _ROUNDING)
    grid.points(sweep.errors)
    top = grid.bottom + grid.decades * (len(grid.cells) - 1)
    for number, row in enumerate(grid.cells):
        label = f"1e{top - grid.decades * number:+03d}"
        yield [Span(f"{label:>{_MARGIN - 2}} ┤", "faint"), *_spans("".join(row).rstrip())]
    yield [Span(" " * (_MARGIN - 1) + "└" + "─" * (_COLUMNS * len(sweep.steps)), "faint")]
    yield [Span(_axis(sweep.steps), "faint")]
    yield from _legend(bool(sweep.gap), bool(np.isfinite(sweep.truncation).any()))


def _levels(sizes: Sequence[float] | FloatArray) -> FloatArray:
    """Powers of ten; minus infinity for 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log10(np.asarray(sizes, dtype=np.float64)))


def _spans(cells: str) -> Iterator[Span]:
    for style, run in groupby(cells, key=lambda mark: _STYLES.get(mark, "plain")):
        yield Span("".join(run), style)


def _axis(steps: FloatArray) -> str:
    """Steps in powers of ten under every sixth point."""
    text = f"{'step':>{_MARGIN - 3}}"
    for k in range(0, len(steps), 6):
        text = f"{text:<{_MARGIN + _COLUMNS * k}}{steps[k]:.0e}"
    return text[:WIDTH]


def _legend(wrong: bool, falling: bool) -> Iterator[Line]:
    said = [(_ERROR, "error")]
    said += [(_TRUNCATION, "truncation, h²")] if falling else []
    said += [(_ROUNDING, "rounding, 1/h"), (_STEP, "chosen step"), (_BOUND, "bound")]
    line: Line = [Span(" " * _MARGIN)]
    for number, (mark, words) in enumerate(said):
        line += [Span("  " if number else ""), Span(mark, _STYLES[mark]), Span(f" {words}")]
    yield line
    if wrong:
        yield [
            Span(" " * _MARGIN),
            Span(_BACKPROP, _STYLES[_BACKPROP]),
            Span(" how far backprop is away"),
        ]


# --- the table ----------------------------------------------------------------------------------


def _table(sweep: Sweep) -> Iterator[Line]:
    head = f"  {'step':<8} {'central':>12} {'forward':>12} {'backward':>12} {'error':>8} "
    yield [Span(f"{head}{'rounding':>8}  reading", "faint")]
    for k, step in enumerate(sweep.steps):
        slopes = (sweep.values[k], sweep.forward[k], sweep.backward[k])
        shown = " ".join(f"{slope:>12.6g}" for slope in slopes)
        errors = f"{sweep.errors[k]:>8.1e} {sweep.rounding[k]:>8.1e}"
        yield [Span(f"  {step:<8.1e} {shown} {errors}  {sweep.readings[k]}")]
