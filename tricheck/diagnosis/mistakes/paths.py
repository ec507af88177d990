"""Mistakes in how gradients are handed back: paths, factors and sums that get lost."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.mistake import Mistake, after, instead, without
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Gathered, Step, last_writer
from tricheck.vocabulary import Cause

_MOST_STATISTICS = 6
_LINEAR = (np.add, np.subtract, np.negative, np.positive, np.copy)


def left_out(study: Study, site: Site) -> list[Mistake]:
    """What comes back through one argument of an operation is left out."""
    found = []
    for position in site.operands():
        places = list(site.places(position))
        operand = site.operand(position)
        found.append(
            Mistake(
                Cause.UPSTREAM,
                "path-left-out",
                f"what comes back to {operand} through {site.words} were left out",
                f"let the gradient of {operand} have that part too",
                site.spot,
                {step: without(number) for step, number in places},
                _reached(study, places),
                scaled=_multiplied(f"what comes back to {operand} through {site.words}"),
            )
        )
    return found


def _multiplied(what: str) -> Callable[[float], str]:
    return lambda times: f"{what} were multiplied by {1.0 + times:.6g}"


def factor_left_out(study: Study, site: Site) -> list[Mistake]:
    """The other factor of a product, or the derivative of a function, is left out on the way."""
    if site.function in _LINEAR:
        return []
    found = []
    for position in site.operands():
        places = [(s, n) for s, n in site.places(position) if _keeps_shape(s, n)]
        if not places:
            continue
        operand = site.operand(position)
        of_one = all(len(step.note.args) == 1 for step, _ in places if step.note)
        what = "the derivative" if of_one else f"the slope in {operand}"
        found.append(
            Mistake(
                Cause.ACTIVATION_DERIVATIVE if of_one else Cause.UPSTREAM,
                "factor-left-out",
                f"{what} of {site.words} were left out (1 in its place)",
                f"multiply what comes back by {what}",
                site.spot,
                {step: instead(number, lambda came, *_: came) for step, number in places},
                _reached(study, places),
            )
        )
    return found


def dropped(study: Study, site: Site) -> list[Mistake]:
    """What comes back to an operation's result is dropped: ones in its place."""
    steps = [step for step in site.steps if np.ndim(step.value)]
    if not steps:
        return []
    return [
        Mistake(
            Cause.UPSTREAM,
            "upstream-dropped",
            f"the gradient that comes back to {site.words} were dropped (1 in its place)",
            "multiply by the upstream gradient",
            site.spot,
            {step: after(_ones) for step in steps},
            _through(study, steps),
        )
    ]


def _ones(gradient: Any) -> Any:
    if isinstance(gradient, list):
        return [np.ones_like(part) for part in gradient]
    return np.ones_like(gradient)


def overwritten(study: Study, site: Site) -> list[Mistake]:
    """Where an index occurs twice, one contribution stays: `=` or buffered `+=` for a sum."""
    edits = {}
    for step in site.steps:
        if isinstance(step, Gathered) and step.repeats:
            [place] = step.places
            shape = np.shape(place.look(place.storage.value))
            last = last_writer(shape, step.index, np.shape(step.value))
            if np.all(last == 1.0):
                continue
            edits[step] = after(lambda g, last=last: g * last)
    if not edits:
        return []
    return [
        Mistake(
            Cause.ENTRIES,
            "overwritten",
            f"of the gradients that come back to the same entry through {site.words} only the "
            "last were kept",
            "add them up, with np.add.at",
            site.spot,
            edits,
            _through(study, list(edits)),
        )
    ]


def held_constant(study: Study, every: list[Site]) -> list[Mistake]:
    """Several statistics of the same values (mean, variance, ...) are taken for constants."""
    statistics = [site for site in every if not site.turn and _is_statistic(site)]
    if len(statistics) > _MOST_STATISTICS:
        return []
    found = []
    for count in range(len(statistics), 1, -1):
        for group in combinations(statistics, count):
            places = [p for site in group for k in site.operands() for p in site.places(k)]
            names = " and ".join(site.words for site in group[:2])
            names += f" and {count - 2} more" if count > 2 else ""
            found.append(
                Mistake(
                    Cause.UPSTREAM,
                    "held-constant",
                    f"{names} were constants",
                    "they depend on their input: its gradient has a part through each of them",
                    group[0].spot,
                    {step: without(number) for step, number in places},
                    _reached(study, places),
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


def _keeps_shape(step: Step, number: int) -> bool:
    place = step.places[number]
    shape = np.shape(place.look(place.storage.value))
    return shape == np.shape(step.value) and not isinstance(step, Gathered)


def _reached(study: Study, places: list[tuple[Step, int]]) -> frozenset[str]:
    return frozenset[str]().union(*(study.reach[step][number] for step, number in places))


def _through(study: Study, steps: list[Step]) -> frozenset[str]:
    return frozenset[str]().union(*(part for step in steps for part in study.reach[step]))
