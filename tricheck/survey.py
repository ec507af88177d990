"""Many parameters: backprop beside the reference everywhere, the loss's own word where it tells.

Where the two agree, a finite difference along a random direction through all of a parameter's
entries sees what they might share. Where they do not, it is taken in single entries, and along one
direction through the others that are disputed. A direction that is at odds with somebody is
narrowed down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from tricheck.comparison import compare
from tricheck.coordinates import Along, Coordinates, Group, whole_leaf
from tricheck.facts import Evidence
from tricheck.judge import Sources, judge
from tricheck.measured import Measured
from tricheck.narrowing import MANY, Narrowing
from tricheck.parameters import LARGE, FloatArray, Leaf, pieces
from tricheck.sources.finite_difference import FiniteDifference, Sweeper, merged
from tricheck.sources.ladder import Derivative
from tricheck.sources.several import settle
from tricheck.sources_along import SourcesAlong, read
from tricheck.vocabulary import Cause, Finding
from tricheck.work import Work

_LOSSES = 4  # along a direction, on average
_CARE = 2  # times what something takes must be left: a closer look at what is found takes time too
_RANGE = 1e2  # of scales that one direction may hold
_ALONE = 8  # disputed entries of one parameter that are measured one by one

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
    narrowing = Narrowing(np.random.default_rng([seed, 1]), sources.parameters.size > LARGE)
    groups, known = list(_first_groups(sources, rtol, seed)), dict[Group, Derivative]()
    reading = cache(partial(read, sources))  # once for each group
    while True:
        known |= _slopes([group for group in groups if group not in known], sources, sweeper)
        along = SourcesAlong.of(sources, Coordinates.of(groups, sources.parameters), reading)
        moved = _moved(sweeper, along.coordinates)
        rows = enumerate(along.coordinates.groups)
        difference = moved.gradient({row: known[group] for row, group in rows if group in known})
        sweeper.work.watch.compare(along.parameters, along.backprop.values, difference.values)
        groups = _next(along.settled(difference, rtol), along, narrowing, sweeper.work)
        if not groups:
            measured = _judged(along, moved, difference, rtol, seed)
            notes = narrowing.left_open(measured.judged, along.coordinates)
            return replace(measured, notes=[*measured.notes, *notes])


def _slopes(groups: list[Group], sources: Sources, sweeper: Sweeper) -> dict[Group, Derivative]:
    """Derivatives along groups; of many single entries, with one stencil where that will do.

    Of fewer where time is up.
    """
    watch = sweeper.work.watch
    singles = [group for group in groups if group.alone]
    many = singles if len(singles) > MANY else []
    found: dict[Group, Derivative] = {}
    for part in filter(None, (many, [group for group in groups if not (many and group.alone)])):
        coordinates = Coordinates.of(part, sources.parameters)
        moved = _moved(sweeper, coordinates)
        watch.begin("random directions", coordinates.parameters, len(part))
        difference = moved.measure() if part is many else moved.certify_all()
        left_out = difference.left_out
        for row, group in enumerate(coordinates.groups):
            if not left_out[row]:
                found[group] = difference.entry(row)
    if len(found) < len(groups):
        count = len(groups) - len(found)
        watch.omit(f"finite differences along {count} direction{'s' * (count > 1)}")
    return found


def _next(evidence: Evidence, along: SourcesAlong, narrowing: Narrowing, work: Work) -> list[Group]:
    """The groups to measure next; none when there is no more to find, or no time."""
    groups, coordinates = along.coordinates.groups, along.coordinates
    finer = narrowing.next(evidence, coordinates)
    if finer and not work.affords(_CARE * _LOSSES * len(set(finer) - set(groups))):
        work.watch.omit("where in their parameters some directions differ")
        return []
    if not finer and (apart := _widest(evidence, groups, work)):
        halves = (half for group in groups if group in apart for half in group.halves())
        return [*(group for group in groups if group not in apart), *halves]
    return finer


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
        speaks |= differences(sources, leaf, rtol) != 0.0
        if not sources.candidates:
            speaks[:] = True
        speaks[0] |= not speaks.any()
        for offset in np.flatnonzero(speaks):
            if not difference.left_out[leaf.start + offset]:
                known[len(groups)] = difference.entry(leaf.start + offset)
            groups.append(Group(leaf, np.array([offset]), np.ones(1, np.float32)))
    along = SourcesAlong.of(sources, Coordinates.of(groups, sources.parameters))
    moved = _moved(sweeper, along.coordinates)
    return _judged(along, moved, moved.gradient(known), rtol, seed)


def _moved(sweeper: Sweeper, coordinates: Coordinates) -> Sweeper:
    """The loss along groups."""
    return replace(sweeper, evaluate=Along(sweeper.evaluate, coordinates))


def _judged(
    along: SourcesAlong, sweeper: Sweeper, difference: FiniteDifference, rtol: float, seed: int
) -> Measured:
    judged, found = judge(along, sweeper, difference, rtol, seed)
    sweeper.evaluate.rest()
    evidence, disagreements = _whole(along, judged, rtol)
    notes = [note for note in found if note.cause is Cause.SETTLED]
    return Measured(evidence, judged, along.coordinates, [*notes, *disagreements])


def _widest(evidence: Evidence, groups: tuple[Group, ...], work: Work) -> set[Group]:
    """Directions that show least, where a deadline leaves the time to halve them."""
    if work.watch.max_seconds is None:
        return set()
    least = [np.inf if group.alone else group.least for group in groups]
    reach = evidence.difference.bounds / (least * evidence.largest)
    most = np.max(reach)
    widest = {group for group, own in zip(groups, reach, strict=True) if own >= most / 2.0}
    enough = work.affords(_CARE * 2 * _LOSSES * len(widest))
    return widest if 0.0 < most < np.inf and enough else set()


def _whole(along: SourcesAlong, judged: Evidence, rtol: float) -> tuple[Evidence, list[Finding]]:
    """The sources entry by entry, with the finite difference of single entries.

    And how references disagree, which along directions would be said of their sums.
    """
    sources, coordinates = along.whole, along.coordinates
    left_out = judged.difference.left_out
    single = {
        group.leaf.start + group.first: judged.difference.entry(row)
        for row, group in enumerate(coordinates.groups)
        if group.alone and not left_out[row]
    }
    size = sources.parameters.size
    values, bounds = np.broadcast_to(np.nan, size), np.broadcast_to(np.inf, size)
    if single:
        values, bounds = merged(size, single, None)
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
            yield from _alike(whole, sources.parameters.values)
            continue
        alone, together = _chosen(apart, rng)
        yield from (whole.part(alone[k : k + 1]) for k in range(alone.size))
        if together.size:
            yield whole.part(together).along(apart[together])
        if alone.size + together.size < whole.count:
            rest = whole.part(np.flatnonzero(apart == 0.0))
            yield from _alike(rest, sources.parameters.values)


def _alike(group: Group, point: FloatArray) -> Iterator[Group]:
    """A group in parts of about the same scale: beside entries that go far, small ones are lost."""
    largest = max(float(np.max(np.abs(group.of(point, part)))) for part in pieces(0, group.count))
    if largest < _RANGE:
        yield group
        return
    scales = np.maximum(np.abs(group.of(point)), 1.0)
    ranges = np.floor(np.log(scales) / np.log(_RANGE))
    for one in np.unique(ranges):
        yield group.part(np.flatnonzero(ranges == one))


def differences(sources: Sources, leaf: Leaf, rtol: float) -> FloatArray:
    """By how much a parameter's entries differ from a reference, the one they differ from most.

    Zero where they can be compared in one sum, infinite where not at all.
    """
    return np.concatenate([_differences(sources, place, rtol) for place in leaf.pieces])


def worst_disputed(sources: Sources, rtol: float) -> list[int]:
    """Positions of a few entries of each parameter in which sources differ most."""
    found: list[int] = []
    for leaf in sources.parameters.leaves:
        apart = np.abs(differences(sources, leaf, rtol))
        worst = np.argsort(-apart, kind="stable")[: _ALONE // 2]
        found += [leaf.start + int(offset) for offset in worst if apart[offset]]
    return found


def _differences(sources: Sources, place: slice, rtol: float) -> FloatArray:
    """The same of some entries in a row."""
    mine = sources.backprop.part(place)
    odd = ~mine.finite | sources.unrepeatable[place]
    apart: FloatArray = np.where(odd, np.inf, 0.0)
    for candidate in sources.candidates:
        other = candidate.part(place)
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
    alone = np.concatenate([worst, rng.choice(others, _ALONE // 2, replace=False)])
    return alone, offsets[~np.isin(offsets, alone)]
