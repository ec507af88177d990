"""The explanations: one page for each cause, whose example does what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from typing import Any

import pytest
from click.testing import CliRunner, Result

import tricheck
from tricheck.cli import main
from tricheck.explain import Explanation, UnknownNameError, explanation, names, related
from tricheck.report.text import to_ascii
from tricheck.vocabulary import Cause, Finding, Severity, Source, Verdict

SECTIONS = ["What it looks like", "Example", "How to confirm it", "How to fix it"]
# Causes whose page is written, and which no diagnosis names yet: their examples' verdict stands.
# What an example cannot do without beside its own cause.
ACCOMPANIED = {Cause.SETTLED: {Cause.LOW_PRECISION}}

every_cause = pytest.mark.parametrize("cause", Cause, ids=str)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


# --- the pages ----------------------------------------------------------------------------------


def test_every_cause_has_one_page_and_every_page_a_cause() -> None:
    pages = [page.name for page in (resources.files("tricheck") / "explanations").iterdir()]
    assert sorted(pages) == sorted(f"{cause}.md" for cause in Cause)
    assert names() == list(Cause)


@every_cause
def test_a_page_has_its_title_summary_and_sections(cause: Cause) -> None:
    page = explanation(cause)
    assert page.name == cause
    assert re.fullmatch(r"[A-Z][^.]*( [^.]*)*\.", page.summary), page.summary
    assert re.findall(r"^## (.*)$", page.text, re.MULTILINE) == SECTIONS
    for section in re.split(r"^## .*\n", page.text, flags=re.MULTILINE)[1:]:
        assert section.strip()


@every_cause
def test_a_page_is_short_and_narrow_and_survives_a_plain_terminal(cause: Cause) -> None:
    text = explanation(cause).text
    lines = text.splitlines()
    assert len(lines) <= 48
    assert max(map(len, lines)) <= 78
    assert to_ascii(text).count("?") == text.count("?")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@every_cause
def test_an_example_is_minimal(cause: Cause) -> None:
    page = explanation(cause)
    lines = [line for line in page.example.splitlines() if line]
    assert 6 <= len(lines) <= 15
    assert lines[:2] == ["import numpy as np", "import tricheck"]
    assert page.text.count("```") == 2


# --- the examples -------------------------------------------------------------------------------


def report_of(page: Explanation, monkeypatch: pytest.MonkeyPatch) -> tricheck.Report:
    """What the page's example prints."""
    reports: list[tricheck.Report] = []
    check = tricheck.check

    def recorded(*args: Any, **options: Any) -> tricheck.Report:
        reports.append(check(*args, **options))
        return reports[-1]

    monkeypatch.setattr(tricheck, "check", recorded)
    exec(compile(page.example, f"{page.name}.md", "exec"), {"__name__": page.name})
    [report] = reports
    return report


def described(page: Explanation) -> set[str]:
    """The evidence that the page promises: the names in the sentence that begins so."""
    sentence = re.search(r"Evidence(.+?)\n\n", page.text, re.DOTALL)
    return set(re.findall(r"`([a-z_]+)`", sentence[1])) if sentence else set()


@every_cause
def test_an_example_gets_its_cause_and_no_other(
    cause: Cause, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = explanation(cause)
    report = report_of(page, monkeypatch)
    assert capsys.readouterr().out == f"{report}\n"
    found = [finding for finding in report.findings if finding.cause is cause]
    assert found, str(report)
    assert found[0].source in page.sources
    others = {finding.cause for finding in report.findings} - {cause}
    assert others <= ACCOMPANIED.get(cause, set()), str(report)
    assert described(page) <= found[0].evidence.keys()


@every_cause
def test_an_example_that_blames_backprop_blames_it_rightly(
    cause: Cause, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backprop's pages plant a bug, and the others do not."""
    page = explanation(cause)
    report = report_of(page, monkeypatch)
    assert (report.verdict is Verdict.BACKPROP) == (page.sources[0] is Source.BACKPROP)


@pytest.mark.parametrize(
    ("cause", "right", "wrong"),
    [
        (Cause.ACTIVATION_DERIVATIVE, ["W2"], ["W1"]),
        (Cause.CACHED_INPUT, ["W1", "b"], ["W2"]),
        (Cause.UPSTREAM, ["W2"], ["W1"]),
        (Cause.STALE_WEIGHTS, ["W2"], ["W1"]),
    ],
)
def test_an_example_is_wrong_where_its_page_says(
    cause: Cause, right: list[str], wrong: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(explanation(cause), monkeypatch)
    assert {p.name for p in report.parameters.values() if p.verdict is Verdict.AGREE} == {*right}
    assert {p.name for p in report.parameters.values() if p.wrong} == {*wrong}


# --- by name ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("scael", "scale"), ("stale_weights", "stale-weights"), ("bias", "bias")],
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        explanation(wrong)
    said = str(caught.value)
    assert repr(wrong) in said
    assert meant in said.partition("Did you mean ")[2].partition("?")[0]
    assert all(name in said for name in (*Cause, *Verdict))


def test_a_name_like_none_is_answered_with_all() -> None:
    with pytest.raises(UnknownNameError, match=r"no cause 'zzzz'\. The causes are scale, "):
        explanation("zzzz")


@pytest.mark.parametrize("verdict", Verdict, ids=str)
def test_every_verdict_leads_to_causes(verdict: Verdict) -> None:
    assert related(verdict)
    output = run(verdict.value).output
    assert verdict.sentence in output
    assert all(page.name in output for page in related(verdict))


# --- on the command line ------------------------------------------------------------------------


@every_cause
def test_a_page_is_printed_whole(cause: Cause) -> None:
    result = run(cause.value)
    assert result.exit_code == 0
    page = explanation(cause)
    assert page.example in result.output
    marked = re.sub(r"^(#+ |```.*\n)", "", page.text, flags=re.MULTILINE)
    assert result.output == f"{marked}\n"


def test_several_pages_are_printed_one_after_the_other() -> None:
    assert run("scale", "sign").output == run("scale").output + run("sign").output


def test_without_a_name_all_are_listed_by_source() -> None:
    result = run()
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    headings = ["Backprop", "The finite difference", "The reference", "The model itself"]
    assert [line for line in result.output.splitlines() if line in headings] == headings
    words = " ".join(result.output.split())
    for cause in Cause:
        assert f" {cause} {explanation(cause).summary}" in f" {words}"


@pytest.mark.parametrize("arguments", [["scael"], ["scale", "scael"]])
def test_an_unknown_name_is_a_usage_error(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "There is no cause 'scael'. Did you mean scale" in result.output
    assert "What it looks like" not in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_help_shows_an_example() -> None:
    output = run("--help").output
    assert "tricheck explain scale" in output
    assert max(map(len, output.splitlines())) <= 80


def piped(*arguments: str, **environment: str) -> bytes:
    command = [sys.executable, "-m", "tricheck", "explain", *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, check=True, env=environment).stdout


def test_piped_output_is_plain_and_narrow() -> None:
    text = piped(*Cause, PYTHONIOENCODING="utf-8").decode("utf-8")
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_plain_terminal_gets_ascii() -> None:
    assert piped(*Cause, PYTHONIOENCODING="ascii").decode("ascii")


def test_colours_only_where_wanted() -> None:
    wanted = {"FORCE_COLOR": "1", "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    assert b"\x1b[36m" in piped("scale", **wanted, NO_COLOR="")
    assert b"\x1b[36m" not in piped("scale", **wanted, NO_COLOR="1")


# --- in the report ------------------------------------------------------------------------------


def pointed_to(findings: list[Finding]) -> list[str]:
    report = tricheck.check(lambda w: w @ w, lambda w: 2 * w, [1.0, 2.0])
    text = str(replace(report, findings=findings))
    return re.findall(r"^  more: tricheck explain (.*)$", text, re.MULTILINE)


def test_a_report_points_to_the_pages_on_its_errors() -> None:
    note = Finding(Cause.KINK, "A kink.", severity=Severity.NOTE)
    errors = [Finding(cause, "Wrong.") for cause in (Cause.SIGN, Cause.SCALE, Cause.SIGN)]
    assert pointed_to([note]) == []
    assert pointed_to([*errors, note]) == ["sign scale"]
