"""Which of the loss's intermediate results each shown gradient belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tricheck.diagnosis.deltas.likeness import Likeness, Ruler
from tricheck.diagnosis.deltas.spelling import Reading, last_word, number_before, readings
from tricheck.diagnosis.deltas.variables import layers, results, variables
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Step

Array = npt.NDArray[np.floating[Any]]
Steps = Sequence[Step]

_USUAL = ("z", "zs")  # what everybody calls the inputs of activations
_MOST_PLACES = 8


class Shown(NamedTuple):
    """A gradient that backprop shows, and the step whose result's gradient it is said to be.

    Attributes
    ----------
    name : str
    array : ndarray
    step : Step
    likeness : Likeness
    placed : bool
        Whether it is this step for certain; otherwise it is one of several of which none fits.
    """

    name: str
    array: Array
    step: Step
    likeness: Likeness
    placed: bool = True


class Said(NamedTuple):
    """What a name says of where a gradient belongs.

    Attributes
    ----------
    orders : list of sequences of Step
        The steps that may be meant, in the order of the run; several where it is one or another.
    number : int or None
        Which of the order it is, counted from anywhere.
    first : bool
        Whether it is the first of them if it fits none.
    usual : bool
        Whether that is no more than what most people mean by the name.
    """

    orders: Sequence[Steps]
    number: int | None = None
    first: bool = False
    usual: bool = False


class Series(NamedTuple):
    """Gradients in an order, as those of layers or of time steps; or a lone one.

    Attributes
    ----------
    names : list of str
    arrays : list of ndarray
    numbers : list of int or None
        Their places in the order, counted from anywhere; None if all of it, perhaps reversed.
    """

    names: list[str]
    arrays: list[Array]
    numbers: list[int] | None

    def along(self, order: Steps) -> Iterator[Steps]:
        """The ways to lay it along an order of steps."""
        if self.numbers is None:
            ways = [order, order[::-1]] if len(order) == len(self.arrays) else []
        else:
            firsts = range(max(self.numbers) - len(order) + 1, min(self.numbers) + 1)
            ways = [[order[n - first] for n in self.numbers] for first in firsts]
        for steps in ways:
            if all(a.shape == np.shape(s.value) for a, s in zip(self.arrays, steps, strict=True)):
                yield steps


class Matcher:
    """Finds where shown gradients belong: by name, and where that says nothing by value.

    Parameters
    ----------
    study : Study
    ruler : Ruler
    """

    def __init__(self, study: Study, ruler: Ruler) -> None:
        self._came = study.came
        self._ruler = ruler
        self._variables: Mapping[str, Sequence[Steps]] = variables(study)
        self._layers = layers(study)
        self._results = results(study)
        self._made_by = {out: step for step in study.steps for out in step.outs}

    def match(self, shown: Mapping[str, Any]) -> tuple[list[Shown], list[str]]:
        """The gradients whose place is found, and the names of the others.

        Forward values are left out.

        Parameters
        ----------
        shown : mapping of str to ndarray or list of ndarray
        """
        fitted = [(series, self._ways(series, said)) for series, said in self._gathered(shown)]
        turned = {
            self._turned(ways[0]) for s, ways in fitted if len(ways) == 1 and s.numbers is None
        }
        found: list[Shown] = []
        unmatched: list[str] = []
        for series, ways in fitted:
            if series.numbers is None and len(turned) == 1:  # all lists as those that fit
                ways = [way for way in ways if self._turned(way) in turned]
            if placed := self._placed(series, ways):
                found += [shown for shown in placed if not self._is_that_variable(shown)]
                continue
            for name, array in zip(series.names, series.arrays, strict=True):
                if equal := self._equal(name, array):
                    found.append(equal)
                elif not self._is_forward(array):
                    unmatched.append(name)
        return found, unmatched

    # --- names ---

    def _gathered(self, shown: Mapping[str, Any]) -> Iterator[tuple[Series, Said | None]]:
        """What is shown, those in an order together, and what the names say."""
        numbered: dict[str, tuple[Series, Said]] = {}
        for name, value in shown.items():
            said = next(filter(None, (self._said(name, r) for r in readings(name))), None)
            if said is None or said.number is None or _stacked(value, said.orders):
                yield _series(name, value, said), said
                continue
            alike = "".join(c for c in name if not c.isdigit())
            series, _ = numbered.setdefault(alike, (Series([], [], []), said))
            series.names.append(name)
            series.arrays.append(value)
            assert series.numbers is not None
            series.numbers.append(said.number)
        yield from numbered.values()

    def _said(self, name: str, reading: Reading) -> Said | None:
        variable, stem = reading.variable, reading.stem
        if reading.delta and not stem:
            variable = f"{_USUAL[0]}{reading.number}"
            if variable not in self._variables:
                return Said([self._layers], reading.number)
        if variable in self._variables:
            orders = self._variables[variable]
            inputs = self._inputs(orders) if reading.delta else []
            return Said([*inputs, *orders], number_before(name), first=bool(inputs))
        if stem in self._variables and reading.number is not None:
            return Said(self._variables[stem], reading.number)
        for other in (variable.removesuffix("s"), f"{variable}s"):
            if other in self._variables:
                return Said(self._variables[other])
        return Said([self._layers], reading.number, usual=True) if stem in _USUAL else None

    def _inputs(self, orders: Sequence[Steps]) -> list[Steps]:
        """The input of the activation whose output a lone variable is: a delta is of that."""
        steps = [*chain(*orders)]
        if len(steps) != 1 or steps[0] in self._layers:
            return []
        found: dict[Step, None] = {}
        pending = list(steps)
        for step in pending:  # which grows meanwhile
            for place in step.places:
                before = self._made_by.get(place.storage)
                if before is None or np.shape(before.value) != np.shape(steps[0].value):
                    continue
                if before in self._layers:
                    found[before] = None
                elif before not in pending:
                    pending.append(before)
        return [[*found]] if len(found) == 1 else []

    # --- places ---

    def _ways(self, series: Series, said: Said | None) -> list[list[Shown]]:
        """How the series fits best, in as many ways as it may be meant."""
        orders = said.orders if said is not None else []
        if len(orders) > 1:
            meant = set(chain(*orders))
            orders = [*orders, [step for step in self._results if step in meant]]
        laid = [self._laid(series, steps) for order in orders for steps in series.along(order)]
        ways = list({tuple(s.step for s in way): way for way in laid}.values())
        best = max(map(_fit, ways), default=(0, 0))
        ways = [way for way in ways if _fit(way) == best]
        if not any(best) and said is not None and said.usual and self._all_right(series):
            return []
        if series.numbers is None or not ways:
            return ways
        if any(best) or self._same_place(ways):
            return ways[-1:]
        return ways[:1] if said is not None and said.first else ways

    @staticmethod
    def _placed(series: Series, ways: list[list[Shown]]) -> list[Shown]:
        """The only way in which the series may be meant; of a list all of which is wrong, one."""
        if len(ways) == 1:
            return ways[0]
        if series.numbers is None and ways and all(s.likeness.apart for way in ways for s in way):
            name = series.names[0].rpartition("[")[0]
            return [ways[0][-1]._replace(name=name, placed=False)]
        return []

    def _turned(self, way: list[Shown]) -> bool:
        """Whether the turns of a loop are laid out the last first."""
        return self._results.index(way[0].step) > self._results.index(way[-1].step)

    def _same_place(self, ways: list[list[Shown]]) -> bool:
        """Whether the gradients at these places are the same, so that any will do."""
        return len(ways) <= _MOST_PLACES and all(
            self._likeness(np.asarray(self._came[first.step]), second.step).right
            for way in ways[1:]
            for first, second in zip(ways[0], way, strict=True)
        )

    def _laid(self, series: Series, steps: Steps) -> list[Shown]:
        return [
            Shown(name, array, step, self._likeness(array, step))
            for name, array, step in zip(series.names, series.arrays, steps, strict=True)
        ]

    def _likeness(self, array: Array, step: Step) -> Likeness:
        came = np.asarray(self._came[step])
        return self._ruler.compare(array, came, np.asarray(step.value))

    # --- values ---

    def _equal(self, name: str, array: Array) -> Shown | None:
        """The last step whose right gradient an array is."""
        if array.size < 2 or np.all(array == array.flat[0]):
            return None  # such numbers are anywhere
        came = (np.asarray(self._came[step]) for step in reversed(self._results))
        for step, right in zip(reversed(self._results), came, strict=True):
            if self._alike(array, right):
                return Shown(name, array, step, Likeness(1.0, False))
        return None

    def _all_right(self, series: Series) -> bool:
        """Whether all are right gradients of something."""
        return all(map(self._equal, series.names, series.arrays))

    def _is_that_variable(self, shown: Shown) -> bool:
        """Whether it is no gradient at all, but a forward value of this very name."""
        own = chain(*self._variables.get(last_word(shown.name), []))
        return not shown.likeness.right and any(
            self._alike(shown.array, np.asarray(step.value)) for step in own
        )

    def _is_forward(self, array: Array) -> bool:
        return any(self._alike(array, np.asarray(step.value)) for step in self._results)

    def _alike(self, array: Array, other: Array) -> bool:
        if array.shape != other.shape or not array.size:
            return False
        peak = int(np.argmax(np.abs(array)))  # most others differ there
        near = abs(other.flat[peak] - array.flat[peak]) <= self._ruler.far * abs(array.flat[peak])
        return bool(near) and self._ruler.compare(array, other, other).right


def _series(name: str, value: Any, said: Said | None) -> Series:
    if isinstance(value, list | tuple) or (said is not None and _stacked(value, said.orders)):
        return Series([f"{name}[{i}]" for i in range(len(value))], list(value), None)
    return Series([name], [value], [0])


def _stacked(value: Any, orders: Sequence[Steps]) -> bool:
    """Whether an array holds one for each turn of a loop, the turns first."""
    if isinstance(value, list | tuple):
        return True
    shapes = [[np.shape(step.value) for step in order] for order in orders]
    if np.ndim(value) == 0 or value.shape in chain(*shapes):
        return False
    return any(order == [value.shape[1:]] * len(value) for order in shapes)


def _fit(way: list[Shown]) -> tuple[int, int]:
    """How many are right, and how many are multiples of what is."""
    right = sum(shown.likeness.right for shown in way)
    return right, sum(shown.likeness.factor is not None for shown in way)
