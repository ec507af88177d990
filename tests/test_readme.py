"""The README: its code runs, and its output is what the code prints, numbers' last digits aside."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import linecache
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import tricheck
from tests.calibration.__main__ import table
from tests.hiding import CASES
from tests.picture import FILE as FILE_OF_PICTURE
from tests.picture import drawn
from tricheck.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
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


FILE = re.compile(r"# (\w+\.py)\n")
OF_A_SUITE = ("test_line.py", "models.py", "test_models.py")


def name_of(code: str) -> str:
    """The file that a block says it is."""
    found = FILE.match(code)
    return found[1] if found else ""


def test_every_python_block_runs_and_prints_what_the_readme_shows() -> None:
    alone = [
        i
        for i, (language, code) in enumerate(BLOCKS)
        if language == "python" and name_of(code) not in OF_A_SUITE
    ]
    assert len(alone) == 6
    for i in alone:
        printed, names = executed(BLOCKS[i][1])
        if i + 1 < len(BLOCKS) and BLOCKS[i + 1][0] == "text":
            assert shape_of(printed) == shape_of(BLOCKS[i + 1][1])
        for value in names.values():
            if isinstance(value, tricheck.Model):
                assert tricheck.check(value).verdict is tricheck.Verdict.AGREE


def test_the_test_suite_runs_and_prints_what_the_readme_shows(tmp_path: Path) -> None:
    for language, code in BLOCKS:
        if language == "python" and name_of(code) in OF_A_SUITE:
            (tmp_path / name_of(code)).write_text(code, encoding="utf-8")
    [i] = [i for i, (_, text) in enumerate(BLOCKS) if text.startswith("pytest ")]
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(BLOCKS[i][1]), "-p", "no:cacheprovider"],
        capture_output=True,
        cwd=tmp_path,
        encoding="utf-8",
        check=False,
    )
    assert without_times(done.stdout) == without_times(BLOCKS[i + 1][1])
    assert len([line for line in BLOCKS[i - 1][1].splitlines()[1:] if line]) == 10


def without_times(text: str) -> str:
    return shape_of(re.sub(r"in \d+\.\d+s", "", text))


def commands() -> list[tuple[int, str]]:
    """Every command of the README, with the number of its block."""
    return [
        (i, command)
        for i, (language, text) in enumerate(BLOCKS)
        if language == "sh"
        for line in text.splitlines()
        for command in line.split(" && ")
    ]


def test_every_command_of_tricheck_runs_and_prints_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "fit.py").write_text(
        "import numpy as np\ndef fun(x): return np.sum(x**2)\ndef jac(x): return 2 * x\n"
    )
    np.save(tmp_path / "x0.npy", np.array([1.0, 2.0]))
    monkeypatch.chdir(tmp_path)
    ran = 0
    for i, command in commands():
        program, *arguments = shlex.split(command)
        if program.rpartition("/")[2] != "tricheck" or arguments == ["check", "examples/"]:
            continue  # the set-up, which a fresh environment runs
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, command
        ran += 1
        if i + 1 < len(BLOCKS) and BLOCKS[i + 1][0] == "text":
            assert without_plot(result.output) == without_plot(BLOCKS[i + 1][1])
    assert ran == 6


def without_plot(text: str) -> str:
    """The marks of a plot stand where the machine's rounding puts them."""
    return shape_of("\n".join(line for line in text.splitlines() if "┤" not in line))


def test_every_other_command_is_run_by_the_continuous_integration_or_exists() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for _, command in commands():
        words = shlex.split(command)
        if words[0].rpartition("/")[2] in ("tricheck", "pytest"):
            continue
        if "-m" in words and words[-1].startswith("tests."):
            assert importlib.util.find_spec(f"{words[-1]}.__main__") or importlib.util.find_spec(
                words[-1]
            )
        else:  # it sets up an environment
            assert re.search(r"-m venv|pip install", command)
    assert "README.md" in script


def test_the_picture_is_what_the_command_draws() -> None:
    texts = [re.findall(r">([^<>\n]+)</text>", svg) for svg in (FILE_OF_PICTURE.read_text(
        encoding="utf-8"), drawn())]  # fmt: skip
    assert texts[0] == texts[1]
    assert f"]({FILE_OF_PICTURE.relative_to(ROOT).as_posix()})" in README


def test_the_table_of_options_names_options_that_are_there() -> None:
    shown = CliRunner().invoke(main, ["check", "--help"]).output
    table = README.partition("| option | |")[2].partition("\n\n")[0]
    for option in re.findall(r"`(-[-\w]+)", table):
        assert option in shown


def test_the_calibration_table_has_a_row_for_every_class() -> None:
    for row in table(range(1)):
        assert f"| {row.name} |" in README


def test_every_blind_spot_is_in_the_table() -> None:
    for case in CASES:
        assert f"`{case.spot}`" in README


def test_every_verdict_is_in_the_table() -> None:
    for verdict in tricheck.Verdict:
        assert f"| `{verdict.value}` |" in README
