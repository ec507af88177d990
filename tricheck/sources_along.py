"""Sources along groups of a model's entries: what a whole group's gradient sums up to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from tricheck.coordinates import Coordinates, Group
from tricheck.facts import Evidence
from tricheck.judge import Sources
from tricheck.parameters import LARGE, FloatArray, Parameters
from tricheck.sources.finite_difference import Sweeper
from tricheck.sources.monte_carlo import backprop_bound
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate

_OTHERS = 10_000  # entries up to which a reference is had that takes a call for each
_PLAIN = 1e-3  # of a parameter's largest entry: more than backprop can lose to rounding unseen


class Reading(NamedTuple):
    """Sources along one group.

    Attributes
    ----------
    slopes : ndarray
        The first and the second gradient that backprop gave, backprop, and the references.
    bounds : ndarray
        Of backprop and the references.
    eps : float
    unrepeatable : bool
    """

    slopes: FloatArray
    bounds: FloatArray
    eps: float
    unrepeatable: bool


def read(whole: Sources, group: Group) -> Reading:
    """What the sources of a model give along one group of its entries."""
    point, sources = whole.point, [whole.backprop, *whole.candidates]
    gradients = [point.gradient, point.second_gradient, *(source.values for source in sources)]
    return Reading(
        *group.sums(whole.parameters.values, gradients, sources),
        float(group.of(point.gradient_eps)[0]),
        bool(group.of(whole.unrepeatable).any()),
    )


@dataclass(frozen=True)
class SourcesAlong(Sources):
    """Sources along groups of a model's entries.

    Attributes
    ----------
    whole : Sources
        The same, entry by entry.
    coordinates : Coordinates
        The groups.
    heard, arbiters : list of ReferenceEstimate
        What was asked for besides, entry by entry: other references, and the exact derivatives.
    """

    whole: Sources
    coordinates: Coordinates
    heard: list[ReferenceEstimate] = field(default_factory=list)
    arbiters: list[ReferenceEstimate] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        whole: Sources,
        coordinates: Coordinates,
        reading: Callable[[Group], Reading] | None = None,
    ) -> SourcesAlong:
        """The sources, summed over each group with the weights of its entries."""
        each = [(reading or partial(read, whole))(group) for group in coordinates.groups]
        slopes, bounds = np.array([r.slopes for r in each]), np.array([r.bounds for r in each])
        point = replace(
            whole.point,
            gradient=slopes[:, 0],
            second_gradient=slopes[:, 1],
            gradient_eps=np.array([r.eps for r in each]),
        )
        backprop = replace(whole.backprop, values=slopes[:, 2], bounds=bounds[:, 0])
        candidates = [
            replace(candidate, values=slopes[:, row + 2], bounds=bounds[:, row])
            for row, candidate in enumerate(whole.candidates, 1)
        ]
        return cls(
            whole.calls,
            point,
            whole.noise,
            backprop,
            candidates,
            np.array([r.unrepeatable for r in each]),
            whole.chosen,
            whole,
            coordinates,
        )

    @property
    def parameters(self) -> Parameters:
        """The groups, as entries of the parameters."""
        return self.coordinates.parameters

    def others(self, seed: int, /) -> list[ReferenceEstimate]:
        """Those that nobody asked for, unless there are many entries: each costs calls."""
        values = self.whole.parameters.values
        if values.size <= _OTHERS:
            self.heard.extend(self.whole.others(seed))
        return [self.coordinates.estimate(other, values) for other in self.heard]

    def exact(self, noise: Noise, seed: int) -> ReferenceEstimate | None:
        """The derivatives to 50 digits, unless there are too many."""
        values = self.whole.parameters.values
        found = None if values.size > LARGE else self.whole.exact(noise, seed)
        if found is None:
            return None
        self.arbiters.append(found)
        return self.coordinates.estimate(found, values)

    def rounding_inside(self, seed: int) -> FloatArray:
        """What rounding adds to backprop's bounds, from runs that are read along the groups.

        Where the entries of a group go as they differ, rounding that makes the difference adds up.
        """
        bounds = backprop_bound(
            self.calls,
            self.whole.point,
            self.backprop.bounds,
            seed,
            read=partial(self.coordinates.project, point=self.whole.parameters.values),
            leaves=self.parameters.leaves,
        )
        groups = self.coordinates.groups
        if any(group.differing for group in groups):
            point, own = self.whole.parameters.values, self.whole.rounding_inside(seed)
            sums = [np.dot(group.of(own), np.abs(group.weights(point))) for group in groups]
            bounds = np.where([group.differing for group in groups], sums, bounds)
        return bounds

    def hangs_on_rounding(self, evidence: Evidence) -> bool:
        """As of single entries; of a large model not where rounding cannot be all of it.

        That is known of a parameter by the group that differs most.
        """
        if self.whole.parameters.size <= LARGE:
            return super().hangs_on_rounding(evidence)
        facts = evidence.facts
        doubted = ~(facts.br | (facts.bf & ~facts.reference))
        plain = facts.fr & ~facts.bf & (evidence.apart > _PLAIN * evidence.largest)
        for leaf in self.parameters.leaves:
            doubted[leaf.place] &= not plain[leaf.place].any()
        return bool(np.any(doubted)) and not evidence.unrepeatable.any()

    def excused(self, evidence: Evidence, sweeper: Sweeper, seed: int) -> Evidence:
        """As of single entries; jumps of a large model's loss are not searched for."""
        large = self.whole.parameters.size > LARGE
        return evidence if large else super().excused(evidence, sweeper, seed)
