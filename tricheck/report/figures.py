"""Drawings with Matplotlib, for notebooks and for the page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tricheck.extras import require
from tricheck.parameters import FloatArray
from tricheck.report.heat import Heat, blocks, heat
from tricheck.report.words import entry_name, short, worst_parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tricheck.report.facts import Report
    from tricheck.sweeping import Sweep

# Colours by meaning; the page puts its own in their place, so that they follow its theme.
INK, FAINT, GOOD, BAD, BLUE = "#1f2328", "#6b7480", "#1a7f37", "#c4262e", "#0b62c4"
_MOST_CELLS = 4096
_INCHES = 3.2
# Difference over bound, in powers of ten: pale where far within, blue up to the bound, and
# from orange to dark red beyond it, so that the bound is seen in any light and by any eyes.
LOWEST, HIGHEST = -3.0, 15.0
_WITHIN = [(0.0, "#e4edf6"), (1.0, "#7ba7d6")]
_BEYOND = [(0.0, "#f6b04a"), (0.35, "#d9480f"), (1.0, "#7a0714")]
_HUGE = 1e290  # Matplotlib has no axes for more
_UNKNOWN = "#9aa3ad"
_PAPER = "#fefefe"
_VARIABLES = {_PAPER: "page", INK: "ink", FAINT: "faint", GOOD: "good", BAD: "bad", BLUE: "accent"}
_ID = re.compile(r'( id="|url\(#|href="#)')  # each drawing of a page has ids of its own


def new_axes() -> Axes:
    """Of a new figure, as pyplot makes them.

    Raises
    ------
    ImportError
        Where Matplotlib is not installed.
    """
    ax: Axes = _pyplot().subplots(layout="constrained")[1]
    return ax


def _pyplot() -> Any:
    require("a drawing", "matplotlib")
    from matplotlib import pyplot

    return pyplot


# --- the step-size curve ------------------------------------------------------------------------


def curve(sweep: Sweep, ax: Axes, used: float | None = None) -> Axes:
    """Error against step: what truncation and rounding explain, the chosen step, the bound.

    Parameters
    ----------
    sweep : Sweep
    ax : matplotlib axes
    used : float, optional
        The fixed step of a check.
    """
    floor = _floor(sweep)
    errors = np.maximum(sweep.errors, floor)
    errors = np.where(errors < _HUGE, errors, np.nan)
    ax.set_xscale("log")
    ax.set_yscale("log")
    level: Any = {"color": GOOD, "linewidth": 1, "linestyle": (0, (6, 3))}
    if max(sweep.bound, floor) < _HUGE:
        ax.axhline(max(sweep.bound, floor), label="certified bound, by extrapolation", **level)
    law: Any = {"color": FAINT, "linewidth": 1.2}
    rounding = _drawable(sweep.rounding, floor)
    ax.plot(sweep.steps, rounding, linestyle=":", label="rounding, ∝ 1/h", **law)
    if np.isfinite(sweep.truncation).any():
        truncation = _drawable(sweep.truncation, floor)
        ax.plot(sweep.steps, truncation, linestyle="--", label="truncation, ∝ h²", **law)
    points: Any = {"color": BLUE, "marker": "o", "markersize": 4, "linewidth": 1}
    ax.plot(sweep.steps, errors, label="error of the finite difference", **points)
    if 0.0 < sweep.gap < _HUGE:
        ax.axhline(sweep.gap, color=BAD, linewidth=1.5, label="backprop's error")
    if math.isfinite(sweep.step) and sweep.step > 0.0:
        ax.axvline(sweep.step, color=GOOD, linewidth=1, label="step that it starts from")
    if used is not None:
        ax.axvline(used, color=BAD, linewidth=1, linestyle=":", label="fixed step of the check")
    ax.invert_xaxis()
    ax.set_xlabel("step h")
    ax.set_ylabel("error")
    name = entry_name(sweep.parameter, sweep.index)
    ax.set_title(name, fontsize="medium", parse_math=False)  # a name may hold a $
    ax.grid(visible=True, linewidth=0.4, alpha=0.4)
    ax.legend(fontsize="small", framealpha=0.85, facecolor=_PAPER, edgecolor="none")
    _bounded(ax, sweep, errors)
    return ax


def _floor(sweep: Sweep) -> float:
    """What stands for no error on a logarithmic scale: a tenth of the smallest that was seen."""
    seen = np.concatenate([sweep.errors, [sweep.bound]])
    seen = seen[np.isfinite(seen) & (seen > 0.0)]
    return float(seen.min()) / 10 if seen.size else 1e-16


def _drawable(law: FloatArray, floor: float) -> FloatArray:
    """A law where it is not far below all that was measured."""
    return np.where((law >= floor) & (law < _HUGE), law, np.nan)


def _bounded(ax: Axes, sweep: Sweep, errors: FloatArray) -> None:
    """Limits that the data set, not the laws that are drawn through them."""
    sizes = np.append(errors, [sweep.gap, sweep.bound])
    seen = sizes[np.isfinite(sizes) & (sizes > 0.0) & (sizes <= sweep.ceiling)]
    if seen.size:
        ax.set_ylim(seen.min() / 3, seen.max() * 10)


# --- heat ---------------------------------------------------------------------------------------


def draw_heat(grid: Heat, ax: Axes) -> Axes:
    """The cells of a parameter; blamed ones are marked with a cross."""
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
    from matplotlib.patheffects import withStroke

    middle = 0.5  # where the difference is as large as the bound
    stops = [(middle * place, colour) for place, colour in _WITHIN]
    stops += [(middle + (1 - middle) * place, colour) for place, colour in _BEYOND]
    colours = LinearSegmentedColormap.from_list("tricheck", stops).with_extremes(bad=_UNKNOWN)
    with np.errstate(divide="ignore"):
        levels = np.clip(np.log10(grid.ratios), LOWEST, HIGHEST)
    # at the bound itself the sources agree
    levels = np.where((levels > 0.0) & (levels < 0.02), 0.02, levels)
    ax.imshow(
        levels,
        cmap=colours,
        norm=TwoSlopeNorm(0.0, LOWEST, HIGHEST),
        interpolation="none",
        aspect="equal",
    )
    rows, columns = np.nonzero(grid.wrong)
    size = 28.0 if grid.ratios.size <= 256 else 6.0
    outlined = [withStroke(linewidth=3.0, foreground="black")]
    ax.scatter(columns, rows, marker="x", s=size, color="white", path_effects=outlined)
    return ax


def plot(report: Report) -> Any:
    """The heat of the parameters that a reader should see first, on axes of a new figure."""
    pyplot = _pyplot()
    wrong = [p for p in report.parameters.values() if p.wrong]
    chosen = wrong[:6] or worst_parameters(report)
    found = blocks(report)
    figure: Figure
    figure, axes = pyplot.subplots(
        1,
        len(chosen),
        figsize=(_INCHES * len(chosen), _INCHES),
        layout="constrained",
        squeeze=False,
    )
    for ax, parameter in zip(axes[0], chosen, strict=True):
        grid = heat(parameter, found[parameter.name], _MOST_CELLS)
        draw_heat(grid, ax)
        most = float(np.nanmax(grid.ratios, initial=0.0))
        title = f"{parameter.name}: {parameter.verdict}\nup to {short(most)} × bound"
        ax.set_title(title, fontsize="medium", parse_math=False)
        ax.set_xticks([])
        ax.set_yticks([])
    figure.suptitle(f"{report.model}: {report.verdict}", parse_math=False)
    return axes[0]


# --- for the page -------------------------------------------------------------------------------


def curve_svg(sweep: Sweep, name: str, used: float | None = None) -> str:
    """A step-size curve as an SVG element, whose ids begin with `name`."""
    return page_svg(6.8, 3.8, lambda ax: curve(sweep, ax, used), name)


def page_svg(width: float, height: float, draw: Callable[[Axes], object], name: str) -> str:
    """What is drawn on axes, so many inches large, as an SVG element for a page."""
    with _for_page():
        figure = _figure(width, height)
        draw(figure.add_subplot())
        return _svg(figure, name)


def heat_svg(grid: Heat, cell: float, name: str) -> str:
    """A grid as an SVG element without a margin, each cell so many points wide."""
    rows, columns = grid.ratios.shape
    with _for_page():
        figure = _figure(columns * cell / 72, rows * cell / 72)
        figure.set_layout_engine("none")
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        draw_heat(grid, ax)
        ax.set_aspect("auto")
        ax.set_axis_off()
        return _svg(figure, name)


@contextmanager
def _for_page() -> Iterator[None]:
    require("a drawing", "matplotlib")
    import matplotlib as mpl

    settings = {
        "svg.fonttype": "none",  # text stays text, in the page's own font
        "svg.hashsalt": "tricheck",  # the same drawing is the same file
        "font.family": "sans-serif",
    }
    settings |= dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), INK)
    settings |= dict.fromkeys(("xtick.color", "ytick.color"), FAINT)
    with mpl.rc_context({**mpl.rcParamsDefault, **settings, "backend": mpl.rcParams["backend"]}):
        yield


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    # what it shows is said by whoever puts it on a page
    text = text[text.index("<svg") :].replace("<svg", '<svg aria-hidden="true"', 1)
    text = _ID.sub(rf"\g<1>{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return text
