"""What a notebook shows, run by a real kernel, and what Matplotlib draws."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tricheck
from tests.test_page import Outline, checked
from tests.test_report import GOOD_DRAWN, WRONG_DRAWN
from tricheck.report import Report

CELLS = [
    "import numpy as np, time, tricheck\n"
    "report = tricheck.check(lambda w: np.sum(w**2), lambda w: w, np.ones(3), name='line')\n"
    "report",
    "%matplotlib inline\n"
    "report.plot();",
    "report.sweep('params', 0).plot();",
    "report.sweep('params', 0)",
    "from tricheck.report import progress\n"
    "progress._PATIENCE = 0.1\n"
    "def slow(w):\n"
    "    time.sleep(0.004)\n"
    "    return np.sum(w**2)\n"
    "tricheck.check(slow, lambda w: 2 * w, np.ones(40), progress=True).ok",
]  # fmt: skip


@pytest.fixture(scope="module")
def cells() -> list[Any]:
    """The cells' outputs."""
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    done = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [cell.outputs for cell in done.cells]


def test_a_report_is_shown_as_html_and_as_text(cells: list[Any]) -> None:
    [output] = cells[0]
    assert "line: <span" in output.data["text/html"]
    assert "scale" in output.data["text/html"]
    assert output.data["text/plain"].startswith("✗ line: backprop\n  The hand-written")


def test_drawings_are_shown(cells: list[Any]) -> None:
    for outputs in cells[1:3]:
        assert "image/png" in outputs[-1].data


def test_a_sweep_is_shown_as_its_plot(cells: list[Any]) -> None:
    assert "┤" in cells[3][-1].data["text/plain"]


def test_progress_is_shown_and_taken_away(cells: list[Any]) -> None:
    first, *_, answer = cells[4]
    assert first.data == {"text/plain": ""}  # as it was left
    assert answer.data == {"text/plain": "True"}


def test_the_notebook_says_the_same_as_the_text() -> None:
    lstm = checked("lstm_forget_gate")
    piece = str(lstm._repr_html_())
    assert not Outline(piece).stack
    text = " ".join(re.sub(r"<[^>]+>", "", piece).split())
    for said in ("broken_lstm_forget_gate: backprop", "The hand-written backprop is wrong."):
        assert said in text
    for parameter in lstm.parameters.values():
        for pair in parameter.pairs.values():
            assert f"{pair.difference:.1e}" in text or pair.difference == 0.0
    assert len(piece) < 30_000


@pytest.mark.parametrize("report", [GOOD_DRAWN, WRONG_DRAWN], ids=["good", "wrong"])
def test_a_report_is_drawn(report: Report) -> None:
    [ax] = report.plot()
    assert ax.get_title().partition(":")[0] == "W1"
    assert report.verdict in ax.figure.get_suptitle()


def test_names_are_no_mathematics() -> None:
    name = r"$\frac$"
    report = tricheck.check(
        lambda p: np.sum(p[name] ** 2), lambda p: {name: p[name]}, {name: np.ones(2)}, name=name
    )
    [ax] = report.plot()
    ax.figure.canvas.draw()
    assert name in ax.get_title()


def test_six_parameters_at_the_most_are_drawn() -> None:
    params = [np.ones(2) for _ in range(9)]
    report = tricheck.check(
        lambda p: sum(np.sum(w**2) for w in p), lambda p: [w * 1.0 for w in p], params
    )
    assert len(report.plot()) == 6


def test_a_sweep_is_drawn_on_the_axes_that_are_given() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    model = tricheck.Model(lambda x: np.sum(np.exp(x)), lambda x: 1.5 * np.exp(x), np.ones(2))
    swept = tricheck.sweep(model, "params", 1)
    ax = pyplot.figure().add_subplot()
    assert swept.plot(ax) is ax
    labels = [line.get_label() for line in ax.lines]
    for said in (
        "error",
        "truncation",
        "rounding",
        "backprop's error",
        "certified bound",
        "step that",
    ):
        assert any(str(label).startswith(said) for label in labels), said
    [error] = [line for line in ax.lines if str(line.get_label()).startswith("error")]
    np.testing.assert_allclose(np.array(error.get_xdata(), dtype=float), swept.steps)
    seen = swept.errors > 0
    drawn = np.array(error.get_ydata(), dtype=float)
    np.testing.assert_allclose(drawn[seen], swept.errors[seen])
    pyplot.close("all")
    assert swept.plot() is not ax
