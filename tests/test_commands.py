"""The commands around a check: other targets, outputs, sweep, new, completion."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import tricheck
from tests.test_cli import BAD, BROKEN_CONTRACT, GOOD, KINKED, RANDOM, unwrapped, write
from tricheck.cli import main
from tricheck.completion import models_in_text
from tricheck.report.page import Page
from tricheck.report.run import write_pages

FUNCTIONS = """
    def fun(p):
        return np.sum(p["w"] ** 2) + np.sum(p["b"])
    def jac(p):
        return {"w": p["w"], "b": np.ones_like(p["b"])}
    def both(p):
        return fun(p), {"w": 2 * p["w"], "b": np.ones_like(p["b"])}
    def of_array(x):
        return np.sum(x**3)
    def its(x):
        return 3 * x**2
    number = 3
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and no module of an earlier one."""
    monkeypatch.chdir(tmp_path)
    for name in ("model", "functions", "package", "package.deep"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


# --- targets ------------------------------------------------------------------------------------


def test_a_model_in_a_package(here: Path) -> None:
    (here / "package").mkdir()
    (here / "package" / "__init__.py").write_text("")
    write(
        here / "package",
        "deep.py",
        GOOD
        + BAD
        + """
    class Holder:
        model = good
    """,
    )
    assert "good: agree" in run("check", "package.deep:good").output
    assert "model: agree" in run("check", "package.deep:Holder.model").output
    assert run("check", "package.deep:bad").exit_code == 1
    for target, said in [
        ("package.deep:nobody", "has no 'nobody'; its models are good, bad"),
        ("package.deep:np", "is a module, expected a model: its models are good, bad"),
        ("package.nowhere:good", "No module named 'package.nowhere'"),
        ("nowhere:good", "run tricheck from the folder that holds it"),
    ]:
        result = run("check", target)
        assert result.exit_code == 2
        assert said in unwrapped(result)


def test_a_loss_a_gradient_and_a_point(here: Path) -> None:
    write(here, "functions.py", FUNCTIONS)
    np.savez(here / "x0.npz", w=np.array([1.0, 2.0]), b=np.array([[0.5]]))
    np.save(here / "x0.npy", np.array([1.0, -2.0]))
    wrong = run("check", "--loss", "functions:fun", "--gradient", "functions:jac",
                "--params", "x0.npz", "-v")  # fmt: skip
    assert wrong.exit_code == 1
    assert "✗ fun: backprop" in wrong.output
    assert re.search(r"scale of w:.*factor = 0\.5", wrong.output)
    right = run("check", "--loss", "functions.py:both", "--params", "x0.npz")
    assert "both: agree" in right.output
    array = run("check", "--loss", "functions:of_array", "--gradient", "functions:its",
                "--params", "x0.npy", "--json", "out.json")  # fmt: skip
    assert "of_array: agree" in array.output
    [facts] = json.loads((here / "out.json").read_text(encoding="utf-8"))["models"]
    again = facts["command"].split()
    assert again[:2] == ["tricheck", "check"]
    assert run(*again[1:]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--loss functions:fun", "go together, not alone"),
        ("--params x0.npy", "go together, not alone"),
        ("model.py --loss functions:fun --params x0.npy", "not beside a TARGET"),
        ("--loss functions:nobody --params x0.npy", "has no 'nobody'"),
        ("--loss functions:number --params x0.npy", "is a int, expected a function"),
        ("--loss fun --params x0.npy", "expected MODULE:FUNCTION"),
        ("--loss function.py:fun --params x0.npy", "did you mean functions.py?"),
        ("--loss functions:fun --params x0.txt", "expected an .npz file"),
        ("--loss functions:fun --params none.npz", "none.npz: no such file"),
        ("--loss functions:of_array --params x0.npy", "--gradient MODULE:G names a gradient"),
        ("--loss functions:fun --params bad.npz", "cannot be read"),
        ("", "name a TARGET, such as model.py (tricheck new model.py writes one)"),
        ("model.py -q -v", "contradict each other"),
    ],
)
def test_what_is_missing_is_said(here: Path, arguments: str, said: str) -> None:
    write(here, "functions.py", FUNCTIONS)
    write(here, "model.py", GOOD)
    np.save(here / "x0.npy", np.ones(2))
    (here / "bad.npz").write_bytes(b"no archive")
    result = run("check", *arguments.split())
    assert result.exit_code == 2
    assert said in unwrapped(result)
    # paths stay in one piece
    assert all(len(line) <= 80 or "/" in line for line in result.output.splitlines())


# --- how much is shown --------------------------------------------------------------------------


def test_a_line_for_each_model(tmp_path: Path) -> None:
    path = write(tmp_path, "model.py", GOOD + BAD + KINKED)
    assert run("check", path, "-q").stdout == (
        "✓ good: agree\n"
        "✗ bad: backprop, scale (params)\n"
        "? kinked: nondifferentiable, kink (params)\n"
        "3 models, 1 agree, 1 backprop, 1 nondifferentiable\n"
    )
    assert run("check", path, "-q", "--only-wrong").stdout == (
        "✗ bad: backprop, scale (params)\n3 models, 1 agree, 1 backprop, 1 nondifferentiable\n"
    )


def test_only_wrong_leaves_out_whole_reports(tmp_path: Path) -> None:
    path = write(tmp_path, "model.py", GOOD + BAD + RANDOM)
    result = run("check", path, "--only-wrong")
    assert result.exit_code == 1
    assert "good: agree" not in result.stdout
    assert "bad: backprop" in result.stdout
    assert "noisy: inconclusive" in result.stdout


def test_verbose_says_all_blind_spots_and_numbers(tmp_path: Path) -> None:
    text = """
        X = np.ones((1, 1))
        blind = tricheck.Model(
            lambda p: np.sum((X @ p["W"]) ** 2) + np.sum(p["b"] ** 2),
            lambda p: {"W": 2 * X.T @ (X @ p["W"]), "b": 2 * p["b"]},
            {"W": np.ones((1, 1)), "b": np.zeros(2)},
        )
    """
    path = write(tmp_path, "model.py", text)
    report = tricheck.check(_model(path))
    shown = run("check", path, "-v").stdout
    flat = " ".join(shown.split())
    for spot in report.blind_spots:
        assert " ".join(spot.message.split()) in flat
    assert "sensitivity of W: one entry" in flat
    assert max(map(len, shown.splitlines())) <= 80


def _model(path: Path) -> tricheck.Model:
    from tricheck.targets import find

    [target] = find(str(path))
    return target.model


# --- files --------------------------------------------------------------------------------------


def test_a_page_of_one_model(tmp_path: Path) -> None:
    path = write(tmp_path, "model.py", BAD)
    result = run("check", path, "--html", tmp_path / "report.html", "--seed", "3")
    assert result.exit_code == 1
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "bad: backprop" in page
    assert f"tricheck check {path}::bad --seed 3" in page
    on_stdout = run("check", path, "--html", "-", "--seed", "3")
    assert on_stdout.stdout == page
    assert "bad: backprop" in on_stdout.stderr


def test_pages_of_many_models_and_their_list(tmp_path: Path) -> None:
    path = write(tmp_path, "model.py", GOOD + BAD + BROKEN_CONTRACT)
    result = run("check", path, "--html", tmp_path / "all.html")
    assert result.exit_code == 2
    listed = (tmp_path / "all.html").read_text(encoding="utf-8")
    assert re.findall(r'href="(all-models/[^"]+)"', listed) == [
        "all-models/bad.html", "all-models/good.html"
    ]  # fmt: skip
    assert "integer" in listed or "int64" in listed
    assert "bad: backprop" in (tmp_path / "all-models" / "bad.html").read_text(encoding="utf-8")
    refused = run("check", path, "--html", "-")
    assert refused.exit_code == 2
    assert "takes one model" in unwrapped(refused)


def test_pages_of_the_same_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    verdict = tricheck.Verdict.AGREE
    names = ["a/b", "a b", "a_b-2", "index", "../../up", ""]
    pages = [Page(name, "model.py", verdict, "", "", name) for name in names]
    write_pages(tmp_path / "index.html", "pages", pages, [])
    files = sorted(file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.html"))
    assert len(files) == 7
    assert all(file == "index.html" or file.startswith("pages/") for file in files)
    written = [(tmp_path / file).read_text() for file in files if file != "index.html"]
    assert sorted(written) == sorted(names)


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_what_cannot_be_written_is_refused_before_the_work(tmp_path: Path, option: str) -> None:
    path = write(tmp_path, "model.py", "raise RuntimeError('not to be run')")
    result = run("check", path, option, tmp_path / "nowhere" / "file")
    assert result.exit_code == 2
    assert f"Error: {option} " in unwrapped(result)
    assert "make it first" in unwrapped(result)
    assert "not to be run" not in result.output


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_missing_extra_is_named_before_the_work(
    tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    path = write(tmp_path, "model.py", "raise RuntimeError('not to be run')")
    result = run("check", path, "--html", tmp_path / "report.html")
    assert result.exit_code == 2
    assert 'pip install "tricheck[report]"' in unwrapped(result)
    assert "not to be run" not in result.output


def test_annotations_for_github(here: Path) -> None:
    write(here, "model.py", GOOD + """
    def loss(w):
        return np.sum(w**2)


    def gradient(w):
        return w
    bad = tricheck.Model(loss, gradient, np.array([1.0, 2.0]), name="100%, bad")
    """ + KINKED + RANDOM + BROKEN_CONTRACT)  # fmt: skip
    output = run("check", "model.py", "--github", "-q").stdout
    found = [line for line in output.splitlines() if line.startswith("::")]
    at = (here / "model.py").read_text().splitlines().index("def gradient(w):") + 1
    assert found[0].startswith(f"::error file=model.py,line={at},title=100%25%2C bad%3A backprop::")
    assert "scale: " in found[0]
    assert "%0A" in found[0]
    assert [line.partition(" ")[0] for line in found] == [
        "::error", "::notice", "::warning", "::error"
    ]  # fmt: skip
    assert "whole%3A not checked" in found[3]


# --- sweep --------------------------------------------------------------------------------------


def test_a_sweep_is_plotted(tmp_path: Path) -> None:
    text = """
        m = tricheck.Model(
            lambda p: np.sum(np.exp(p["W"])), lambda p: {"W": 1.001 * np.exp(p["W"])},
            {"W": np.ones((2, 3))},
        )
    """
    path = write(tmp_path, "model.py", text)
    result = run("sweep", f"{path}::m", "W[1,2]")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "m: finite difference of W[1, 2] against step size"
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)
    rows = [line for line in lines if "┤" in line]
    # the errors first fall with the step, then they grow
    place = {k: n for n, row in enumerate(rows) for k, mark in enumerate(row) if mark == "●"}
    levels = [place[k] for k in sorted(place)]
    assert levels[0] < max(levels) > levels[-1]
    assert any("╲" in row for row in rows)
    assert any("╱" in row for row in rows)
    assert sum("═" in row for row in rows) == 1
    assert "backprop stays 2.7e-03 away" in unwrapped(result)
    assert "1.0e+00" not in result.stdout
    assert "truncation" in run("sweep", path, "W[1,2]", "-v").stdout
    moved = run("sweep", path, "W[1,2]", "--displace", "1")
    assert moved.exit_code == 0
    assert moved.stdout.splitlines()[1] != lines[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model.py", "W[5]"], "whose shape is (2,)"),
        (["model.py", "V"], "there is no parameter 'V'"),
        (["nothing.py", "W"], "no such file"),
        (["two.py", "W"], "holds 2 models; name one"),
    ],
)
def test_what_cannot_be_swept_is_said(here: Path, arguments: list[str], said: str) -> None:
    write(here, "model.py", GOOD.replace("np.array([1.0, 2.0])", "{'W': np.ones(2)}"))
    write(here, "two.py", GOOD + BAD)
    result = run("sweep", *arguments)
    assert result.exit_code == 2
    assert said in unwrapped(result)


def test_a_sweep_in_ascii(tmp_path: Path) -> None:
    path = write(tmp_path, "model.py", GOOD)
    done = subprocess.run(
        [sys.executable, "-m", "tricheck", "sweep", str(path), "params[0]"],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )
    text = done.stdout.decode("ascii")
    assert "o error" in text
    assert "?" not in text


# --- new and completion -------------------------------------------------------------------------


def test_a_new_model_file_agrees_as_it_is(here: Path) -> None:
    result = run("new", "my model.py")
    assert result.exit_code == 0
    assert "tricheck check 'my model.py'" in result.output
    text = (here / "my model.py").read_text(encoding="utf-8")
    assert 'name="my_model"' in text
    assert "tricheck check my model.py " in text
    assert "{" not in re.sub(r"\{[^{}]*\}", "", text)
    checked = run("check", "my model.py")
    assert "✓ my_model: agree" in checked.output
    assert "blind spot" not in checked.output
    assert run("sweep", "my model.py", "b[0]").exit_code == 0
    assert "✓" in run("check", "my model.py", "--displace", "1").output


def test_a_file_that_exists_is_left_alone(here: Path) -> None:
    (here / "model.py").write_text("mine")
    for name, said in [
        ("model.py", "exists, and is left as it is"),
        ("model.txt", "no name of a Python file"),
        ("nowhere/model.py", "choose another place"),
    ]:
        result = run("new", name)
        assert result.exit_code == 2
        assert said in unwrapped(result)
    assert (here / "model.py").read_text() == "mine"
    assert [file.name for file in here.iterdir()] == ["model.py"]


def completed(text: str) -> list[str]:
    """What bash is offered after this much of a command line."""
    from click.shell_completion import ShellComplete

    words = text.split(" ")
    found = ShellComplete(main, {}, "tricheck", "_TRICHECK_COMPLETE").get_completions(
        words[1:-1], words[-1]
    )
    return [item.value for item in found]


def test_completion(here: Path) -> None:
    write(here, "model.py", GOOD + BAD + """
    x = tricheck.Model.from_layer(1, 2, 3, name="own")
    y = 3
    print("not to be run")
    """)  # fmt: skip
    assert models_in_text(here / "model.py") == ["good", "bad", "own"]
    assert models_in_text(here / "nothing.py") == []
    assert completed("tricheck check model.py::") == [
        "model.py::good", "model.py::bad", "model.py::own"
    ]  # fmt: skip
    assert completed("tricheck sweep model.py::b") == ["model.py::bad"]
    assert completed("tricheck explain bias") == ["bias-reduction"]
    assert "--displace" in completed("tricheck check --dis")
    assert completed("tricheck sw") == ["sweep"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_TRICHECK_COMPLETE" in result.output


@pytest.mark.parametrize("command", ["check", "sweep", "formula", "explain", "new", "completion"])
def test_every_help_text_fits_and_has_an_example(command: str) -> None:
    text = run(command, "--help").output
    assert max(map(len, text.splitlines())) <= 80
    assert "tricheck " + command in text


ITSELF = 'from tricheck.cli import main; main(prog_name="tricheck")'


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("tricheck check model.py::", ["good", "bad"]),
        ("tricheck check model.py::b", ["bad"]),
        ("tricheck sweep model.py:", []),
        ("tricheck explain bias-", ["bias-reduction"]),
        ("tricheck sw", ["sweep"]),
    ],
)
def test_completion_in_bash(here: Path, line: str, replies: list[str]) -> None:
    """Bash replaces what stands after the last colon by the reply."""
    write(here, "model.py", GOOD + BAD)
    script = f"""
    compopt() {{ :; }}
    tricheck() {{ {sys.executable} -c '{ITSELF}' "$@"; }}
    export -f tricheck
    {run("completion", "bash").output}
    COMP_LINE='{line}' COMP_POINT={len(line)}
    _tricheck_completion tricheck
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert [reply for reply in done.stdout.splitlines() if reply] == replies


# --- what must not be lost ----------------------------------------------------------------------


def test_a_reader_that_leaves_early_does_not_end_the_run(here: Path) -> None:
    write(here, "model.py", GOOD + BAD)
    command = f"{sys.executable} -m tricheck check model.py --json out.json | head -1"
    subprocess.run(["bash", "-c", command], capture_output=True, check=True, cwd=here)
    facts = json.loads((here / "out.json").read_text(encoding="utf-8"))
    assert [m["model"] for m in facts["models"]] == ["good", "bad"]


def test_what_models_print_is_no_data(here: Path) -> None:
    write(here, "model.py", """
    print("imported")
    def loss(w):
        print("called")
        return np.sum(w**2)
    loud = tricheck.Model(loss, lambda w: 2 * w, np.ones(2))
    """)  # fmt: skip
    result = run("check", "model.py", "--json", "-")
    assert [m["verdict"] for m in json.loads(result.stdout)["models"]] == ["agree"]
    assert "imported" in result.stderr
    assert "called" in result.stderr


def test_ctrl_c_while_files_are_written(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("tricheck.running.to_json", interrupted)
    write(here, "model.py", GOOD)
    result = run("check", "model.py", "--json", "out.json")
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--json", "same", "--html", "same"], "give each its own"),
        (["--html", "pages.html"], "pages-models, which is a file"),
    ],
)
def test_outputs_that_collide_are_refused(here: Path, arguments: list[str], said: str) -> None:
    write(here, "model.py", GOOD)
    (here / "pages-models").write_text("")
    result = run("check", "model.py", *arguments)
    assert result.exit_code == 2
    assert said in unwrapped(result)


def test_a_broken_archive_is_a_usage_error(here: Path) -> None:
    write(here, "functions.py", FUNCTIONS)
    np.savez(here / "x0.npz", w=np.ones(2))
    whole = (here / "x0.npz").read_bytes()
    (here / "x0.npz").write_bytes(whole[: len(whole) // 2])
    result = run("check", "--loss", "functions:both", "--params", "x0.npz")
    assert result.exit_code == 2
    assert "cannot be read" in unwrapped(result)


@pytest.mark.parametrize("name", ["numpy.py", "tricheck.py", "json.py", 'a"b.py', "a\nb.py"])
def test_names_of_model_files_that_would_not_work_are_refused(here: Path, name: str) -> None:
    assert run("new", name).exit_code == 2
    assert list(here.iterdir()) == []


def test_only_wrong_says_that_nothing_is(tmp_path: Path) -> None:
    result = run("check", write(tmp_path, "model.py", GOOD), "--only-wrong")
    assert result.stdout == "1 model, 1 agree\n"
