"""Loops that carry a value from turn to turn, and mistakes in how many turns are gone back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tricheck.diagnosis.mistakes.mistake import Mistake
from tricheck.diagnosis.mistakes.sites import Site, depths, positions
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Edit, Parts, Place, Step
from tricheck.vocabulary import Cause

Turns = list[tuple[Step, ...]]  # for each turn, its step in every run of the loop


@dataclass(frozen=True)
class Carried:
    """A value that every turn of a loop makes anew for the next.

    Attributes
    ----------
    makers : list of tuple of Step
        What makes it, for each turn and in every run of the loop.
    before : list of tuple of (Place or None)
        The value that the turn started from; None for one that depends on no parameter.
    """

    makers: Turns
    before: list[tuple[Place | None, ...]]


def mistakes(study: Study, every: list[Site]) -> Iterator[Mistake]:
    """A loop goes back one turn too few: its value is handed on as if it had not been changed."""
    for head, values in _loops(study, every):
        for name, turn in (("first", 0), ("last", -1)):
            edits: dict[Step, Edit] = {
                maker: _handed_on(place)
                for value in values
                for maker, place in zip(value.makers[turn], value.before[turn], strict=True)
            }
            yield Mistake(
                Cause.UPSTREAM,
                "skipped-turn",
                f"the loop at {head.spot} goes back one iteration too few: not the {name}",
                "look at the range of the loop",
                head.spot,
                edits,
                study.through(*edits),
            )


def _handed_on(place: Place | None) -> Edit:
    def edit(came: Any, *_: Any) -> Parts:
        return [] if place is None else [(place, came)]

    return edit


def _loops(study: Study, every: list[Site]) -> Iterator[tuple[Site, list[Carried]]]:
    """Each loop's first operation, and what it carries from turn to turn."""
    turns = dict(zip(every, depths(study, [site.steps for site in every]), strict=True))
    looped = {site: t for site, t in turns.items() if len(t) > 1 and len(set(map(len, t))) == 1}
    order = {step: number for number, step in enumerate(study.steps)}
    inside: set[Site] = set()
    for head, starts in looped.items():
        if head in inside:
            continue
        body = {site: t for site, t in looped.items() if _runs_with(order, starts, t)}
        inside |= body.keys()
        if values := list(_carried(order, list(body.values()))):
            yield head, values


def _runs_with(order: dict[Step, int], starts: Turns, turns: Turns) -> bool:
    """Whether steps lie between the starts of the turns, one in each."""
    if [len(some) for some in turns] != [len(some) for some in starts]:
        return False
    for this, following, steps in zip(starts, starts[1:], turns, strict=False):
        bounds = zip(this, steps, following, strict=True)
        if not all(order[a] <= order[s] < order[b] for a, s, b in bounds):
            return False
    return all(order[a] <= order[s] for a, s in zip(starts[-1], turns[-1], strict=True))


def _carried(order: dict[Step, int], body: list[Turns]) -> Iterator[Carried]:
    """Values that one turn makes and the next one reads."""
    made_by = {step: turns for turns in body for step in turns[0]}
    writers = sorted(made_by, key=lambda step: order[step])
    seen: set[tuple[Step | None, ...]] = set()
    for reading in body:
        read = [[_read(step) for step in turn] for turn in reading]
        for position in read[1][0]:
            places = [[found.get(position) for found in turn] for turn in read]
            makers = tuple(_writer(writers, place) for place in places[1])
            first = makers[0]
            if first is None or makers in seen or made_by[first][0] != makers:
                continue
            seen.add(makers)
            yield Carried(made_by[first], [tuple(turn) for turn in places])


def _read(step: Step) -> dict[int, Place]:
    """The places that a step has read, by which argument of its function each was."""
    return dict(zip(positions(step), step.places, strict=True))


def _writer(writers: list[Step], place: Place | None) -> Step | None:
    """The last of some steps that wrote to the memory of a place."""
    found = (step for step in reversed(writers) if place and place.storage in step.outs)
    return next(found, None)
