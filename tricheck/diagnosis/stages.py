"""The lines of the loss in the order of the computation, and which of them get a right gradient."""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tricheck.diagnosis.mistakes.where import sound_memory, uses_of
from tricheck.location import Spot
from tricheck.report.facts import Stage
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Step, Storage
from tricheck.vocabulary import Finding, Severity, Source

Way = tuple[tuple[str, int], ...]  # file and line of each call on the way down


def stages(study: Study, right: frozenset[str], findings: Collection[Finding]) -> list[Stage]:
    """Where the gradient is right and where it is wrong, as far as parameters and findings tell.

    Parameters
    ----------
    study : Study
    right : frozenset of str
        Parameters whose gradient is right, and does not vanish.
    findings : collection of Finding
        Those that say on which line of the loss a gradient goes wrong make more of them known.
    """
    lines = _lines(study)
    if len(lines) < 2:
        return []  # there is no way to be shown
    sound = sound_memory(study, uses_of(study), right)
    wrong, mistaken = set[Storage](), set[Way]()
    explained = {study.end.storage}  # what comes back to the loss itself is 1
    told = Counter((finding.cause, finding.evidence.get("line")) for finding in findings)
    for finding in findings:
        if finding.source is Source.BACKPROP and finding.severity is Severity.ERROR:
            here = _concerned(lines, finding, sound)
            alone = told[finding.cause, finding.evidence.get("line")] == 1
            wrong |= _upstream(study, here, finding, alone) - sound
            if "mistake" in finding.evidence:
                explained |= _downstream(study, here)
            mistaken |= {line.way for line in here if line.gradient(sound | explained) == "right"}
    names = dict(zip(study.roots, (leaf.name for leaf in study.parameters.leaves), strict=True))
    often = [line.spot.name for line in lines]
    return [
        Stage(
            line.code,
            line.where(often.count(line.spot.name) > 1),
            list(dict.fromkeys(names[s] for s in line.read if s in names)),
            line.gradient(sound | explained, wrong),
            line.way in mistaken,
        )
        for line in lines
    ]


@dataclass(frozen=True)
class _Line:
    """The steps that one line of the user's code has made, called on one way.

    Attributes
    ----------
    spots : tuple of Spot
        The way down to it, the innermost last.
    steps : list of Step
    results : list of Storage
        What it hands on to other lines.
    """

    spots: tuple[Spot, ...]
    steps: list[Step]
    results: list[Storage]

    @property
    def spot(self) -> Spot:
        """Where the line stands."""
        return self.spots[-1]

    @property
    def way(self) -> Way:
        """What tells it from other lines, and from itself called from elsewhere."""
        return _way(self.spots)

    @property
    def code(self) -> str:
        """Its source text."""
        return linecache.getline(self.spot.file, self.spot.line).strip()

    @property
    def read(self) -> list[Storage]:
        """All memory that its steps have read."""
        return [place.storage for step in self.steps for place in step.places]

    def where(self, ambiguous: bool) -> str:
        """Like ``model.py:12``, with the call if the line is called from several."""
        if ambiguous and len(self.spots) > 1:
            return f"{self.spot.name}, called at {self.spots[-2].name}"
        return self.spot.name

    def gradient(self, sound: set[Storage], wrong: Collection[Storage] = ()) -> str:
        """Of what it hands on: right, wrong, or unknown."""
        if any(result in wrong for result in self.results):
            return "wrong"
        known = self.results and all(result in sound for result in self.results)
        return "right" if known else "unknown"


def _way(spots: Iterable[Spot]) -> Way:
    return tuple((spot.file, spot.line) for spot in spots)


def _lines(study: Study) -> list[_Line]:
    """The lines that the gradient goes back through, in the order of the computation."""
    steps: dict[Way, list[Step]] = {}
    for step in study.steps:
        if step in study.came and (spots := study.spots(step)):
            steps.setdefault(_way(spots), []).append(step)
    readers: dict[Storage, set[Way]] = {}
    for way, made in steps.items():
        for step in made:
            for place in step.places:
                readers.setdefault(place.storage, set()).add(way)
    return [
        _Line(
            study.spots(made[-1]),
            made,
            [
                out
                for step in made
                for out in step.outs
                if out is study.end.storage or readers.get(out, set()) - {way}
            ],
        )
        for way, made in steps.items()
    ]


def _concerned(lines: list[_Line], finding: Finding, sound: set[Storage]) -> list[_Line]:
    """The lines that a finding speaks of; not those that a right gradient comes out of."""
    return [
        line
        for line in lines
        if line.spot.name == finding.evidence.get("line")
        and not all(storage in sound for storage in line.read)
    ]


def _upstream(study: Study, lines: list[_Line], finding: Finding, alone: bool) -> set[Storage]:
    """What a wrong gradient comes to: between where the parameter is used and these lines."""
    found: set[Storage] = set()
    here = {step for line in lines for step in line.steps}
    # A mistake is made on the way back through its line, to whose result a right gradient comes.
    # Otherwise the line is the first that a wrong parameter is read in: a wrong gradient comes to
    # it if several of them are wrong alike, while one alone may be wrong by its own formula.
    if "mistake" not in finding.evidence:
        if alone:
            return found
        found = {result for line in lines for result in line.results}
    wanted: set[Storage] = set()
    for step in reversed(study.steps):
        if step in here:
            wanted.update(place.storage for place in step.places)
        elif any(out in wanted for out in step.outs):
            wanted.update(place.storage for place in step.places)
            if finding.parameter in study.through(step):
                found.update(step.outs)
    return found


def _downstream(study: Study, lines: list[_Line]) -> set[Storage]:
    """What a mistake leaves right: the results of its lines, and what is computed from them."""
    reached = {result for line in lines for result in line.results}
    for step in study.steps:
        if any(place.storage in reached for place in step.places):
            reached.update(step.outs)
    return reached
