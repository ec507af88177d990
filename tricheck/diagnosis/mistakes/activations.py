"""Elementwise functions of one array, however they are written: what may be an activation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.functions import Halves, recognised, straight_halves
from tricheck.diagnosis.mistakes.sites import Site, positions
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Study, back
from tricheck.tracing.tape import Computed, ComputedMany, Parts, Place, Step, View
from tricheck.tracing.traced import plain

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


def inside(study: Study) -> frozenset[Step]:
    """The steps that are part of a known activation."""
    return frozenset(
        step
        for activation in activations(study)
        if is_recognised(study, activation)
        for step in _own(activation)
    )


def _own(activation: Activation) -> Iterator[Step]:
    """Its steps without data, as labels, and without factors that follow it, as to keep a mean."""
    steps = activation.steps[: len(activation.steps) - len(_following(activation))]
    return (step for step in steps if not (_straight(step) and _with_data(step)))


def _following(activation: Activation) -> tuple[Step, ...]:
    """The factors and terms that it ends in, where they are not part of a function with a name."""
    steps = activation.steps
    while _ends_straight(Activation(activation.place, steps)):
        steps = steps[:-1]
    return activation.steps[len(steps) :]


def _ends_straight(activation: Activation) -> bool:
    if not _straight(activation.last) or len(activation.last.places) > 1:
        return False
    return recognised(activation.argument, activation.value) is None


def _with_data(step: Step) -> bool:
    """Whether a step takes an array that does not depend on the parameters."""
    args = step.note.args if step.note is not None else ()
    active = positions(step)
    return any(np.size(plain(arg)) > 1 for n, arg in enumerate(args) if n not in active)


def is_recognised(study: Study, activation: Activation) -> bool:
    """Whether it is an activation by its values, by the way it is made, or by where it stands."""
    known = recognised(activation.argument, activation.value)
    if known is not None:
        return known.activates
    return halves_of(study, activation) is not None or _between_layers(study, activation)


def is_masked(activation: Activation) -> bool:
    """Whether it ends in a factor or a term that is data, as a mask."""
    return any(_with_data(step) for step in _following(activation))


def slope_of(study: Study, activation: Activation) -> FloatArray:
    """Its slope at every entry, shape of its argument."""
    return study.slope(list(activation.steps), activation.last.outs[0], activation.place)


def halves_of(study: Study, activation: Activation) -> Halves | None:
    """Its two branches, if it has two: straight ones that meet at 0, or those it chooses from."""
    straight = straight_halves(activation.argument, slope_of(study, activation))
    if straight is not None:
        return straight
    choices = [step for step in activation.steps if _chooses(step)]
    if len(choices) != 1 or is_masked(activation):
        return None
    return _of_choice(study, activation, choices[0])


def _of_choice(study: Study, activation: Activation, choice: Step) -> Halves:
    """The branches that one step chooses from; one that is a constant has no slope."""
    ones = np.ones_like(activation.value)
    parts = choice.parts(ones)

    def through(number: int) -> FloatArray:
        def edit(came: Any, step: Step, _: Any) -> Parts:
            return [(step.places[number], came)]

        gradients = back(activation.steps, Place(activation.last.outs[0]), ones, {choice: edit})
        return np.array(gradients.region(activation.place))

    site = Site((choice,), study.spots(choice))
    names = [f"where {site.operand(position)} is taken" for position in positions(choice)]
    slopes = [through(number) for number in range(len(parts))]
    return Halves(
        np.asarray(parts[0][1]) != 0.0,
        (slopes[0], slopes[1] if len(parts) > 1 else np.zeros_like(ones)),
        (names[0], names[1] if len(parts) > 1 else "elsewhere"),
    )


def _between_layers(study: Study, activation: Activation) -> bool:
    """Whether it is curved, and other parameters multiply what becomes of it at once."""
    if not any(is_curved(step) for step in activation.steps) or is_masked(activation):
        return False
    return bool(study.joining[activation.last] - study.through(activation.last))


def _straight(step: Step) -> bool:
    """Whether a step is linear in the one thing that it depends on."""
    function = step.note.function if step.note is not None else None
    if function in (np.add, np.subtract, np.negative, np.copy):
        return True
    divisor = function is np.true_divide and positions(step) == [0]
    return divisor or (function is np.multiply and len(step.places) == 1)


# --- finding them -------------------------------------------------------------------------------


def _elementwise(step: Step) -> bool:
    if not isinstance(step, Computed) or isinstance(step, ComputedMany) or step.note is None:
        return False
    function, shape = step.note.function, np.shape(step.value)
    of_entries = isinstance(function, np.ufunc) and function.signature is None
    if not (of_entries or function in (np.where, np.clip, np.copy, np.sinc)) or not step.places:
        return False
    arguments = [p.look(p.storage.value) for p in step.places]
    return all(np.shape(a) == shape and np.isrealobj(a) for a in (*arguments, step.value))


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


def _chooses(step: Step) -> bool:
    """Whether a step takes each of its entries from one of two."""
    function = step.note.function if step.note is not None else None
    return function in (np.where, np.maximum, np.minimum, np.fmax, np.fmin)


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
