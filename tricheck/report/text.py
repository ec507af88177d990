"""The report as lines of text for an 80-column terminal; styles name meanings, not colours."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from tricheck.parameters import Index
from tricheck.report.facts import PairReport, ParameterReport, Report
from tricheck.vocabulary import BlindSpot, Cause, Finding, Severity, Source, Verdict

WIDTH = 80
_NAME_WIDTH = 11
_MOST_ENTRIES = 5
_MOST_WORST = 3
_MOST_SPOTS = 3


class Span(NamedTuple):
    """A piece of a line and what it means: good, bad, doubtful, strong, faint, code or plain."""

    text: str
    style: str = "plain"


Line = list[Span]

_STYLES = {
    Verdict.AGREE: "good",
    Verdict.BACKPROP: "bad",
    Verdict.BACKPROP_AND_REFERENCE: "bad",
    Verdict.REFERENCE: "bad",
    Verdict.INCONCLUSIVE: "doubtful",
    Verdict.NONDIFFERENTIABLE: "doubtful",
    Verdict.FINITE_DIFFERENCE: "doubtful",
}
_MARKS = {"good": "✓", "bad": "✗", "doubtful": "?"}
_SEVERITY_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "doubtful", Severity.NOTE: "faint"}
_SOURCE_WORDS = {
    Source.BACKPROP: "backprop",
    Source.FINITE_DIFFERENCE: "finite difference",
    Source.REFERENCE: "reference",
}
_NEXT = {
    Verdict.AGREE: "Nothing to mend.",
    Verdict.BACKPROP: "Mend the backward pass of {names}, then check again.",
    Verdict.FINITE_DIFFERENCE: (
        "Leave backprop as it is; what limits the finite difference is said above."
    ),
    Verdict.REFERENCE: "Mend the reference of {names}, or choose another; leave backprop as it is.",
    Verdict.BACKPROP_AND_REFERENCE: (
        "Look for what the loss does and both gradients leave out in {names}: a term, a factor, a "
        "cast, a branch."
    ),
    Verdict.NONDIFFERENTIABLE: (
        "Move {names} off the kink, by a small random amount, and check again."
    ),
    Verdict.INCONCLUSIVE: (
        "To settle {names}: make the loss deterministic and smooth at the point, compute it in "
        "float64, or pass another reference."
    ),
}
# What a terminal that cannot show these characters gets instead; every pair keeps its width.
_ASCII = str.maketrans(
    {"✓": "+", "✗": "x", "‖": "|", "−": "-", "≤": "<", "≈": "~", "±": "~", "×": "x", "²": "2"}
    | {"é": "e"}
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


def lines(report: Report) -> Iterator[Line]:
    """The report, line by line."""
    style = _STYLES[report.verdict]
    yield [
        Span(f"{_MARKS[style]} ", style),
        Span(report.model, "strong"),
        Span(f": {report.verdict.value}", style),
        *([Span(", at a displaced point")] if report.displace is not None else []),
        *([Span(f", partial ({report.partial})", "doubtful")] if report.partial else []),
    ]
    yield from _wrapped(_sentence(report), indent=2)
    if report.left_out:
        said = f"left out: {'; '.join(report.left_out)}"
        yield from _wrapped(said, indent=2, style="doubtful")
    # The reason first: it is what the reader came for.
    errors = [finding for finding in report.findings if _is_reason(finding)]
    others = [finding for finding in report.findings if not _is_reason(finding)]
    yield from _findings(errors)
    yield []
    yield from _table(report)
    yield []
    yield from _worst_entries(report)
    yield from _findings(others)
    yield from _more(report.findings)
    yield from _blind_spots(report)
    yield from _wrapped(_next(report), indent=2, lead="next: ", style="strong")
    yield from _footer(report)


def _sentence(report: Report) -> str:
    """The verdict, said to a person."""
    if report.partial and report.verdict is Verdict.FINITE_DIFFERENCE:
        return "Backprop and the reference agree; the finite difference says too little yet."
    return report.verdict.sentence


def _is_reason(finding: Finding) -> bool:
    """Whether it says what is wrong, or where the shown intermediate gradients go wrong."""
    shown = finding.source is Source.BACKPROP and finding.evidence.get("first_wrong")
    return finding.severity is Severity.ERROR or bool(shown)


def _findings(findings: list[Finding]) -> Iterator[Line]:
    for finding, names in _grouped(findings):
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
    style = _STYLES[parameter.verdict]
    line = [Span(f"  {_MARKS[style]} ", style)]
    if len(parameter.name) > _NAME_WIDTH:
        yield [*line, Span(parameter.name)]
        line = [Span(" " * (4 + _NAME_WIDTH + 1))]
    else:
        line.append(Span(f"{parameter.name:<{_NAME_WIDTH}} "))
    for key in columns:
        pair = parameter.pairs[key]
        line.append(Span(f"{_cell(pair):<{width + 1}}", "plain" if pair.agree else "bad"))
    line.append(Span(_short(parameter.pairs["backprop/finite-difference"].relative_error)))
    yield line


def _cell(pair: PairReport) -> str:
    if math.isnan(pair.difference):
        return "not comparable"
    sign = "≤" if pair.within_bounds else "≈" if pair.agree else ">"
    return f"{_short(pair.difference)} {sign} {_short(pair.bound)}"


def _short(number: float) -> str:
    """A number of at most seven characters.

    Examples
    --------
    >>> [_short(x) for x in (0.0, 1.26e-12, float("inf"))]
    ['0', '1.3e-12', 'inf']
    """
    if math.isnan(number):
        return "n/a"
    return "0" if number == 0.0 else f"{number:.1e}"


# --- entries ------------------------------------------------------------------------------------


def _worst_entries(report: Report) -> Iterator[Line]:
    """The worst entries of the parameters that differ most, and all that are wrong."""
    parameters = report.parameters.values()
    chosen = [p for p in parameters if p.verdict is report.verdict]
    shown = _MOST_WORST if report.verdict is not Verdict.AGREE else 1
    for parameter in sorted(chosen, key=_excess, reverse=True)[:shown]:
        yield from _wrapped(_entry(parameter), indent=2, hanging=4)
    wrong = [p for p in parameters if p.wrong]
    whole = [p for p in wrong if len(p.wrong) == math.prod(p.shape)]
    for verdict in dict.fromkeys(p.verdict for p in whole):
        names = ", ".join(p.name for p in whole if p.verdict is verdict)
        who = "" if verdict is report.verdict else f" ({verdict})"
        yield from _wrapped(f"wrong throughout{who}: {names}", indent=2)
    for parameter in wrong:
        if parameter not in whole:
            yield from _wrapped(_wrong(parameter), indent=2)
    yield []


def _excess(parameter: ParameterReport) -> float:
    ratios = [p.difference / p.bound for p in parameter.pairs.values() if p.bound > 0.0]
    return max((ratio for ratio in ratios if not math.isnan(ratio)), default=0.0)


def entry_name(parameter: str, index: Index) -> str:
    """Like ``W1[2, 0]``.

    Examples
    --------
    >>> entry_name("W1", (2, 0)), entry_name("scale", ())
    ('W1[2, 0]', 'scale')
    """
    return f"{parameter}[{', '.join(map(str, index))}]" if index else parameter


def _entry(parameter: ParameterReport) -> str:
    values, bounds = parameter.worst.values, parameter.worst.bounds
    parts = [
        f"{_SOURCE_WORDS[source]} {_value(source, parameter)}"
        + (f" ± {_short(bounds[source])}" if math.isfinite(bounds[source]) else "")
        for source in values
        if not (math.isnan(values[source]) and _misshapen(parameter))
    ]
    return f"worst {entry_name(parameter.name, parameter.worst.entry)}: " + ", ".join(parts)


def _misshapen(parameter: ParameterReport) -> bool:
    """Whether backprop has no values to show, being of another shape."""
    pairs = parameter.pairs.values()
    return all(math.isnan(p.relative_error) for p in pairs if p.first is Source.BACKPROP)


def _value(source: Source, parameter: ParameterReport) -> str:
    """With as many digits as it takes to tell the sources apart."""
    values = parameter.worst.values
    value = values[source]
    others = [abs(value - other) for other in values.values() if other != value]
    gap = min((gap for gap in others if math.isfinite(gap)), default=0.0)
    digits = math.ceil(math.log10(abs(value) / gap)) + 2 if gap and value else 6
    return f"{value:.{min(max(digits, 6), 17)}g}"


def _wrong(parameter: ParameterReport) -> str:
    count, size = len(parameter.wrong), math.prod(parameter.shape)
    names = ", ".join(entry_name(parameter.name, i) for i in parameter.wrong[:_MOST_ENTRIES])
    more = f" and {count - _MOST_ENTRIES} more" if count > _MOST_ENTRIES else ""
    return f"wrong: {names}{more} ({count} of {size} entries)"


# --- sentences ----------------------------------------------------------------------------------


def _grouped(findings: list[Finding]) -> Iterator[tuple[Finding, list[str]]]:
    """Findings that say the same of several parameters, said once.

    Those that differ in the size of an error alone are one too; the largest speaks for all.
    """
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        alike = finding.message if _size(finding) is None else ""
        groups.setdefault((finding.cause, alike), []).append(finding)
    for group in groups.values():
        largest = max(group, key=lambda finding: _size(finding) or 0.0)
        names = [f.parameter for f in group if f.parameter is not None]
        if _size(largest) is not None and len(names) > 1:
            names = [f"{', '.join(names)} (most in {largest.parameter})"]
        yield largest, names


def _size(finding: Finding) -> float | None:
    evidence = finding.evidence
    if "residual" in evidence:  # it explains the error, whose size then matters no more
        return None
    size = evidence.get("relative_error", evidence.get("bound"))
    return size if isinstance(size, float) else None


def _finding(finding: Finding, names: list[str]) -> Iterator[Line]:
    where = f"{', '.join(names)}: " if names else ""
    yield from _wrapped(
        where + finding.message,
        indent=2,
        lead=f"{finding.cause.value}: ",
        style=_SEVERITY_STYLES[finding.severity],
    )


def _more(findings: list[Finding]) -> Iterator[Line]:
    """Where the errors' causes are explained."""
    causes = dict.fromkeys(f.cause.value for f in findings if f.severity is Severity.ERROR)
    if causes:
        yield from _wrapped(f"more: tricheck explain {' '.join(causes)}", indent=2, style="faint")


def _blind_spots(report: Report) -> Iterator[Line]:
    """A few of them, where nothing is wrong; else their number, for first things come first."""
    spots = _spots(report.blind_spots)
    if not report.ok:
        if count := len(_spots([spot for spot in report.blind_spots if spot.remedy])):
            plural = "s" if count > 1 else ""
            said = f"{count} blind spot{plural} at this point: report.blind_spots"
            yield from _wrapped(said, indent=2)
        return
    for message, names in spots[:_MOST_SPOTS]:
        where = f"{', '.join(names)}: " if names else ""
        yield from _wrapped(where + message, indent=2, lead="blind spot: ", style="doubtful")
    if more := spots[_MOST_SPOTS:]:
        yield from _wrapped(f"and {len(more)} more in report.blind_spots", indent=2)


def _spots(blind: list[BlindSpot]) -> list[tuple[str, list[str]]]:
    """Blind spots that say the same of several parameters, said once."""
    groups: dict[str, list[str]] = {}
    for spot in blind:
        names = groups.setdefault(spot.message, [])
        names += [spot.parameter] if spot.parameter is not None else []
    return list(groups.items())


def _next(report: Report) -> str:
    remedies = {spot.remedy for spot in report.blind_spots if spot.remedy}
    if report.verdict is Verdict.AGREE and "displace" in remedies:
        return "Nothing to mend here; check with --displace 1 too (in Python, displace=1)."
    if report.verdict is Verdict.AGREE and remedies:
        return "Nothing to mend here; other inputs would show what is blind at this point."
    causes = {finding.cause for finding in report.findings}
    if report.verdict is Verdict.AGREE and Cause.DIFFERENT_LOSS in causes:
        return "Nothing to mend in backprop; mend the reference's loss."
    if report.verdict is Verdict.INCONCLUSIVE and Cause.NONDETERMINISTIC in causes:
        return "Make the loss deterministic: seed its random generator inside it. Then check again."
    if report.verdict is Verdict.INCONCLUSIVE and report.step is not None:
        return "Check again without a fixed step: then a step is chosen for every entry."
    if report.verdict is Verdict.INCONCLUSIVE and Cause.KINK in causes:
        return _NEXT[Verdict.NONDIFFERENTIABLE].format(names="the point")
    explained = any(finding.severity is not Severity.NOTE for finding in report.findings)
    untold = report.verdict in (Verdict.FINITE_DIFFERENCE, Verdict.INCONCLUSIVE)
    if report.partial and untold and not explained:
        return "Give the check more time: too much of the finite difference was left out."
    names = [p.name for p in report.parameters.values() if p.verdict is report.verdict]
    shown = ", ".join(names[:_MOST_ENTRIES]) + (", ..." if len(names) > _MOST_ENTRIES else "")
    return _NEXT[report.verdict].format(names=shown)


def _footer(report: Report) -> Iterator[Line]:
    counts = report.evaluations
    step = "steps chosen per entry" if report.step is None else f"fixed step {report.step:g}"
    reference = report.reference or "none"
    moved = "" if report.displace is None else f"; displaced with seed {report.displace}"
    seen = max(p.sensitivity for p in report.parameters.values())
    shared = max(p.shared_sensitivity for p in report.parameters.values())
    if report.directions:
        count = f"{report.directions} random direction{'s' * (report.directions > 1)}"
        step = f"finite differences along {count} and in the entries in dispute"
        step += f", where a shared error above {_short(shared)} shows" * math.isfinite(shared)
    sure = (
        f"; errors above {_short(seen)} of a parameter's largest entry were sure to be seen"
        if math.isfinite(seen)
        else ""
    )
    yield from _wrapped(
        f"{counts['loss']} loss, {counts['gradient']} gradient and {counts['reference']} reference "
        f"evaluations; reference: {reference}; {step}; seed {report.seed}{moved}{sure}",
        indent=2,
        style="faint",
    )


def _wrapped(
    text: str, *, indent: int, lead: str = "", style: str = "plain", hanging: int | None = None
) -> Iterator[Line]:
    """A paragraph at 80 columns; `lead` is set in `style`, or all of it where there is none."""
    first = " " * indent
    rest = " " * (indent + 2 if hanging is None else hanging)
    wrapped = textwrap.wrap(
        lead + text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )
    for number, line in enumerate(wrapped):
        if lead and number == 0:
            cut = len(first + lead)
            yield [Span(line[:cut], style), Span(line[cut:])]
        else:
            yield [Span(line, "plain" if lead else style)]
