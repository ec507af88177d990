"""Kept runs of the loss at other points, to see what shows there and not at the point itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from tricheck.calls import Calls
from tricheck.displace import SHARES, displaced, displaced_arguments, with_arrays
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Arguments, Study, study

_STREAM = 20_011  # of random numbers; no seed that somebody would displace a check by
_SHARES = SHARES[:3]

_CHEAP = 4_000_000  # numbers that may be looked through whatever the check itself takes
_PASSES = 10  # through the run at the point, in a larger model
_LONGEST = 16  # times as many steps as at the point; a loop may not end elsewhere
_OF_A_RUN = 4  # passes that a run takes, with the way back


class Way(StrEnum):
    """What is other than at the point."""

    PARAMETERS = "parameters"
    INPUTS = "inputs"  # and the parameters
    SIZES = "sizes"  # two entries along an axis of one, and all of them others


class Elsewhere:
    """Kept runs at other points, each made when it is first asked for.

    Parameters
    ----------
    calls : Calls
    here : Study or None
        The run at the point itself; without it there are none elsewhere.

    Attributes
    ----------
    cut : bool
        Whether something was not looked at, for that would have taken too long.
    """

    def __init__(self, calls: Calls, here: Study | None) -> None:
        self.cut = False
        self._calls = calls
        self._steps = 0 if here is None else len(here.steps)
        self._work = 0.0 if here is None else _work(here)
        self._left = max(_CHEAP, _PASSES * self._work)
        self._runs: dict[Way, list[Study]] = {}
        self._points: dict[float, FloatArray] = {}

    @property
    def hurried(self) -> bool:
        """Whether there is no time to run the model there."""
        return self._calls.hurried

    def of(self, way: Way) -> list[Study]:
        """The runs that are other in this way."""
        if way not in self._runs:
            self._runs[way] = list(self._made(way))
        return self._runs[way]

    def affords(self, passes: float) -> bool:
        """Whether so many passes through a run are within the budget, which they then come off."""
        if passes * self._work > self._left:
            self.cut = True
            return False
        self._left -= passes * self._work
        return True

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the arrays that the loss computes with, by the names that it has for them."""
        outside = self._calls.model.surroundings().items()
        found = {name: value.shape for name, value in outside if isinstance(value, np.ndarray)}
        if not any(found.values()):  # a layer's inputs are parameters
            found = {leaf.name: leaf.shape for leaf in self._calls.parameters.leaves}
        return found

    def _made(self, way: Way) -> Iterator[Study]:
        for arguments in self._arguments(way) if self._steps else ():
            if self.affords(_OF_A_RUN) and (run := self._run(way, arguments)) is not None:
                yield run

    def _arguments(self, way: Way) -> Iterator[Arguments]:
        given = self._calls.arguments()
        if way is Way.PARAMETERS:
            yield given
        elif way is Way.INPUTS:
            if any(array.dtype.kind == "f" for array in _arrays(given)):
                yield given
        else:
            arrays = _arrays(given)
            single = {axis for a in arrays for axis, size in enumerate(a.shape) if size == 1}
            yield from (_grown(given, axis) for axis in sorted(single))

    def _run(self, way: Way, given: Arguments) -> Study | None:
        """A run as far away as the loss has a value."""
        for share in _SHARES:
            there = self._displaced(share)
            moved = way is not Way.PARAMETERS
            taken = displaced_arguments(given, _STREAM, share) if moved else given
            run = study(self._calls, there, taken, _LONGEST * self._steps)
            if run is None or np.isfinite(run.end.look(run.end.storage.value)).all():
                return run
        return None

    def _displaced(self, share: float) -> FloatArray:
        if share not in self._points:
            self._points[share] = displaced(self._calls.parameters, _STREAM, share)
        return self._points[share]


def axes_in_words(shapes: Mapping[str, tuple[int, ...]], chosen: Callable[[int, int], bool]) -> str:
    """Axes, chosen by number and size, with the arrays that have them.

    Examples
    --------
    >>> axes_in_words({"x": (1, 3), "y": (1,), "z": (2, 3)}, lambda axis, size: size == 1)
    'axis 0 of x and y'
    """
    found: dict[int, list[str]] = {}
    for name, shape in shapes.items():
        for axis, size in enumerate(shape):
            if chosen(axis, size):
                found.setdefault(axis, []).append(name)
    return " and ".join(f"axis {axis} of {listed(names)}" for axis, names in found.items())


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _work(run: Study) -> float:
    """The numbers that the steps of a run have read and made."""
    return sum(
        np.size(step.value) + sum(np.size(place.storage.value) for place in step.places)
        for step in run.steps
    )


def _arrays(value: Any) -> list[Any]:
    found: list[Any] = []
    with_arrays(value, found.append)
    return found


def _grown(arguments: Arguments, axis: int) -> Any:
    def grown(array: Any) -> Any:
        single = array.ndim > axis and array.shape[axis] == 1
        return np.repeat(array, 2, axis=axis) if single else array

    return with_arrays(arguments, grown)
