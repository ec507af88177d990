"""Which mistakes lead to the gradient that backprop gave."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from tricheck.diagnosis.mistakes.mistake import Mistake
from tricheck.diagnosis.mistakes.trials import Trials, together
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Edits, Study
from tricheck.tracing.tape import Edit, Step
from tricheck.vocabulary import Cause

_TOLD = 0.05  # of a block's discrepancy: with wider bounds nothing can be told from it
_ROUNDING = 2.0**12 * float(np.finfo(np.float64).eps)
_MOST_TOGETHER = 4  # mistakes in one backward pass
_ENOUGH = 3  # entries that a multiple is read from
_SAME = 1e-6
_FLAT = 4.0
_MOST_PAIRED = 48  # mistakes of which two are tried together
_MOST_UNDONE_BY_TWO = 50_000  # steps gone back through for these
_ENOUGH_DIGITS = 3.0  # by chance once in a thousand searches
_TINY = 1e-300


@dataclass(frozen=True)
class Discrepancy:
    """What backprop gave, what is right, and the slack between; all of shape (size,).

    Attributes
    ----------
    backprop, truth, slack : ndarray
    wrong : frozenset of str
        The parameters whose gradient is wrong.
    """

    backprop: FloatArray
    truth: FloatArray
    slack: FloatArray
    wrong: frozenset[str]


@dataclass(frozen=True)
class Explained:
    """A mistake, and the parameters whose whole gradient it explains.

    Attributes
    ----------
    mistake : Mistake
    parameters : frozenset of str
    residual, bound : mapping of str to float
        What it leaves of each parameter's gradient, at most, beside the slack there.
    also : tuple of Mistake
        Others that explain the same.
    beside : tuple of Mistake
        Those found before that change these parameters, too.
    factor : float
        What all that comes of it is multiplied by besides.
    alone : bool
        It was not made on the same way to other parameters.
    """

    mistake: Mistake
    parameters: frozenset[str]
    residual: Mapping[str, float]
    bound: Mapping[str, float]
    also: tuple[Mistake, ...] = ()
    beside: tuple[Mistake, ...] = ()
    factor: float = 1.0
    alone: bool = False


class Search:
    """The search for the mistakes behind one gradient.

    Parameters
    ----------
    study : Study
    trials : Trials
        Of the mistakes of that run.
    discrepancy : Discrepancy
    unexplained : frozenset of str
        The wrong parameters that are to be explained; the others have been, and may be again.
    paired : bool
        Whether two mistakes on the same way are tried together.
    """

    def __init__(
        self,
        study: Study,
        trials: Trials,
        discrepancy: Discrepancy,
        unexplained: frozenset[str],
        *,
        paired: bool,
    ) -> None:
        self._study = study
        self._trials = trials
        self._seen = discrepancy
        self._unexplained = unexplained
        self._paired = paired
        self._tried = 0
        self._places = {leaf.name: leaf.place for leaf in study.parameters.leaves}
        # A gradient that vanishes, as of a bias before a normalization, tells nothing.
        self._flat = frozenset(
            name
            for name, place in self._places.items()
            if np.all(np.abs(discrepancy.truth[place]) <= _FLAT * discrepancy.slack[place])
        )

    def explanations(self) -> list[Explained]:
        """Mistakes that together explain as much as any, the farthest-reaching first."""
        found: list[Explained] = []
        base: dict[Step, Edit] = {}
        remaining = frozenset(name for name in self._seen.wrong if self._telling(name))
        while remaining & self._unexplained and len(found) < _MOST_TOGETHER:
            best = self._best(base, remaining)
            if best is None:
                break
            before = (f.mistake for f in found if f.mistake.parameters & best.parameters)
            found.append(replace(best, beside=tuple(before)))
            base = together(base, best.mistake.edits)
            remaining -= best.parameters
        for name in sorted(remaining & self._unexplained):
            if (alone := self._alone(name, base)) is not None:
                before = (f.mistake for f in found if name in f.mistake.parameters)
                found.append(replace(alone, beside=tuple(before)))
        return found

    def _alone(self, name: str, base: Edits) -> Explained | None:
        """A mistake made on the way to one parameter, whose formula stands by itself.

        On the same way to others, that are right or otherwise wrong, it was not made.
        """
        one = frozenset([name])
        right = self._study.gradient(base)
        fits = []
        for mistake in self._trials.mistakes:
            others = mistake.parameters - self._seen.wrong - self._flat
            if name in mistake.parameters and others:
                made = self._made(base, mistake.edits)
                if made is not None:
                    fits += list(self._fitted(mistake, made, right, base, one))
        best = _widest(fits)
        if best is None:
            return None
        words = f"{best.mistake.words}, on the way to {name} alone"
        return replace(best, mistake=replace(best.mistake, words=words), alone=True)

    def _best(self, base: Edits, remaining: frozenset[str]) -> Explained | None:
        right = self._study.gradient(base)
        relevant = list(self._relevant(remaining))
        fits = [
            fit
            for mistake in relevant
            if (made := self._made(base, mistake.edits)) is not None
            for fit in self._fitted(mistake, made, right, base, remaining)
        ]
        if not fits and self._paired:
            fits = list(self._pairs(base, relevant, remaining))
        return _widest(fits)

    def _relevant(self, remaining: frozenset[str]) -> Iterator[Mistake]:
        """Mistakes that change something unexplained, and nothing that is right."""
        for mistake in self._trials.mistakes:
            if not mistake.parameters <= self._seen.wrong | self._flat:
                continue
            if mistake.parameters & remaining & self._unexplained:
                yield mistake

    def _made(self, base: Edits, edits: Edits) -> FloatArray | None:
        self._tried += 1
        return self._trials.made(base, edits)

    def _pairs(
        self, base: Edits, relevant: Sequence[Mistake], remaining: frozenset[str]
    ) -> Iterator[Explained]:
        """Two mistakes on the same way back, of the likeliest."""
        ranked = sorted(combinations(enumerate(relevant[:_MOST_PAIRED]), 2), key=_rank)
        apart = [(a, b) for (_, a), (_, b) in ranked if a.spot != b.spot]
        for first, second in apart[: _MOST_UNDONE_BY_TWO // len(self._study.steps)]:
            edits = together(first.edits, second.edits)
            made = self._made(base, edits)
            if made is None:
                continue
            two = Mistake(
                first.cause,
                f"{first.kind} and {second.kind}",
                f"{first.words}, and {second.words}",
                "look at both",
                first.spot,
                edits,
                first.parameters | second.parameters,
                parts=(first, second),
            )
            if explained := self._explains(two, made, remaining):
                yield explained

    def _fitted(
        self,
        mistake: Mistake,
        made: FloatArray,
        right: FloatArray,
        base: Edits,
        remaining: frozenset[str],
    ) -> Iterator[Explained]:
        """The mistake as it is, or another of its family."""
        if explained := self._explains(mistake, made, remaining):
            yield explained
        elif mistake.scaled is not None:
            yield from self._family(mistake, mistake.scaled, made, right, base, remaining)

    def _family(
        self,
        mistake: Mistake,
        member: Callable[[float], tuple[str, Edits]],
        made: FloatArray,
        right: FloatArray,
        base: Edits,
        remaining: frozenset[str],
    ) -> Iterator[Explained]:
        """With each parameter's own number, for another mistake may lie upstream of this one."""
        start, share = right, right - made
        if mistake.start is not None:
            cut = self._made(base, mistake.start)
            if cut is None:
                return
            start, share = cut, made - cut
        if np.array_equal(share, start):  # all there is of these gradients: a factor of theirs
            return
        tried: list[float] = []
        for name in sorted(mistake.parameters & remaining):
            number = self._number(share[self._places[name]], start, name)
            if number is None or any(abs(number - t) <= _SAME * abs(t) for t in tried):
                continue
            tried.append(number)
            words, edits = member(number)
            one = replace(
                mistake,
                cause=_cause_of_member(mistake, number),
                kind=f"{mistake.kind}-scaled",
                words=words,
                edits=edits,
                advice="",
                factor=number if mistake.start is not None else 1.0 + number,
            )
            made_so = start + number * share
            if explained := self._explains(one, made_so, remaining):
                really = self._made(base, edits)
                if really is None or self._explains(one, really, explained.parameters):
                    yield explained
                elif mistake.start is not None:
                    # In a loop the number would come in at each turn, and it came in once.
                    besides = _besides(mistake, one, number)
                    yield replace(explained, mistake=besides, factor=number)

    def _number(self, share: FloatArray, start: FloatArray, name: str) -> float | None:
        """How many times a contribution is in a block; None where that says nothing."""
        place = self._places[name]
        slack = self._seen.slack[place]
        error = (self._seen.backprop - start)[place]
        known = np.isfinite(slack)
        weight = float(np.dot(share[known], share[known]))
        if np.sum(np.abs(share[known]) > slack[known]) < _ENOUGH or not weight > 0.0:
            return None
        number = float(np.dot(error[known], share[known])) / weight
        return number if abs(number) > _SAME else None

    def _explains(
        self, mistake: Mistake, made: FloatArray, remaining: frozenset[str]
    ) -> Explained | None:
        residual, bound, digits = {}, {}, 0.0
        for name in mistake.parameters & remaining:
            place = self._places[name]
            apart = np.abs(self._seen.backprop - made)[place]
            size = float(np.max(np.abs(made[place])))
            allowed = self._seen.slack[place] + _ROUNDING * size
            known = np.isfinite(allowed)
            if known.any() and np.all(apart[known] <= allowed[known]):
                residual[name] = float(np.max(apart[known]))
                bound[name] = float(np.max(allowed[known]))
                digits += self._digits(place, allowed)
        by_chance = math.log10(max(self._tried, 1)) + _ENOUGH_DIGITS
        if not residual.keys() & self._unexplained or digits < by_chance:
            return None
        return Explained(mistake, frozenset(residual), residual, bound)

    def _digits(self, place: slice, allowed: FloatArray) -> float:
        """How many digits of a block's error an explanation accounts for, in all entries."""
        error = np.abs(self._seen.backprop - self._seen.truth)[place]
        known = np.isfinite(error) & np.isfinite(allowed)
        shares = np.clip(error[known] / np.maximum(allowed[known], _TINY), 1.0, 1e16)
        return float(np.sum(np.log10(shares)))

    def _telling(self, name: str) -> bool:
        """Whether a block is known well enough to tell mistakes apart by it."""
        place = self._places[name]
        error = np.abs(self._seen.backprop - self._seen.truth)[place]
        slack = self._seen.slack[place]
        known = np.isfinite(error) & np.isfinite(slack)
        if not known.any() or not np.all(np.isfinite(self._seen.backprop[place])):
            return False
        return bool(np.max(slack[known]) <= _TOLD * np.max(error[known]))


def _rank(pair: tuple[tuple[int, Mistake], ...]) -> int:
    """The likelier both, the smaller."""
    return sum(number for number, _ in pair)


def _widest(fits: list[Explained]) -> Explained | None:
    """The first that explains the most parameters, with the others that explain the same."""
    if not fits:
        return None
    most = max(len(fit.parameters) for fit in fits)
    first, *others = (fit for fit in fits if len(fit.parameters) == most)
    same = tuple(o.mistake for o in others if o.parameters == first.parameters)
    return replace(first, also=same)


def _besides(mistake: Mistake, member: Mistake, number: float) -> Mistake:
    """The mistake itself, and a factor of all that comes of it."""
    words = f"{mistake.words}, and what comes of it is taken {number:.6g} times"
    return replace(member, words=words, edits=mistake.edits)


def _cause_of_member(mistake: Mistake, number: float) -> Cause:
    if mistake.cause is not Cause.UPSTREAM or mistake.start is not None:
        return mistake.cause
    return Cause.SIGN if abs(number + 2.0) <= _SAME else Cause.SCALE
