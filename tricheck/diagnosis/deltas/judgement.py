"""Which shown gradients are right, which are wrong, and which do not follow from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

from tricheck.diagnosis.deltas.likeness import Likeness, Ruler
from tricheck.diagnosis.deltas.matching import Array, Shown
from tricheck.diagnosis.deltas.way import Mark, upstream
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Edit, Step

_SAME = 1e-6


@dataclass(frozen=True)
class Judgement:
    """What is known of the shown gradients, all in the order of the way back.

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
    strays : list of Mark
        Wrong ones, and wrong parameters, that do not follow from those shown downstream of them.
    settled : set of Step
        Steps to which the right gradient has come, given what is shown, for the gradient of a
        parameter that they read follows from it.
    """

    right: Mapping[Mark, float]
    wrong: Mapping[Mark, float | None]
    harmless: list[Mark]
    strays: list[Mark]
    settled: set[Step]


def judge(
    study: Study,
    ruler: Ruler,
    shown: Sequence[Shown],
    backprop: FloatArray,
    blamed: AbstractSet[str],
) -> Judgement:
    """Judge shown gradients by the right ones, and by the parameters' gradients that came of them.

    Parameters
    ----------
    study : Study
    ruler : Ruler
    shown : sequence of Shown
    backprop : ndarray, shape (size,)
    blamed : set of str
        Parameters whose backprop is wrong.
    """
    order = {step: number for number, step in enumerate(study.steps)}
    by_mark = {
        Mark(s.name, s.step.outs[0], s.step): s
        for s in sorted(shown, key=lambda s: order[s.step], reverse=True)
    }
    parameters = _parameters(study)
    depends = upstream(study, [*by_mark, *parameters])
    blocks = _likeness(study, ruler, backprop, study.gradient())
    faulty = {mark for mark in parameters if mark.name in blamed and blocks[mark.name].apart}
    sound = {mark for mark in parameters if mark.name not in blamed and blocks[mark.name].right}
    sound |= {mark for mark in by_mark if by_mark[mark].likeness.right}

    right: dict[Mark, float] = {}
    wrong: dict[Mark, float | None] = {}
    harmless: list[Mark] = []
    scales: dict[Mark, float] = {}
    scale = 1.0
    for mark in by_mark:
        likeness = by_mark[mark].likeness
        factor = likeness.factor
        mended, spoiled = depends[mark] & sound, depends[mark] & faulty
        if factor is not None and (mended or likeness.right or _same(factor, scale)):
            right[mark] = scale = factor
        elif factor is not None:
            if any(_same(factor, blocks[m.name].factor) for m in spoiled):
                wrong[mark] = factor / scale
        elif likeness.apart and mended:
            harmless.append(mark)
        elif likeness.apart and spoiled:
            wrong[mark] = None
        scales[mark] = scale
    placed = {m: by_mark[m].array / scales[m] for m in (*right, *wrong) if by_mark[m].placed}
    came, made = _carried_on(study, placed)
    ends = _likeness(study, ruler, backprop, made)
    lost = {mark for other in wrong if other not in placed for mark in depends[other]}

    def follows(mark: Mark) -> bool:
        if mark.step is None:
            return not ends[mark.name].apart
        if mark not in placed or mark.step not in came:
            return False
        value = np.asarray(mark.step.value)
        return not ruler.compare(placed[mark], np.asarray(came[mark.step]), value).apart

    strays = [m for m in (*wrong, *parameters) if m in wrong or m in faulty]
    strays = [mark for mark in strays if mark not in lost and not follows(mark)]
    following = {mark.storage for mark in parameters if ends[mark.name].right}
    settled = {s for s in study.steps if any(place.storage in following for place in s.places)}
    return Judgement(right, wrong, harmless, strays, settled)


def _parameters(study: Study) -> list[Mark]:
    """The parameters, the one that is used last first."""
    last = {place.storage: n for n, step in enumerate(study.steps) for place in step.places}
    names = [leaf.name for leaf in study.parameters.leaves]
    marks = [Mark(name, root, None) for name, root in zip(names, study.roots, strict=True)]
    return sorted(marks, key=lambda mark: -last.get(mark.storage, 0))


def _likeness(
    study: Study, ruler: Ruler, backprop: FloatArray, right: FloatArray
) -> dict[str, Likeness]:
    """What each parameter's backprop is beside another gradient of it."""
    return {
        leaf.name: ruler.compare(
            backprop[leaf.place], right[leaf.place], np.ones(leaf.stop - leaf.start)
        )
        for leaf in study.parameters.leaves
    }


def _carried_on(study: Study, placed: Mapping[Mark, Array]) -> tuple[dict[Step, Any], FloatArray]:
    """Go back rightly, but from every shown gradient with what is shown.

    Returns
    -------
    came : dict of Step to ndarray
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

    made = study.gradient({m.step: taking(a) for m, a in placed.items() if m.step is not None})
    return came, made


def _same(first: float, second: float | None) -> bool:
    return second is not None and abs(first - second) <= _SAME * abs(second)
