"""The command line: parse, call, print."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from tricheck.errors import ModelError
from tricheck.usage import UsageError, wrapped
from tricheck.vocabulary import Cause, Verdict

if TYPE_CHECKING:
    from tricheck.report.text import Line
    from tricheck.running import Run
    from tricheck.targets import Target

_USAGE, _INTERRUPTED = 2, 130
_AGAIN = ("step", "reference", "entries", "max_seconds", "seed", "displace")


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


def _targets_like(_ctx: Any, _param: Any, typed: str) -> list[CompletionItem[Any]]:
    """Files, and after ``::`` the models in one, read off its text, which is not run for it."""
    file, separator, start = typed.partition("::")
    if not separator:
        return [CompletionItem(typed, type="file")]
    from tricheck.completion import models_in_text

    names = models_in_text(Path(file))
    return [CompletionItem(f"{file}::{name}") for name in names if name.startswith(start)]


def _pages_like(_ctx: Any, _param: Any, typed: str) -> list[CompletionItem[Any]]:
    """Causes and verdicts."""
    names = dict.fromkeys([*(cause.value for cause in Cause), *(v.value for v in Verdict)])
    return [CompletionItem(name) for name in names if name.startswith(typed)]


_FILE = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
_DISPLACE = click.option(
    "--displace",
    type=click.IntRange(0),
    metavar="SEED",
    help="Look at a displaced point, where most blind spots are open; SEED draws it.",
)
_SEED = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed."
)


class _Group(click.Group):
    """Says what was meant where a target stands in the place of a command."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in self.commands and Path(args[0].partition("::")[0]).exists():
            raise UsageError(f"no such command {args[0]!r}; to check it: tricheck check {args[0]}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tricheck")
def main() -> None:
    """Three gradients, one verdict: who is wrong when a gradient check fails?

    \b
    tricheck new model.py              a model file to fill in
    tricheck check model.py            every tricheck.Model in the file
    tricheck check models/             the model files in a directory
    tricheck check model.py::two_layer one of them
    tricheck sweep model.py "W[0,1]"   finite difference against step size
    tricheck formula model.py "W[0,1]" the right derivative, as a formula
    tricheck explain scale             what a cause means, and how to fix it
    """


@main.command()
@click.argument("targets", nargs=-1, shell_complete=_targets_like, metavar="[TARGET]...")
@click.option("-r", "--recursive", is_flag=True, help="Look into the folders of a directory too.")
@click.option(
    "--loss",
    metavar="MODULE:F",
    help="Instead of a TARGET: a loss, package.module:f or file.py:f, ...",
)
@click.option(
    "--gradient",
    metavar="MODULE:G",
    help="... its gradient, unless the loss returns both, ...",
)
@click.option(
    "--params",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="... and the point: .npz (a dict of arrays) or .npy (one array).",
)
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
@_SEED
@_DISPLACE
@click.option("-q", "--quiet", is_flag=True, help="One line for each model.")
@click.option("-v", "--verbose", is_flag=True, help="All blind spots, and all numbers.")
@click.option("--only-wrong", is_flag=True, help="Show no model without a derivation error.")
@click.option(
    "--json",
    "json_file",
    type=_FILE,
    metavar="FILE",
    help="Write the same facts as JSON; - for standard output.",
)
@click.option(
    "--html",
    "html_file",
    type=_FILE,
    metavar="FILE",
    help="Write a page for the browser; of several models, a list with the pages beside it.",
)
@click.option("--github", is_flag=True, help="Print annotations for GitHub Actions too.")
@click.pass_context
def check(
    ctx: click.Context,
    targets: tuple[str, ...],
    recursive: bool,
    loss: str | None,
    gradient: str | None,
    params: Path | None,
    step: float | None,
    reference: str,
    entries: Literal["auto", "all"],
    jobs: int,
    max_seconds: float | None,
    seed: int,
    displace: int | None,
    quiet: bool,
    verbose: bool,
    only_wrong: bool,
    json_file: Path | None,
    html_file: Path | None,
    github: bool,
) -> None:
    """Check the models that TARGET names.

    TARGET is a file, a directory, FILE.py::NAME or package.module:NAME. Every tricheck.Model at
    module level of a file is a model.

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
      tricheck check models/ -r --only-wrong --json report.json
      tricheck check mypackage.models:encoder --html report.html
      tricheck check --loss fit:fun --gradient fit:jac --params x0.npy
      tricheck check large.py --jobs -1 --max-seconds 60

    Ctrl-C ends the check under way early, and shows what is known so far.
    """
    from tricheck.options import Options
    from tricheck.running import Output, Run

    given = _refuse_halves(targets, loss, gradient, params)
    if quiet and verbose:
        raise UsageError("-q and -v contradict each other: give one of them")
    chosen = None if reference == "none" else reference
    try:
        options = Options(
            chosen, step, 0.0, entries, seed, displace, jobs=jobs, max_seconds=max_seconds
        )
    except ModelError as error:  # the others are refused by their own types
        raise UsageError(f"--{error}") from error
    output = Output(json_file, html_file, quiet, verbose, only_wrong, github)
    output.refuse_unwritable()
    run = Run(options, _flags(ctx), output)
    try:
        # What models print is no part of the data that goes to standard output.
        with redirect_stdout(sys.stderr if output.to_stderr else sys.stdout):
            run.check_all([_given(*given)] if given else _all_targets(targets, recursive, run))
    except KeyboardInterrupt:
        run.interrupted = True
    try:
        run.write()
    except KeyboardInterrupt:
        run.interrupted = True
    run.summarize()
    sys.exit(run.exit_code)


@main.command()
@click.argument("target", shell_complete=_targets_like, metavar="TARGET")
@click.argument("entry", metavar="ENTRY")
@_SEED
@_DISPLACE
@click.option("-v", "--verbose", is_flag=True, help="The numbers of every step too.")
def sweep(target: str, entry: str, seed: int, displace: int | None, verbose: bool) -> None:
    """Plot the finite difference of one ENTRY, such as W1[2,1], against its step.

    TARGET is FILE.py::NAME, package.module:NAME, or a file that holds a single model. Truncation
    falls like h², rounding grows like 1/h; where the error of backprop lies level above both, no
    step makes backprop right.

    \b
    Exit code
      0  the plot was printed
      2  a usage error, or a model that breaks its contract
      130  interrupted

    \b
    Examples
      tricheck sweep model.py::two_layer "W1[2,1]"
      tricheck sweep model.py b -v
      tricheck sweep model.py "W1[0,0]" --displace 1
    """
    from tricheck.parameters import Parameters
    from tricheck.report.sweep import lines
    from tricheck.sweeping import sweep as measure
    from tricheck.terminal import show

    only = _only_model(target)
    try:
        place = Parameters.read(only.model.params).parse_entry(entry)
        with only.imports.active():
            swept = measure(only.model, *place, seed=seed, displace=displace)
    except ModelError as error:
        _end(f"{target}: {error}")
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    show(lines(swept, table=verbose))


@main.command()
@click.argument("target", shell_complete=_targets_like, metavar="TARGET")
@click.argument("entry", metavar="ENTRY")
@click.option("--latex", "as_latex", is_flag=True, help="Print the formula as LaTeX, and no more.")
def formula(target: str, entry: str, as_latex: bool) -> None:
    """Show the derivative of the loss in one ENTRY, such as W1[0,1].

    TARGET is FILE.py::NAME, package.module:NAME, or a file that holds a single model. The loss is
    run on symbols: the formula is what a derivation should have arrived at, simplified for a few
    seconds, with its value to 50 digits.

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

    only = _only_model(target)
    try:
        place = Parameters.read(only.model.params).parse_entry(entry)
        with only.imports.active():
            shown = derive(only.model, *place)
    except ModelError as error:
        _end(f"{target}: {error}")
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    click.echo(shown.latex if as_latex else str(shown), nl=as_latex)


@main.command()
@click.argument("names", nargs=-1, shell_complete=_pages_like, metavar="[CAUSE]...")
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
    from tricheck.terminal import show

    try:
        pages = [_page(name) for name in names] or [overview()]
    except UnknownNameError as error:
        raise UsageError(str(error)) from error
    for page in pages:
        show([*page, []])


@main.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
def new(file: Path) -> None:
    """Write a model FILE to fill in: a loss, its gradient, a point, and what each must be.

    It runs as it is, so that there is something to change from. A file that exists is left alone.

    \b
    Exit code
      0  the file was written
      2  a usage error, or the file exists

    \b
    Example
      tricheck new model.py
      tricheck check model.py
    """
    from tricheck.new import write_model_file

    try:
        write_model_file(file)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except FileExistsError as error:
        raise UsageError(f"{file} exists, and is left as it is: choose another name") from error
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; choose another place") from error
    again = f"tricheck check {shlex.quote(str(file))}"
    click.echo(f"Wrote {file}. Put your loss and gradient in, then: {again}")


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands, options, files, models and causes.

    \b
    To have it in every session
      bash  echo 'eval "$(tricheck completion bash)"' >> ~/.bashrc
      zsh   echo 'eval "$(tricheck completion zsh)"' >> ~/.zshrc
      fish  tricheck completion fish > ~/.config/fish/completions/tricheck.fish
    """
    from tricheck.completion import script

    click.echo(script(shell, main))


def _end(message: str) -> None:
    click.echo(f"Error: {wrapped(message)}", err=True)
    sys.exit(_USAGE)


def _refuse_halves(
    targets: tuple[str, ...], loss: str | None, gradient: str | None, params: Path | None
) -> tuple[str, str | None, Path] | None:
    """The triple, if one was given whole, and nothing beside it."""
    if loss is not None and params is not None and not targets:
        return loss, gradient, params
    if loss is None and gradient is None and params is None:
        if targets:
            return None
        raise UsageError(
            "nothing to check: name a TARGET, such as model.py (tricheck new model.py writes one), "
            "or give --loss, --gradient and --params"
        )
    beside = "beside a TARGET" if targets else "alone"
    raise UsageError(
        f"--loss, --gradient and --params go together, not {beside}: "
        "tricheck check --loss module:f --gradient module:g --params file.npz"
    )


def _flags(ctx: click.Context) -> str:
    """The options given that change what is measured, to be given again."""
    said = []
    for name in _AGAIN:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            said.append(f"--{name.replace('_', '-')} {shlex.quote(str(ctx.params[name]))}")
    return " ".join(said)


def _given(loss: str, gradient: str | None, params: Path) -> Target:
    from tricheck.targets import TargetError, triple

    try:
        return triple(loss, gradient, params)
    except TargetError as error:
        raise UsageError(str(error)) from error


def _all_targets(texts: tuple[str, ...], recursive: bool, run: Run) -> list[Target]:
    from tricheck.targets import TargetError, find

    broken: list[TargetError] = []
    try:
        found = [t for text in texts for t in find(text, recursive=recursive, errors=broken)]
    except TargetError as error:
        raise UsageError(str(error)) from error
    for problem in broken:
        run.fail(str(problem), at=problem.file)
    return list({(t.path.resolve(), t.model.name): t for t in found}.values())


def _only_model(text: str) -> Target:
    from tricheck.targets import TargetError, find

    try:
        found = find(text)
    except TargetError as error:
        raise UsageError(str(error)) from error
    if len(found) > 1:
        names = ", ".join(str(target.model.name) for target in found)
        raise UsageError(f"{text} holds {len(found)} models; name one, FILE.py::NAME: {names}")
    return found[0]


def _page(name: str) -> Iterator[Line]:
    """What is said of a verdict, or else of a cause."""
    from tricheck.explain import explanation
    from tricheck.report import explanation as report

    if name in list(Verdict):
        return report.verdict_page(Verdict(name))
    return report.page(explanation(name))
