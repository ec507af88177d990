"""The pytest plugin: models are tests, and a failure shows the report.

It is loaded in every run of pytest, so it imports nothing of tricheck that imports NumPy until a
test has done so.
"""

from __future__ import annotations

import os
import shlex
import sys
import textwrap
import traceback
from collections.abc import Generator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tricheck.extras import require
from tricheck.listeners import listeners

if TYPE_CHECKING:
    from tricheck.model import Model
    from tricheck.report import Report

_WIDTH = 80
_OF_PAGE = ("name", "where", "sentence", "causes", "html")
_HTML, _JSON = "tricheck_html", "tricheck_json"
_SEEN = pytest.StashKey[set[int]]()
_COLOURS = {"good": "green", "bad": "red", "doubtful": "yellow"}

Facts = dict[str, Any]  # of a report: what crosses from a worker of xdist to its controller


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that write reports."""
    group = parser.getgroup("tricheck", "gradient checks")
    group.addoption(
        "--tricheck-html",
        metavar="DIR",
        dest=_HTML,
        help="write a page for each checked model into DIR, and an index.html of all",
    )
    group.addoption(
        "--tricheck-json",
        metavar="FILE",
        dest=_JSON,
        help="write the reports of all checked models as JSON",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what could not be written, before the tests; listen to what they find."""
    if not hasattr(config, "workerinput"):
        _refuse_unwritable(config.getoption(_HTML), config.getoption(_JSON))
    config.pluginmanager.register(Gradients(config), "tricheck-gradients")


@pytest.hookimpl
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> pytest.Item | None:
    """A `tricheck.Model` at module level is a test, under its first name."""
    module = sys.modules.get("tricheck.model")
    if (
        module is None
        or not isinstance(obj, module.Model)
        or not isinstance(collector, pytest.Module)
    ):
        return None
    seen = collector.stash.setdefault(_SEEN, set())
    if id(obj) in seen:
        return None
    seen.add(id(obj))
    item: ModelItem = ModelItem.from_parent(collector, name=name, model=obj)
    return item


class ModelItem(pytest.Item):
    """The test that a model's gradient is right."""

    def __init__(self, *, model: Model, **others: Any) -> None:
        super().__init__(**others)
        self.model = model

    def runtest(self) -> None:
        """Check it."""
        from tricheck import assert_gradients

        assert_gradients(self.model, name=self.model.name or self.name)

    def reportinfo(self) -> tuple[Path, int, str]:
        """What pytest calls it, and the line of its loss, where that is in the same file."""
        from tricheck.location import definition

        file, line = definition(self.model.loss) or ("", 1)
        return self.path, line - 1 if Path(file) == self.path else 0, self.name


class Gradients:
    """What the tests of one run have found."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.made: list[Report] = []  # by the test that is running
        self.found: list[Facts] = []
        self.errors: list[dict[str, str]] = []
        self.unwritten = ""
        listeners.append(self.listen)

    def listen(self, report: Report) -> None:
        """Take what `tricheck.assert_gradients` has found."""
        self.made.append(report)

    def pytest_unconfigure(self) -> None:
        """Listen no more."""
        listeners.remove(self.listen)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show the report in place of a traceback, and hand on what was found."""
        test = yield
        error: Any = call.excinfo.value if call.excinfo is not None else None
        mismatch, broken = _kinds()
        # What is wrong and did not fail the test was wanted so; a report may also raise by itself.
        made = [report for report in self.made if report.ok]
        made += [error.report] if isinstance(error, mismatch) else []
        self.made.clear()
        if test.failed and isinstance(error, mismatch):
            message = str(error).rstrip()
            headline = message.partition("\n")[0]
            test.longrepr = _failure(call.excinfo, message, headline, item)
        elif test.failed and isinstance(error, broken):
            message = textwrap.fill(str(error), _WIDTH, break_long_words=False)
            test.longrepr = _failure(call.excinfo, message, str(error), item)
            test.tricheck_error = str(error)  # type: ignore[attr-defined]
        test.tricheck_shown = test.failed and isinstance(error, (mismatch, broken))  # type: ignore[attr-defined]
        test.tricheck = [self._facts(report, item) for report in made]  # type: ignore[attr-defined]
        return test

    def _facts(self, report: Report, item: pytest.Item) -> Facts:
        from tricheck.report.words import STYLES, causes, one_line, sentence

        report = replace(report, command=f"pytest {shlex.quote(item.nodeid)}")
        facts = {
            "name": str(report.model),
            "where": item.nodeid,
            "verdict": report.verdict.value,
            "sentence": sentence(report),
            "causes": causes(report),
            "line": one_line(report),
            "colour": _COLOURS[STYLES[report.verdict]],
        }
        if self.config.getoption(_JSON):
            facts["json"] = report.to_json(indent=None)
        if self.config.getoption(_HTML):
            facts["html"] = _page(report)
        return facts

    @pytest.hookimpl(tryfirst=True)  # before those that write the failure somewhere
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what a test has found, here or in a worker."""
        if hasattr(self.config, "workerinput"):
            return
        if getattr(report, "tricheck_shown", False):
            _make_readable(report.longrepr)
        self.found += getattr(report, "tricheck", [])
        if message := getattr(report, "tricheck_error", ""):
            self.errors.append({"file": report.nodeid, "error": message})

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what was asked for, where all of it is known."""
        if hasattr(self.config, "workerinput"):
            return
        if self.config.getoption("numprocesses", None):  # workers end in any order
            self.found.sort(key=lambda one: str(one["where"]))
        try:
            self._write()
        except OSError as error:
            self.unwritten = f"{error.filename}: {error.strerror}"
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _write(self) -> None:
        if file := self.config.getoption(_JSON):
            from tricheck.report.run import to_json

            reports = [(one["where"].partition("::")[0], one["json"]) for one in self.found]
            Path(file).write_text(to_json(reports, self.errors), encoding="utf-8")
        if folder := self.config.getoption(_HTML):
            self._write_pages(Path(folder))

    def _write_pages(self, folder: Path) -> None:
        from tricheck.report.page import Page
        from tricheck.report.run import write_pages
        from tricheck.vocabulary import Verdict

        pages = [
            Page(verdict=Verdict(one["verdict"]), **{name: one[name] for name in _OF_PAGE})
            for one in self.found
        ]
        errors = [": ".join(error.values()) for error in self.errors]
        write_pages(folder / "index.html", "", pages, errors)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """A line for each model that is not seen to agree, and where reports were written."""
        doubtful = [one for one in self.found if one["verdict"] != "agree"]
        written = [self.config.getoption(_JSON), self.config.getoption(_HTML)]
        if not doubtful and not self.errors and not any(written):
            return
        terminalreporter.section("gradients")
        for one in doubtful:
            line = f"{one['where']}: {one['line']}"
            terminalreporter.write_line(line, **{one["colour"]: True})
        for error in self.errors:
            terminalreporter.write_line(f"{error['file']}: not checked", red=True)
        count = f"{len(self.found)} model{'s' * (len(self.found) != 1)} checked"
        broken = f", {len(self.errors)} not checked" * bool(self.errors)
        agree = len(self.found) - len(doubtful)
        terminalreporter.write_line(f"{count}, {agree} agree{broken}")
        if self.unwritten:
            terminalreporter.write_line(f"not written: {self.unwritten}", red=True)
            return
        for place in filter(None, (written[0], written[1] and Path(written[1]) / "index.html")):
            terminalreporter.write_line(f"wrote {place}")


def _page(report: Report) -> str:
    """The report's page; the tests go on if it cannot be made."""
    from tricheck.report.page import to_html

    try:
        return to_html(report, home="index.html")
    except (Exception, SystemExit) as error:
        said = escape(f"The page could not be made: {error!r}")
        return f"<!doctype html><title>No page</title><p>{said}</p><pre>{escape(str(report))}</pre>"


def _kinds() -> tuple[Any, Any]:
    """What tricheck raises for a wrong gradient and a broken model; nothing if unimported."""
    facts = sys.modules.get("tricheck.report.facts")
    errors = sys.modules.get("tricheck.errors")
    return getattr(facts, "GradientMismatch", ()), getattr(errors, "ModelError", ())


def _failure(excinfo: Any, message: str, line: str, item: pytest.Item) -> Any:
    """What pytest prints of a failure: all of it once, and `line` where it lists failures.

    A bare text would be printed twice, whole, by a run that is verbose or on CI.
    """
    failure = excinfo.getrepr(style="value", chain=False)
    [entry] = failure.reprtraceback.reprentries
    entry.lines = _shown(message, excinfo.value, item)
    crash = failure.reprcrash
    if crash is not None:  # it is where all frames are marked as hidden
        crash.path, crash.lineno = _end(excinfo.value, item)
        crash.message = line
    return failure


def _shown(message: str, error: BaseException, item: pytest.Item) -> list[str]:
    """The message, and the lines of the user's that led to it."""
    root = item.config.rootpath
    lines = [*message.splitlines(), ""]
    for note in getattr(error, "__notes__", ()):  # as Hypothesis adds the example that fails
        lines += [*note.splitlines(), ""]
    cause = error.__cause__
    if cause is not None and not type(cause).__name__.endswith("RemoteTraceback"):
        lines += [f"{type(cause).__name__}: {cause}", *_places(cause, root), ""]
    return lines + (_places(error, root) or [item.nodeid])


def _end(error: BaseException, item: pytest.Item) -> tuple[str, int]:
    """The file and the line of the user's that an editor should open."""
    frames = _frames(error)
    if frames:
        return frames[-1].filename, frames[-1].lineno or 1
    file, line, _ = item.reportinfo()
    return str(file), (line or 0) + 1


def _make_readable(failure: Any) -> None:
    """In the characters that the terminal has."""
    from tricheck.report.text import can_show, to_ascii

    if can_show(sys.__stdout__):
        return
    if failure.reprcrash is not None:
        failure.reprcrash.message = to_ascii(failure.reprcrash.message)
    [entry] = failure.reprtraceback.reprentries
    entry.lines = [to_ascii(line) for line in entry.lines]


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Frames that are neither tricheck's nor of whoever runs the test."""
    from tricheck.location import is_users

    frames = traceback.extract_tb(error.__traceback__)
    return [one for one in frames if is_users(one.filename) and not one.filename.startswith("<")]


def _places(error: BaseException, root: Path) -> list[str]:
    """Each of these frames: its place, and its line below."""
    lines = []
    for frame in _frames(error):
        file = Path(frame.filename)
        shown = file.relative_to(root) if file.is_relative_to(root) else file
        lines.append(f"{shown}:{frame.lineno}: in {frame.name}")
        if frame.line:
            lines.append(f"    {frame.line}")
    return lines


def _refuse_unwritable(html: str | None, json: str | None) -> None:
    if html is not None:
        nearest = next(one for one in (Path(html), *Path(html).absolute().parents) if one.exists())
        if not nearest.is_dir():
            raise pytest.UsageError(
                f"--tricheck-html {html}: {nearest} is a file; name a directory"
            )
        if not os.access(nearest, os.W_OK):
            raise pytest.UsageError(f"--tricheck-html {html}: {nearest} may not be written to")
        try:
            require("--tricheck-html", "jinja2", "matplotlib")
        except ImportError as error:
            raise pytest.UsageError(str(error)) from error
    if json is not None:
        if not Path(json).parent.is_dir():
            raise pytest.UsageError(
                f"--tricheck-json {json}: there is no directory {Path(json).parent}; make it first"
            )
        if not os.access(Path(json) if Path(json).exists() else Path(json).parent, os.W_OK):
            raise pytest.UsageError(f"--tricheck-json {json}: it may not be written")
        if Path(json).is_dir():
            raise pytest.UsageError(f"--tricheck-json {json}: that is a directory; name a file")
