"""The README's picture of how blame follows from bounds: ``python -m tests.picture`` draws it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tricheck.report.figures import BAD, BLUE, FAINT, GOOD, INK, page_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = Path(__file__).parent.parent / ".readme" / "how-it-decides.svg"
THEMES = """<style>
:root { --ink: #1f2328; --faint: #6b7480; --good: #1a7f37; --bad: #c4262e; --accent: #0b62c4 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf1; --faint: #9aa5b1; --good: #57c46f; --bad: #ff8078; --accent: #78b0ff }
}
text { font-family: system-ui, "DejaVu Sans", sans-serif }
</style>"""


class Case(NamedTuple):
    """Where three gradients lie, each with its bound, and what that means."""

    verdict: str
    because: str
    bars: tuple[tuple[float, float], ...]  # of backprop, finite difference, reference
    blamed: tuple[int, ...] = ()


CASES = [
    Case("agree", "all overlap", ((0.0, 0.06), (0.1, 0.35), (0.02, 0.08))),
    Case("backprop", "the two others overlap, it does not", ((1.5, 0.06), (0.1, 0.3), (0.0, 0.08)),
         (0,)),
    Case("reference", "the two others overlap, it does not", ((0.0, 0.06), (0.1, 0.3), (1.5, 0.08)),
         (2,)),
    Case("finite-difference", "its own error swallows the answer",
         ((0.0, 0.06), (0.65, 1.55), (0.02, 0.08)), (1,)),
    Case("backprop-and-reference", "the loss that is computed changes otherwise",
         ((0.0, 0.06), (1.4, 0.3), (0.02, 0.08)), (0, 2)),
]  # fmt: skip
NAMES = ("backprop", "finite difference", "reference")
MARKERS = ("o", "s", "D")


def drawn() -> str:
    """The picture as SVG that follows the reader's light or dark theme."""
    svg = page_svg(7.6, 3.9, _draw, "decides")
    head, _, rest = svg.partition(">")
    return f"{head}>\n{THEMES}{rest}"


def _draw(ax: Axes) -> None:
    for row, case in enumerate(CASES):
        middle = -1.35 * row
        for number, (value, bound) in enumerate(case.bars):
            colour = BAD if number in case.blamed else (GOOD, BLUE, INK)[number]
            place = middle + 0.3 * (1 - number)
            ax.errorbar(
                value, place, xerr=bound, fmt=MARKERS[number], color=colour, markersize=5,
                capsize=4, linewidth=2,
            )  # fmt: skip
            if row == 0:
                ax.text(-1.05, place, NAMES[number], color=colour, va="center", ha="right")
        ax.text(2.5, middle + 0.16, case.verdict, color=INK, weight="bold", va="center")
        ax.text(2.5, middle - 0.22, case.because, color=FAINT, va="center", size="small")
        if row:
            ax.axhline(middle + 0.68, color=FAINT, linewidth=0.4)
    ax.set_xlim(-2.6, 5.9)
    ax.set_ylim(-1.35 * (len(CASES) - 1) - 0.55, 0.55)
    ax.axis("off")


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(drawn(), encoding="utf-8")
    print(f"wrote {FILE}")
