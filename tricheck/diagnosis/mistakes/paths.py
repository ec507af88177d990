"""Mistakes in how gradients are handed back: paths, factors and sums that get lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes import activations
from tricheck.diagnosis.mistakes.mistake import (
    Mistake,
    Right,
    after,
    both,
    instead,
    multiple,
    times,
    without,
)
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.tracing.study import Edits, Study
from tricheck.tracing.tape import Edit, Gathered, Place, Step, Storage, last_writer
from tricheck.tracing.traced import is_traced, plain
from tricheck.vocabulary import Cause

_MOST_STATISTICS = 6
_LINEAR = (np.add, np.subtract, np.negative, np.positive, np.copy)


def left_out(study: Study, site: Site, around: Around) -> list[Mistake]:
    """What comes back through one argument of an operation is left out."""
    found = []
    for position in site.operands():
        places = list(site.places(position))
        operand = site.operand(position)
        what = f"what comes back to {operand} through {site.words}"
        found.append(
            Mistake(
                around.cause(site),
                "path-left-out",
                f"{what} is left out",
                f"let the gradient of {operand} have that part too",
                site.spot,
                edits := {step: without(number) for step, number in places},
                _reached(study, places),
                scaled=multiple(_multiplied(what), edits),
            )
        )
    return found


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


def _multiplied(what: str) -> Callable[[float], str]:
    return lambda times: f"{what} is multiplied by {1.0 + times:.6g}"


def factor_left_out(study: Study, site: Site) -> list[Mistake]:
    """The other factor of a product, or the derivative of a function, is left out on the way."""
    if site.function in _LINEAR:
        return []
    found = []
    for position in site.operands():
        if site.function is np.true_divide and position == 1:
            found.append(_quotient(study, site))
        places = [(s, n) for s, n in site.places(position) if _keeps_shape(s, n)]
        if not places:
            continue
        operand = site.operand(position)
        of_one = all(len(step.note.args) == 1 for step, _ in places if step.note)
        what = "the derivative" if of_one else f"the factor of {operand} in"
        found.append(
            Mistake(
                Cause.ACTIVATION_DERIVATIVE if of_one else Cause.UPSTREAM,
                "factor-left-out",
                f"{what} {'of ' * of_one}{site.words} is left out (1 in its place)",
                "multiply what comes back by it",
                site.spot,
                {step: instead(number, lambda came, *_: came) for step, number in places},
                _reached(study, places),
                scaled=_constant_factor(f"{what} {'of ' * of_one}{site.words}", places),
                start={step: without(number) for step, number in places},
            )
        )
    return found


def _constant_factor(
    what: str, places: list[tuple[Step, int]]
) -> Callable[[float], tuple[str, Edits]]:
    """A constant in place of a factor."""

    def member(number: float) -> tuple[str, Edits]:
        edits = {step: instead(k, lambda came, *_: number * came) for step, k in places}
        return f"{what} is {number:.6g} throughout", edits

    return member


def _quotient(study: Study, site: Site) -> Mistake:
    """The divisor's derivative, -a / b², without the square."""
    places = list(site.places(1))

    def unsquared(_: Any, step: Step, share: Any) -> Any:
        assert step.note is not None  # it has arguments, so it has a note
        return share * plain(step.note.args[1])

    return Mistake(
        Cause.ACTIVATION_DERIVATIVE,
        "unsquared",
        f"the slope in {site.operand(1)} of {site.words} lacks the square of the divisor",
        "the derivative of a / b in b is -a / b²",
        site.spot,
        {step: instead(number, unsquared) for step, number in places},
        _reached(study, places),
    )


def dropped(study: Study, site: Site) -> list[Mistake]:
    """What comes back to an operation's result is dropped: ones in its place."""
    steps = [step for step in site.steps if np.ndim(step.value)]
    if not steps:
        return []
    return [
        Mistake(
            Cause.UPSTREAM,
            "upstream-dropped",
            f"the gradient that comes back to {site.words} is dropped (1 in its place)",
            "multiply by the upstream gradient",
            site.spot,
            {step: after(_ones) for step in steps},
            _reaching(study, steps),
        )
    ]


def _ones(gradient: Any) -> Any:
    if isinstance(gradient, list):
        return [np.ones_like(part) for part in gradient]
    return np.ones_like(gradient)


def unrepeated(site: Site) -> bool:
    """Whether entries are picked by lists of indices in which none occurs twice, but might."""
    picked = [step for step in site.steps if isinstance(step, Gathered) and step.repeats]
    return bool(picked) and all(_by_lists(step) and not _repeats(step) for step in picked)


def _by_lists(step: Gathered) -> bool:
    """Whether an index is made of lists of numbers that neither count up nor reorder an axis."""
    parts = step.index if isinstance(step.index, tuple) else (step.index,)
    lists = [np.asarray(part) for part in parts if isinstance(part, list | np.ndarray)]
    counted = any(part.ndim == 1 and np.all(np.diff(part) == 1) and part.size > 1 for part in lists)
    reorders = np.size(step.value) == np.size(step.places[0].look(step.places[0].storage.value))
    return bool(lists) and not (counted or reorders) and all(p.dtype != bool for p in lists)


def _repeats(step: Gathered) -> bool:
    return bool(np.any(_stays(step) != 1.0))


def _stays(step: Gathered) -> Any:
    """1 where what comes back stays if later contributions to an entry replace earlier ones."""
    [place] = step.places
    shape = np.shape(place.look(place.storage.value))
    return last_writer(shape, step.index, np.shape(step.value))


def overwritten(study: Study, site: Site) -> list[Mistake]:
    """Where an index occurs twice, one contribution stays: `=` or buffered `+=` for a sum."""
    edits: dict[Step, Edit] = {}
    for step in site.steps:
        if isinstance(step, Gathered) and step.repeats and _repeats(step):
            edits[step] = after(times(_stays(step)))
    if not edits:
        return []
    return [
        Mistake(
            Cause.ENTRIES,
            "overwritten",
            f"of the gradients that come back to the same entry through {site.words} only the "
            "last is kept",
            "add them up, with np.add.at",
            site.spot,
            edits,
            _reaching(study, list(edits)),
        )
    ]


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
                _reaching(study, list(site.steps)),
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


def constant(study: Study, every: list[Site]) -> list[Mistake]:
    """A value that several operations use is taken for a constant, or seen through one alone."""
    uses: dict[Region, list[tuple[Site, int, Step, int]]] = {}
    for site in every:
        if site.turn:
            continue
        for position in site.operands():
            for step, number in site.places(position):
                region = _region(step.places[number])
                uses.setdefault(region, []).append((site, position, step, number))
    groups: dict[frozenset[tuple[Site, int]], list[tuple[Site, int, Step, int]]] = {}
    for used in uses.values():
        signature = frozenset((site, position) for site, position, _, _ in used)
        if len(signature) > 1:
            groups.setdefault(signature, []).extend(used)
    return [m for group in groups.values() for m in _of_value(study, group)]


# What penalties of size are made of
_PENALTIES = (
    np.square, np.power, np.multiply, np.absolute, np.sum, np.mean, np.dot, np.vdot, np.inner,
    np.sqrt, np.linalg.norm, np.true_divide, np.matmul, np.tensordot, np.einsum, np.reshape,
    np.ravel, np.add,
)  # fmt: skip


Region = tuple[Storage, Any, Any, Any]


def _region(place: Place) -> Region:
    """The memory that a place is, however it was looked up."""
    if not place.view:
        return place.storage, None, None, None
    seen = np.asarray(place.look(place.storage.value))
    return place.storage, seen.ctypes.data, seen.shape, seen.strides


def _of_value(study: Study, used: list[tuple[Site, int, Step, int]]) -> list[Mistake]:
    site, position, _, _ = used[0]
    operand = site.operand(position)
    kinds = list(dict.fromkeys((other, k) for other, k, _, _ in used))
    found = [
        Mistake(
            Cause.UPSTREAM,
            "taken-for-constant",
            f"{operand}, first used in {site.words}, is taken for a constant",
            "send the gradient back through all of its uses",
            site.spot,
            _all_without(used),
            _reached(study, [(step, number) for _, _, step, number in used]),
        )
    ]
    if len(kinds) > 2:
        for kept, k in kinds:
            rest = [use for use in used if (use[0], use[1]) != (kept, k)]
            found.append(
                Mistake(
                    Cause.UPSTREAM,
                    "one-path",
                    f"of what comes back to {operand} only the part through {kept.words} is kept",
                    "add up the parts of all its uses",
                    kept.spot,
                    _all_without(rest),
                    _reached(study, [(step, number) for _, _, step, number in rest]),
                )
            )
    return found


def _all_without(used: list[tuple[Site, int, Step, int]]) -> dict[Step, Edit]:
    edits: dict[Step, Edit] = {}
    for _, _, step, number in used:
        edits[step] = both(edits.get(step), without(number))
    return edits


def held_constant(study: Study, every: list[Site]) -> list[Mistake]:
    """Statistics of the values (mean, variance, ...) are taken for constants."""
    statistics = [site for site in every if not site.turn and _is_statistic(site)]
    if len(statistics) > _MOST_STATISTICS:
        return []
    found = []
    for count in (1, *range(len(statistics), 1, -1)):
        for group in combinations(statistics, count):
            places = [p for site in group for k in site.operands() for p in site.places(k)]
            how = "is taken for a constant" if count == 1 else "are taken for constants"
            names = " and ".join(site.words for site in group[:2])
            names += f" and {count - 2} more" if count > 2 else ""
            found.append(
                Mistake(
                    Cause.UPSTREAM,
                    "held-constant",
                    f"{names} {how}",
                    "the gradient of the input has a part through that, too",
                    group[0].spot,
                    {step: without(number) for step, number in places},
                    _reached(study, places),
                )
            )
    return found


def _is_statistic(site: Site) -> bool:
    """Whether an operation reduces an array to a smaller one that is not yet a number."""
    return all(
        np.ndim(step.value) > 0
        and len(step.places) == 1
        and np.size(step.value) < np.size(step.places[0].look(step.places[0].storage.value))
        and not isinstance(step, Gathered)
        for step in site.steps
    )


def _keeps_shape(step: Step, number: int) -> bool:
    place = step.places[number]
    shape = np.shape(place.look(place.storage.value))
    return shape == np.shape(step.value) and not isinstance(step, Gathered)


def _reached(study: Study, places: list[tuple[Step, int]]) -> frozenset[str]:
    return frozenset[str]().union(*(study.reach[step][number] for step, number in places))


def _reaching(study: Study, steps: list[Step]) -> frozenset[str]:
    return frozenset[str]().union(*map(study.through, steps))
