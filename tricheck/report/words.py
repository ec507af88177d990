"""The words of a report, the same for text, HTML and the terminal's summary."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tricheck.parameters import Index
from tricheck.report.facts import PairReport, ParameterReport, Report
from tricheck.vocabulary import BlindSpot, Cause, Finding, Severity, Source, Verdict

_MOST_ENTRIES = 5
_MOST_WORST = 3

STYLES = {
    Verdict.AGREE: "good",
    Verdict.BACKPROP: "bad",
    Verdict.BACKPROP_AND_REFERENCE: "bad",
    Verdict.REFERENCE: "bad",
    Verdict.INCONCLUSIVE: "doubtful",
    Verdict.NONDIFFERENTIABLE: "doubtful",
    Verdict.FINITE_DIFFERENCE: "doubtful",
}
MARKS = {"good": "✓", "bad": "✗", "doubtful": "?"}
SEVERITY_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "doubtful", Severity.NOTE: "faint"}
SOURCE_WORDS = {
    Source.BACKPROP: "backprop",
    Source.FINITE_DIFFERENCE: "finite difference",
    Source.REFERENCE: "reference",
}
_NEXT = {
    Verdict.AGREE: "Nothing to mend.",
    Verdict.BACKPROP: "Mend the backward pass of {names}, then check again.",
    Verdict.FINITE_DIFFERENCE: (
        "Leave backprop as it is; the findings say what limits the finite difference."
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


def sentence(report: Report) -> str:
    """The verdict, said to a person."""
    if report.partial and report.verdict is Verdict.FINITE_DIFFERENCE:
        return "Backprop and the reference agree; the finite difference says too little yet."
    return report.verdict.sentence


def one_line(report: Report) -> str:
    """The model, its verdict and the causes, like ``two_layer: backprop, scale (W1, b1)``."""
    said = f"{report.model}: {report.verdict.value}"
    return f"{said}, {found}" if (found := causes(report)) else said


def causes(report: Report) -> str:
    """The causes, each with where it was found, like ``scale (W1, b1), sign (W2)``."""
    told = [f for f in report.findings if f.severity is not Severity.NOTE]
    found: dict[str, list[str]] = {}
    for finding in told if report.verdict is not Verdict.AGREE else []:
        names = found.setdefault(finding.cause.value, [])
        if finding.parameter is not None and finding.parameter not in names:
            names.append(finding.parameter)
    return ", ".join(
        f"{cause} ({listed(names)})" if names else cause
        for cause, names in list(found.items())[:_MOST_WORST]
    )


def listed(names: list[str], most: int = _MOST_ENTRIES) -> str:
    """Some names, and that there are more.

    Examples
    --------
    >>> listed(["a", "b", "c"], 2)
    'a, b, ...'
    """
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])])


def is_reason(finding: Finding) -> bool:
    """Whether it says what is wrong, or where the shown intermediate gradients go wrong."""
    shown = finding.source is Source.BACKPROP and finding.evidence.get("first_wrong")
    return finding.severity is Severity.ERROR or bool(shown)


def next_step(report: Report) -> str:
    """What to do now."""
    remedies = {spot.remedy for spot in report.blind_spots if spot.remedy}
    if report.verdict is Verdict.AGREE and "displace" in remedies:
        return "Nothing to mend here; check with --displace 1 too (in Python, displace=1)."
    if report.verdict is Verdict.AGREE and remedies:
        return "Nothing to mend here; other inputs would show what is blind at this point."
    seen = {finding.cause for finding in report.findings}
    if report.verdict is Verdict.AGREE and Cause.DIFFERENT_LOSS in seen:
        return "Nothing to mend in backprop; mend the reference's loss."
    if report.verdict is Verdict.INCONCLUSIVE and Cause.NONDETERMINISTIC in seen:
        return "Make the loss deterministic: seed its random generator inside it. Then check again."
    if report.verdict is Verdict.INCONCLUSIVE and report.step is not None:
        return "Check again without a fixed step: then a step is chosen for every entry."
    if report.verdict is Verdict.INCONCLUSIVE and Cause.KINK in seen:
        return _NEXT[Verdict.NONDIFFERENTIABLE].format(names="the point")
    explained = any(finding.severity is not Severity.NOTE for finding in report.findings)
    untold = report.verdict in (Verdict.FINITE_DIFFERENCE, Verdict.INCONCLUSIVE)
    if report.partial and untold and not explained:
        return "Give the check more time: too much of the finite difference was left out."
    names = [p.name for p in report.parameters.values() if p.verdict is report.verdict]
    return _NEXT[report.verdict].format(names=listed(names))


# --- numbers and entries ------------------------------------------------------------------------


def short(number: float) -> str:
    """A number of at most seven characters.

    Examples
    --------
    >>> [short(x) for x in (0.0, 1.26e-12, float("inf"))]
    ['0', '1.3e-12', 'inf']
    """
    if math.isnan(number):
        return "n/a"
    return "0" if number == 0.0 else f"{number:.1e}"


def cell(pair: PairReport) -> str:
    """A difference beside its bound."""
    if math.isnan(pair.difference):
        return "not comparable"
    sign = "≤" if pair.within_bounds else "≈" if pair.agree else ">"
    return f"{short(pair.difference)} {sign} {short(pair.bound)}"


def entry_name(parameter: str, index: Index) -> str:
    """Like ``W1[2, 0]``.

    Examples
    --------
    >>> entry_name("W1", (2, 0)), entry_name("scale", ())
    ('W1[2, 0]', 'scale')
    """
    return f"{parameter}[{', '.join(map(str, index))}]" if index else parameter


def worst_parameters(report: Report) -> list[ParameterReport]:
    """The parameters to look at first: of the report's verdict, those that differ most."""
    chosen = [p for p in report.parameters.values() if p.verdict is report.verdict]
    most = _MOST_WORST if report.verdict is not Verdict.AGREE else 1
    return sorted(chosen, key=_excess, reverse=True)[:most]


def _excess(parameter: ParameterReport) -> float:
    ratios = [p.difference / p.bound for p in parameter.pairs.values() if p.bound > 0.0]
    return max((ratio for ratio in ratios if not math.isnan(ratio)), default=0.0)


def worst_entry(parameter: ParameterReport) -> str:
    values, bounds = parameter.worst.values, parameter.worst.bounds
    parts = [
        f"{SOURCE_WORDS[source]} {_value(source, parameter)}"
        + (f" ± {short(bounds[source])}" if math.isfinite(bounds[source]) else "")
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


def wrong_entries(parameter: ParameterReport) -> str:
    count, size = len(parameter.wrong), math.prod(parameter.shape)
    names = ", ".join(entry_name(parameter.name, i) for i in parameter.wrong[:_MOST_ENTRIES])
    more = f" and {count - _MOST_ENTRIES} more" if count > _MOST_ENTRIES else ""
    return f"wrong: {names}{more} ({count} of {size} entries)"


def cost(report: Report) -> str:
    """What the check took, how it was made, and how small an error it was sure to see."""
    counts = report.evaluations
    step = "steps chosen per entry" if report.step is None else f"fixed step {report.step:g}"
    reference = report.reference or "none"
    moved = "" if report.displace is None else f"; displaced with seed {report.displace}"
    seen = max(p.sensitivity for p in report.parameters.values())
    shared = max(p.shared_sensitivity for p in report.parameters.values())
    if report.directions:
        count = f"{report.directions} random direction{'s' * (report.directions > 1)}"
        step = f"finite differences along {count} and in the entries in dispute"
        step += f", where a shared error above {short(shared)} shows" * math.isfinite(shared)
    sure = (
        f"; errors above {short(seen)} of a parameter's largest entry were sure to be seen"
        if math.isfinite(seen)
        else ""
    )
    return (
        f"{counts['loss']} loss, {counts['gradient']} gradient and {counts['reference']} reference "
        f"evaluations; reference: {reference}; {step}; seed {report.seed}{moved}{sure}"
    )


# --- findings and blind spots -------------------------------------------------------------------


def grouped(findings: list[Finding]) -> Iterator[tuple[Finding, list[str]]]:
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


def spots(blind: list[BlindSpot]) -> list[tuple[str, list[str]]]:
    """Blind spots that say the same of several parameters, said once."""
    groups: dict[str, list[str]] = {}
    for spot in blind:
        names = groups.setdefault(spot.message, [])
        names += [spot.parameter] if spot.parameter is not None else []
    return list(groups.items())
