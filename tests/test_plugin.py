"""The pytest plugin, by whole runs of pytest and their output."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest

import tricheck
from tricheck.report.json import schema

pytest_plugins = ["pytester"]

HEAD = "import numpy as np\nimport pytest\nimport tricheck\n\n"
GOOD = "good = tricheck.Model(lambda w: np.sum(w**2), lambda w: 2 * w, np.array([1.0, 2.0]))\n"
BAD = "bad = tricheck.Model(lambda w: np.sum(w**2), lambda w: w, np.array([1.0, 2.0]))\n"
KINKED = "kinked = tricheck.Model(lambda w: np.sum(abs(w)), np.sign, np.array([0.0, 2.0]))\n"
BROKEN = "broken = tricheck.Model(lambda w: np.sum(w**2), lambda w: 2 * w, np.array([1, 2]))\n"


PLAIN = ("-p", "no:cacheprovider", "-p", "no:xdist", "--strict-markers", "-W", "error")


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """All of tricheck: what a run inside this process imports first is forgotten after it."""
    for module in pkgutil.walk_packages(tricheck.__path__, "tricheck."):
        if "__main__" not in module.name:
            importlib.import_module(module.name)
    tricheck.check(lambda w: np.sum(w**2), lambda w: w, np.ones(2)).to_html()


@pytest.fixture(autouse=True)
def nobody_else_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs of pytest inside of these tests find is not of the run that these belong to."""
    alone: list[Any] = []
    monkeypatch.setattr("tricheck.pytest_plugin.listeners", alone)
    monkeypatch.setattr("tricheck.checking.listeners", alone)


def ran(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """A run inside this process, whose plugins are those that are installed."""
    return pytester.runpytest_inprocess(*PLAIN, *arguments)


def masked(result: pytest.RunResult) -> str:
    """All output, with times, versions and measured numbers masked."""
    text = result.stdout.str()
    text = re.sub(r"\d\.\d+e[+-]\d+", "#", text)
    text = re.sub(r"-?\d+\.\d{6,}", "#", text)
    text = re.sub(r"in \d+\.\d+s", "in #s", text)
    text = re.sub(r"(?m)^(platform|rootdir|plugins|configfile).*\n", "", text)
    text = re.sub(r"=+ (.*?) =+", r"== \1 ==", text)
    return re.sub(r"_{3,} (.*?) _{3,}", r"__ \1 __", text)


@pytest.mark.parametrize("ci", ["", "true"], ids=["at a desk", "on CI"])
def test_fail_then_fix_then_pass(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)
    pytester.makepyfile(test_models=HEAD + GOOD + BAD)
    result = ran(pytester)
    assert result.ret == 1
    assert (
        masked(result)
        == """\
== test session starts ==
collected 2 items

test_models.py .F                                                        [100%]

== FAILURES ==
__ bad __
✗ bad: backprop
  The hand-written backprop is wrong.
  scale: params: Backprop is 0.5 (1/2) times the right gradient, to 12 digits,
    consistent with a forgotten 2.

                backprop           backprop           finite diff.       ‖a−b‖
    parameter   − reference        − finite diff.     − reference        /‖a+b‖
  ✗ params      # > #  # > #  # ≤ #  #

  worst params[1]: backprop 2 ± #, finite difference #
    ± #, reference 4 ± #
  wrong throughout: params

  more: tricheck explain scale
  next: Mend the backward pass of params, then check again.
  53 loss, 20 gradient and 22 reference evaluations; reference: autograd through
    the loss; steps chosen per entry; seed 0; errors above # of a
    parameter's largest entry were sure to be seen

test_models.py::bad
== gradients ==
test_models.py::bad: bad: backprop, scale (params)
2 models checked, 1 agree
== short test summary info ==
FAILED test_models.py::bad - ✗ bad: backprop
== 1 failed, 1 passed in #s ==
""".rstrip("\n")
    )
    pytester.makepyfile(test_models=HEAD + GOOD + BAD.replace("lambda w: w,", "lambda w: 2 * w,"))
    fixed = ran(pytester)
    assert fixed.ret == 0
    assert (
        masked(fixed)
        == """\
== test session starts ==
collected 2 items

test_models.py ..                                                        [100%]

== 2 passed in #s ==""".rstrip("\n")
    )


def test_an_assertion_shows_the_report_and_the_users_lines_alone(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(test_it=HEAD + """
def helper(gradient):
    tricheck.assert_gradients(lambda w: np.sum(w**2), gradient, np.array([1.0, 2.0]), name="line")


def test_right():
    helper(lambda w: 2 * w)


def test_wrong():
    helper(lambda w: w)


def test_raised():
    tricheck.check(lambda w: np.sum(w**2), lambda w: -w, np.ones(2), name="late").raise_if_wrong()
""")  # fmt: skip
    result = ran(pytester)
    result.assert_outcomes(passed=1, failed=2)
    shown = result.stdout.str()
    assert "line: backprop" in shown
    assert "checking.py" not in shown
    assert "facts.py" not in shown
    result.stdout.fnmatch_lines([
        "test_it.py:15: in test_wrong", "    helper(lambda w: w)",
        "test_it.py:7: in helper", "    tricheck.assert_gradients(*",
        "test_it.py:19: in test_raised",
        "test_it.py::test_wrong: line: backprop, scale (params)",
        "test_it.py::test_raised: late: backprop, scale (params)",
        "3 models checked, 1 agree",
    ])  # fmt: skip


def test_an_environment_inside_of_the_project_is_not_shown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=HEAD + """
def test_wrong():
    tricheck.assert_gradients(lambda w: np.sum(w**2), lambda w: w, np.ones(2))
""")  # fmt: skip
    shown = ran(pytester, "--rootdir", Path(sys.prefix).anchor).stdout.str()
    assert "test_it.py:7: in test_wrong" in shown
    assert "site-packages" not in shown


def test_what_others_add_to_a_failure_is_shown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=HEAD + """
from concurrent.futures import ProcessPoolExecutor
from hypothesis import given, settings, strategies


def wrong(factor=1.0):
    tricheck.assert_gradients(lambda w: np.sum(w**2), lambda w: factor * w, np.ones(2), name="it")


@settings(max_examples=20, deadline=None, database=None)
@given(strategies.integers(0, 1000))
def test_an_example(number):
    wrong(2.0 if number < 100 else 3.0)


def test_a_note():
    try:
        wrong()
    except tricheck.GradientMismatch as error:
        error.add_note("of the second layer")
        raise


def test_all_is_hidden(subtests):
    __tracebackhide__ = True
    with subtests.test("part"):
        tricheck.assert_gradients(lambda w: np.sum(w**2), lambda w: w, np.ones(2), name="part")


def test_in_another_process():
    with ProcessPoolExecutor(1) as others:
        others.submit(wrong).result()


exec("def test_of_text(): wrong()")
""")  # fmt: skip
    result = pytester.runpytest_subprocess(*PLAIN)
    shown = result.stdout.str()
    assert result.parseoutcomes()["failed"] >= 5
    assert "number=100" in shown
    assert "of the second layer" in shown
    assert shown.count("✗ part: backprop\n") == 1
    assert "in assert_gradients" not in shown
    assert "<string>" not in shown
    assert "INTERNALERROR" not in shown


def test_models_that_do_not_agree_are_listed_though_they_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_kinked=HEAD + GOOD + KINKED)
    result = ran(pytester)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([
        "*= gradients =*",
        "test_kinked.py::kinked: kinked: nondifferentiable, kink (params)",
        "2 models checked, 1 agree",
    ])  # fmt: skip


def test_where_all_agree_nothing_is_added(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_good=HEAD + GOOD)
    assert "gradients" not in ran(pytester).stdout.str()


def test_a_model_that_breaks_its_contract_fails_with_the_message(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(test_broken=HEAD + BROKEN + """
def test_raising():
    def loss(w):
        raise ZeroDivisionError("no number")

    tricheck.assert_gradients(loss, loss, np.ones(2))
""")  # fmt: skip
    result = ran(pytester)
    result.assert_outcomes(failed=2)
    shown = result.stdout.str()
    assert "calls.py" not in shown
    assert "contract.py" not in shown
    assert "parameter 'params' has dtype int64" in shown
    result.stdout.fnmatch_lines([
        "ZeroDivisionError: no number",
        "test_broken.py:9: in loss",
        "test_broken.py:11: in test_raising",
        "test_broken.py::broken: not checked",
        "test_broken.py::test_raising: not checked",
        "0 models checked, 0 agree, 2 not checked",
    ])  # fmt: skip


def test_a_failure_has_one_line_where_pytest_lists_failures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_listed=HEAD + BAD + BROKEN)
    result = ran(pytester, "-vv", "--tb=line", "--junit-xml=run.xml")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines([
        "*test_listed.py:5: ✗ bad: backprop",
        "*test_listed.py:6: parameter 'params' has dtype int64*",
        "FAILED test_listed.py::bad - ✗ bad: backprop",
        "FAILED test_listed.py::broken - parameter 'params' has dtype int64*",
        "*= 2 failed in *",
    ])  # fmt: skip
    assert result.stdout.str().count("wrong throughout") == 1
    failures = ElementTree.parse(pytester.path / "run.xml").iter("failure")
    assert next(failures).get("message") == "✗ bad: backprop"


def test_which_models_are_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        helper=HEAD + GOOD,
        test_which=HEAD
        + "from helper import good\n"
        + "again = good\n"
        + BAD.replace("bad =", "MODELS = [").replace("2.0]))", "2.0]))]")
        + "class TestClass:\n    held = good\n    def test_it(self): pass\n"
        + GOOD.replace("good =", "named =").replace("2.0]))", '2.0]), name="its own name")'),
    )
    result = ran(pytester, "--collect-only", "-q")
    assert result.outlines[:3] == [
        "test_which.py::good", "test_which.py::TestClass::test_it", "test_which.py::named"
    ]  # fmt: skip
    assert ran(pytester, "-k", "named").ret == 0


def test_marks_of_the_module_hold_for_models(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_marked=HEAD + "pytestmark = pytest.mark.xfail\n" + BAD)
    ran(pytester).assert_outcomes(xfailed=1)
    pytester.makepyfile(test_marked=HEAD + "pytestmark = pytest.mark.skip\n" + BAD)
    ran(pytester).assert_outcomes(skipped=1)


def test_what_a_test_wants_to_be_wrong_is_not_listed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_wanted=HEAD + """
def test_it():
    wrong = lambda w: np.sum(w**2), lambda w: w, np.ones(2)
    with pytest.raises(tricheck.GradientMismatch):
        tricheck.assert_gradients(*wrong)
    assert not tricheck.check(*wrong).ok
""")  # fmt: skip
    result = ran(pytester)
    result.assert_outcomes(passed=1)
    assert "gradients =" not in result.stdout.str()


UNITTEST = (
    HEAD
    + """
import unittest


class TestLine(unittest.TestCase):
    def test_right(self):
        tricheck.assert_gradients(lambda w: np.sum(w**2), lambda w: 2 * w, np.ones(2))

    def test_wrong(self):
        tricheck.assert_gradients(lambda w: np.sum(w**2), lambda w: w, np.ones(2), name="line")

    def test_parts(self):
        for factor in (1, 2):
            with self.subTest(factor=factor):
                tricheck.assert_gradients(
                    lambda w: np.sum(w**2), lambda w: factor * w, np.ones(2), name="part"
                )


if __name__ == "__main__":
    unittest.main()
"""
)


def test_unittest_under_pytest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_unit=UNITTEST)
    result = ran(pytester, "-k", "not parts")
    result.assert_outcomes(passed=1, failed=1, deselected=1)
    shown = result.stdout.str()
    assert "✗ line: backprop" in shown
    assert "checking.py" not in shown
    assert ran(pytester, "-k", "parts").ret == 1


def test_unittest_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "test_unit.py"
    file.write_text(UNITTEST.replace("import pytest\n", ""))
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, check=False, encoding="utf-8"
    )
    assert done.returncode == 1
    assert "Ran 3 tests" in done.stderr
    assert "FAILED (failures=2)" in done.stderr
    assert "✗ line: backprop" in done.stderr
    assert "scale: params: Backprop is 0.5 (1/2) times the right gradient" in done.stderr
    assert done.stderr.count("checking.py") == 2  # the line that raises, once for each failure


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_reports_are_written(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        test_first=HEAD + GOOD + BROKEN,
        test_second=HEAD
        + BAD
        + """
@pytest.mark.parametrize("seed", [1, 2])
def test_seeds(seed):
    w = np.random.default_rng(seed).normal(size=3)
    tricheck.assert_gradients(lambda w: np.sum(w**3), lambda w: 3 * w**2, w, name="<b>cubes</b>")
""",
    )
    options = ("--tricheck-html", "out/pages", "--tricheck-json", "run.json")
    if workers:
        plain = ("-p", "no:cacheprovider", "-W", "error")
        result = pytester.runpytest_subprocess(*plain, *workers, *options)
    else:
        result = ran(pytester, *options)
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines([
        "test_second.py::bad: bad: backprop, scale (params)",
        "4 models checked, 3 agree, 1 not checked", "wrote run.json", "wrote out/pages/index.html",
    ])  # fmt: skip
    facts = json.loads((pytester.path / "run.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema()).validate(facts)
    found = {(m["file"], m["model"], m["verdict"]) for m in facts["models"]}
    assert found == {
        ("test_first.py", "good", "agree"),
        ("test_second.py", "bad", "backprop"),
        ("test_second.py", "<b>cubes</b>", "agree"),
    }
    assert len(facts["models"]) == 4
    assert {m["command"] for m in facts["models"]} >= {
        "pytest test_second.py::bad", "pytest 'test_second.py::test_seeds[1]'"
    }  # fmt: skip
    [error] = facts["errors"]
    assert error["file"] == "test_first.py::broken"
    pages = {page.name for page in (pytester.path / "out" / "pages").iterdir()}
    assert pages == {
        "index.html",
        "good.html",
        "bad.html",
        "_b_cubes_b_.html",
        "_b_cubes_b_-2.html",
    }
    index = (pytester.path / "out" / "pages" / "index.html").read_text(encoding="utf-8")
    assert "<b>cubes</b>" not in index
    assert 'href="bad.html"' in index
    assert "int64" in index
    bad = (pytester.path / "out" / "pages" / "bad.html").read_text(encoding="utf-8")
    assert "pytest test_second.py::bad" in bad


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tricheck-json", "nowhere/run.json"], "there is no directory nowhere"),
        (["--tricheck-json", "."], "that is a directory"),
        (["--tricheck-html", "test_it.py"], "is a file; name a directory"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_tests(
    pytester: pytest.Pytester, arguments: list[str], said: str
) -> None:
    pytester.makepyfile(test_it=HEAD + GOOD)
    result = ran(pytester, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()


def test_the_plugin_loads_without_numpy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_plain="""
import sys

def test_it():
    assert "tricheck.pytest_plugin" in sys.modules
    heavy = {"numpy", "rich", "click", "autograd", "sympy", "matplotlib", "jinja2"}
    assert not heavy.intersection(sys.modules)
""")  # fmt: skip
    plain = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    pytester.runpytest_subprocess(*plain).assert_outcomes(passed=1)


def test_it_can_be_switched_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_off=HEAD + BAD + "def test_it(): pass\n")
    ran(pytester, "-p", "no:tricheck").assert_outcomes(passed=1)


def test_a_page_that_cannot_be_made_does_not_end_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_odd=HEAD + """
calls = []

def loss(w):
    calls.append(w)
    if len(calls) > 500:
        raise SystemExit("enough")
    return np.sum(w**2)

def test_it():
    tricheck.assert_gradients(loss, lambda w: 2 * w, np.ones(2))
    calls.extend(range(500))

def test_another():
    pass
""")  # fmt: skip
    result = ran(pytester, "--tricheck-html", "pages")
    result.assert_outcomes(passed=2)
    assert (pytester.path / "pages" / "index.html").exists()


def test_what_could_not_be_written_is_said(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "run.json")

    monkeypatch.setattr(Path, "write_text", full)
    (pytester.path / "test_good.py").write_bytes((HEAD + GOOD).encode())
    result = ran(pytester, "--tricheck-json", "run.json")
    result.stdout.fnmatch_lines(["not written: run.json: No space left on device"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_terminal_without_utf8_gets_ascii(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_bad=HEAD + BAD)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"],
        capture_output=True,
        cwd=pytester.path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    lines = done.stdout.decode("ascii").splitlines()
    assert "x bad: backprop" in lines
    assert "  The hand-written backprop is wrong." in lines
