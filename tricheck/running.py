"""A run of the command line: models checked one after the other, printed and written down."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from tricheck.checking import checked
from tricheck.errors import ModelError
from tricheck.extras import require
from tricheck.location import definition
from tricheck.options import Options
from tricheck.report import Report
from tricheck.report.github import annotation, command
from tricheck.report.run import to_json, write_pages
from tricheck.report.text import Span, headline, lines
from tricheck.targets import Target
from tricheck.terminal import show
from tricheck.usage import UsageError, wrapped
from tricheck.vocabulary import Verdict
from tricheck.watch import Watch

OK, WRONG, USAGE, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 130
STDOUT = Path("-")
_ENDING = "Ending with what is known, once the calls under way return; Ctrl-C again: now."


@dataclass(frozen=True)
class Output:
    """What a run shows and writes.

    Attributes
    ----------
    json, html : Path or None
        Files to write; ``-`` is standard output.
    quiet, verbose : bool
        A line for each model; or all there is to say.
    only_wrong : bool
        Nothing of models without a derivation error.
    github : bool
        Annotations for GitHub Actions too.
    """

    json: Path | None = None
    html: Path | None = None
    quiet: bool = False
    verbose: bool = False
    only_wrong: bool = False
    github: bool = False

    @property
    def to_stderr(self) -> bool:
        """Whether standard output is taken by data."""
        return STDOUT in (self.json, self.html)

    def refuse_unwritable(self) -> None:
        """Before the work, not after it.

        Raises
        ------
        click.UsageError
        """
        if self.json is not None and self.json == self.html:
            raise UsageError(f"--json and --html are both {self.json}: give each its own")
        for option, file in (("--json", self.json), ("--html", self.html)):
            if file is None or file == STDOUT:
                continue
            if not file.parent.is_dir():
                raise UsageError(
                    f"{option} {file}: there is no directory {file.parent}; make it first"
                )
            if not os.access(file if file.exists() else file.parent, os.W_OK):
                raise UsageError(f"{option} {file}: it may not be written; choose another")
        if self.html is not None:
            pages = _folder_of(self.html)
            if pages.exists() and not pages.is_dir():
                raise UsageError(f"--html {self.html}: the pages go to {pages}, which is a file")
            try:
                require("--html", "jinja2", "matplotlib")
            except ImportError as error:
                raise UsageError(str(error)) from error


class Run:
    """The outcomes of one run, printed as they come."""

    def __init__(self, options: Options, flags: str, output: Output) -> None:
        self.options = options
        self.flags = flags
        self.output = output
        self.reports: list[tuple[Target, Report]] = []
        self.errors: list[dict[str, str]] = []
        self.current = ""
        self.in_files = False  # in more than one
        self.interrupted = False
        self.left_out = 0

    def check_all(self, targets: Sequence[Target]) -> None:
        """Check models until they are through, or Ctrl-C."""
        self.in_files = len({target.path for target in targets}) > 1
        for done, target in enumerate(targets, 1):
            self._check(target)
            if self.interrupted:
                self.left_out = len(targets) - done
                break

    def _check(self, target: Target) -> None:
        self.current = f"{target.path}::{target.model.name}"
        watch = Watch(self.options.max_seconds)
        try:
            with _ended_by_interrupt(watch), target.imports.active():
                report = checked(target.model, self.options, watch)
        except ModelError as error:
            hint = ""
            if target.model.gradient is True and target.text.startswith("--loss"):
                hint = "; --gradient MODULE:G names a gradient that the loss does not return"
            where = {"file": target.path.as_posix(), "model": target.model.title}
            self.fail(f"{error}{hint}", **where)
        else:
            again = f"tricheck check {target.text} {self.flags}".rstrip()
            report = replace(report, command=again)
            self.reports.append((target, report))
            self._print(target, report)
        self.interrupted = watch.interrupted

    def _print(self, target: Target, report: Report) -> None:
        output = self.output
        if output.only_wrong and report.ok:
            return
        shown = lines(report, verbose=output.verbose)
        first, rest = (headline(report), []) if output.quiet else (next(shown), [*shown, []])
        if self.in_files:
            first = [*first, Span(f"  {target.path}", "faint")]
        if output.github and report.verdict is not Verdict.AGREE:
            said = annotation(report, *_place(target, report))
            rest = [*rest, [Span(said)]]
        show([first, *rest], to_stderr=output.to_stderr)

    def fail(self, message: str, *, at: str = "", **where: str) -> None:
        """Note what could not be checked; the message itself names the file it is `at`."""
        place = "::".join(where.values())
        click.echo(f"Error: {wrapped(f'{place}: {message}' if place else message)}\n", err=True)
        self.errors.append({**where, "error": message})
        if self.output.github:
            file = _relative(where.get("file", at))
            title = f"{where.get('model', 'tricheck')}: not checked"
            click.echo(command("error", title, message, file), err=self.output.to_stderr)

    @property
    def exit_code(self) -> int:
        """As `tricheck check --help` lists them."""
        if self.interrupted:
            return INTERRUPTED
        return USAGE if self.errors else _exit_code([report for _, report in self.reports])

    def write(self) -> None:
        """Write the files that were asked for."""
        if self.output.json is not None:
            reports = [(t.path.as_posix(), report.to_json()) for t, report in self.reports]
            _write("--json", self.output.json, to_json(reports, self.errors))
        if self.output.html is not None:
            self._write_html(self.output.html)
        for file in filter(None, (self.output.json, self.output.html)):
            if file != STDOUT:
                click.echo(f"wrote {file}", err=True)

    def _write_html(self, file: Path) -> None:
        from tricheck.report.page import Page

        if len(self.reports) == 1 and not self.errors:
            [(target, report)] = self.reports
            with target.imports.active():
                page = report.to_html()
            _write("--html", file, page)
            return
        if file == STDOUT:
            raise UsageError(
                f"--html - takes one model, and these are {len(self.reports)}; name a file: it "
                "lists them, and their pages are written beside it"
            )
        home = f"../{quote(file.name)}"
        pages = []
        for target, report in self.reports:
            with target.imports.active():
                pages.append(Page.of(report, target.path.as_posix(), home))
        errors = [": ".join(error.values()) for error in self.errors]
        try:
            write_pages(file, _folder_of(file).name, pages, errors)
        except OSError as error:
            raise UsageError(f"--html {file}: {error.strerror}") from error

    def summarize(self) -> None:
        """Say how many models there were, where there were several."""
        if self.interrupted:
            while_ = f" while checking {self.current}" if self.current else ""
            click.echo(f"Interrupted{while_}.", err=True)
        brief = self.output.quiet or self.output.only_wrong
        if self.interrupted or brief or len(self.reports) + len(self.errors) > 1:
            click.echo(", ".join(self._counted()), err=self.output.to_stderr)

    def _counted(self) -> Iterator[str]:
        models = len(self.reports)
        yield f"{models} model{'s' if models != 1 else ''}"
        for verdict in Verdict:
            if count := sum(report.verdict is verdict for _, report in self.reports):
                yield f"{count} {verdict.value}"
        if not_checked := len(self.errors) + self.left_out:
            yield f"{not_checked} not checked"


def _folder_of(file: Path) -> Path:
    """Where the pages go that a list in `file` leads to."""
    return file.with_name(f"{file.stem}-models")


def _exit_code(reports: list[Report]) -> int:
    verdicts = {report.verdict for report in reports}
    if verdicts & {Verdict.BACKPROP, Verdict.REFERENCE, Verdict.BACKPROP_AND_REFERENCE}:
        return WRONG
    return INCONCLUSIVE if Verdict.INCONCLUSIVE in verdicts else OK


def _write(option: str, file: Path, text: str) -> None:
    if file == STDOUT:
        click.echo(text.encode(), nl=False)  # UTF-8, whatever the terminal's
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{option} {file}: {error.strerror}") from error


def _place(target: Target, report: Report) -> tuple[str, int]:
    """File and line of the function to look at."""
    model = target.model
    backprop = report.verdict is Verdict.BACKPROP and model.gradient is not True
    found = definition(model.gradient if backprop else model.loss)
    if found is None or not Path(found[0]).is_file():
        return _relative(str(target.path)), 1
    return _relative(found[0]), found[1]


def _relative(file: str) -> str:
    """As seen from the working directory, where the file lies below it."""
    try:
        return Path(file).resolve().relative_to(Path.cwd()).as_posix() if file else file
    except ValueError:
        return Path(file).as_posix()


@contextmanager
def _ended_by_interrupt(watch: Watch) -> Iterator[None]:
    """The first Ctrl-C ends a check early, with its report; the next one at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: Any) -> None:
        watch.interrupted = True
        signal.signal(signal.SIGINT, previous)
        click.echo(_ENDING, err=True)

    previous = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
