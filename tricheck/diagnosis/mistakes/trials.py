"""The mistakes of one run and the gradients that they make, shared by the searches among them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from tricheck.diagnosis.mistakes.catalogue import catalogue
from tricheck.diagnosis.mistakes.mistake import Mistake, both
from tricheck.errors import TraceError
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Edits, Study
from tricheck.tracing.tape import Edit, Step

_MOST_UNDONE = 400_000  # steps gone back through in one search
_MOST_KEPT = 4_000_000  # numbers of gradients that are kept


class Trials:
    """Mistakes on trial.

    Parameters
    ----------
    study : Study
    gradients : mapping of str to ndarray
        What a step of gradient descent would change the parameters by.
    """

    def __init__(self, study: Study, gradients: Mapping[str, FloatArray]) -> None:
        self._study = study
        self._gradients = dict(gradients)
        self._kept: dict[int, tuple[Edits, FloatArray | None]] = {}
        self._left = _MOST_UNDONE

    @cached_property
    def mistakes(self) -> list[Mistake]:
        """All that are tried, the likeliest first."""
        return list(catalogue(self._study, self._gradients))

    def begin(self) -> None:
        """Another search, as long as the first."""
        self._left = _MOST_UNDONE

    def made(self, base: Edits, edits: Edits) -> FloatArray | None:
        """The gradient with these edits after others.

        None for shapes by which nobody could make them, and once the search has been too long.
        """
        if base:
            return self._gone_back(together(base, edits))
        known = self._kept.get(id(edits))
        if known is not None:
            return known[1]
        enough = len(self._study.steps) <= self._left
        gradient = self._gone_back(edits)
        if enough and len(self._kept) * self._study.parameters.size < _MOST_KEPT:
            self._kept[id(edits)] = edits, gradient  # the edits stay, and so their identity
        return gradient

    def _gone_back(self, edits: Edits) -> FloatArray | None:
        if self._left < len(self._study.steps):
            return None
        self._left -= len(self._study.steps)
        try:
            with np.errstate(all="ignore"):
                return self._study.gradient(edits)
        except (TraceError, ValueError):
            return None


def together(base: Edits, edits: Edits) -> dict[Step, Edit]:
    """Edits after others."""
    return {**base, **{step: both(base.get(step), edit) for step, edit in edits.items()}}
