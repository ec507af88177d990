"""Values that are taken for constants on the way back, or followed through one use alone."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from tricheck.diagnosis.mistakes.mistake import Mistake, both, without
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Edit, Gathered, Place, Step, Storage
from tricheck.vocabulary import Cause

_MOST_STATISTICS = 6


class Use(NamedTuple):
    """Where a value is read: an argument of an operation, in one of its steps."""

    site: Site
    position: int
    step: Step
    number: int


def constant(study: Study, every: list[Site]) -> list[Mistake]:
    """A value that several operations use is taken for a constant, or seen through one alone."""
    uses: dict[Region, list[Use]] = {}
    for site in every:
        if site.turn:
            continue
        for position in site.operands():
            for step, number in site.places(position):
                uses.setdefault(region(step.places[number]), []).append(
                    Use(site, position, step, number)
                )
    groups: dict[frozenset[tuple[Site, int]], list[Use]] = {}
    for used in uses.values():
        signature = frozenset((use.site, use.position) for use in used)
        if len(signature) > 1:
            groups.setdefault(signature, []).extend(used)
    return [m for group in groups.values() for m in _of_value(study, group)]


Region = tuple[Storage, Any, Any, Any]


def region(place: Place) -> Region:
    """The memory that a place is, however it was looked up."""
    if not place.view:
        return place.storage, None, None, None
    seen = np.asarray(place.look(place.storage.value))
    return place.storage, seen.ctypes.data, seen.shape, seen.strides


def _of_value(study: Study, used: list[Use]) -> list[Mistake]:
    site, operand = used[0].site, used[0].site.operand(used[0].position)
    kinds = list(dict.fromkeys((use.site, use.position) for use in used))
    found = [
        Mistake(
            Cause.UPSTREAM,
            "taken-for-constant",
            f"{operand}, first used in {site.words}, is taken for a constant",
            "send the gradient back through all of its uses",
            site.spot,
            _all_without(used),
            _reached(study, used),
        )
    ]
    if len(kinds) > 2:
        for kept, k in kinds:
            rest = [use for use in used if (use.site, use.position) != (kept, k)]
            found.append(
                Mistake(
                    Cause.UPSTREAM,
                    "one-path",
                    f"of what comes back to {operand} only the part through {kept.words} is kept",
                    "add up the parts of all its uses",
                    kept.spot,
                    _all_without(rest),
                    _reached(study, rest),
                )
            )
    return found


def _all_without(used: list[Use]) -> dict[Step, Edit]:
    edits: dict[Step, Edit] = {}
    for use in used:
        edits[use.step] = both(edits.get(use.step), without(use.number))
    return edits


def _reached(study: Study, used: list[Use]) -> frozenset[str]:
    return study.reached((use.step, use.number) for use in used)


def held_constant(study: Study, every: list[Site]) -> list[Mistake]:
    """Statistics of the values (mean, variance, ...) are taken for constants."""
    statistics = [site for site in every if not site.turn and _is_statistic(site)]
    if len(statistics) > _MOST_STATISTICS:
        return []
    found = []
    for count in (1, *range(len(statistics), 1, -1)):
        for group in combinations(statistics, count):
            places = [p for site in group for k in site.operands() for p in site.places(k)]
            how = "is taken for a constant" if count == 1 else "are taken for constants"
            names = " and ".join(site.words for site in group[:2])
            names += f" and {count - 2} more" if count > 2 else ""
            found.append(
                Mistake(
                    Cause.UPSTREAM,
                    "held-constant",
                    f"{names} {how}",
                    "the gradient of the input has a part through that, too",
                    group[0].spot,
                    {step: without(number) for step, number in places},
                    study.reached(places),
                )
            )
    return found


def _is_statistic(site: Site) -> bool:
    """Whether an operation reduces an array to a smaller one that is not yet a number."""
    return all(
        np.ndim(step.value) > 0
        and len(step.places) == 1
        and np.size(step.value) < np.size(step.places[0].look(step.places[0].storage.value))
        and not isinstance(step, Gathered)
        for step in site.steps
    )
