"""Which shown gradients are right, which are wrong, and which do not follow from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tricheck.diagnosis.deltas.likeness import Likeness, Ruler
from tricheck.diagnosis.deltas.matching import Array, Shown
from tricheck.diagnosis.deltas.way import Mark, upstream
from tricheck.diagnosis.mistakes.mistake import after, times
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Edit, Step

_SAME = 1e-6

Marked = Mapping[Mark, Shown]


@dataclass(frozen=True)
class Sorted:
    """Shown gradients by what they are, each in the order of the way back.

    Attributes
    ----------
    right : mapping of Mark to float
        The right ones, and how many times the right one each is: some leave a factor such as 1/N
        out until the end, where the parameters' gradients have it.
    wrong : mapping of Mark to float or None
        Those that no right gradient of a parameter has come of; so many times the right one, if
        they are a multiple of it.
    harmless : list of Mark
        Others than their names say, though right gradients have come of them.
    """

    right: dict[Mark, float]
    wrong: dict[Mark, float | None]
    harmless: list[Mark]


@dataclass(frozen=True)
class Judgement(Sorted):
    """What follows from what.

    Attributes
    ----------
    strays : list of Mark
        Wrong ones, and wrong parameters, that do not follow from those shown downstream of them.
    settled : set of Step
        Steps to which the right gradient has come, given what is shown downstream: the gradient of
        a parameter that they read follows from it.
    """

    strays: list[Mark]
    settled: set[Step]


@dataclass(frozen=True)
class Judge:
    """Judges shown gradients by the right ones, and by the parameters' that have come of them.

    Attributes
    ----------
    study : Study
    ruler : Ruler
    backprop : ndarray, shape (size,)
    blamed : frozenset of str
        Parameters whose backprop is wrong.
    """

    study: Study
    ruler: Ruler
    backprop: FloatArray
    blamed: frozenset[str]

    def judge(self, shown: Sequence[Shown]) -> Judgement:
        """Judge gradients that are shown."""
        order = {step: number for number, step in enumerate(self.study.steps)}
        marks = {
            Mark(s.name, s.step.outs[0], s.step): s
            for s in sorted(shown, key=lambda s: order[s.step], reverse=True)
        }
        depends = upstream(self.study, [*marks, *self._parameters])
        found = self._sort(marks, depends)
        placed, unit = {}, 1.0
        for mark, one in marks.items():
            unit = found.right.get(mark, unit)
            known = mark in found.right or mark in found.wrong
            if known and one.placed and np.all(np.isfinite(one.array)):
                placed[mark] = np.asarray(one.array, dtype=np.float64) / unit
        came, made = self._carried_on(placed)
        blocks = self._likeness(made)
        lost = {m for other in found.wrong if other not in placed for m in depends[other]}

        def strays(mark: Mark) -> bool:
            if mark.step is None:
                return blocks[mark.name].apart
            value = np.asarray(mark.step.value)
            return mark not in placed or self.ruler.compare(placed[mark], came[mark], value).apart

        suspects = [m for m in (*found.wrong, *self._faulty) if m not in lost]
        following = {mark.storage for mark in self._parameters if blocks[mark.name].right}
        settled = {s for s in self.study.steps if any(p.storage in following for p in s.places)}
        return Judgement(
            found.right, found.wrong, found.harmless, list(filter(strays, suspects)), settled
        )

    @cached_property
    def _right(self) -> FloatArray:
        return self.study.gradient()

    @cached_property
    def _parameters(self) -> list[Mark]:
        """The parameters, the one that is used last first."""
        steps = self.study.steps
        last = {place.storage: n for n, step in enumerate(steps) for place in step.places}
        leaves = zip(self.study.parameters.leaves, self.study.roots, strict=True)
        marks = [Mark(leaf.name, root, None) for leaf, root in leaves]
        return sorted(marks, key=lambda mark: -last.get(mark.storage, 0))

    @cached_property
    def _faulty(self) -> list[Mark]:
        blocks = self._likeness(self._right)
        return [m for m in self._parameters if m.name in self.blamed and blocks[m.name].apart]

    def _likeness(self, right: FloatArray) -> dict[str, Likeness]:
        """What each parameter's backprop is beside another gradient of it."""
        return {
            leaf.name: self.ruler.compare(
                self.backprop[leaf.place], right[leaf.place], np.ones(leaf.stop - leaf.start)
            )
            for leaf in self.study.parameters.leaves
        }

    def _sort(self, marks: Marked, depends: Mapping[Mark, set[Mark]]) -> Sorted:
        blocks = self._likeness(self._right)
        sound = {mark for mark in self._parameters if mark.name not in self.blamed}
        sound = {mark for mark in sound if blocks[mark.name].right}
        sound |= {mark for mark, one in marks.items() if one.likeness.right}
        found = Sorted({}, {}, [])
        unit = 1.0
        for mark, one in marks.items():
            factor = one.likeness.factor
            if factor is not None and (factor == 1.0 or _same(factor, unit)):
                found.right[mark] = unit = factor
            elif factor is not None:
                alike = [s.step for s in marks.values() if _same(factor, s.likeness.factor)]
                kept = self._kept_factor(alike, factor / unit)
                if kept == 1.0:
                    found.right[mark] = unit = factor
                elif kept is not None:
                    found.wrong[mark] = kept
            elif one.likeness.apart and depends[mark] & sound:
                found.harmless.append(mark)
            elif one.likeness.apart and not depends[mark].isdisjoint(self._faulty):
                found.wrong[mark] = None
        return found

    def _kept_factor(self, steps: list[Step], factor: float) -> float | None:
        """The factor that the parameters still have of intermediate gradients, 1 or all of it.

        None where they tell neither.
        """
        part = self._right - self.study.gradient(dict.fromkeys(steps, after(times(0.0))))
        for kept in (1.0, factor):
            expected = self._right + (kept - 1.0) * part
            for leaf in self.study.parameters.leaves:
                size = float(np.max(np.abs(self._right[leaf.place])))
                telling = np.abs((factor - 1.0) * part[leaf.place]) > self.ruler.far * size
                apart = np.abs(self.backprop - expected)[leaf.place]
                if np.any(telling & (apart <= self.ruler.close * max(1.0, abs(kept)) * size)):
                    return kept
        return None

    def _carried_on(self, placed: Mapping[Mark, Array]) -> tuple[dict[Mark, Any], FloatArray]:
        """Go back rightly, but from every shown gradient with what is shown.

        Returns
        -------
        came : dict of Mark to ndarray
            What comes to where one is shown.
        made : ndarray, shape (size,)
            What comes to the parameters.
        """
        came: dict[Step, Any] = {}

        def taking(array: Array) -> Edit:
            def edit(gradient: Any, step: Step, right: Any) -> Any:
                came[step] = gradient
                return right(array)

            return edit

        edits = {m.step: taking(array) for m, array in placed.items() if m.step is not None}
        made = self.study.gradient(edits)
        return {m: np.asarray(came[m.step]) for m in placed if m.step in came}, made


def _same(first: float, second: float | None) -> bool:
    return second is not None and abs(first - second) <= _SAME * abs(second)
