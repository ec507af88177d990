"""The way back between intermediate results: what lies upstream of what, and what is in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tricheck.diagnosis.mistakes.sites import Site
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Step, Storage, Written

_HANDED_ON = (np.add, np.subtract, np.copy)  # which hand back the gradient as it is


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
    """What a gradient goes back through from known ones.

    Attributes
    ----------
    known : list of Step
        The last steps, going back, to whose results a known gradient comes.
    steps : list of Step
        Those gone back through from there, in the order of the run.
    whole : bool
        Whether every way back from the loss leads through what is known.
    """

    known: list[Step]
    steps: list[Step]
    whole: bool


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
    steps = [step for step in steps if step in study.came]
    return Between(found, steps, study.end.storage not in reached)


def operations(study: Study, mark: Mark, between: Between) -> list[Site]:
    """What a gradient goes back through, in that order, as operations of one function.

    Those that hand it on unchanged are left out, unless there are no others.
    """
    ends = [*between.known, *([mark.step] if mark.step is not None else [])]
    spots = [study.spots(step) for step in between.steps]
    depth = _common([*spots, *map(study.spots, ends)])
    telling = [step for step in between.steps if _function(step) not in _HANDED_ON]
    sites: dict[object, Site] = {}
    for step in reversed(telling or between.steps):
        way = study.spots(step)[: depth + 1]
        sites.setdefault(way, Site((step,), way))
    return list(sites.values())


def _function(step: Step) -> object:
    return step.note.function if step.note is not None else None


def _common(ways: list[tuple[object, ...]]) -> int:
    """How many frames all ways have in common, their innermost not counted."""
    depth = 0
    while all(len(way) > depth + 1 for way in ways) and len({way[depth] for way in ways}) == 1:
        depth += 1
    return depth
