"""What a page shows, ready for its template: every sentence, number and drawing of a report."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tricheck.explain import explanation
from tricheck.report import words
from tricheck.report.facts import ParameterReport, Report
from tricheck.report.figures import curve_svg, heat_svg
from tricheck.report.heat import Blocks, Heat, blocks, heat
from tricheck.sweeping import Sweep
from tricheck.vocabulary import Finding, Severity, Source, Verdict

_CELLS = 10_000  # of all heat maps together: a browser lays out a row of a table for each
_FEWEST, _MOST = 16, 1024  # of one
_OPEN = 4  # parameters whose details are unfolded at first
_LOSSES, _LONGEST = 100, 10.0  # that a curve takes, and the seconds that it may
_PATIENCE = 5.0  # seconds of step-size curves after which no other is begun
_WIDEST, _LARGEST, _SMALLEST = 460.0, 30.0, 4.0  # points of a heat map, and of a cell
_DRAWN = 200  # heat maps; where there are more parameters, the last ones have tables alone
_AT_ODDS = (Verdict.BACKPROP, Verdict.BACKPROP_AND_REFERENCE)
_ALONE = "The finite difference is alone with that: the check does not blame backprop."
_OTHERWISE = (
    "These are the answers of the first call, at this point, and they agree: what is wrong is "
    "another thing, and stands under Why."
)
_ACCUSED = {
    Verdict.BACKPROP: {Source.BACKPROP},
    Verdict.REFERENCE: {Source.REFERENCE},
    Verdict.BACKPROP_AND_REFERENCE: {Source.BACKPROP, Source.REFERENCE},
}


@dataclass(frozen=True)
class FindingView:
    """A finding, said once for all parameters that it is the same for."""

    cause: str
    names: list[str]
    message: str
    severity: str
    style: str
    page: str  # Markdown

    @classmethod
    def of(cls, finding: Finding, names: list[str]) -> FindingView:
        """Of a finding and the parameters that share it."""
        style = words.SEVERITY_STYLES[finding.severity]
        page = explanation(finding.cause.value).text
        severity = finding.severity.value
        return cls(finding.cause.value, names, finding.message, severity, style, page)


@dataclass(frozen=True)
class Side:
    """A pair of sources: a side of the triangle."""

    first: Source
    second: Source
    agree: bool
    said: str

    @classmethod
    def of(cls, report: Report, name: str) -> Side:
        """Over all parameters."""
        pairs = [(p, p.pairs[name]) for p in report.parameters.values()]
        apart = [(parameter, pair) for parameter, pair in pairs if not pair.agree]
        count = f"{len(pairs)} parameter{'s' * (len(pairs) != 1)}"
        said = f"agree on {'all of ' * (len(pairs) > 1)}{count}"
        if apart:
            parameter, pair = max(apart, key=lambda one: _ratio(one[1].difference, one[1].bound))
            entry = words.entry_name(parameter.name, pair.entry)
            said = f"disagree on {len(apart)} of {count}: {words.cell(pair)} at {entry}"
        elif not all(pair.within_bounds for _, pair in pairs):
            said += ", some by the accepted rtol alone"
        return cls(pairs[0][1].first, pairs[0][1].second, not apart, said)


@dataclass(frozen=True)
class Row:
    """A line of a heat map's table."""

    name: str
    ratio: str
    values: list[str]
    wrong: str


@dataclass(frozen=True)
class ParameterView:
    """A parameter, its heat map, and the same as a table."""

    facts: ParameterReport
    anchor: str
    style: str
    unfolded: bool
    cells: list[str]
    classic: str
    worst: str
    wrong: str
    sources: list[str]
    heat: Heat
    svg: str
    rows: list[Row]

    @property
    def seen(self) -> str:
        """How small an error was sure to be seen."""
        sure = self.facts.sensitivity
        return words.short(sure) if math.isfinite(sure) else "none for sure"

    @property
    def shape(self) -> str:
        """Like ``3 × 4``."""
        return " × ".join(map(str, self.facts.shape)) or "a number"


@dataclass(frozen=True)
class CurveView:
    """A step-size curve, and the same as a table."""

    sweep: Sweep
    name: str
    svg: str
    aside: str

    @property
    def rows(self) -> Iterator[tuple[str, ...]]:
        """Step, value, error, what rounding explains, reading."""
        s = self.sweep
        for k, reading in enumerate(s.readings):
            value, error, rounding = s.values[k], s.errors[k], s.rounding[k]
            shown = words.short(float(error)), words.short(float(rounding))
            yield f"{s.steps[k]:.1e}", f"{value:.10g}", *shown, reading


@dataclass(frozen=True)
class View:
    """All of it."""

    report: Report
    style: str
    sentence: str
    next_step: str
    cost: str
    reasons: list[FindingView]
    remarks: list[FindingView]
    sides: list[Side]
    accused: set[Source]
    doubted: set[Source]
    otherwise: str
    home: str
    parameters: list[ParameterView]
    columns: list[str]
    curves: list[CurveView]
    without_curves: str
    spots: list[tuple[str, list[str]]]

    @classmethod
    def of(cls, report: Report, *, drawn: bool = True, home: str = "") -> View:
        """A report's; `drawn` with its heat maps and step-size curves; `home` lists others."""
        reasons = [finding for finding in report.findings if words.is_reason(finding)]
        if not reasons and report.verdict is not Verdict.AGREE:  # nobody's error, but the reason
            reasons = [f for f in report.findings if f.severity is Severity.WARNING]
        others = [finding for finding in report.findings if finding not in reasons]
        pairs = next(iter(report.parameters.values())).pairs
        sides = [Side.of(report, name) for name in pairs]
        curves, without = _curves(report) if drawn else ([], "")
        return cls(
            report,
            words.STYLES[report.verdict],
            words.sentence(report),
            words.next_step(report),
            words.cost(report),
            [FindingView.of(*group) for group in words.grouped(reasons)],
            [FindingView.of(*group) for group in words.grouped(others)],
            sides,
            _ACCUSED.get(report.verdict, set()),
            {Source.FINITE_DIFFERENCE} if report.verdict is Verdict.FINITE_DIFFERENCE else set(),
            _OTHERWISE if all(side.agree for side in sides) and not report.ok else "",
            home,
            list(_parameters(report, drawn)),
            [name.replace("/", " − ").replace("-", " ") for name in pairs],
            curves,
            without,
            words.spots(report.blind_spots),
        )


def _parameters(report: Report, drawn: bool) -> Iterator[ParameterView]:
    """The worst first."""
    ranked = sorted(report.parameters.values(), key=lambda p: p.verdict.severity_rank)
    most = min(max(_CELLS // len(ranked), _FEWEST), _MOST) if drawn else 1
    found = blocks(report)
    for number, parameter in enumerate(ranked):
        grid = heat(parameter, found[parameter.name], most)
        name = f"parameter-{number}"
        worse = parameter.verdict is not Verdict.AGREE
        yield ParameterView(
            parameter,
            name,
            words.STYLES[parameter.verdict],
            number < _OPEN and (worse or number == 0),
            [words.cell(pair) for pair in parameter.pairs.values()],
            words.short(parameter.pairs["backprop/finite-difference"].relative_error),
            words.worst_entry(parameter),
            words.wrong_entries(parameter) if parameter.wrong else "",
            [words.SOURCE_WORDS[Source(source)] for source in found[parameter.name]],
            grid,
            heat_svg(grid, _cell_size(grid), name) if drawn and number < _DRAWN else "",
            list(_rows(parameter, grid, found[parameter.name])) if drawn else [],
        )


def _cell_size(grid: Heat) -> float:
    return float(max(min(_WIDEST / max(grid.ratios.shape), _LARGEST), _SMALLEST))


def _rows(parameter: ParameterReport, grid: Heat, sources: Blocks) -> Iterator[Row]:
    for cell in grid.cells():
        index = tuple(map(int, np.unravel_index(cell.index, parameter.shape)))
        name = words.entry_name(parameter.name, index)
        if not grid.entrywise:
            name = f"{cell.name}, worst {name}"
        values = [
            _value(source, value[cell.index], bound[cell.index])
            for source, (value, bound) in sources.items()
        ]
        wrong = "blamed" if grid.entrywise else f"{cell.wrong} blamed"
        yield Row(name, words.short(cell.ratio), values, wrong if cell.wrong else "")


def _value(source: str, value: float, bound: float) -> str:
    if math.isnan(value) and source == Source.FINITE_DIFFERENCE:
        return "not measured"
    return f"{value:.8g} ± {words.short(bound)}" if math.isfinite(bound) else f"{value:.8g}"


def _ratio(difference: float, bound: float) -> float:
    if math.isnan(difference):
        return math.inf
    return float(difference / bound) if bound else math.inf


def _curves(report: Report) -> tuple[list[CurveView], str]:
    """Step-size curves of the worst entries, and why there are none."""
    if not report.has_model:
        return [], "They are measured with the model, which a copy of a report has not."
    if report.partial:
        return [], "The check was ended early, and they would take more time."
    took = _LOSSES * report.seconds_per_loss
    if took > _LONGEST:
        return (
            [],
            f"One would take some {took:.0f} s: report.sweep(...) and tricheck sweep have them.",
        )
    curves: list[CurveView] = []
    began = time.monotonic()
    for number, parameter in enumerate(words.worst_parameters(report)):
        if time.monotonic() - began > _PATIENCE:
            break
        name = words.entry_name(parameter.name, parameter.worst.entry)
        try:
            swept = report.sweep(parameter.name, parameter.worst.entry)
            svg = curve_svg(swept, f"curve-{number}", report.step)
        except (Exception, SystemExit) as error:  # the user's code may raise anything by now
            return curves, f"They could not be measured: {error}"
        if not _is_the_same(swept, parameter):
            return curves, "The model gives another gradient by now than when it was checked."
        alone = swept.gap and parameter.verdict not in _AT_ODDS
        curves.append(CurveView(swept, name, svg, _ALONE if alone else ""))
    return curves, ""


def _is_the_same(swept: Sweep, parameter: ParameterReport) -> bool:
    """Whether backprop still gives what was checked."""
    before = parameter.worst.values[Source.BACKPROP]
    slack = swept.backprop_bound + parameter.worst.bounds[Source.BACKPROP]
    if not math.isfinite(before) or not math.isfinite(slack):
        return True
    return abs(swept.backprop - before) <= slack
