"""The command line: parse, check, print."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import click

from tricheck.errors import ModelError
from tricheck.vocabulary import Verdict

if TYPE_CHECKING:
    from tricheck.model import Model
    from tricheck.options import Options
    from tricheck.report import Report
    from tricheck.report.text import Line
    from tricheck.targets import Target
    from tricheck.watch import Watch

OK, WRONG, USAGE, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 130
_STDOUT = Path("-")
_ENDING = "Ending with what is known, once the calls under way return; Ctrl-C again stops."
_MESSAGE_WIDTH = 72  # beside click's own "Error: "
_COLOURS = {
    "good": "green",
    "bad": "red",
    "doubtful": "yellow",
    "strong": "bold",
    "faint": "dim",
    "code": "cyan",
    "plain": "",
}


class _Positive(click.ParamType[float]):
    """A positive finite number."""

    name = "number"

    def __init__(self, example: str) -> None:
        self.example = example

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number; give one such as {self.example}", param, ctx)
        if not 0.0 < number < float("inf"):
            message = f"{value!r} is not a positive number; give one such as {self.example}"
            self.fail(message, param, ctx)
        return number


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tricheck")
def main() -> None:
    """Three gradients, one verdict: who is wrong when a gradient check fails?

    \b
    tricheck check model.py            every tricheck.Model in the file
    tricheck check models/             the model files in a directory
    tricheck check model.py::two_layer one of them
    tricheck formula model.py "W[0,1]" the right derivative, as a formula
    tricheck explain scale             what a cause means, and how to fix it
    """


@main.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("-r", "--recursive", is_flag=True, help="Look into the folders of a directory too.")
@click.option(
    "--step",
    type=_Positive("1e-5"),
    metavar="H",
    help="Classical check: central differences at this fixed step, and what they cost.",
)
@click.option(
    "--reference",
    type=click.Choice(
        ["auto", "autograd", "sympy", "complex-step", "longdouble", "jax", "torch", "none"]
    ),
    default="auto",
    show_default=True,
    help="The third source.",
)
@click.option(
    "--entries",
    type=click.Choice(["auto", "all"]),
    default="auto",
    show_default=True,
    help="Finite differences: in all entries, or, beyond 2,048, along random directions too.",
)
@click.option(
    "-j",
    "--jobs",
    type=int,
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that take finite differences; -1: one for each core.",
)
@click.option(
    "--max-seconds",
    type=_Positive("60"),
    metavar="S",
    help="End each check after so long, and say what was left out.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed.")
@click.option(
    "--displace",
    type=click.IntRange(0),
    metavar="SEED",
    help="Check at a displaced point, where most blind spots are open; SEED draws it.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write the same facts as JSON; - for standard output.",
)
def check(
    targets: tuple[str, ...],
    recursive: bool,
    step: float | None,
    reference: str,
    entries: Literal["auto", "all"],
    jobs: int,
    max_seconds: float | None,
    seed: int,
    displace: int | None,
    json_file: Path | None,
) -> None:
    """Check the models that TARGET names: a file, a directory, or FILE.py::NAME.

    Every tricheck.Model at module level of a file is a model.

    \b
    Exit code
      0  no derivation error found
      1  backprop, the reference or both are blamed
      2  a usage error, or a model that breaks its contract
      3  inconclusive
      130  interrupted

    \b
    Examples
      tricheck check examples/
      tricheck check examples/lstm.py --step 1e-4
      tricheck check examples/lstm.py --displace 1
      tricheck check models/ -r --json report.json
      tricheck check large.py --jobs -1 --max-seconds 60

    Ctrl-C ends the check under way early, and shows what is known so far.
    """
    from tricheck.options import Options

    chosen = None if reference == "none" else reference
    try:
        options = Options(
            chosen, step, 0.0, entries, seed, displace, jobs=jobs, max_seconds=max_seconds
        )
    except ModelError as error:  # the others are refused by their own types
        raise click.BadParameter(
            click.wrap_text(str(error), _MESSAGE_WIDTH), param_hint="'-j' / '--jobs'"
        ) from error
    _refuse_unwritable(json_file)
    run = _Run(to_stderr=json_file == _STDOUT)
    try:
        found = _all_targets(targets, recursive, run)
        for done, target in enumerate(found, 1):
            run.check(target, options)
            if run.interrupted:
                run.left_out = len(found) - done
                break
    except KeyboardInterrupt:
        run.interrupted = True
    if json_file is not None:
        _write_json(json_file, run)
    run.summarize()
    sys.exit(INTERRUPTED if run.interrupted else run.exit_code)


@main.command()
@click.argument("target", metavar="TARGET")
@click.argument("entry", metavar="ENTRY")
@click.option("--latex", "as_latex", is_flag=True, help="Print the formula as LaTeX, and no more.")
def formula(target: str, entry: str, as_latex: bool) -> None:
    """Show the derivative of the loss in one ENTRY, such as W1[0,1].

    TARGET is FILE.py::NAME, or a file that holds a single model. The loss is run on symbols: the
    formula is what a derivation should have arrived at, simplified for a few seconds, with its
    value to 50 digits.

    \b
    Exit code
      0  the formula was printed
      2  a usage error, or a loss that does not run on symbols
      130  interrupted

    \b
    Examples
      tricheck formula model.py::two_layer "W1[0,1]"
      tricheck formula model.py b --latex
    """
    from tricheck.formula import formula as derive
    from tricheck.parameters import Parameters

    model = _only_model(target)
    try:
        shown = derive(model, *Parameters.read(model.params).parse_entry(entry))
    except ModelError as error:
        click.echo(f"Error: {target}: {error}", err=True)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    click.echo(shown.latex if as_latex else str(shown), nl=as_latex)


@main.command()
@click.argument("names", nargs=-1, metavar="[CAUSE]...")
def explain(names: tuple[str, ...]) -> None:
    """Explain a CAUSE that a report names: its look, an example, how to confirm and fix it.

    Without a CAUSE, list them all. A verdict may be named too.

    \b
    Exit code
      0  explained
      2  a usage error, such as a CAUSE that does not exist

    \b
    Examples
      tricheck explain
      tricheck explain scale
      tricheck explain regularizer inconclusive
    """
    from tricheck.explain import UnknownNameError
    from tricheck.report.explanation import overview

    try:
        pages = [_page(name) for name in names] or [overview()]
    except UnknownNameError as error:
        raise click.UsageError(click.wrap_text(str(error), width=_MESSAGE_WIDTH)) from error
    for page in pages:
        _show(page)


class _Run:
    """The outcomes of one run, printed as they come."""

    def __init__(self, *, to_stderr: bool) -> None:
        self.to_stderr = to_stderr
        self.reports: list[tuple[Target, Report]] = []
        self.errors: list[dict[str, str]] = []
        self.current = ""
        self.interrupted = False
        self.left_out = 0

    def check(self, target: Target, options: Options) -> None:
        from tricheck.checking import checked
        from tricheck.watch import Watch

        self.current = f"{target.path}::{target.model.name}"
        watch = Watch(options.max_seconds)
        try:
            with _ended_by_interrupt(watch):
                report = checked(target.model, options, watch)
        except ModelError as error:
            self.fail(str(error), file=target.path.as_posix(), model=target.model.title)
        else:
            self.reports.append((target, report))
            _print(report, self.to_stderr)
        self.interrupted = watch.interrupted

    def fail(self, message: str, **where: str) -> None:
        place = "::".join(where.values())
        click.echo(f"Error: {place + ': ' if place else ''}{message}\n", err=True)
        self.errors.append({**where, "error": message})

    @property
    def exit_code(self) -> int:
        return USAGE if self.errors else _exit_code([report for _, report in self.reports])

    def summarize(self) -> None:
        if self.interrupted:
            while_ = f" while checking {self.current}" if self.current else ""
            click.echo(f"Interrupted{while_}.", err=True)
        if self.interrupted or len(self.reports) + len(self.errors) > 1:
            click.echo(", ".join(self._counted()), err=self.to_stderr)

    def _counted(self) -> Iterator[str]:
        models = len(self.reports)
        yield f"{models} model{'s' if models != 1 else ''}"
        for verdict in Verdict:
            if count := sum(report.verdict is verdict for _, report in self.reports):
                yield f"{count} {verdict.value}"
        if not_checked := len(self.errors) + self.left_out:
            yield f"{not_checked} not checked"


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


def _all_targets(texts: tuple[str, ...], recursive: bool, run: _Run) -> list[Target]:
    from tricheck.targets import TargetError, find

    broken: list[TargetError] = []
    try:
        found = [t for text in texts for t in find(text, recursive=recursive, errors=broken)]
    except TargetError as error:
        raise click.UsageError(str(error)) from error
    for problem in broken:
        run.fail(str(problem))
    return list({(t.path.resolve(), t.model.name): t for t in found}.values())


def _only_model(text: str) -> Model:
    from tricheck.targets import TargetError, find

    try:
        found = find(text)
    except TargetError as error:
        raise click.UsageError(str(error)) from error
    if len(found) > 1:
        names = ", ".join(str(target.model.name) for target in found)
        raise click.UsageError(
            f"{text} holds {len(found)} models; name one, FILE.py::NAME: {names}"
        )
    return found[0].model


def _page(name: str) -> Iterator[Line]:
    """What is said of a verdict, or else of a cause."""
    from tricheck.explain import explanation
    from tricheck.report import explanation as report

    if name in list(Verdict):
        return report.verdict_page(Verdict(name))
    return report.page(explanation(name))


def _exit_code(reports: list[Report]) -> int:
    verdicts = {report.verdict for report in reports}
    if verdicts & {Verdict.BACKPROP, Verdict.REFERENCE, Verdict.BACKPROP_AND_REFERENCE}:
        return WRONG
    return INCONCLUSIVE if Verdict.INCONCLUSIVE in verdicts else OK


def _refuse_unwritable(file: Path | None) -> None:
    """Before the work, not after it."""
    if file is not None and file != _STDOUT and not file.parent.is_dir():
        raise click.UsageError(f"--json {file}: there is no directory {file.parent}")


def _write_json(file: Path, run: _Run) -> None:
    models = [
        {"file": target.path.as_posix(), **json.loads(report.to_json())}
        for target, report in run.reports
    ]
    facts = {"models": models, "errors": run.errors}
    text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if file == _STDOUT:
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--json {file}: {error.strerror}") from error


# --- printing -----------------------------------------------------------------------------------


def _print(report: Report, to_stderr: bool) -> None:
    from tricheck.report.text import lines

    _show(lines(report), to_stderr)


def _show(lines: Iterable[Line], to_stderr: bool = False) -> None:
    """Print lines in colours, or without, in the characters that the stream can show."""
    from rich.console import Console
    from rich.text import Text

    from tricheck.report.text import to_ascii

    console = Console(highlight=False, soft_wrap=True, stderr=to_stderr)
    ascii_only = not _can_show(console.file)
    for line in lines:
        text = Text()
        for span in line:
            shown = to_ascii(span.text) if ascii_only else span.text
            text.append(shown, style=_COLOURS[span.style])
        console.print(text)
    console.print()


def _can_show(stream: IO[str]) -> bool:
    try:
        "✓‖±".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
