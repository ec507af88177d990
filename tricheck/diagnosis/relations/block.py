"""One parameter's gradient as the diagnosis sees it: what came, what is right, the slack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.facts import Evidence
from tricheck.parameters import LARGE, FloatArray, Index, Leaf
from tricheck.vocabulary import Cause, Finding, Source

Facts = Mapping[str, float | str | list[str]]
Bools = npt.NDArray[np.bool_]

_TINY = 1e-300
_VISIBLE = 10.0  # times its slack: an entry in which a relation would show
_MOSTLY = 0.9


@dataclass(frozen=True)
class Block:
    """One parameter's gradient, or a part of it.

    Attributes
    ----------
    name : str
    backprop, truth, slack, weights : ndarray, in the parameter's shape
        What backprop says, what is right, by how much rounding and measurement may set the two
        apart, and the parameter itself.
    eps : float
        Machine epsilon of backprop's arithmetic.
    blamed : tuple of index tuples
        The entries that the verdict blames.
    """

    name: str
    backprop: FloatArray
    truth: FloatArray
    slack: FloatArray
    weights: FloatArray
    eps: float
    blamed: tuple[Index, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The parameter's shape."""
        return self.truth.shape

    @property
    def error(self) -> FloatArray:
        """Backprop minus what is right."""
        return np.asarray(self.backprop - self.truth)

    @cached_property
    def known(self) -> Bools:
        """Where something can be compared."""
        return np.isfinite(self.truth) & np.isfinite(self.slack) & np.isfinite(self.backprop)

    @cached_property
    def off(self) -> Bools:
        """Where backprop is wrong beyond the slack."""
        return np.asarray(self.known & (np.abs(self.error) > self.slack))

    @cached_property
    def mostly_right(self) -> bool:
        """Whether a large block is seen to be right nearly everywhere.

        No constant then explains all of it. Those of a smaller one are tried, which costs little.
        """
        if self.truth.size <= LARGE:
            return False
        visible = np.abs(self.truth) > _VISIBLE * self.slack
        return bool(np.mean(self.known & visible & ~self.off) > _MOSTLY)

    @property
    def relative_error(self) -> float:
        """Norm of the error, relative to that of the right gradient."""
        error, right = self.error[self.known], self.truth[self.known]
        return float(np.linalg.norm(error) / (np.linalg.norm(right) or 1.0))

    def part(self, where: Any) -> Block:
        """The entries that an index or a mask picks, as a block of their own."""
        picked = {n: getattr(self, n)[where] for n in ("backprop", "truth", "slack", "weights")}
        return replace(self, **picked, blamed=())

    def finding(
        self, cause: Cause, message: str, evidence: Facts, entries: list[Index] | None = None
    ) -> Finding:
        """A finding on this parameter."""
        return Finding(
            cause, message, Source.BACKPROP, self.name, entries or [], evidence=dict(evidence)
        )


def block_of(evidence: Evidence, leaf: Leaf, blamed: list[Index] | None = None) -> Block:
    """A parameter's block, from what was measured.

    Where backprop has no value to compare (another shape, NaN), the slack is that of the truth.
    """
    truth, bounds = _truth(evidence, leaf)
    backprop = evidence.backprop.values[leaf.place]
    own = np.where(np.isfinite(backprop), evidence.backprop.bounds[leaf.place], 0.0)
    # A zero known exactly is compared to the rounding of its neighbours.
    finite = np.abs(truth[np.isfinite(truth)])
    floor = float(np.finfo(np.float64).eps) * float(np.max(finite, initial=0.0)) + _TINY
    weights = evidence.parameters.values[leaf.place]
    backprop, truth, slack, weights = (
        array.astype(np.float64).reshape(leaf.shape)
        for array in (backprop, truth, np.maximum(own + bounds, floor), weights)
    )
    eps = float(np.max(evidence.point.gradient_eps[leaf.place]))
    return Block(leaf.name, backprop, truth, slack, weights, eps, tuple(blamed or ()))


def _truth(evidence: Evidence, leaf: Leaf) -> tuple[FloatArray, FloatArray]:
    """The reference's values and bounds, or the finite difference's where that overrules it."""
    difference, reference = evidence.difference, evidence.reference
    measured = difference.values[leaf.place], difference.bounds[leaf.place]
    if reference is None or not np.all(reference.finite[leaf.place]):
        return measured
    traced = reference.values[leaf.place], reference.bounds[leaf.place]
    # A finite difference that contradicts the reference is the loss's own word.
    contradicted = np.any(np.abs(traced[0] - measured[0]) > traced[1] + measured[1])
    return measured if contradicted else traced
