"""Correct models at random points, where nobody may be accused."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import tricheck
from tests.diagnosis.bench import correct, sources
from tricheck.adapters.object import ObjectModel
from tricheck.parameters import Parameters
from tricheck.vocabulary import Verdict

_SCALES = (0.1, 1.0, 3.0)
_ZEROS = 0.2  # the share of entries that are zero, at every second point
_ACCUSING = {Verdict.BACKPROP, Verdict.REFERENCE, Verdict.BACKPROP_AND_REFERENCE}


@dataclass(frozen=True)
class Fared:
    """What was said about one correct model.

    Attributes
    ----------
    name : str
    verdicts : Counter of Verdict
    skipped : int
        Points outside the loss's domain.
    accusations : list of str
        Where somebody was accused, and who.
    """

    name: str
    verdicts: Counter[Verdict]
    skipped: int
    accusations: list[str]

    @property
    def row(self) -> str:
        """A row of the table."""
        shown = (
            Verdict.AGREE,
            Verdict.FINITE_DIFFERENCE,
            Verdict.NONDIFFERENTIABLE,
            Verdict.INCONCLUSIVE,
        )
        counts = [self.verdicts.total(), self.skipped, *(self.verdicts[v] for v in shown)]
        cells = " | ".join(map(str, [*counts, len(self.accusations)]))
        return f"| {self.name} | {cells} |"


def fare(points: int) -> Iterator[Fared]:
    """Every correct model at so many random points."""
    return (fared(name, points) for name in sources())


@np.errstate(all="ignore")  # large parameters saturate and overflow
def fared(name: str, points: int) -> Fared:
    """One correct model at so many random points."""
    verdicts: Counter[Verdict] = Counter()
    skipped, accusations = 0, []
    for number in range(points):
        try:
            report = tricheck.check(displaced(correct(name), number))
        except tricheck.ModelError:
            skipped += 1  # the loss is not finite there, or raises
            continue
        verdicts[report.verdict] += 1
        if report.verdict in _ACCUSING:
            accusations.append(f"{name} at point {number}: {report.verdict}")
    return Fared(name, verdicts, skipped, accusations)


def displaced(model: tricheck.Model, number: int) -> tricheck.Model:
    """The model at a random point: all scales in turn, every second point with zeros."""
    rng = np.random.default_rng(number)
    parameters = Parameters.read(model.params)
    values = _SCALES[number % 3] * rng.standard_normal(parameters.values.size)
    if number % 2:
        values[rng.random(values.size) < _ZEROS] = 0.0
    return moved(model, parameters.build(values, native=True))


def moved(model: tricheck.Model, params: Any) -> tricheck.Model:
    """The model at another point; an object keeps its parameters itself."""
    if not isinstance(model, ObjectModel):
        return replace(model, params=params)
    obj = copy.deepcopy(model.subject.obj)
    for path in model.subject.paths:
        path.write(obj, params[path.text])
    return replace(model, params=params, subject=replace(model.subject, obj=obj))
