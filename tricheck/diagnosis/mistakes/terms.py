"""What the operations of a loss are part of: an activation, a penalty, the way of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes import activations
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Step, Storage
from tricheck.tracing.traced import is_traced, plain
from tricheck.vocabulary import Cause

# What penalties of size are made of
_PENALTIES = (
    np.square, np.power, np.multiply, np.absolute, np.sum, np.mean, np.dot, np.vdot, np.inner,
    np.sqrt, np.linalg.norm, np.true_divide, np.matmul, np.tensordot, np.einsum, np.reshape,
    np.ravel, np.add,
)  # fmt: skip


@dataclass(frozen=True)
class Around:
    """What the steps of a run are part of.

    Attributes
    ----------
    functions : frozenset of Step
        Of an elementwise function.
    terms : frozenset of Step
        Of a term of the loss that depends on one parameter alone, and on no data.
    """

    functions: frozenset[Step]
    terms: frozenset[Step]

    @classmethod
    def of(cls, study: Study) -> Around:
        """As the run tells."""
        return cls(activations.inside(study), terms_of(study))

    def cause(self, site: Site) -> Cause:
        """What a path through an operation belongs to."""
        if self.terms.issuperset(site.steps):
            return Cause.REGULARIZER
        return (
            Cause.ACTIVATION_DERIVATIVE if self.functions.issuperset(site.steps) else Cause.UPSTREAM
        )


def terms_of(study: Study) -> frozenset[Step]:
    """Steps that lead from one parameter, without any other array, to a number."""
    alone: dict[Storage, set[Step]] = {root: set() for root in study.roots}
    terms: set[Step] = set()
    for step in study.steps:
        args = step.note.args if step.note is not None else ()
        sources = {place.storage for place in step.places}
        known = all(_is_number(plain(arg)) or _lies_in(arg, sources) for arg in args)
        known &= step.note is not None and step.note.function in _PENALTIES
        if len(study.through(step)) != 1 or not known or not sources <= alone.keys():
            continue
        behind = {step}.union(*(alone[storage] for storage in sources))
        alone[step.outs[0]] = behind
        if np.ndim(step.value) == 0 and any(np.size(root.value) > 1 for root in study.roots):
            terms |= behind
    return frozenset(terms)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.generic | np.ndarray) and np.ndim(value) == 0


def _lies_in(value: Any, storages: set[Storage]) -> bool:
    return is_traced(value) and value.storage in storages
