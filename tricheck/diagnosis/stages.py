"""The lines of the loss in the order of the computation, and which of them get a right gradient."""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby, product
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.findings import Mistaken
from tricheck.diagnosis.mistakes.search import Explained
from tricheck.diagnosis.mistakes.terms import terms_of
from tricheck.diagnosis.mistakes.trials import together
from tricheck.diagnosis.mistakes.where import uses_of
from tricheck.location import Spot
from tricheck.report.facts import Stage
from tricheck.tracing.study import Edits, Study
from tricheck.tracing.tape import Place, Step, Storage, Written
from tricheck.vocabulary import Cause, Finding

Way = tuple[tuple[str, int], ...]  # file and line of each call on the way down

_PRODUCTS = (np.matmul, np.dot, np.einsum, np.tensordot, np.inner, np.outer)
_ARITHMETIC = (np.add, np.subtract, np.multiply, np.true_divide)
_MOST_READINGS = 8
_TOLD = 1e-6
_SAME = 1e-9  # of the largest entry: what rounding leaves


def stages(
    study: Study, right: frozenset[str], wrong: Set[str], diagnosed: Mistaken
) -> list[Stage]:
    """Where the gradient is right and where it is wrong, as far as can be told.

    What comes back to the use of a right parameter is right. What the mistakes that explain
    backprop make of the gradient is computed, and said where all readings of them agree.

    Parameters
    ----------
    study : Study
    right, wrong : sets of str
        Parameters whose gradient is right, and does not vanish; those whose gradient is wrong.
    diagnosed : Mistaken

    Returns
    -------
    list of Stage
        Empty where nothing is known but that the loss is the loss.
    """
    lines = _lines(study)
    uses = uses_of(study)
    sound = _proved(study, uses, right)
    own = {n for n in wrong if all(step.outs[0] in sound for step in uses.get(n, [])) and n in uses}
    terms = {name for name, finding in diagnosed.found.items() if _is_of_term(finding)}
    known = _Known.of(study, wrong - own - terms, diagnosed)
    flagged = _flagged(study, uses, terms, {n: f for n, f in diagnosed.found.items() if n in own})
    found = [
        (line, known.gradient(line, sound), known.is_made_in(line) or flagged & set(line.steps))
        for line in lines
    ]
    on_the_way = [gradient for line, gradient, _ in found if study.end.storage not in line.results]
    if set(on_the_way) <= {"unknown"} and not any(here for *_, here in found):
        return []
    names = dict(zip(study.roots, (leaf.name for leaf in study.parameters.leaves), strict=True))
    often = [line.spot.name for line in lines]
    return [
        Stage(
            line.code,
            line.where(often.count(line.spot.name) > 1),
            list(dict.fromkeys(names[s] for s in line.read if s in names)),
            "right" if study.end.storage in line.results else gradient,
            bool(here),
        )
        for line, gradient, here in found
    ]


def _is_of_term(finding: Finding) -> bool:
    """Whether only a term of the parameter's own is wrong, and all that the data gives is right."""
    alpha = finding.evidence.get("alpha", 1.0)
    return finding.cause is Cause.REGULARIZER and abs(float(str(alpha)) - 1.0) <= _TOLD


def _proved(study: Study, uses: Mapping[str, list[Step]], right: Collection[str]) -> set[Storage]:
    """Memory whose gradient is right, or a right parameter's gradient would not be.

    A weight that is used once vouches for what comes back to its product; a bias only for a sum. On
    from there, memory that is read once vouches for what it is read for.
    """
    roots = set(study.roots)
    readers = Counter(place.storage for step in study.steps for place in step.places)
    proved = {
        step.outs[0]
        for name in right
        for step in uses.get(name, [])[:1]
        if len(uses[name]) == 1
        and any(place.storage in roots and _vouches(step, place) for place in step.places)
    }
    for step in study.steps:
        for place in step.places:
            alone = readers[place.storage] == 1 and place.storage not in roots
            if place.storage in proved and alone and _vouches(step, place):
                proved.update(step.outs)
    # What is written to again has another gradient before than after.
    return proved.difference(*(step.outs for step in study.steps if isinstance(step, Written)))


def _vouches(step: Step, place: Place) -> bool:
    """Whether what goes back to a place can only be right if what came to the step was."""
    if place.view or isinstance(step, Written):
        return False
    function = step.note.function if step.note is not None else None
    shape = np.shape(place.storage.value)
    once = len(step.places) == 1 and not getattr(step, "repeats", False)
    if np.shape(step.outs[0].value) == shape:
        if function not in _PRODUCTS and not _hides_nothing(step, place):
            return False
        once = once or function in _ARITHMETIC
    return function in _PRODUCTS or (once and shape != ())


def _hides_nothing(step: Step, place: Place) -> bool:
    """Whether every entry of a gradient gets through, as it does not through a mask or a ReLU."""
    with np.errstate(all="ignore"):
        parts = step.parts(np.ones_like(step.outs[0].value))
    return all(bool(np.all(part)) for other, part in parts if other is place and part is not None)


def _flagged(
    study: Study,
    uses: Mapping[str, list[Step]],
    terms: Set[str],
    own: Mapping[str, Finding],
) -> set[Step]:
    """Where a parameter is used wrongly though what comes back to it is right, or its own term."""
    found = {
        step
        for name, finding in own.items()
        if name not in terms and "mistake" not in finding.evidence
        for step in uses[name]
    }
    places = dict(zip(study.roots, (leaf.name for leaf in study.parameters.leaves), strict=True))
    for step in terms_of(study) if terms else ():
        if any(places.get(place.storage) in terms for place in step.places):
            found.add(step)
    return found


@dataclass(frozen=True)
class _Known:
    """What the mistakes behind a gradient say of each step.

    Attributes
    ----------
    complete : bool
        Whether they explain all that is wrong on the way back.
    same : list of mapping of Step to bool
        By reading, whether the gradient that comes to a step is the right one.
    made : list of set of Step
        By reading, where the mistakes are made.
    each : list of set of Step
        By mistake, where it is made.
    """

    complete: bool
    same: list[dict[Step, bool]]
    made: list[set[Step]]
    each: list[set[Step]]

    @classmethod
    def of(cls, study: Study, wrong: Set[str], diagnosed: Mistaken) -> _Known:
        """Of a diagnosis, and the parameters that are wrong on the way back."""
        behind = _certain([e for e in diagnosed.explained if not e.alone and e.factor == 1.0])
        explained = frozenset[str]().union(*(e.parameters for e in behind))
        readings = _readings(behind)
        return cls(
            wrong <= explained,
            [_same(study, edits) for edits in readings],
            [set(edits) for edits in readings],
            [set(e.mistake.edits) for e in behind],
        )

    def gradient(self, line: _Line, sound: set[Storage]) -> str:
        """Of what a line hands on: right, wrong, or unknown."""
        seen = bool(line.results) and all(result in sound for result in line.results)
        # Several mistakes in one line may be one in what comes to it.
        if sum(not made.isdisjoint(line.steps) for made in self.each) > 1:
            return "right" if seen else "unknown"
        told = {all(same.get(step, True) for step in line.last) for same in self.same}
        if told == {False}:
            return "unknown" if seen else "wrong"  # seen to be right: errors cancel
        return "right" if seen or (told == {True} and self.complete) else "unknown"

    def is_made_in(self, line: _Line) -> bool:
        """Whether every reading has a mistake on the way back through it."""
        return bool(self.made) and all(not made.isdisjoint(line.steps) for made in self.made)


def _certain(behind: Sequence[Explained]) -> list[Explained]:
    """Those with few readings, as many as can be gone through together."""
    kept: list[Explained] = []
    count = 1
    for explained in sorted(behind, key=lambda one: len(one.also)):
        count *= 1 + len(explained.also)
        if count <= _MOST_READINGS:
            kept.append(explained)
    return kept


def _readings(behind: Sequence[Explained]) -> list[Edits]:
    """What backprop does on the way back instead, by each reading of its mistakes."""
    if not behind:
        return []
    choices = [[e.mistake, *e.also] for e in behind]
    found = []
    for chosen in product(*choices):
        edits: Edits = {}
        for mistake in chosen:
            edits = together(edits, mistake.edits)
        found.append(edits)
    return found


def _same(study: Study, edits: Edits) -> dict[Step, bool]:
    """For each step, whether the gradient that comes to it with these edits is the right one."""
    with np.errstate(all="ignore"):
        theirs = study.came_with(edits)
    return {step: _alike(right, theirs.get(step)) for step, right in study.came.items()}


def _alike(right: Any, theirs: Any) -> bool:
    if isinstance(right, list):
        others = theirs if theirs is not None else [None] * len(right)
        return all(map(_alike, right, others))
    size = np.max(np.abs(right), initial=0.0)
    apart = right if theirs is None else np.asarray(right) - theirs
    return bool(np.max(np.abs(apart), initial=0.0) <= _SAME * size)


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

    @property
    def last(self) -> list[Step]:
        """The steps that make what it hands on."""
        return [step for step in self.steps if any(out in self.results for out in step.outs)]


def _way(spots: Iterable[Spot]) -> Way:
    """A comprehension stands on the line of whoever has written it: that is one."""
    return tuple(key for key, _ in groupby((spot.file, spot.line) for spot in spots))


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
