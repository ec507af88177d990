"""Mistakes in what is summed on the way back, and in which entry a maximum hands back to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.mistake import Mistake, instead
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Edit, Gathered, Step, Written
from tricheck.vocabulary import Cause

_EXTREMES = (np.max, np.min, np.amax, np.amin)

Change = Callable[[Any, tuple[int, ...]], Any]


def unreduced(study: Study, site: Site) -> Iterator[Mistake]:
    """What comes back to an argument that was broadcast is not summed over its repetitions."""
    for position in site.operands():
        places = list(site.places(position))
        if not all(_repeated(step, number) for step, number in places):
            continue
        operand = site.operand(position)
        for kind, words, change in _SUMS:
            edits = {
                step: _summed(number, change, _repeated(step, number)) for step, number in places
            }
            yield Mistake(
                Cause.BIAS_REDUCTION,
                kind,
                f"what comes back to {operand} through {site.words} is {words}",
                "sum it over all that the forward pass has repeated it in",
                site.spot,
                edits,
                study.reached(places),
            )


def spread(study: Study, site: Site) -> Iterator[Mistake]:
    """A maximum's gradient goes to other entries than the largest."""
    if site.function not in _EXTREMES:
        return
    for kind, words, even in (
        ("to-all", "goes to all entries instead of the extreme one", False),
        ("shared", "is shared evenly between all entries", True),
    ):
        yield Mistake(
            Cause.UPSTREAM,
            kind,
            f"what comes back through {site.words} {words}",
            "only the entry that was picked gets it",
            site.spot,
            {step: instead(0, _everywhere(even)) for step in site.steps},
            study.through(*site.steps),
        )


def _everywhere(even: bool) -> Callable[[Any, Step, Any], Any]:
    def spread_out(came: Any, _: Step, share: Any) -> Any:
        total = np.asarray(share)
        # The rule puts each maximum's gradient in one place: the axis it lies on sums to it.
        axes = tuple(k for k in range(total.ndim) if _is_reduced(total, came, k))
        out = np.broadcast_to(np.sum(total, axis=axes, keepdims=True), total.shape).copy()
        return out / np.prod([total.shape[k] for k in axes]) if even else out

    return spread_out


def _is_reduced(share: Any, came: Any, axis: int) -> bool:
    kept = np.shape(came)
    if len(kept) == share.ndim:
        return bool(kept[axis] != share.shape[axis])
    return bool(share.size // share.shape[axis] == np.size(came) or np.size(came) == 1)


def _repeated(step: Step, number: int) -> tuple[int, ...]:
    """The axes of a result along which an argument was repeated; none if it was not broadcast."""
    if isinstance(step, Gathered | Written) or step.note is None:
        return ()
    function = step.note.function
    if not (isinstance(function, np.ufunc) and function.signature is None):
        return ()
    place = step.places[number]
    shape, result = np.shape(place.look(place.storage.value)), np.shape(step.value)
    padded = (1,) * (len(result) - len(shape)) + shape
    return tuple(k for k, (a, b) in enumerate(zip(padded, result, strict=True)) if a == 1 and b > 1)


def _summed(number: int, change: Change, axes: tuple[int, ...]) -> Edit:
    """Other sums: what comes is changed before the step's own rule sums it."""
    return instead(number, lambda came, step, _: step.parts(change(came, axes))[number][1])


def _mean(came: Any, axes: tuple[int, ...]) -> Any:
    return came / np.prod([came.shape[axis] for axis in axes])


def _one(which: int) -> Change:
    def change(came: Any, axes: tuple[int, ...]) -> Any:
        kept = np.zeros_like(came)
        index: list[Any] = [slice(None)] * came.ndim
        index[axes[0]] = which
        kept[tuple(index)] = came[tuple(index)]
        return kept

    return change


def _other_axis(came: Any, axes: tuple[int, ...]) -> Any:
    axis = axes[0]
    other = next(
        (k for k in range(came.ndim) if k != axis and came.shape[k] == came.shape[axis]), axis
    )
    return np.swapaxes(came, axis, other)


_SUMS: tuple[tuple[str, str, Change], ...] = (
    ("mean-for-sum", "averaged instead of summed", _mean),
    ("first-only", "taken from the first entry alone, not summed", _one(0)),
    ("last-only", "taken from the last entry alone, not summed", _one(-1)),
    ("other-axis", "summed over the wrong axis", _other_axis),
)
