"""Mistakes in how gradients are handed back: paths and factors that get lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.at_hand import at_hand
from tricheck.diagnosis.mistakes.mistake import Mistake, after, instead, multiple, without
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.diagnosis.mistakes.terms import Around
from tricheck.tracing.study import Edits, Study
from tricheck.tracing.tape import Gathered, Step
from tricheck.tracing.traced import plain
from tricheck.vocabulary import Cause

_PRODUCTS = (np.matmul, np.dot, np.einsum, np.tensordot, np.inner, np.outer)
_LINEAR = (np.add, np.subtract, np.negative, np.positive, np.copy)


def left_out(study: Study, site: Site, around: Around) -> list[Mistake]:
    """What comes back through one argument of an operation is left out."""
    found = []
    for position in site.operands():
        places = list(site.places(position))
        operand = site.operand(position)
        what = f"what comes back to {operand} through {site.words}"
        edits = {step: without(number) for step, number in places}
        found.append(
            Mistake(
                around.cause(site),
                "path-left-out",
                f"{what} is left out",
                f"let the gradient of {operand} have that part too",
                site.spot,
                edits,
                study.reached(places),
                scaled=multiple(_multiplied(what), edits),
            )
        )
    return found


def _multiplied(what: str) -> Callable[[float], str]:
    return lambda times: f"{what} is multiplied by {1.0 + times:.6g}"


def factor_left_out(study: Study, site: Site, around: Around) -> list[Mistake]:
    """The other factor of a product, or the derivative of a function, is left out on the way."""
    if site.function in _LINEAR:
        return []
    found = []
    for position in site.operands():
        if site.function is np.true_divide and position == 1:
            found.append(_quotient(study, site))
        places = [(s, n) for s, n in site.places(position) if _keeps_shape(s, n)]
        if not places:
            continue
        operand = site.operand(position)
        of_one = all(len(step.note.args) == 1 for step, _ in places if step.note)
        what = "the derivative" if of_one else f"the factor of {operand} in"
        found.append(
            Mistake(
                Cause.ACTIVATION_DERIVATIVE if of_one else around.cause(site),
                "factor-left-out",
                f"{what} {'of ' * of_one}{site.words} is left out (1 in its place)",
                "multiply what comes back by it",
                site.spot,
                {step: instead(number, lambda came, *_: came) for step, number in places},
                study.reached(places),
                scaled=_constant_factor(f"{what} {'of ' * of_one}{site.words}", places),
                start={step: without(number) for step, number in places},
            )
        )
    return found


def _constant_factor(
    what: str, places: list[tuple[Step, int]]
) -> Callable[[float], tuple[str, Edits]]:
    """A constant in place of a factor."""

    def member(number: float) -> tuple[str, Edits]:
        edits = {step: instead(k, lambda came, *_: number * came) for step, k in places}
        return f"{what} is {number:.6g} throughout", edits

    return member


def _quotient(study: Study, site: Site) -> Mistake:
    """The divisor's derivative, -a / b², without the square."""
    places = list(site.places(1))

    def unsquared(_: Any, step: Step, share: Any) -> Any:
        assert step.note is not None  # it has arguments, so it has a note
        return share * plain(step.note.args[1])

    return Mistake(
        Cause.ACTIVATION_DERIVATIVE,
        "unsquared",
        f"the slope in {site.operand(1)} of {site.words} lacks the square of the divisor",
        "the derivative of a / b in b is -a / b²",
        site.spot,
        {step: instead(number, unsquared) for step, number in places},
        study.reached(places),
    )


def dropped(study: Study, site: Site) -> list[Mistake]:
    """What comes back to an operation's result is dropped (ones in its place), or in part."""
    steps = [step for step in site.steps if np.ndim(step.value)]
    if not steps:
        return []
    what = f"the gradient that comes back to {site.words}"
    found = [
        ("upstream-dropped", "is dropped (1 in its place)", "multiply by the upstream gradient",
         _ones),
        ("upstream-unsigned", "is taken without its sign", "multiply by it as it is", _unsigned),
        ("last-left-out", "is left out in the last row", "go back through all of its rows",
         _without_last),
    ]  # fmt: skip
    return [
        Mistake(
            Cause.UPSTREAM,
            kind,
            f"{what} {words}",
            advice,
            site.spot,
            {step: after(change) for step in steps},
            study.through(*steps),
        )
        for kind, words, advice, change in found
    ]


def replaced(study: Study, site: Site, every: list[Site]) -> Iterator[Mistake]:
    """Another array is taken for the gradient that comes back to what a parameter multiplies."""
    if site.function not in _PRODUCTS or not any(_reads_parameter(study, s) for s in site.steps):
        return
    right = [step.value for step in site.steps]
    if not all(map(np.ndim, right)):
        return
    for words, values in at_hand(right, every):
        given = dict(zip(site.steps, values, strict=True))
        yield Mistake(
            Cause.UPSTREAM,
            "upstream-replaced",
            f"{words} is taken for the gradient that comes back to {site.words}",
            "multiply by the upstream gradient",
            site.spot,
            _given(given, 1.0),
            study.through(*site.steps),
            scaled=_given_times(f"{words} times", site, given),
            start=_given(given, 0.0),
        )


def _given_times(
    what: str, site: Site, given: dict[Step, Any]
) -> Callable[[float], tuple[str, Edits]]:
    def member(number: float) -> tuple[str, Edits]:
        words = f"{what} {number:.6g} is taken for the gradient that comes back to {site.words}"
        return words, _given(given, number)

    return member


def _given(values: dict[Step, Any], number: float) -> Edits:
    def taken(value: Any) -> Callable[[Any], Any]:
        return lambda _: number * np.asarray(value)

    return {step: after(taken(value)) for step, value in values.items()}


def _reads_parameter(study: Study, step: Step) -> bool:
    return any(place.storage in study.roots for place in step.places)


def _each(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A change of a gradient, or of each of several."""
    return lambda gradient: (
        [change(part) for part in gradient] if isinstance(gradient, list) else change(gradient)
    )


_ones = _each(np.ones_like)
_unsigned = _each(np.abs)


@_each
def _without_last(gradient: Any) -> Any:
    kept = np.array(gradient)
    if kept.ndim:  # what is written to one entry of an array has no rows
        kept[-1:] = 0.0
    return kept


def _keeps_shape(step: Step, number: int) -> bool:
    place = step.places[number]
    shape = np.shape(place.look(place.storage.value))
    return shape == np.shape(step.value) and not isinstance(step, Gathered)
