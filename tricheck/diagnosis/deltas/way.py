"""The way back between intermediate results: what lies upstream of what, and what is in between."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from tricheck.diagnosis.deltas.variables import functions
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Step, Storage, Written

# They hand the gradient back as it is
_HANDED_ON = (np.add, np.subtract, np.copy, operator.setitem)


class Mark(NamedTuple):
    """A parameter or an intermediate result on the way.

    Attributes
    ----------
    name : str
    storage : Storage
        Where it lies.
    step : Step or None
        The step that has made it; None for a parameter.
    """

    name: str
    storage: Storage
    step: Step | None


class Between(NamedTuple):
    """What a gradient goes back through from known ones, in the order of the run.

    Attributes
    ----------
    known : list of Step
        The last steps, going back, to whose results a known gradient comes.
    steps : list of Step
        Those gone back through, from these or from the loss.
    """

    known: list[Step]
    steps: list[Step]


def upstream(study: Study, marks: Sequence[Mark]) -> dict[Mark, set[Mark]]:
    """For each mark, those that it depends on."""
    seen: dict[Storage, int] = {}  # sets of marks, as bits
    found = dict.fromkeys(marks, 0)
    made: dict[Step, list[int]] = {}
    for number, mark in enumerate(marks):
        if mark.step is None:
            seen[mark.storage] = 1 << number
        else:
            made.setdefault(mark.step, []).append(number)
    for step in study.steps:
        here = 0
        for place in step.places:
            here |= seen.get(place.storage, 0)
        for number in made.get(step, ()):
            found[marks[number]] = here
        for number in made.get(step, ()):
            here |= 1 << number
        for out in step.outs:
            seen[out] = seen.get(out, 0) | here
    return {
        mark: {other for n, other in enumerate(marks) if bits >> n & 1}
        for mark, bits in found.items()
    }


def between(study: Study, mark: Mark, known: set[Step]) -> Between:
    """What lies between a mark and known steps downstream of it."""
    first = 0 if mark.step is None else study.steps.index(mark.step) + 1
    reached = {mark.storage}
    found: list[Step] = []
    steps = []
    for step in study.steps[first:]:
        if not any(place.storage in reached for place in step.places):
            if isinstance(step, Written) and step.index is Ellipsis and not step.target.view:
                reached.difference_update(step.outs)  # z += b: from here on z is another
            continue
        steps.append(step)
        if step in known:
            found.append(step)
        else:
            reached.update(step.outs)
    return Between(found, [step for step in steps if step in study.came])


def operations(study: Study, mark: Mark, steps: list[Step]) -> list[Site]:
    """What a gradient goes back through, in that order, as its own function says it.

    What hands the gradient on unchanged is left out, and what the loss of a layer adds to it,
    unless there is nothing else.
    """
    own = functions(study.spots(mark.step or steps[0]))
    theirs = [step for step in steps if study.spots(step)]
    telling = [step for step in theirs if _function(step) not in _HANDED_ON]
    sites: dict[str, Site] = {}
    for step in reversed(telling or theirs or steps):
        way = functions(study.spots(step))
        site = Site((step,), way[: _common(own[:-1], way[:-1]) + 1])
        sites.setdefault(site.words, site)
    return list(sites.values())


def words_of(study: Study, step: Step) -> str:
    """The operation that a step is part of, and where it stands."""
    return Site((step,), functions(study.spots(step))).words


def _function(step: Step) -> object:
    return step.note.function if step.note is not None else None


def _common(first: Sequence[object], second: Sequence[object]) -> int:
    """How many entries two sequences begin with alike."""
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
