"""A sweep as a plot and a table for an 80-column terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
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
_ERROR, _TRUNCATION, _ROUNDING, _BOUND, _BACKPROP = "●", "╲", "╱", "─", "═"
_STYLES = {
    _ERROR: "code",
    _TRUNCATION: "doubtful",
    _ROUNDING: "doubtful",
    _BOUND: "good",
    "│": "good",
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


def _plot(sweep: Sweep) -> Iterator[Line]:
    """Errors against steps, both in powers of ten; coarse steps on the left."""
    drawn = [*sweep.errors, sweep.bound, *([sweep.gap] if sweep.gap else [])]
    seen = _levels(drawn)
    known = seen[np.isfinite(seen) & (np.array(drawn) <= sweep.ceiling)]
    if not known.size:
        return
    bottom, top = math.floor(known.min()), math.ceil(known.max())
    # whole decades to a row, so that the axis is labelled with powers of ten
    decades = max(math.ceil((top - bottom) / (_ROWS - 1)), 1)
    rows = max(math.ceil((top - bottom) / decades), 1) + 1
    grid = [[" "] * (_COLUMNS * len(sweep.steps)) for _ in range(rows)]

    def row(level: float) -> int | None:
        if math.isnan(level) or level == math.inf:
            return None
        number = rows - 1 - round((max(level, bottom) - bottom) / decades)
        return number if 0 <= number < rows else None

    def across(level: float, mark: str) -> None:
        number = row(level)
        if number is not None:
            grid[number] = [mark] * len(grid[number])

    def along(levels: FloatArray, mark: str, column: int = 0) -> None:
        for k, level in enumerate(levels):
            number = row(level)
            if number is not None and level >= bottom:
                grid[number][_COLUMNS * k + column] = mark

    def law(sizes: FloatArray, mark: str) -> None:
        # between the points, which would hide it
        levels = _levels(sizes)
        along((levels[:-1] + levels[1:]) / 2, mark, column=1)

    across(_levels([sweep.bound])[0], _BOUND)
    if sweep.gap:
        across(_levels([sweep.gap])[0], _BACKPROP)
    if math.isfinite(sweep.step) and sweep.step > 0.0:
        column = _COLUMNS * int(np.argmin(np.abs(np.log(sweep.steps / sweep.step))))
        for cells in grid:
            cells[column] = "│"
    law(sweep.truncation, _TRUNCATION)
    law(sweep.rounding, _ROUNDING)
    along(np.maximum(_levels(sweep.errors), bottom), _ERROR)
    for number, cells in enumerate(grid):
        label = f"1e{bottom + decades * (rows - 1 - number):+03d}"
        yield [Span(f"{label:>{_MARGIN - 2}} ┤", "faint"), *_spans("".join(cells).rstrip())]
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
    said += [(_ROUNDING, "rounding, 1/h"), ("│", "chosen step"), (_BOUND, "bound")]
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
