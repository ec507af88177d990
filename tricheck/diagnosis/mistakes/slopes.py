"""Mistakes in the derivative of what stands between the layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.activations import (
    Activation,
    activations,
    halves_of,
    is_curved,
    is_masked,
    is_recognised,
    slope_of,
)
from tricheck.diagnosis.mistakes.at_hand import at_hand
from tricheck.diagnosis.mistakes.functions import Wrong, pieces, recognised, wrong_slopes
from tricheck.diagnosis.mistakes.mistake import Mistake
from tricheck.diagnosis.mistakes.sites import (
    Site,
    chained,
    every_time,
    positions,
    shortened,
)
from tricheck.errors import TraceError
from tricheck.location import Spot
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Edits, Study, back
from tricheck.tracing.tape import Edit, Parts, Place, recording
from tricheck.tracing.traced import Traced, is_traced, plain, record
from tricheck.vocabulary import Cause


def mistakes(study: Study) -> tuple[list[Mistake], list[Mistake], list[Mistake]]:
    """Wrong derivatives of elementwise functions: of activations, other functions, arithmetic."""
    found: tuple[list[Mistake], list[Mistake], list[Mistake]] = ([], [], [])
    for group in groups(study):
        found[_rank(study, group)].extend(_of_group(study, group))
    return found


def _rank(study: Study, group: Group) -> int:
    if all(is_recognised(study, activation) for activation in group.members):
        return 0
    return 1 if all(is_curved(a.last) and len(a.steps) == 1 for a in group.members) else 2


@dataclass(frozen=True)
class Group:
    """Activations of one operation in the code.

    Attributes
    ----------
    members : list of Activation
    spots : tuple of Spot
        Where they are told to stand, the innermost spot last.
    turn : str
        Which turn of a loop they are, as words to follow the operation; empty for all.
    """

    members: list[Activation]
    spots: tuple[Spot, ...]
    turn: str = ""

    @property
    def words(self) -> str:
        """The operation and where it stands."""
        if not self.spots:
            return "the output"
        source, where = self.spots[-1].expression, self.spot + self.turn
        return f"`{shortened(source)}` ({where})" if source else where

    @property
    def spot(self) -> str:
        """Where it stands, like ``model.py:12``."""
        return self.spots[-1].name if self.spots else ""


def groups(study: Study) -> list[Group]:
    """Those of each way down to an operation, of all the ways together, and of inner turns."""
    ways = list(_by_way(study))
    lasts = [tuple(activation.last for activation in way.members) for way in ways]
    turns = []
    for way, depths in zip(ways, chained(study, lasts), strict=True):
        ending = {activation.last: activation for activation in way.members}
        turns += [
            replace(way, members=[ending[last] for last in some], turn=every_time(number))
            for number, some in enumerate(depths)
        ]
    return ways + turns


def _by_way(study: Study) -> Iterator[Group]:
    groups: dict[Any, list[Activation]] = {}
    for activation in activations(study):
        first, last = study.spots(activation.steps[0]), study.spots(activation.last)
        groups.setdefault((first, last, len(activation.steps)), []).append(activation)
    inner: dict[Any, list[Activation]] = {}
    for (first, last, count), members in groups.items():
        inner.setdefault((first[-1:], last[-1:], count), []).extend(members)
    ways = Counter((first[-1:], last[-1:], count) for first, last, count in groups)
    for (first, last, count), members in groups.items():
        shared = ways[first[-1:], last[-1:], count] > 1
        yield Group(members, _caller(last) if shared else last[-1:])
    for (first, last, count), members in inner.items():
        if ways[first, last, count] > 1:
            yield Group(members, last)


def _caller(spots: tuple[Spot, ...]) -> tuple[Spot, ...]:
    return spots[-2:-1] or spots[-1:]


def _of_group(study: Study, group: Group) -> Iterator[Mistake]:
    members = group.members
    offered = [_slopes(study, activation) for activation in members]
    straight = all(activation.straight for activation in members)
    what = "the factor" if straight else "the derivative"
    what = f"{what} of {group.words}{argument_of(study, members[0])} is"
    for key in dict.fromkeys(key for one in offered for key in one):
        wrong = {a: one[key] for a, one in zip(members, offered, strict=True) if key in one}
        kind, words = key
        yield Mistake(
            Cause.UPSTREAM if straight else Cause.ACTIVATION_DERIVATIVE,
            f"factor-{kind}" if straight else f"derivative-{kind}",
            f"{what} {words}",
            "",
            group.spot,
            _member(wrong, 1.0),
            study.through(*(activation.steps[0] for activation in members)),
            replaces={activation.last: activation.steps for activation in members},
            scaled=_family(what, wrong),
            start=_member(wrong, 0.0),
        )


def elsewhere(study: Study, every: list[Site]) -> Iterator[Mistake]:
    """The derivative of an activation, taken at another array that the code has at hand."""
    for group in groups(study):
        members = group.members
        if not all(is_recognised(study, activation) for activation in members):
            continue
        right = [activation.argument for activation in members]
        for words, values in at_hand(right, every):
            for as_what, slopes in _slopes_at(study, members, values):
                yield Mistake(
                    Cause.ACTIVATION_DERIVATIVE,
                    "derivative-elsewhere",
                    f"the derivative of {group.words}{argument_of(study, members[0])} is taken at "
                    f"{words}{as_what}",
                    "",
                    group.spot,
                    {a.last: by_slope(a.place, w) for a, w in zip(members, slopes, strict=True)},
                    study.through(*(a.steps[0] for a in members)),
                    replaces={activation.last: activation.steps for activation in members},
                )


def _slopes_at(
    study: Study, members: list[Activation], values: list[Any]
) -> Iterator[tuple[str, list[FloatArray]]]:
    """Slopes at other arrays: as arguments, or by the formula in the function's value."""
    for as_what, of in (("", _at_argument), (", as the function's value", _at_value)):
        with np.errstate(all="ignore"):
            slopes = [
                of(study, activation, np.asarray(value, dtype=np.float64))
                for activation, value in zip(members, values, strict=True)
            ]
        found = [slope for slope in slopes if slope is not None and np.all(np.isfinite(slope))]
        if len(found) == len(members):
            yield as_what, found


def _at_argument(study: Study, activation: Activation, value: FloatArray) -> FloatArray | None:
    known = recognised(activation.argument, activation.value)
    if known is not None:
        return known.slope(value)
    hinge = pieces(activation.argument, slope_of(study, activation))
    return np.where(value < 0.0, *hinge) if hinge is not None else _replayed(activation, value)


def _replayed(activation: Activation, value: FloatArray) -> FloatArray | None:
    """The slope of the code's own steps at another argument; conditions stay as they were."""
    with recording() as tape:
        start = tape.storage(np.array(value))
        made = {activation.place.storage: Traced(start)}
        try:
            for step in activation.steps:
                assert step.note is not None  # an elementwise step has one
                args = [
                    made.get(a.storage, plain(a)) if is_traced(a) else a for a in step.note.args
                ]
                kwargs = {name: plain(v) for name, v in step.note.kwargs.items()}
                made[step.outs[0]] = record(step.note.function, *args, **kwargs)
        except (TraceError, ValueError):
            return None
        end = made[activation.last.outs[0]]
        return np.array(back(tape.steps, end.place, np.ones_like(plain(end))).pop(start))


def _at_value(_: Study, activation: Activation, value: FloatArray) -> FloatArray | None:
    known = recognised(activation.argument, activation.value)
    by_value = known.from_output if known is not None else None
    return by_value(value) if by_value is not None else None


def _family(
    what: str, wrong: dict[Activation, Wrong]
) -> Callable[[float], tuple[str, Edits]] | None:
    number_in_words = next(iter(wrong.values())).number
    if number_in_words is None:
        return None
    return lambda number: (f"{what} {number_in_words(number)}", _member(wrong, number))


def _member(wrong: dict[Activation, Wrong], number: float) -> Edits:
    """Back by the slopes with a number."""
    return {a.last: by_slope(a.place, slope.member(number)) for a, slope in wrong.items()}


def argument_of(study: Study, activation: Activation) -> str:
    """In what the derivative is, where the function takes more than one line."""
    first, last = study.spots(activation.steps[0]), study.spots(activation.last)
    if not first or not last or (first[:-1], first[-1].line) == (last[:-1], last[-1].line):
        return ""
    site = Site((activation.steps[0],), first)
    return f" in {site.operand(positions(activation.steps[0])[0])}"


def _slopes(study: Study, activation: Activation) -> dict[tuple[str, str], Wrong]:
    """Wrong slopes by their names and words; one of a family may happen to be right."""
    z, a, slope = activation.argument, activation.value, slope_of(study, activation)
    halves = halves_of(study, activation)
    activates = is_recognised(study, activation) and not is_masked(activation)
    with np.errstate(all="ignore"):
        return {
            (wrong.kind, wrong.words): wrong
            for wrong in wrong_slopes(z, a, slope, halves, activates=activates)
            if np.all(np.isfinite(wrong.slope))
            and (wrong.number is not None or not np.array_equal(wrong.slope, slope))
        }


def by_slope(place: Place, slope: FloatArray) -> Edit:
    """Back to the argument at once, by another slope."""

    def edit(gradient: Any, *_: Any) -> Parts:
        return [(place, gradient * slope)]

    return edit
