"""A sweep as a table for an 80-column terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tricheck.report.text import WIDTH
from tricheck.report.words import entry_name

if TYPE_CHECKING:
    from tricheck.sweeping import Sweep


def to_text(sweep: Sweep) -> str:
    """A line for each step: the slopes, the error, what rounding explains, and the reading."""
    name = entry_name(sweep.parameter, sweep.index)
    lines = [
        f"{sweep.model}: finite difference of {name} against step size",
        f"  certified {sweep.derivative:.15g} ± {sweep.bound:.1e}, backprop {sweep.backprop:.15g}",
        "",
        f"  {'step':<8} {'central':>12} {'forward':>12} {'backward':>12} {'error':>8} "
        f"{'rounding':>8}  reading",
    ]
    for k, step in enumerate(sweep.steps):
        lines.append(
            f"  {step:<8.1e} {sweep.values[k]:>12.6g} {sweep.forward[k]:>12.6g} "
            f"{sweep.backward[k]:>12.6g} {sweep.errors[k]:>8.1e} {sweep.rounding[k]:>8.1e}  "
            f"{sweep.readings[k]}"
        )
    lines += [
        "",
        *textwrap.wrap(sweep.reading, WIDTH - 2, initial_indent="  ", subsequent_indent="  "),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"
