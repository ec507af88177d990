"""Mistakes in a loop on the way back: an iteration left out, or the only one that counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.mistake import Mistake, both, without
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.diagnosis.mistakes.values import region
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Edit, Gathered, Step
from tricheck.vocabulary import Cause

_ADDED = (np.add, np.subtract)


def mistakes(study: Study, every: list[Site]) -> Iterator[Mistake]:
    """Iterations that are missing from the gradients of the parameters that a loop uses."""
    loops: dict[int, list[tuple[Site, int]]] = {}
    for site in every:
        for position in site.operands():
            if len(site.steps) > 1 and _reads_parameters(study, site, position):
                loops.setdefault(len(site.steps), []).append((site, position))
                yield from _only_one(study, site, position)
    for count, uses in loops.items():
        yield from _skipped(study, uses, count)


def _reads_parameters(study: Study, site: Site, position: int) -> bool:
    places = list(site.places(position))
    whole = len(places) == len(site.steps)
    return whole and all(step.places[number].storage in study.roots for step, number in places)


def _only_one(study: Study, site: Site, position: int) -> Iterator[Mistake]:
    """`=` for `+=`: what the last iteration gone back through gives replaces the others."""
    places = list(site.places(position))
    # Each part of the parameter that a turn reads, as a filter of several, has turns of its own.
    parts = [_part(step, number) for step, number in places]
    last = dict(zip(parts, places, strict=True))
    first = dict(zip(reversed(parts), reversed(places), strict=True))
    for name, kept in (("first", first), ("last", last)):
        rest = [place for place, part in zip(places, parts, strict=True) if place is not kept[part]]
        if not rest:
            return
        yield Mistake(
            Cause.BIAS_REDUCTION if _is_added(study, site.steps[0]) else Cause.UPSTREAM,
            "one-iteration",
            f"the gradient of {site.operand(position)} has the {name} iteration of {site.words} "
            "alone",
            "add up all iterations: += instead of =",
            site.spot,
            {step: without(number) for step, number in rest},
            study.reached(rest),
        )


def _part(step: Step, number: int) -> tuple[Any, str]:
    """What a step reads of a parameter."""
    index = repr(step.index) if isinstance(step, Gathered) else ""
    return region(step.places[number]), index


def _is_added(study: Study, step: Step) -> bool:
    """Whether what a step reads is added as it is: its gradient is then a sum, nothing else."""
    if isinstance(step, Gathered):
        users = (s for s in study.steps if any(p.storage is step.outs[0] for p in s.places))
        step = next(users, step)
    return step.note is not None and step.note.function in _ADDED


def _skipped(study: Study, uses: list[tuple[Site, int]], count: int) -> Iterator[Mistake]:
    """The loop goes back one iteration too few."""
    for name, iteration in (("first", 0), ("last", count - 1)):
        edits: dict[Step, Edit] = {}
        reached: list[tuple[Step, int]] = []
        for site, position in uses:
            step, number = list(site.places(position))[iteration]
            edits[step] = both(edits.get(step), without(number))
            reached.append((step, number))
        yield Mistake(
            Cause.UPSTREAM,
            "skipped-iteration",
            f"the {name} iteration is missing from the gradients of all parameters of the loop at "
            f"{uses[0][0].spot}",
            "look at the range of the loop",
            uses[0][0].spot,
            edits,
            study.reached(reached),
        )
