"""Mistakes where entries are picked by indices, some of them more than once."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.mistake import Mistake, after, times
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Edit, Gathered, Step, last_writer
from tricheck.vocabulary import Cause


def unrepeated(site: Site) -> bool:
    """Whether entries are picked by lists of indices in which none occurs twice, but might."""
    picked = [step for step in site.steps if isinstance(step, Gathered) and step.repeats]
    return bool(picked) and all(_by_lists(step) and not _repeats(step) for step in picked)


def _by_lists(step: Gathered) -> bool:
    """Whether an index is made of lists of numbers that neither count up nor reorder an axis."""
    parts = step.index if isinstance(step.index, tuple) else (step.index,)
    lists = [np.asarray(part) for part in parts if isinstance(part, list | np.ndarray)]
    counted = any(part.ndim == 1 and np.all(np.diff(part) == 1) and part.size > 1 for part in lists)
    reorders = np.size(step.value) == np.size(step.places[0].look(step.places[0].storage.value))
    return bool(lists) and not (counted or reorders) and all(p.dtype != bool for p in lists)


def _repeats(step: Gathered) -> bool:
    return bool(np.any(_stays(step) != 1.0))


def _stays(step: Gathered) -> Any:
    """1 where what comes back stays if later contributions to an entry replace earlier ones."""
    [place] = step.places
    shape = np.shape(place.look(place.storage.value))
    return last_writer(shape, step.index, np.shape(step.value))


def overwritten(study: Study, site: Site) -> list[Mistake]:
    """Where an index occurs twice, one contribution stays: `=` or buffered `+=` for a sum."""
    edits: dict[Step, Edit] = {}
    for step in site.steps:
        if isinstance(step, Gathered) and step.repeats and _repeats(step):
            edits[step] = after(times(_stays(step)))
    if not edits:
        return []
    return [
        Mistake(
            Cause.ENTRIES,
            "overwritten",
            f"of the gradients that come back to the same entry through {site.words} only the "
            "last is kept",
            "add them up, with np.add.at",
            site.spot,
            edits,
            study.through(*edits),
        )
    ]
