"""Mistakes in the derivative of what stands between the layers, however it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.at_hand import at_hand
from tricheck.diagnosis.mistakes.functions import pieces, recognised, wrong_slopes
from tricheck.diagnosis.mistakes.mistake import Mistake
from tricheck.diagnosis.mistakes.sites import Site, positions, shortened
from tricheck.errors import TraceError
from tricheck.location import Spot
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Edits, Study, back
from tricheck.tracing.tape import Computed, ComputedMany, Edit, Parts, Place, Step, View, recording
from tricheck.tracing.traced import Traced, is_traced, plain, record
from tricheck.vocabulary import Cause

Key = tuple[Any, View]


@dataclass(frozen=True)
class Activation:
    """An elementwise function of one array, in as many steps as the user took.

    Attributes
    ----------
    place : Place
        Its argument.
    steps : tuple of Step
        The last one makes its value.
    """

    place: Place
    steps: tuple[Step, ...]

    @property
    def argument(self) -> FloatArray:
        """The argument's value."""
        return np.asarray(self.place.look(self.place.storage.value), dtype=np.float64)

    @property
    def value(self) -> FloatArray:
        """The function's value."""
        return np.asarray(self.last.value, dtype=np.float64)

    @property
    def straight(self) -> bool:
        """Whether it is linear: factors and terms that do not depend on the argument."""
        return all(_straight(step) for step in self.steps)

    @property
    def last(self) -> Step:
        """The step that makes the value."""
        return self.steps[-1]


def activations(study: Study) -> list[Activation]:
    """Every elementwise function of one array that the code gives a name or a line of its own."""
    chains: dict[Key, list[Step]] = {}
    chain_of: dict[Any, Key] = {}
    for step in study.steps:
        if not _elementwise(step):
            continue
        keys = {_key(place, chain_of) for place in step.places}
        if len(keys) == 1:
            [key] = keys
            chains.setdefault(key, []).append(step)
            chain_of[step.outs[0]] = key
    users = _users(study)
    return [a for (_, _), steps in chains.items() for a in _cut(study, steps, users)]


def mistakes(study: Study) -> tuple[list[Mistake], list[Mistake]]:
    """Wrong derivatives of elementwise functions: of known activations, and of any other."""
    known: list[Mistake] = []
    other: list[Mistake] = []
    for members, spots in _groups(study):
        is_known = all(_recognised(study, activation) for activation in members)
        (known if is_known else other).extend(_of_group(study, members, spots))
    return known, other


def inside(study: Study) -> frozenset[Step]:
    """The steps that are part of a known activation."""
    return frozenset(
        step
        for activation in activations(study)
        if _recognised(study, activation)
        for step in activation.steps
    )


def _groups(study: Study) -> Iterator[tuple[list[Activation], tuple[Spot, ...]]]:
    """Those of one operation in the code: of each way down to it, and of all of them together."""
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
        yield members, _caller(last) if shared else last[-1:]
    for (first, last, count), members in inner.items():
        if ways[first, last, count] > 1:
            yield members, last


def _caller(spots: tuple[Spot, ...]) -> tuple[Spot, ...]:
    return spots[-2:-1] or spots[-1:]


def _of_group(
    study: Study, members: list[Activation], spots: tuple[Spot, ...]
) -> Iterator[Mistake]:
    offered = [list(_slopes(study, activation)) for activation in members]
    straight = all(activation.straight for activation in members)
    what = "the factor" if straight else "the derivative"
    for kind, words in dict.fromkeys((kind, words) for one in offered for kind, words, _ in one):
        edits: dict[Step, Edit] = {}
        for activation, one in zip(members, offered, strict=True):
            for other_kind, other_words, wrong in one:
                if (other_kind, other_words) == (kind, words):
                    edits[activation.last] = _through(activation.place, wrong)
        yield Mistake(
            Cause.UPSTREAM if straight else Cause.ACTIVATION_DERIVATIVE,
            f"factor-{kind}" if straight else f"derivative-{kind}",
            f"{what} of {_words(spots)}{_argument(study, members[0])} is {words}",
            "look at that factor of the backward pass",
            spots[-1].name if spots else "",
            edits,
            frozenset[str]().union(*(_reaching(study, activation) for activation in members)),
            replaces={activation.last: activation.steps for activation in members},
            scaled=_constant(what, spots, members) if kind == "left-out" else None,
            start={activation.last: _nothing for activation in members},
        )


def elsewhere(study: Study, every: list[Site]) -> Iterator[Mistake]:
    """The derivative of an activation, taken at another array that the code has at hand."""
    for members, spots in _groups(study):
        if not all(_recognised(study, activation) for activation in members):
            continue
        right = [activation.argument for activation in members]
        for words, values in at_hand(right, every):
            for as_what, slopes in _slopes_at(study, members, values):
                yield Mistake(
                    Cause.ACTIVATION_DERIVATIVE,
                    "derivative-elsewhere",
                    f"the derivative of {_words(spots)}{_argument(study, members[0])} is taken at "
                    f"{words}{as_what}",
                    "take it where the forward pass has taken the function",
                    spots[-1].name if spots else "",
                    {a.last: _through(a.place, w) for a, w in zip(members, slopes, strict=True)},
                    frozenset[str]().union(*(_reaching(study, a) for a in members)),
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
    hinge = pieces(activation.argument, _slope(study, activation))
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


def _constant(
    what: str, spots: tuple[Spot, ...], members: list[Activation]
) -> Callable[[float], tuple[str, Edits]]:
    def member(number: float) -> tuple[str, Edits]:
        edits = {a.last: _through(a.place, np.asarray(number)) for a in members}
        return f"{what} of {_words(spots)} is {number:.6g} throughout", edits

    return member


def _nothing(*_: Any) -> Parts:
    return []


def _argument(study: Study, activation: Activation) -> str:
    """In what the derivative is, where the function takes more than one line."""
    first, last = study.spots(activation.steps[0]), study.spots(activation.last)
    if not first or not last or (first[:-1], first[-1].line) == (last[:-1], last[-1].line):
        return ""
    site = Site((activation.steps[0],), first)
    return f" in {site.operand(positions(activation.steps[0])[0])}"


def _recognised(study: Study, activation: Activation) -> bool:
    known = recognised(activation.argument, activation.value)
    if known is not None:
        return known.activates
    hinge = pieces(activation.argument, _slope(study, activation))
    return hinge is not None or _has_branches(activation)


def _has_branches(activation: Activation) -> bool:
    """Whether it is curved, and chooses by its argument, as activations of one's own do."""
    functions = [step.note.function for step in activation.steps if step.note is not None]
    return np.where in functions or np.maximum in functions


def _slope(study: Study, activation: Activation) -> FloatArray:
    return study.slope(list(activation.steps), activation.last.outs[0], activation.place)


def _straight(step: Step) -> bool:
    """Whether a step is linear in the one thing that it depends on."""
    function = step.note.function if step.note is not None else None
    if function in (np.add, np.subtract, np.negative, np.copy):
        return True
    divisor = function is np.true_divide and positions(step) == [0]
    return divisor or (function is np.multiply and len(step.places) == 1)


def _words(spots: tuple[Spot, ...]) -> str:
    if not spots:
        return "the output"
    source = spots[-1].expression
    return f"`{shortened(source)}` ({spots[-1].name})" if source else spots[-1].name


def _slopes(study: Study, activation: Activation) -> Iterator[tuple[str, str, FloatArray]]:
    slope = _slope(study, activation)
    with np.errstate(all="ignore"):
        for kind, words, wrong in wrong_slopes(activation.argument, activation.value, slope):
            if np.all(np.isfinite(wrong)) and not np.array_equal(wrong, slope):
                yield kind, words, wrong


def _through(place: Place, slope: FloatArray) -> Edit:
    """Back to the argument at once, by another slope."""

    def edit(gradient: Any, *_: Any) -> Parts:
        return [(place, gradient * slope)]

    return edit


def _reaching(study: Study, activation: Activation) -> frozenset[str]:
    return frozenset[str]().union(*study.reach[activation.steps[0]])


# --- finding them -------------------------------------------------------------------------------


def _elementwise(step: Step) -> bool:
    if not isinstance(step, Computed) or isinstance(step, ComputedMany) or step.note is None:
        return False
    function, shape = step.note.function, np.shape(step.value)
    of_entries = isinstance(function, np.ufunc) and function.signature is None
    if not (of_entries or function in (np.where, np.clip, np.copy, np.sinc)) or not step.places:
        return False
    return all(np.shape(p.look(p.storage.value)) == shape for p in step.places)


def _key(place: Place, chain_of: dict[Any, Key]) -> Key:
    """The argument that a place is a function of, by itself if nothing else."""
    if not place.view and place.storage in chain_of:
        return chain_of[place.storage]
    return place.storage, place.view


def _users(study: Study) -> dict[Any, list[Step]]:
    users: dict[Any, list[Step]] = {}
    for step in study.steps:
        for place in step.places:
            users.setdefault(place.storage, []).append(step)
    return users


def _cut(study: Study, steps: list[Step], users: dict[Any, list[Step]]) -> Iterator[Activation]:
    """A chain of elementwise steps, at the values that the code hands from line to line."""
    inside = set(steps)
    named = [step for step in steps if _is_handed_on(study, step, users, inside)]
    starts = [steps[0].places[0], *(Place(step.outs[0]) for step in named)]
    seen = set()
    for end in named:
        for start in starts:
            between = _between(steps, start, end)
            if between:
                seen.add(between)
                yield Activation(start, between)
    for step in steps:  # a function called by its name is one, wherever it stands
        if len(step.places) == 1 and is_curved(step) and (step,) not in seen:
            yield Activation(step.places[0], (step,))


def _is_handed_on(
    study: Study, step: Step, users: dict[Any, list[Step]], inside: set[Step]
) -> bool:
    """Whether what a step makes is used on another line, or by no elementwise step."""
    made_by = users.get(step.outs[0])
    if made_by is None:
        return True
    return any(user not in inside or _line(study, user) != _line(study, step) for user in made_by)


def is_curved(step: Step) -> bool:
    """Whether a step is a function of single entries that is more than arithmetic."""
    function = step.note.function if step.note is not None else None
    of_entries = isinstance(function, np.ufunc) and function.signature is None
    return (of_entries and function not in _ARITHMETIC) or function in (np.where, np.clip)


_ARITHMETIC = (np.add, np.subtract, np.multiply, np.true_divide, np.power, np.square, np.negative)


def _line(study: Study, step: Step) -> tuple[Any, ...]:
    """The way down to a step, but for where in its line it stands."""
    spots = study.spots(step)
    return (*spots[:-1], spots[-1].line) if spots else ()


def _between(steps: list[Step], start: Place, end: Step) -> tuple[Step, ...]:
    """The steps from a value to another that is a function of it alone; none if it is not."""
    known = {(start.storage, start.view)}
    found = []
    for step in steps:
        keys = {(place.storage, place.view) for place in step.places}
        if keys <= known:
            known.add((step.outs[0], ()))
            found.append(step)
        if step is end:
            break
    if not found or found[-1] is not end:
        return ()
    return _needed(found, end)


def _needed(steps: list[Step], end: Step) -> tuple[Step, ...]:
    """Those that the last one depends on."""
    wanted = {end.outs[0]}
    kept = []
    for step in reversed(steps):
        if step.outs[0] in wanted:
            kept.append(step)
            wanted.update(place.storage for place in step.places)
    return tuple(reversed(kept))
