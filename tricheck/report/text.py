"""The report as lines of text for an 80-column terminal; styles name meanings, not colours."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from tricheck.report.facts import ParameterReport, Report
from tricheck.report.words import (
    MARKS,
    SEVERITY_STYLES,
    STYLES,
    cell,
    cost,
    grouped,
    is_reason,
    next_step,
    one_line,
    sentence,
    short,
    spots,
    worst_entry,
    worst_parameters,
    wrong_entries,
)
from tricheck.vocabulary import Finding, Severity

WIDTH = 80
_NAME_WIDTH = 11
_MOST_SPOTS = 3
_JOINED = "±\u00a0"


class Span(NamedTuple):
    """A piece of a line and what it means: good, bad, doubtful, strong, faint, code or plain."""

    text: str
    style: str = "plain"


Line = list[Span]

# What a terminal that cannot show these characters gets instead; every pair keeps its width.
_ASCII = str.maketrans(
    {"✓": "+", "✗": "x", "‖": "|", "−": "-", "≤": "<", "≈": "~", "±": "~", "×": "x", "²": "2"}
    | {"é": "e", "●": "o", "╲": "\\", "╱": "/", "│": "|", "─": "-", "═": "=", "┤": "|", "└": "+"}
)


def to_text(report: Report) -> str:
    """The report as plain text."""
    return "\n".join("".join(span.text for span in line) for line in lines(report)) + "\n"


def to_ascii(text: str) -> str:
    """The same text in ASCII.

    Examples
    --------
    >>> to_ascii("3.1e-12 ≤ 4.0e-12 ✓")
    '3.1e-12 < 4.0e-12 +'
    """
    return text.replace(" ± ", " +-").translate(_ASCII).encode("ascii", "replace").decode()


def can_show(stream: Any) -> bool:
    """Whether a stream, such as a terminal, takes the characters that reports are made of."""
    try:
        "✓‖±╲●".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def headline(report: Report) -> Line:
    """The report in one line."""
    style = STYLES[report.verdict]
    name = f"{report.model}: "
    return [
        Span(f"{MARKS[style]} ", style),
        Span(name, "strong"),
        Span(one_line(report).removeprefix(name), style),
    ]


def lines(report: Report, *, verbose: bool = False) -> Iterator[Line]:
    """The report, line by line.

    Parameters
    ----------
    report : Report
    verbose : bool
        With all blind spots, the numbers behind each finding, and the sensitivities.
    """
    style = STYLES[report.verdict]
    yield [
        Span(f"{MARKS[style]} ", style),
        Span(report.model, "strong"),
        Span(f": {report.verdict.value}", style),
        *([Span(", at a displaced point")] if report.displace is not None else []),
        *([Span(f", partial ({report.partial})", "doubtful")] if report.partial else []),
    ]
    yield from _wrapped(sentence(report), indent=2)
    if report.left_out:
        said = f"left out: {'; '.join(report.left_out)}"
        yield from _wrapped(said, indent=2, style="doubtful")
    # The reason first: it is what the reader came for.
    errors = [finding for finding in report.findings if is_reason(finding)]
    others = [finding for finding in report.findings if not is_reason(finding)]
    yield from _findings(errors)
    yield []
    yield from _table(report)
    yield []
    yield from _worst_entries(report)
    yield from _findings(others)
    yield from _more(report.findings)
    if verbose:
        yield from _all_blind_spots(report)
        yield from _evidence(report)
        yield from _sensitivities(report)
    else:
        yield from _blind_spots(report)
    yield from _wrapped(next_step(report), indent=2, lead="next: ", style="strong")
    yield from _footer(report)


def _findings(findings: list[Finding]) -> Iterator[Line]:
    for finding, names in grouped(findings):
        yield from _finding(finding, names)


# --- the table ----------------------------------------------------------------------------------

_COLUMNS = {
    "backprop/reference": ("backprop", "− reference"),
    "backprop/finite-difference": ("backprop", "− finite diff."),
    "finite-difference/reference": ("finite diff.", "− reference"),
}


def _table(report: Report) -> Iterator[Line]:
    present = list(next(iter(report.parameters.values())).pairs)
    columns = [key for key in _COLUMNS if key in present]
    width = 18
    for row, last in ((0, "‖a−b‖"), (1, "/‖a+b‖")):
        name = "parameter" if row else ""
        cells = "".join(f"{_COLUMNS[key][row]:<{width + 1}}" for key in columns)
        yield [Span(f"    {name:<{_NAME_WIDTH}} {cells}{last}".rstrip(), "faint")]
    for parameter in report.parameters.values():
        yield from _row(parameter, columns, width)
    if report.directions and len(columns) > 1:
        yield [Span("    with a finite difference: along random directions", "faint")]


def _row(parameter: ParameterReport, columns: list[str], width: int) -> Iterator[Line]:
    style = STYLES[parameter.verdict]
    line = [Span(f"  {MARKS[style]} ", style)]
    if len(parameter.name) > _NAME_WIDTH:
        yield [*line, Span(parameter.name)]
        line = [Span(" " * (4 + _NAME_WIDTH + 1))]
    else:
        line.append(Span(f"{parameter.name:<{_NAME_WIDTH}} "))
    for key in columns:
        pair = parameter.pairs[key]
        line.append(Span(f"{cell(pair):<{width + 1}}", "plain" if pair.agree else "bad"))
    line.append(Span(short(parameter.pairs["backprop/finite-difference"].relative_error)))
    yield line


# --- entries ------------------------------------------------------------------------------------


def _worst_entries(report: Report) -> Iterator[Line]:
    """The worst entries of the parameters that differ most, and all that are wrong."""
    parameters = report.parameters.values()
    for parameter in worst_parameters(report):
        yield from _wrapped(worst_entry(parameter), indent=2, hanging=4)
    wrong = [p for p in parameters if p.wrong]
    whole = [p for p in wrong if len(p.wrong) == math.prod(p.shape)]
    for verdict in dict.fromkeys(p.verdict for p in whole):
        names = ", ".join(p.name for p in whole if p.verdict is verdict)
        who = "" if verdict is report.verdict else f" ({verdict})"
        yield from _wrapped(f"wrong throughout{who}: {names}", indent=2)
    for parameter in wrong:
        if parameter not in whole:
            yield from _wrapped(wrong_entries(parameter), indent=2)
    yield []


# --- sentences ----------------------------------------------------------------------------------


def _finding(finding: Finding, names: list[str]) -> Iterator[Line]:
    where = f"{', '.join(names)}: " if names else ""
    yield from _wrapped(
        where + finding.message,
        indent=2,
        lead=f"{finding.cause.value}: ",
        style=SEVERITY_STYLES[finding.severity],
    )


def _more(findings: list[Finding]) -> Iterator[Line]:
    """Where the errors' causes are explained."""
    causes = dict.fromkeys(f.cause.value for f in findings if f.severity is Severity.ERROR)
    if causes:
        yield from _wrapped(f"more: tricheck explain {' '.join(causes)}", indent=2, style="faint")


def _blind_spots(report: Report) -> Iterator[Line]:
    """A few of them, where nothing is wrong; else their number, for first things come first."""
    found = spots(report.blind_spots)
    if not report.ok:
        if count := len(spots([spot for spot in report.blind_spots if spot.remedy])):
            plural = "s" if count > 1 else ""
            said = f"{count} blind spot{plural} at this point: see -v, or report.blind_spots"
            yield from _wrapped(said, indent=2)
        return
    for message, names in found[:_MOST_SPOTS]:
        where = f"{', '.join(names)}: " if names else ""
        yield from _wrapped(where + message, indent=2, lead="blind spot: ", style="doubtful")
    if more := found[_MOST_SPOTS:]:
        yield from _wrapped(f"and {len(more)} more: see -v, or report.blind_spots", indent=2)


def _all_blind_spots(report: Report) -> Iterator[Line]:
    for message, names in spots(report.blind_spots):
        where = f"{', '.join(names)}: " if names else ""
        yield from _wrapped(where + message, indent=2, lead="blind spot: ", style="doubtful")


def _evidence(report: Report) -> Iterator[Line]:
    """The numbers behind the findings."""
    for finding in report.findings:
        if finding.evidence:
            where = f" of {finding.parameter}" if finding.parameter is not None else ""
            shown = ", ".join(f"{name} = {value}" for name, value in finding.evidence.items())
            yield from _wrapped(shown, indent=2, lead=f"{finding.cause.value}{where}: ")


def _sensitivities(report: Report) -> Iterator[Line]:
    for p in report.parameters.values():
        seen = (p.sensitivity, p.block_sensitivity, p.shared_sensitivity)
        entry, block, shared = map(short, seen)
        said = f"{p.name}: one entry {entry}, the whole block {block}, a shared error {shared}"
        yield from _wrapped(said, indent=2, lead="sensitivity of ", style="faint")


def _footer(report: Report) -> Iterator[Line]:
    yield from _wrapped(cost(report), indent=2, style="faint")


def _wrapped(
    text: str, *, indent: int, lead: str = "", style: str = "plain", hanging: int | None = None
) -> Iterator[Line]:
    """A paragraph at 80 columns; `lead` is set in `style`, or all of it where there is none."""
    first = " " * indent
    rest = " " * (indent + 2 if hanging is None else hanging)
    joined = (lead + text).replace("± ", _JOINED)  # a bound stays with its sign
    wrapped = [
        line.replace(_JOINED, "± ")
        for line in textwrap.wrap(
            joined, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
        )
    ]
    for number, line in enumerate(wrapped):
        if lead and number == 0:
            cut = len(first + lead)
            yield [Span(line[:cut], style), Span(line[cut:])]
        else:
            yield [Span(line, "plain" if lead else style)]
