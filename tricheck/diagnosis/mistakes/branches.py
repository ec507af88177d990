"""Mistakes at a choice between two branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.mistake import Mistake, Right
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Edit, Step
from tricheck.vocabulary import Cause


def branches(study: Study, site: Site) -> list[Mistake]:
    """The condition of a `where` is not looked at, or the wrong way round."""
    if site.function is not np.where or site.operands() != [1, 2]:
        return []
    found = []
    for kind, words, change in (
        ("first-branch", "takes the first branch everywhere", lambda g, _: (g, None)),
        ("second-branch", "takes the second branch everywhere", lambda g, _: (None, g)),
        ("other-branch", "takes each branch where the other is due", lambda _, parts: parts[::-1]),
    ):
        found.append(
            Mistake(
                Cause.ACTIVATION_DERIVATIVE,
                kind,
                f"the way back through {site.words} {words}",
                "let the condition of the forward pass decide",
                site.spot,
                {step: _branched(change) for step in site.steps if len(step.places) == 2},
                study.through(*site.steps),
            )
        )
    return found


def _branched(change: Callable[[Any, list[Any]], tuple[Any, Any]]) -> Edit:
    def edit(came: Any, _: Step, right: Right) -> Any:
        places, parts = zip(*right(came), strict=True)
        shapes = [np.shape(part) for part in parts]
        changed = change(came, list(parts))
        return [
            (place, part)
            for place, part, shape in zip(places, changed, shapes, strict=True)
            if part is None or np.shape(part) == shape
        ]

    return edit
