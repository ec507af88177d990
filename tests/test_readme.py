"""The README: its code runs, and its output is what the code prints, numbers' last digits aside."""

from __future__ import annotations

import contextlib
import io
import linecache
import re
import shlex
from pathlib import Path
from typing import Any

from click.testing import CliRunner

import tricheck
from tests.calibration.__main__ import table
from tests.hiding import CASES
from tricheck.cli import main

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)


def executed(code: str) -> tuple[str, dict[str, Any]]:
    """What it prints as a file model.py, and the names that it defines."""
    printed = io.StringIO()
    names: dict[str, Any] = {}
    linecache.cache["model.py"] = (len(code), None, code.splitlines(keepends=True), "model.py")
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "model.py", "exec"), names)
    return printed.getvalue(), names


def shape_of(text: str) -> str:
    """The text with measured numbers reduced to a sign of where they stand."""
    text = re.sub(r"\d\.\d+e[+-]\d+", "#", text)
    text = re.sub(r"-?\d+\.\d{6,}", "#", text)
    return " ".join(text.split())


def test_every_python_block_runs_and_prints_what_the_readme_shows() -> None:
    python = [i for i, (language, _) in enumerate(BLOCKS) if language == "python"]
    assert len(python) == 7
    for i in python:
        printed, names = executed(BLOCKS[i][1])
        if i + 1 < len(BLOCKS) and BLOCKS[i + 1][0] == "text":
            assert shape_of(printed) == shape_of(BLOCKS[i + 1][1])
        for name, value in names.items():
            if name.startswith("test_"):
                value()
            if isinstance(value, tricheck.Model):
                assert tricheck.check(value).verdict is tricheck.Verdict.AGREE


def test_the_command_that_shows_a_formula_prints_what_the_readme_shows() -> None:
    [i] = [i for i, (_, text) in enumerate(BLOCKS) if "tricheck formula" in text]
    arguments = shlex.split(BLOCKS[i][1])[1:]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert shape_of(result.output) == shape_of(BLOCKS[i + 1][1])


def test_the_command_that_explains_runs() -> None:
    [command] = [text for _, text in BLOCKS if "tricheck explain" in text and "bin/" in text]
    assert CliRunner().invoke(main, shlex.split(command)[1:]).exit_code == 0


def test_the_calibration_table_has_a_row_for_every_class() -> None:
    for row in table(range(1)):
        assert f"| {row.name} |" in README


def test_every_blind_spot_is_in_the_table() -> None:
    for case in CASES:
        assert f"`{case.spot}`" in README


def test_every_verdict_is_in_the_table() -> None:
    for verdict in tricheck.Verdict:
        assert f"| `{verdict.value}` |" in README
