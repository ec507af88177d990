"""Mistakes that would change nothing at this point, and so cannot be seen there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.catalogue import catalogue
from tricheck.diagnosis.mistakes.mistake import Mistake
from tricheck.errors import TraceError
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Study, back
from tricheck.tracing.tape import Place, Step

# Which kinds are worth a warning: those that people make, one for each way to miss it
_KINDS = frozenset(
    {
        "untransposed",
        "derivative-left-out",
        "derivative-piece",
        "derivative-at-output",
        "wrong-factor",
        "path-left-out",
        "factor-left-out",
    }
)

Restudy = Callable[[int, bool], Study | None]

_POINTS = 2  # displaced ones that a mistake is looked for at
_SHOWS = 1e-9  # of the largest gradient entry


@dataclass(frozen=True)
class Unseen:
    """A mistake that changes nothing here.

    Attributes
    ----------
    mistake : Mistake
    by_inputs : bool
        Whether it takes other inputs to see it; otherwise other parameters will do.
    """

    mistake: Mistake
    by_inputs: bool


def unseen(study: Study, limits: FloatArray, restudy: Restudy) -> list[Unseen]:
    """Mistakes that change no entry beyond its limit here, and would at a displaced point.

    What changes nothing anywhere is no mistake.

    Parameters
    ----------
    study : Study
        At the point.
    limits : ndarray, shape (size,)
        How much an entry may change unseen; infinite where nothing can be seen.
    restudy : callable
        A study at a displaced point, from a seed; with True at displaced inputs, too.
    """
    right = study.gradient()
    finest = float(np.min(limits)) / (_largest(right) or 1.0)
    hidden = [
        mistake
        for mistake in _worth_trying(study)
        if _visible(mistake, study, limits)
        and _changes_little(study, mistake, finest)
        and _within(study, mistake, right, limits)
    ]
    found: list[Unseen] = []
    for by_inputs in (False, True):
        for seed in range(_POINTS):
            if not hidden or (elsewhere := restudy(seed, by_inputs)) is None:
                break
            shown = _shown(elsewhere, {_key(mistake) for mistake in hidden})
            found += [Unseen(m, by_inputs) for m in hidden if _key(m) in shown]
            hidden = [m for m in hidden if _key(m) not in shown]
    return found


Key = tuple[str, str, str]


def _visible(mistake: Mistake, study: Study, limits: FloatArray) -> bool:
    """Whether anything could be seen in any of the parameters that a mistake is about."""
    return any(
        leaf.name in mistake.parameters and np.isfinite(limits[leaf.place]).any()
        for leaf in study.parameters.leaves
    )


def _shown(study: Study, keys: set[Key]) -> set[Key]:
    """Those of these mistakes that change the gradient in a study."""
    right = study.gradient()
    limits = np.full(right.shape, _SHOWS * _largest(right))
    return {
        _key(mistake)
        for mistake in _worth_trying(study)
        if _key(mistake) in keys and not _within(study, mistake, right, limits)
    }


def _key(mistake: Mistake) -> Key:
    return mistake.kind, mistake.words, mistake.spot


def _worth_trying(study: Study) -> Iterator[Mistake]:
    return (mistake for mistake in catalogue(study, turns=False) if mistake.kind in _KINDS)


def _changes_little(study: Study, mistake: Mistake, share: float) -> bool:
    """Whether no step with the mistake hands back anything else, up to a share of what is right."""
    return all(_change(study, mistake, step) <= share for step in mistake.edits)


def _change(study: Study, mistake: Mistake, step: Step) -> float:
    """How far a step's parts are from the right ones, beside the largest of them."""
    came = study.came.get(step)
    if came is None:
        return 0.0
    replaced = mistake.replaces.get(step, (step,))
    try:
        with np.errstate(all="ignore"):
            wrong = _by_place(mistake.edits[step](came, step, step.parts))
            right = _right(replaced, came, wrong)
            worst = max((_largest(part - right[p]) for p, part in wrong.items()), default=0.0)
            lost = max((_largest(part) for p, part in right.items() if p not in wrong), default=0.0)
    except (TraceError, ValueError):
        return 0.0
    return max(worst, lost) / (max(map(_largest, right.values()), default=0.0) or 1.0)


def _right(steps: tuple[Step, ...], came: Any, wrong: dict[Place, Any]) -> dict[Place, Any]:
    last = steps[-1]
    if len(steps) == 1:
        return _by_place(last.parts(came))
    gradients = back(steps, Place(last.outs[0]), came)
    return {place: np.array(gradients.region(place)) for place in wrong}


def _by_place(parts: Any) -> dict[Place, Any]:
    summed: dict[Place, Any] = {}
    for place, part in parts:
        if part is not None:
            summed[place] = summed[place] + part if place in summed else part
    return summed


def _largest(part: Any) -> float:
    return float(np.max(np.abs(part), initial=0.0))


def _within(study: Study, mistake: Mistake, right: FloatArray, limits: FloatArray) -> bool:
    try:
        made = study.gradient(mistake.edits)
    except (TraceError, ValueError):
        return False
    return bool(np.all(np.abs(made - right) <= limits))
