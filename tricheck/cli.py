"""The command line: parse, check, print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from tricheck.errors import ModelError
from tricheck.vocabulary import Verdict

if TYPE_CHECKING:
    from tricheck.report import Report
    from tricheck.targets import Target

OK, WRONG, USAGE, INCONCLUSIVE = 0, 1, 2, 3
_COLOURS = {
    "good": "green",
    "bad": "red",
    "doubtful": "yellow",
    "strong": "bold",
    "faint": "dim",
    "plain": "",
}


class _Positive(click.ParamType[float]):
    """A positive finite number."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number; give one such as 1e-5", param, ctx)
        if not 0.0 < number < float("inf"):
            self.fail(f"{value!r} is not a positive number; give one such as 1e-5", param, ctx)
        return number


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tricheck")
def main() -> None:
    """Three gradients, one verdict: who is wrong when a gradient check fails?

    \b
    tricheck check model.py            every tricheck.Model in the file
    tricheck check models/             the model files in a directory
    tricheck check model.py::two_layer one of them
    """


@main.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("-r", "--recursive", is_flag=True, help="Look into the folders of a directory too.")
@click.option(
    "--step",
    type=_Positive(),
    metavar="H",
    help="Classical check: central differences at this fixed step, and what they cost.",
)
@click.option(
    "--reference",
    type=click.Choice(["auto", "autograd", "sympy", "none"]),
    default="auto",
    show_default=True,
    help="The third source.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the same facts as JSON.",
)
def check(
    targets: tuple[str, ...],
    recursive: bool,
    step: float | None,
    reference: str,
    seed: int,
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

    \b
    Examples
      tricheck check examples/
      tricheck check examples/lstm.py --step 1e-4
      tricheck check models/ -r --json report.json
    """
    options = {
        "step": step,
        "reference": None if reference == "none" else reference,
        "seed": seed,
    }
    reports: list[tuple[Target, Report]] = []
    broken = False
    for target in _all_targets(targets, recursive):
        try:
            report = _check(target, options)
        except ModelError as error:
            broken = True
            _say(f"{target.path}::{target.model.name}: {error}")
            continue
        reports.append((target, report))
        _print(report)
    if json_file is not None:
        _write_json(json_file, reports)
    _summary([report for _, report in reports])
    sys.exit(USAGE if broken else _exit_code([report for _, report in reports]))


def _all_targets(texts: tuple[str, ...], recursive: bool) -> list[Target]:
    from tricheck.targets import TargetError, find

    try:
        found = [target for text in texts for target in find(text, recursive=recursive)]
    except TargetError as error:
        raise click.UsageError(str(error)) from error
    return list({(t.path.resolve(), t.model.name): t for t in found}.values())


def _check(target: Target, options: dict[str, Any]) -> Report:
    import tricheck

    return tricheck.check(target.model, **options)


def _exit_code(reports: list[Report]) -> int:
    verdicts = {report.verdict for report in reports}
    if verdicts & {Verdict.BACKPROP, Verdict.REFERENCE, Verdict.BACKPROP_AND_REFERENCE}:
        return WRONG
    return INCONCLUSIVE if Verdict.INCONCLUSIVE in verdicts else OK


def _write_json(file: Path, reports: list[tuple[Target, Report]]) -> None:
    models = [
        {"file": target.path.as_posix(), **json.loads(report.to_json())}
        for target, report in reports
    ]
    text = json.dumps({"models": models}, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--json {file}: {error.strerror}") from error


# --- printing -----------------------------------------------------------------------------------


def _print(report: Report) -> None:
    from rich.console import Console
    from rich.text import Text

    from tricheck.report.text import lines, to_ascii

    console = Console(highlight=False, soft_wrap=True)
    ascii_only = not _can_show(console.file)
    for line in lines(report):
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


def _summary(reports: list[Report]) -> None:
    if len(reports) > 1:
        click.echo(", ".join(_counted(reports)))


def _counted(reports: list[Report]) -> Iterator[str]:
    yield f"{len(reports)} models"
    for verdict in Verdict:
        if count := sum(report.verdict is verdict for report in reports):
            yield f"{count} {verdict.value}"


def _say(message: str) -> None:
    click.echo(f"Error: {message}", err=True)
