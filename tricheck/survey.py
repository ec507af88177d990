"""Many parameters: backprop beside the reference everywhere, the loss's own word where it tells.

Where the two agree, a finite difference along a random direction through all of a parameter's
entries sees what they might share. Where they do not, it is taken in single entries, and along one
direction through the others that are disputed. A direction that is at odds with somebody is halved
until the entries are found (group testing: Dorfman, 1943).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tricheck.comparison import compare
from tricheck.coordinates import Along, Coordinates, Group, whole_leaf
from tricheck.facts import Evidence, facts_of
from tricheck.judge import Sources, judge
from tricheck.measured import Measured
from tricheck.parameters import LARGE, FloatArray, Leaf, Parameters
from tricheck.sources.finite_difference import FiniteDifference, Sweeper, merged
from tricheck.sources.ladder import Derivative
from tricheck.sources.monte_carlo import backprop_bound
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate
from tricheck.verdict import ACCUSING, decide_all
from tricheck.work import Work

_ALONE = 8  # disputed entries of one parameter that are measured one by one
_PLAIN = 1e-3  # of a parameter's largest entry: more than backprop can lose to rounding unseen
_HALVED = 8  # losses for the two halves of a direction, on average
_CARE = 2  # times what something takes must be left: a closer look at what is found takes time too
_MOST_AT_ODDS = 16  # groups of one parameter that are halved at a time

_ONE = np.ones(1, dtype=np.int8)

Offsets = npt.NDArray[np.intp]


def survey(sources: Sources, sweeper: Sweeper, rtol: float, seed: int) -> Measured:
    """Measure directions, and single entries where these or the other sources are in dispute.

    Under a deadline, directions are halved further while there is time, the widest first: the fewer
    entries one stands for, the smaller an error it shows.

    Parameters
    ----------
    sources : Sources
        Backprop and the references, entry by entry.
    sweeper : Sweeper
        The loss along single entries.
    rtol : float
    seed : int
        Seed of the directions.
    """
    work = sweeper.work
    groups, known = list(_first_groups(sources, rtol, seed)), dict[int, Derivative]()
    read = cache(partial(_read, sources))  # once for each group
    while True:
        coordinates = Coordinates.of(groups, sources.parameters)
        along = SourcesAlong.of(sources, coordinates, read)
        moved = _moved(sweeper, along)
        known = _measured(moved, along, known)
        rows = enumerate(along.coordinates.groups)
        difference = moved.gradient({row: known[id(g)] for row, g in rows if id(g) in known})
        evidence = along.settled(difference, rtol)
        at_odds = _at_odds(evidence, along.coordinates)
        if at_odds and not work.affords(_CARE * _HALVED * len(at_odds)):
            work.watch.omit("where in their parameters some directions differ")
            at_odds = []
        apart = at_odds or _widest(evidence, along, work)
        if not apart:
            return _judged(along, moved, difference, rtol, seed)
        groups = _halved(along.coordinates.groups, apart)


def _measured(
    sweeper: Sweeper, along: SourcesAlong, known: dict[int, Derivative]
) -> dict[int, Derivative]:
    """The derivatives along all groups, by their identities; those that are known stay."""
    groups, watch = along.coordinates.groups, sweeper.work.watch
    new = [row for row, group in enumerate(groups) if id(group) not in known]
    watch.begin("random directions", along.parameters, len(new), along.backprop.values)
    found = sweeper.entries(new)
    if len(found) < len(new):
        watch.omit(f"finite differences along {len(new) - len(found)} of {len(groups)} directions")
    # No more than those that are left: another group may come to lie where one has been.
    known = {id(group): known[id(group)] for group in groups if id(group) in known}
    return known | {id(groups[row]): derivative for row, derivative in found.items()}


def so_far(
    sources: Sources, sweeper: Sweeper, difference: FiniteDifference, rtol: float, seed: int
) -> Measured:
    """What a finite difference says that time has left incomplete.

    Parameters
    ----------
    sources : Sources
    sweeper : Sweeper
    difference : FiniteDifference
        NaN in the entries that were left out; they count where the other sources differ in them,
        or nothing else speaks of them.
    rtol : float
    seed : int
    """
    groups, known = list[Group](), dict[int, Derivative]()
    for leaf in sources.parameters.leaves:
        speaks = ~difference.left_out[leaf.place]
        speaks[disputed(sources, leaf, rtol)] = True
        if not sources.candidates or not speaks.any():
            speaks[:] = True
        for offset in np.flatnonzero(speaks):
            if not difference.left_out[leaf.start + offset]:
                known[len(groups)] = difference.entry(leaf.start + offset)
            groups.append(Group(leaf, np.array([offset]), _ONE))
    along = SourcesAlong.of(sources, Coordinates.of(groups, sources.parameters))
    moved = _moved(sweeper, along)
    return _judged(along, moved, moved.gradient(known), rtol, seed)


def _moved(sweeper: Sweeper, along: SourcesAlong) -> Sweeper:
    """The loss along groups."""
    return replace(sweeper, evaluate=Along(sweeper.evaluate, along.coordinates))


def _judged(
    along: SourcesAlong, sweeper: Sweeper, difference: FiniteDifference, rtol: float, seed: int
) -> Measured:
    judged, found = judge(along, sweeper, difference, rtol, seed)
    whole = _whole(along.whole, judged, along.coordinates, rtol)
    return Measured(whole, judged, along.coordinates, found)


def _widest(evidence: Evidence, along: SourcesAlong, work: Work) -> list[Group]:
    """Directions that show least, where a deadline leaves the time to halve them."""
    if work.watch.max_seconds is None:
        return []
    groups = along.coordinates.groups
    reach = evidence.difference.bounds * np.sqrt([group.count for group in groups])
    reach = np.where([group.alone for group in groups], 0.0, reach / evidence.largest)
    most = np.max(reach)
    widest = [group for group, own in zip(groups, reach, strict=True) if own >= most / 2.0]
    return widest if 0.0 < most < np.inf and work.affords(_CARE * _HALVED * len(widest)) else []


def _whole(sources: Sources, judged: Evidence, coordinates: Coordinates, rtol: float) -> Evidence:
    """The sources entry by entry, with the finite difference of single entries."""
    left_out = judged.difference.left_out
    single = {
        group.leaf.start + int(group.members[0]): judged.difference.entry(row)
        for row, group in enumerate(coordinates.groups)
        if group.alone and not left_out[row]
    }
    values, bounds = merged(sources.parameters.size, single, None)
    difference = replace(judged.difference, values=values, bounds=bounds, measured=single)
    used = judged.reference.method if judged.reference is not None else ""
    reference = next((c for c in sources.candidates if c.method in used), None)
    return sources.evidence(difference, reference, rtol)


# --- groups -------------------------------------------------------------------------------------


def _first_groups(sources: Sources, rtol: float, seed: int) -> Iterator[Group]:
    """For each parameter the disputed entries, some alone and the others together, and the rest."""
    rng = np.random.default_rng(seed)
    for leaf in sources.parameters.leaves:
        whole = whole_leaf(leaf, rng)
        differing = disputed(sources, leaf, rtol)
        if not differing.size:
            yield whole
            continue
        alone, together = _chosen(differing, rng)
        yield from (Group(leaf, alone[k : k + 1], _ONE) for k in range(alone.size))
        if together.size:
            yield whole.only(together, differing=True)
        if differing.size < whole.count:
            yield whole.only(np.setdiff1d(whole.members, differing, assume_unique=True))


def disputed(sources: Sources, leaf: Leaf, rtol: float) -> Offsets:
    """Offsets of a parameter's entries that cannot be compared in one sum, the worst first."""
    found = [_disputed(sources, piece, rtol) for piece in leaf.pieces]
    offsets, worst = (np.concatenate(column) for column in zip(*found, strict=True))
    offsets -= leaf.start
    ordered: Offsets = offsets[np.argsort(-worst, kind="stable")]
    return ordered


def _disputed(sources: Sources, place: slice, rtol: float) -> tuple[Offsets, FloatArray]:
    """Which of some entries in a row are disputed, and by how much."""
    mine = sources.backprop.part(place)
    odd = ~mine.finite | sources.unrepeatable[place]
    worst = np.where(odd, np.inf, 0.0)
    for candidate in sources.candidates:
        theirs = candidate.part(place)
        pair = compare(mine, theirs, rtol)
        np.copyto(worst, np.fmax(pair.differences, worst), where=~pair.agree & ~odd)
        worst[~theirs.finite] = np.inf
    offsets = np.flatnonzero(worst)
    return offsets + place.start, worst[offsets]


def _chosen(differing: Offsets, rng: np.random.Generator) -> tuple[Offsets, Offsets]:
    """The worst of the disputed entries and some at random; and the others, in their order."""
    if differing.size <= _ALONE:
        return differing, differing[:0]
    worst, others = differing[: _ALONE // 2], differing[_ALONE // 2 :]
    drawn = rng.choice(others, _ALONE // 2, replace=False)
    return np.concatenate([worst, drawn]), np.setdiff1d(others, drawn)


def _at_odds(evidence: Evidence, coordinates: Coordinates) -> list[Group]:
    """Directions that are at odds with somebody, if not in each of their entries.

    Of a parameter in which most are, none: it is wrong as a whole.
    """
    facts = facts_of(evidence)
    accused = np.isin(decide_all(facts), list(ACCUSING))
    mixed = facts.difference & ~(facts.br | facts.bf | facts.fr)
    found = []
    for leaf in coordinates.parameters.leaves:
        at_odds = [
            group
            for group, wrong, unlike in zip(
                coordinates.groups[leaf.place], accused[leaf.place], mixed[leaf.place], strict=True
            )
            if not group.alone and (unlike if group.differing else wrong or unlike)
        ]
        found += at_odds if len(at_odds) <= _MOST_AT_ODDS else []
    return found


def _halved(groups: Iterable[Group], apart: list[Group]) -> list[Group]:
    """All groups, some of them in halves."""
    gone = {id(group) for group in apart}
    whole = [group for group in groups if id(group) not in gone]
    return [*whole, *(half for group in apart for half in group.halves())]


# --- the sources along groups -------------------------------------------------------------------


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


Read = Callable[[Group], Reading]


def _read(whole: Sources, group: Group) -> Reading:
    point, sources = whole.point, [whole.backprop, *whole.candidates]
    gradients = [point.gradient, point.second_gradient, *(source.values for source in sources)]
    return Reading(
        *group.along(whole.parameters.values, gradients, sources),
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
    """

    whole: Sources
    coordinates: Coordinates

    @classmethod
    def of(
        cls,
        whole: Sources,
        coordinates: Coordinates,
        read: Callable[[Group], Reading] | None = None,
    ) -> SourcesAlong:
        """The sources, summed over each group with the weights of its entries."""
        each = [(read or partial(_read, whole))(group) for group in coordinates.groups]
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

    def others(self, _seed: int, /) -> list[ReferenceEstimate]:
        """None: those that nobody asked for cost a call for every entry."""
        return []

    def exact(self, noise: Noise, seed: int) -> ReferenceEstimate | None:
        """The derivatives to 50 digits, unless there are too many."""
        values = self.whole.parameters.values
        found = None if values.size > LARGE else self.whole.exact(noise, seed)
        return None if found is None else self.coordinates.estimate(found, values)

    def rounding_inside(self, seed: int) -> FloatArray:
        """What rounding adds to backprop's bounds, from runs that are read along the groups."""
        return backprop_bound(
            self.calls,
            self.whole.point,
            self.backprop.bounds,
            seed,
            read=partial(self.coordinates.project, point=self.whole.parameters.values),
            leaves=self.parameters.leaves,
        )

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
