"""A traced run that is kept, to be gone back through again with a mistake made on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from tricheck.calls import Calls
from tricheck.errors import TraceError
from tricheck.location import Spot, calling_spots
from tricheck.parameters import FloatArray, Parameters
from tricheck.tracing.tape import Edit, Gradients, Place, Step, Storage, recording
from tricheck.tracing.traced import is_traced

Edits = Mapping[Step, Edit]
Arguments = tuple[tuple[Any, ...], dict[str, Any]]
_MAXIMA = (np.max, np.amax)
_CANCELLED = 1e-10  # of a gradient: rounding is left of two parts that cancel
PRODUCTS = (np.matmul, np.dot, np.einsum, np.tensordot, np.inner, np.outer, np.multiply, np.vdot)
_NONE: Edits = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Study:
    """What a run of the loss did, step by step.

    Attributes
    ----------
    parameters : Parameters
    steps : list of Step
        In the order of the run, each with its note.
    end : Place
        Where the loss lies.
    roots : list of Storage
        Where the parameters lie, in their order.
    outside : int
        How many of the user's frames called the check, and are no part of the loss.
    """

    parameters: Parameters
    steps: list[Step]
    end: Place
    roots: list[Storage]
    outside: int

    def gradient(self, edits: Edits = _NONE) -> FloatArray:
        """The gradient that comes of going back with these edits, shape (size,)."""
        return self._right + self._change(edits) if edits else self._right.copy()

    @cached_property
    def _right(self) -> FloatArray:
        return self._flat(back(self.steps, self.end, self._ones))

    def _change(self, edits: Edits) -> FloatArray:
        """What the edits add to the gradient: going back is linear, so only that goes back."""
        changes = Gradients()
        last = max(self._numbers.get(step, -1) for step in edits)
        for step in reversed(self.steps[: last + 1]):  # what comes after goes back rightly
            edit = edits.get(step)
            if edit is None:
                if step in self.shifts:
                    step.came(changes)  # nobody goes back through it, rightly or wrongly
                else:
                    step.undo(changes)
                continue
            right = self.came.get(step)
            came = _sum(right, step.came(changes))
            if came is not None:
                for place, part in edit(came, step, step.parts):
                    if part is not None:
                        changes.add(place, part)
            if right is not None:
                for place, part in step.parts(right):
                    if part is not None:
                        changes.add(place, -part)
        return self._flat(changes)

    def _flat(self, gradients: Gradients) -> FloatArray:
        flat = np.zeros(self.parameters.size)
        for leaf, root in zip(self.parameters.leaves, self.roots, strict=True):
            block = gradients.pop(root)
            if block is not None:
                flat[leaf.place] = np.reshape(block, -1)
        return flat

    @cached_property
    def _numbers(self) -> dict[Step, int]:
        return {step: number for number, step in enumerate(self.steps)}

    @cached_property
    def came(self) -> dict[Step, Any]:
        """The right gradient of every step's result, where there is one."""
        return self.came_with(_NONE)

    def came_with(self, edits: Edits) -> dict[Step, Any]:
        """The gradient of every step's result that comes of going back with these edits."""
        came: dict[Step, Any] = {}

        def kept(gradient: Any, step: Step, right: Any) -> Any:
            came[step] = gradient
            edit = edits.get(step)
            return right(gradient) if edit is None else edit(gradient, step, right)

        back(self.steps, self.end, self._ones, dict.fromkeys(self.steps, kept))
        return came

    @cached_property
    def shifts(self) -> frozenset[Step]:
        """Maxima to which nothing comes back: subtracted from exponents, they cancel."""
        maxima = {
            step.outs[0]: step
            for step in self.steps
            if step.note is not None and step.note.function in _MAXIMA and step in self.came
        }
        size: dict[Step, float] = {}
        for step in self.steps if maxima else ():
            for place in step.places:
                if place.storage in maxima and step in self.came:
                    shifted = maxima[place.storage]
                    size[shifted] = max(size.get(shifted, 0.0), _largest(self.came[step]))
        return frozenset(
            step for step, most in size.items() if _largest(self.came[step]) <= _CANCELLED * most
        )

    @property
    def _ones(self) -> Any:
        return np.ones_like(self.end.look(self.end.storage.value))

    def slope(self, steps: list[Step], out: Storage, place: Place) -> FloatArray:
        """What a gradient of ones at `out` becomes at `place`, through these steps alone."""
        gradients = back(steps, Place(out), np.ones_like(out.value))
        return np.array(gradients.region(place))

    def spots(self, step: Step) -> tuple[Spot, ...]:
        """Where in the loss a step was made: the call's way down, the innermost spot last."""
        return step.note.spots[self.outside :] if step.note is not None else ()

    def through(self, *steps: Step) -> frozenset[str]:
        """Which parameters any of these steps depends on."""
        return frozenset[str]().union(*(names for step in steps for names in self.reach[step]))

    def reached(self, places: Iterable[tuple[Step, int]]) -> frozenset[str]:
        """Which parameters any of these places depends on, each given by its step and number."""
        return frozenset[str]().union(*(self.reach[step][number] for step, number in places))

    @cached_property
    def reach(self) -> dict[Step, tuple[frozenset[str], ...]]:
        """For every step, which parameters each of the places depends on that it read."""
        seen: dict[Storage, frozenset[str]] = {
            root: frozenset([leaf.name])
            for leaf, root in zip(self.parameters.leaves, self.roots, strict=True)
        }
        reach = {}
        for step in self.steps:
            reach[step] = tuple(seen.get(place.storage, frozenset()) for place in step.places)
            for out in step.outs:
                seen[out] = seen.get(out, frozenset()).union(*reach[step])
        return reach

    @cached_property
    def joining(self) -> dict[Step, frozenset[str]]:
        """For every step, the parameters in products that what it makes ends up in."""
        later: dict[Storage, frozenset[str]] = {}
        joining = {}
        for step in reversed(self.steps):
            found = joining[step] = frozenset[str]().union(
                *(later.get(out, frozenset()) for out in step.outs)
            )
            if step.note is not None and step.note.function in PRODUCTS:
                found |= self.through(step)
            for place in step.places:
                later[place.storage] = later.get(place.storage, frozenset()) | found
        return joining


def _largest(gradient: Any) -> float:
    parts = gradient if isinstance(gradient, list) else [gradient]
    return max(float(np.max(np.abs(part), initial=0.0)) for part in parts)


def _sum(first: Any, second: Any) -> Any:
    """Gradients of one result, or of several, either of which may be missing."""
    if first is None or second is None:
        return second if first is None else first
    if isinstance(first, list):
        return [a + b for a, b in zip(first, second, strict=True)]
    return first + second


def back(steps: Sequence[Step], end: Place, came: Any, edits: Edits = _NONE) -> Gradients:
    """Undo steps, starting from what came to `end`."""
    gradients = Gradients()
    gradients.add(end, came)
    for step in reversed(steps):
        step.undo(gradients, edits.get(step))
    return gradients


def study(
    calls: Calls,
    flat: FloatArray,
    arguments: Arguments | None = None,
    most: int | None = None,
    *,
    lenient: bool = False,
) -> Study | None:
    """A kept run of the model's loss at a point; None where it cannot be traced.

    Parameters
    ----------
    calls : Calls
    flat : ndarray, shape (size,)
    arguments : tuple and dict, optional
        Other arguments than the model's own.
    most : int, optional
        Steps after which the run is given up.
    lenient : bool
        Take what leaves the trace for a constant: only for who compares the gradient with others.
    """
    # the rules are imported with the first trace, to keep `import tricheck` light
    from tricheck.tracing.reverse import run

    pair = calls.model.gradient is True

    def loss_of(answer: Any) -> Any:
        return answer[0] if pair else answer

    calls.counts["reference"] += 1
    parameters = calls.parameters
    try:
        with recording(studied=True, most=most, lenient=lenient) as tape:
            taken = calls.arguments() if arguments is None else arguments
            end, roots = run(tape, calls.model.loss, parameters, flat, taken, loss_of)
            if not (is_traced(end) and end.active):
                return None
            steps = list(tape.steps)
    except TraceError:
        return None
    for step in steps:
        if step.note is None:  # made by a rule that was not called by name
            step.value = step.outs[0].value
    return Study(parameters, steps, end.place, roots, len(calling_spots()))
