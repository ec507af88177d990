"""The command line, by its whole output and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from tricheck.cli import main
from tricheck.targets import find

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def unwrapped(result: Result) -> str:
    """All output, without the line breaks that a width of 80 makes."""
    return " ".join(result.output.split())


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("import numpy as np\nimport tricheck\n" + dedent(text), encoding="utf-8")
    return path


GOOD = """
    good = tricheck.Model(lambda w: np.sum(w**2), lambda w: 2 * w, np.array([1.0, 2.0]))
"""
BAD = """
    bad = tricheck.Model(lambda w: np.sum(w**2), lambda w: w, np.array([1.0, 2.0]))
"""
KINKED = """
    kinked = tricheck.Model(lambda w: np.sum(abs(w)), np.sign, np.array([0.0, 2.0]))
"""
RANDOM = """
    rng = np.random.default_rng(0)
    noisy = tricheck.Model(
        lambda w: np.sum(w**2 * rng.random(2)), lambda w: 2 * w * rng.random(2), np.ones(2)
    )
"""
BROKEN_CONTRACT = """
    whole = tricheck.Model(lambda w: np.sum(w**2), lambda w: 2 * w, np.array([1, 2]))
"""


def test_the_examples_pass_and_their_twins_fail(tmp_path: Path) -> None:
    """Some of them; what is said of each is tested with the examples."""
    for name in ("linear_regression", "two_layer_mse", "broken/linear_regression",
                 "broken/two_layer_mse_half", "broken/two_layer_mse_sign"):  # fmt: skip
        copy = tmp_path / f"{name}.py"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((EXAMPLES / f"{name}.py").read_bytes())
    good = run(tmp_path)
    assert good.exit_code == 0, good.output
    assert good.output.splitlines()[-1] == "2 models, 2 agree"
    bad = run(tmp_path / "broken")
    assert bad.exit_code == 1, bad.output
    assert bad.output.splitlines()[-1] == "3 models, 3 backprop"
    both = run(tmp_path, "-r")
    assert both.exit_code == 1
    assert both.output.splitlines()[-1] == "5 models, 2 agree, 3 backprop"


def test_all_examples_and_their_twins_are_found_in_their_folders() -> None:
    assert len(find(str(EXAMPLES))) == 15
    assert len(find(str(EXAMPLES / "broken"))) == 17
    assert len(find(str(EXAMPLES), recursive=True)) == 32


@pytest.mark.parametrize(
    ("text", "code"),
    [(GOOD, 0), (BAD, 1), (KINKED, 0), (RANDOM, 3), (BROKEN_CONTRACT, 2), (GOOD + BAD, 1),
     (GOOD + RANDOM, 3), (BAD + RANDOM, 1), (BAD + BROKEN_CONTRACT, 2)],
)  # fmt: skip
def test_exit_codes(tmp_path: Path, text: str, code: int) -> None:
    result = run(write(tmp_path, "model.py", text))
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_one_model_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, "model.py", GOOD + BAD)
    result = run(f"{path}::good")
    assert result.exit_code == 0
    assert "good: agree" in result.output
    assert "bad" not in result.output


def test_a_model_may_be_named_by_its_own_name(tmp_path: Path) -> None:
    path = write(tmp_path, "model.py", GOOD.replace("2.0]))", "2.0]), name='own name')"))
    assert run(f"{path}::own name").exit_code == 0


def test_a_directory_is_not_descended_unless_asked(tmp_path: Path) -> None:
    write(tmp_path, "a.py", GOOD)
    write(tmp_path, "deep/b.py", BAD)
    (tmp_path / "other.py").write_text("raise SystemExit('not a model file')\n")
    assert run(tmp_path).exit_code == 0
    assert run(tmp_path, "-r").exit_code == 1


def test_model_files_inside_a_package_may_import_their_neighbours(tmp_path: Path) -> None:
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "__init__.py").write_text("")
    (tmp_path / "mypackage" / "parts.py").write_text("FACTOR = 2.0\n")
    path = write(
        tmp_path / "mypackage",
        "model.py",
        """
        from .parts import FACTOR
        m = tricheck.Model(lambda w: np.sum(w**2), lambda w: FACTOR * w, np.array([1.0, 2.0]))
        """,
    )
    assert run(path).exit_code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", ["holds no model", "tricheck.Model(loss, gradient, params)"]),
        ("import nonsense_module\n", [":3", "does not import", "nonsense_module"]),
        ("def f(:\n", [":3", "SyntaxError"]),
        (GOOD.replace("good =", "a = b = ") + BAD.replace("2.0]))", "2.0]), name='a')"), ["'a'"]),
        ("m = tricheck.Model(3, None, None)\n", ["loss is a int", "function"]),
    ],
)
def test_a_bad_model_file_is_a_usage_error(tmp_path: Path, text: str, said: list[str]) -> None:
    result = run(write(tmp_path, "model.py", text))
    assert result.exit_code == 2
    for words in ["model.py", *said]:
        assert words in result.output


def test_bad_targets_are_usage_errors(tmp_path: Path) -> None:
    path = write(tmp_path, "model.py", GOOD)
    (tmp_path / "empty").mkdir()
    for target, said in [
        ("missing.py", "no such file"),
        (f"{path}::nobody", "it has 'good'"),
        (f"{tmp_path}::good", "is a directory"),
        (str(tmp_path / "empty"), "-r looks into its folders"),
    ]:
        result = run(target)
        assert result.exit_code == 2, target
        assert said in unwrapped(result)
    assert run().exit_code == 2
    for step in ("0", "-1", "x", "nan"):
        assert run(path, "--step", step).exit_code == 2


def test_json_holds_the_same_facts(tmp_path: Path) -> None:
    path = write(tmp_path, "model.py", GOOD + BAD)
    result = run(path, "--json", tmp_path / "out.json")
    models = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["models"]
    assert [(m["model"], m["verdict"]) for m in models] == [("good", "agree"), ("bad", "backprop")]
    assert all(Path(m["file"]) == path for m in models)
    figure = models[1]["parameters"]["params"]["pairs"]["backprop/reference"]["difference"]
    assert f"{figure:.1e}" in result.output


def test_json_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    path = write(tmp_path, "model.py", GOOD)
    result = run(path, "--json", tmp_path / "no" / "where.json")
    assert result.exit_code == 2
    assert "good" not in result.output


def test_json_on_standard_output_stands_alone(tmp_path: Path) -> None:
    result = run(write(tmp_path, "model.py", GOOD), "--json", "-")
    assert [m["verdict"] for m in json.loads(result.stdout)["models"]] == ["agree"]
    assert "good: agree" in result.stderr


def test_what_could_not_be_checked_is_counted_and_written(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "np.load('no such file.npy')\n")
    write(tmp_path, "b.py", BROKEN_CONTRACT)
    write(tmp_path, "c.py", "import sys\nsys.exit(0)\n")
    write(tmp_path, "d.py", BAD)
    result = run(tmp_path, "--json", tmp_path / "out.json")
    assert result.exit_code == 2
    assert result.stdout.splitlines()[-1] == "1 model, 1 backprop, 3 not checked"
    facts = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [m["model"] for m in facts["models"]] == ["bad"]
    errors = [e["error"] for e in facts["errors"]]
    assert any("a.py:3 does not import" in e for e in errors)
    assert any("c.py:4 calls sys.exit" in e for e in errors)
    assert {"file": (tmp_path / "b.py").as_posix(), "model": "whole"}.items() <= next(
        e.items() for e in facts["errors"] if "model" in e
    )


def test_an_error_in_the_users_code_names_the_line(tmp_path: Path) -> None:
    text = """
        def loss(w):
            return np.sum(w @ np.ones(3))
        wrong = tricheck.Model(loss, lambda w: w, np.ones(2))
    """
    result = run(write(tmp_path, "model.py", text))
    assert result.exit_code == 2
    assert "model.py:5 (loss): return np.sum(w @ np.ones(3))" in result.output


def test_an_interrupt_says_where_and_keeps_what_is_done(tmp_path: Path) -> None:
    text = (
        GOOD
        + """
    def loss(w):
        raise KeyboardInterrupt
    slow = tricheck.Model(loss, lambda w: w, np.ones(2))
    """
    )
    result = run(write(tmp_path, "model.py", dedent(text)), "--json", tmp_path / "out.json")
    assert result.exit_code == 130
    assert "Interrupted while checking" in result.output
    assert "::slow" in result.output
    facts = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [m["model"] for m in facts["models"]] == ["good"]


def test_a_fixed_step_is_blamed_when_it_is_to_blame(tmp_path: Path) -> None:
    steep = """
        steep = tricheck.Model(
            lambda w: np.sum(np.exp(300 * w)), lambda w: 300 * np.exp(300 * w), np.array([0.01])
        )
    """
    path = write(tmp_path, "model.py", steep)
    result = run(path, "--step", "1e-4")
    assert result.exit_code == 0
    assert "steep: finite-difference" in result.output
    assert "truncation" in result.output
    assert "A step of" in result.output
    assert "steep: agree" in run(path).output


def piped(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tricheck", "check", *arguments],
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_piped_output_has_no_colours_and_fits_eighty_columns() -> None:
    result = piped([str(EXAMPLES / "two_layer_mse.py")], PYTHONIOENCODING="utf-8")
    text = result.stdout.decode("utf-8")
    assert "\x1b" not in text
    assert "✓ two_layer_mse: agree" in text
    assert max(map(len, text.splitlines())) <= 80


def test_an_ascii_terminal_gets_ascii() -> None:
    result = piped([str(EXAMPLES / "two_layer_mse.py")], PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr
    text = result.stdout.decode("ascii")
    assert "+ two_layer_mse: agree" in text


def test_colours_only_where_wanted() -> None:
    target = str(EXAMPLES / "broken" / "two_layer_mse_sign.py")
    forced = piped([target], FORCE_COLOR="1", PYTHONIOENCODING="utf-8", NO_COLOR="")
    assert b"\x1b[" in forced.stdout
    without = piped([target], FORCE_COLOR="1", NO_COLOR="1", PYTHONIOENCODING="utf-8")
    assert b"\x1b[31m" not in without.stdout


def test_help_and_version() -> None:
    runner = CliRunner()
    assert "tricheck check" in runner.invoke(main, ["--help"]).output
    help_text = runner.invoke(main, ["check", "--help"]).output
    assert "Exit code" in help_text
    assert max(map(len, help_text.splitlines())) <= 80
    assert runner.invoke(main, ["--version"]).exit_code == 0


def test_what_was_meant_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "model.py", GOOD)
    runner = CliRunner()
    assert "to check it: tricheck check model.py" in runner.invoke(main, ["model.py"]).output
    for text in ("modle.py", "model"):
        said = runner.invoke(main, ["check", text]).output
        assert "did you mean model.py?" in said
    assert "did you mean" not in runner.invoke(main, ["check", "another_file.py"]).output
    for text in ("model.py:good", "model.py::good"):
        assert runner.invoke(main, ["check", "-q", text]).exit_code == 0
