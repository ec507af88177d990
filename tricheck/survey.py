"""Many parameters: backprop beside the reference everywhere, the loss's own word where it tells.

Where the two agree, a finite difference along a random direction through all of a parameter's
entries sees what they might share. Where they do not, it is taken in single entries, and along one
direction through the others that are disputed. A direction that is at odds with somebody is
narrowed down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.calls import Evaluator
from tricheck.comparison import compare
from tricheck.coordinates import Along, Coordinates, Group, whole_leaf
from tricheck.facts import Evidence, facts_of
from tricheck.judge import Sources, judge
from tricheck.measured import Measured
from tricheck.narrowing import MANY, Narrowing
from tricheck.parameters import LARGE, FloatArray, Leaf, Parameters
from tricheck.sources.finite_difference import Sweeper, merged
from tricheck.sources.ladder import Derivative
from tricheck.sources.monte_carlo import backprop_bound
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate
from tricheck.sources.several import settle
from tricheck.vocabulary import Cause, Finding

_ALONE = 8  # disputed entries of one parameter that are measured one by one
_OTHERS = 10_000  # entries up to which a reference is had that takes a call for each
_PLAIN = 1e-3  # of a parameter's largest entry: more than backprop can lose to rounding unseen

Offsets = npt.NDArray[np.intp]


def survey(sources: Sources, evaluate: Evaluator, base: Any, rtol: float, seed: int) -> Measured:
    """Measure directions, and single entries where these or the other sources are in dispute.

    Parameters
    ----------
    sources : Sources
        Backprop and the references, entry by entry.
    evaluate : Evaluator
        The loss.
    base : numpy scalar
        Its value at the point.
    rtol : float
    seed : int
        Seed of the directions.
    """
    known: dict[Group, Derivative] = {}
    narrowing = Narrowing(np.random.default_rng([seed, 1]), sources.parameters.size > LARGE)
    groups = list(_first_groups(sources, rtol, seed))
    while groups:
        new = [group for group in groups if group not in known]
        known |= _slopes(new, sources, evaluate, base)
        coordinates = Coordinates.of(groups, sources.parameters)
        sweeper = Sweeper(Along(evaluate, coordinates), base, sources.noise, None)
        measured = {row: known[group] for row, group in enumerate(coordinates.groups)}
        difference = sweeper.gradient(measured)
        along = SourcesAlong.of(sources, coordinates)
        groups = narrowing.next(along.settled(difference, rtol), coordinates)
    judged, found = judge(along, sweeper, difference, rtol, seed)
    evidence, disagreements = _whole(along, judged, rtol)
    notes = [note for note in found if note.cause is Cause.SETTLED]
    notes += [*disagreements, *narrowing.left_open(judged, coordinates)]
    return Measured(evidence, judged, coordinates, notes)


def _slopes(
    groups: list[Group], sources: Sources, evaluate: Evaluator, base: Any
) -> dict[Group, Derivative]:
    """Derivatives along groups; of many single entries, with one stencil where that will do."""
    singles = [group for group in groups if group.alone]
    many = singles if len(singles) > MANY else []
    found: dict[Group, Derivative] = {}
    for part in (many, [group for group in groups if not (many and group.alone)]):
        coordinates = Coordinates.of(part, sources.parameters)
        sweeper = Sweeper(Along(evaluate, coordinates), base, sources.noise, None)
        difference = sweeper.measure() if part is many else sweeper.certify_all()
        found |= {group: difference.entry(row) for row, group in enumerate(coordinates.groups)}
    return found


def _whole(along: SourcesAlong, judged: Evidence, rtol: float) -> tuple[Evidence, list[Finding]]:
    """The sources entry by entry, with the finite difference of single entries.

    And how references disagree, which along directions would be said of their sums.
    """
    sources, coordinates = along.whole, along.coordinates
    single = {
        group.leaf.start + group.first: judged.difference.entry(row)
        for row, group in enumerate(coordinates.groups)
        if group.alone
    }
    values, bounds = merged(sources.parameters.size, single, None)
    difference = replace(judged.difference, values=values, bounds=bounds, measured=single)
    used = judged.reference.method if judged.reference is not None else ""
    arbiters = [candidate for candidate in along.arbiters if candidate.method == used]
    candidates = arbiters or [*sources.candidates, *along.heard]
    settled = settle(candidates, difference, sources.parameters)
    return sources.evidence(difference, settled.reference, rtol), settled.findings


# --- groups -------------------------------------------------------------------------------------


def _first_groups(sources: Sources, rtol: float, seed: int) -> Iterator[Group]:
    """For each parameter the disputed entries, some alone and the others together, and the rest."""
    rng = np.random.default_rng(seed)
    for leaf in sources.parameters.leaves:
        whole = whole_leaf(leaf, rng)
        apart = differences(sources, leaf, rtol)
        if not apart.any():
            yield whole
            continue
        alone, together = _chosen(apart, rng)
        yield from (whole.only(alone[k : k + 1]) for k in range(alone.size))
        if together.size:
            yield whole.only(together).along(apart[together])
        if alone.size + together.size < whole.count:
            yield whole.only(np.flatnonzero(apart == 0.0))


def differences(sources: Sources, leaf: Leaf, rtol: float) -> FloatArray:
    """By how much a parameter's entries differ from a reference, the one they differ from most.

    Zero where they can be compared in one sum, infinite where not at all.
    """
    mine = sources.backprop.part(leaf.place)
    odd = ~mine.finite | sources.unrepeatable[leaf.place]
    apart: FloatArray = np.where(odd, np.inf, 0.0)
    for candidate in sources.candidates:
        other = candidate.part(leaf.place)
        pair = compare(mine, other, rtol)
        further = ~pair.agree & (pair.differences > np.abs(apart))
        np.subtract(mine.values, other.values, out=apart, where=further)
        apart[~other.finite] = np.inf
    return apart


def _chosen(apart: FloatArray, rng: np.random.Generator) -> tuple[Offsets, Offsets]:
    """The worst of the disputed entries and some at random; and the others, in their order."""
    offsets = np.flatnonzero(apart)
    ordered = offsets[np.argsort(-np.abs(apart[offsets]), kind="stable")]
    if ordered.size <= _ALONE:
        return ordered, ordered[:0]
    worst, others = ordered[: _ALONE // 2], ordered[_ALONE // 2 :]
    drawn = rng.choice(others, _ALONE // 2, replace=False)
    return np.concatenate([worst, drawn]), np.setdiff1d(others, drawn)


# --- the sources along groups -------------------------------------------------------------------


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
    def of(cls, whole: Sources, coordinates: Coordinates) -> SourcesAlong:
        """The sources, summed over each group with the weights of its entries."""
        values = whole.parameters.values
        point = replace(
            whole.point,
            gradient=coordinates.project(whole.point.gradient, values),
            second_gradient=coordinates.project(whole.point.second_gradient, values),
            gradient_eps=np.array([g.of(whole.point.gradient_eps)[0] for g in coordinates.groups]),
        )
        return cls(
            whole.calls,
            point,
            whole.noise,
            coordinates.estimate(whole.backprop, values),
            [coordinates.estimate(candidate, values) for candidate in whole.candidates],
            np.array([g.of(whole.unrepeatable).any() for g in coordinates.groups]),
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
        """As of single entries; of a large model not where rounding cannot be all of it."""
        if self.whole.parameters.size <= LARGE:
            return super().hangs_on_rounding(evidence)
        facts = facts_of(evidence)
        doubted = ~(facts.br | (facts.bf & ~facts.reference))
        plain = facts.fr & ~facts.bf & (evidence.apart > _PLAIN * evidence.largest)
        return bool(np.any(doubted & ~plain)) and not evidence.unrepeatable.any()

    def excused(self, evidence: Evidence, sweeper: Sweeper, seed: int) -> Evidence:
        """As of single entries; jumps of a large model's loss are not searched for."""
        large = self.whole.parameters.size > LARGE
        return evidence if large else super().excused(evidence, sweeper, seed)
