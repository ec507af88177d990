"""Which entries put a direction at odds with somebody: group testing (Dorfman, 1943).

What is at odds is halved, until single entries are left or cost less. Where there is too much of it
some entries of every group are tried first: where all of them are at odds, the whole group is taken
to be. What was tried also shows by how much these are wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tricheck.comparison import BoolArray
from tricheck.coordinates import Coordinates, Group
from tricheck.facts import Evidence
from tricheck.parameters import Leaf
from tricheck.verdict import ACCUSING, decide_all
from tricheck.vocabulary import Cause, Finding, Severity, Source, Verdict

_FEW = 8  # groups of one parameter that are halved at once, whatever they hold
_TRIED = 4  # entries of a group
_LADDER, _STENCIL = 9, 2  # evaluations that a group takes, and one of many entries
_MOST, _MOST_OF_LARGE = 20_000, 5_000  # evaluations in all
MANY = 32  # single entries that are measured together


class Narrowing:
    """From groups to entries, round by round.

    Parameters
    ----------
    rng : Generator
        Draws the entries that are tried.
    large : bool
        Whether the model is large, so that its loss is dear.
    """

    def __init__(self, rng: np.random.Generator, large: bool) -> None:
        self._rng = rng
        self._left = _MOST_OF_LARGE if large else _MOST
        self._tried: dict[Group, list[Group]] = {}  # parts of a group inherit what it was told by

    def next(self, evidence: Evidence, coordinates: Coordinates) -> list[Group]:
        """The groups to measure next; none when there is nothing to find any more.

        Parameters
        ----------
        evidence : Evidence
            The sources along the groups.
        coordinates : Coordinates
        """
        at_odds = _at_odds(evidence, coordinates)
        groups: list[Group] = []
        for leaf in coordinates.parameters.leaves:
            groups += self._next(coordinates.groups[leaf.place], at_odds)
        new = set(groups) - set(coordinates.groups)
        self._left -= _cost(new)
        return groups if new and self._left >= 0 else []

    def _next(self, groups: tuple[Group, ...], at_odds: set[Group]) -> Iterator[Group]:
        """The same of one parameter."""
        suspects = [group for group in groups if group in at_odds and not group.alone]
        few, singly = len(suspects) <= _FEW, self._is_cheap(suspects)
        for group in groups:
            if group.alone or (group not in at_odds and (few or singly)):
                yield group
            elif singly:
                yield from group.singles()
            elif group in at_odds and (few or self._is_mixed(group, at_odds)):
                yield from self._halves(group)
            else:
                yield group
                yield from self._trials(group)

    def _is_cheap(self, suspects: list[Group]) -> bool:
        """Whether to measure every entry is no dearer than to halve until one is left of each."""
        one_by_one = _singly(sum(group.count for group in suspects))
        halving = 2 * _LADDER * sum(np.log2(group.count) for group in suspects)
        return bool(one_by_one <= min(halving, self._left))

    def _halves(self, group: Group) -> Iterator[Group]:
        for half in group.halves():
            if group in self._tried:
                self._tried[half] = self._tried[group]
            yield half

    def _trials(self, group: Group) -> Iterator[Group]:
        """Some entries of a group, once."""
        if group not in self._tried:
            drawn = self._rng.choice(group.count, min(_TRIED, group.count), replace=False)
            self._tried[group] = list(group.singles(np.sort(drawn)))
            yield from self._tried[group]

    def _is_mixed(self, group: Group, at_odds: set[Group]) -> bool:
        """Whether entries of it are known not to be at odds."""
        return not at_odds.issuperset(self._tried.get(group, ()))

    def left_open(self, evidence: Evidence, coordinates: Coordinates) -> list[Finding]:
        """A note on every parameter of which entries are accused that were not measured singly."""
        verdicts = decide_all(evidence.facts)
        accused = _picked(coordinates, np.isin(verdicts, list(ACCUSING)))
        notes = []
        for leaf in coordinates.parameters.leaves:
            own = [group for group in coordinates.groups[leaf.place] if group in accused]
            if not all(group.known for group in own):
                blamed = Verdict.REFERENCE in verdicts[leaf.place]
                notes.append(_note(leaf, own, Source.REFERENCE if blamed else Source.BACKPROP))
        return notes


def _at_odds(evidence: Evidence, coordinates: Coordinates) -> set[Group]:
    """Groups whose slope contradicts somebody, if it is not known who differs in each entry.

    And those on a kink, which hides what other entries of theirs do.
    """
    facts = evidence.facts
    contradicted = facts.difference & ~(facts.bf & (facts.fr | ~facts.reference))
    unlike = facts.difference & ~(facts.br | facts.bf | facts.fr)
    differing = np.array([group.differing for group in coordinates.groups])
    return _picked(coordinates, np.where(differing, unlike, contradicted) | facts.kink)


def _cost(groups: set[Group]) -> int:
    """How many evaluations of the loss they take, about."""
    alone = sum(group.alone for group in groups)
    return _singly(alone) + _LADDER * (len(groups) - alone)


def _singly(entries: int) -> int:
    """How many evaluations single entries take, about."""
    return (_STENCIL if entries > MANY else _LADDER) * entries


def _picked(coordinates: Coordinates, where: BoolArray) -> set[Group]:
    return {coordinates.groups[row] for row in np.flatnonzero(where)}


def _note(leaf: Leaf, accused: list[Group], source: Source) -> Finding:
    alone = {group.first for group in accused if group.alone}
    entries = set().union(*(group.members.tolist() for group in accused))
    return Finding(
        Cause.ENTRIES,
        f"Of these {len(entries)} entries {len(alone)} were measured one by one; the others lie in "
        'directions that are wrong, and some may be right. entries="all" tells.',
        source,
        leaf.name,
        severity=Severity.NOTE,
        evidence={"measured": float(len(alone)), "entries": float(len(entries))},
    )
