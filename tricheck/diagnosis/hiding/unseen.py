"""Mistakes that would change nothing at this point, and so cannot be seen there.

On the way back through a run at the point, every operation is asked what each of a few mistakes
would change of what it hands back. One that changes nothing there, and something in a run
elsewhere, is hidden by the point. What changes nothing anywhere is no mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tricheck.diagnosis.hiding.elsewhere import Elsewhere, Way
from tricheck.diagnosis.mistakes.mistake import instead, without
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.errors import TraceError
from tricheck.location import Spot
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Edit, Gathered, Parts, Step
from tricheck.tracing.traced import plain

_SHOWS = 1e-9  # of the largest gradient entry
_LINEAR = (np.add, np.subtract, np.negative, np.positive, np.copy)
_PRODUCTS = (np.matmul, np.dot, np.einsum, np.tensordot, np.inner)
_PIECEWISE = (np.where, np.maximum, np.minimum, np.fmax, np.fmin, np.absolute, np.fabs, np.clip)


class Kind(StrEnum):
    """What is done wrong, the most telling first."""

    NOT_RUN = "not-run"  # whatever is
    BRANCH = "branch"  # on one branch of a function
    TRANSPOSE = "transpose"  # a square matrix is not transposed
    PATH = "path"  # nothing goes back to an argument
    FACTOR = "factor"  # a factor or derivative is left out
    OTHER_ARRAY = "other-array"  # a parameter's gradient is taken with another array


@dataclass(frozen=True)
class Trial:
    """A mistake at an operation, on the way back to one of its arguments.

    Attributes
    ----------
    kind : Kind
    site : Site
    position : int
        Of the argument.
    parameters : frozenset of str
        Those whose gradient it spoils.
    change : float
        How far what the operation hands back is from right, beside the largest of that.
    edits : mapping of Step to Edit
        To make it; empty where `change` says all.
    other : str
        The array that is taken for another, in words.
    """

    kind: Kind
    site: Site
    position: int
    parameters: frozenset[str]
    change: float
    edits: Mapping[Step, Edit] = field(default_factory=dict)
    other: str = ""

    @property
    def telling(self) -> tuple[int, bool]:
        """To order them by: the most telling kind first, and arrays before numbers."""
        return list(Kind).index(self.kind), not np.ndim(self.site.steps[0].value)


class Unseen(NamedTuple):
    """A mistake that changes nothing here.

    Attributes
    ----------
    trial : Trial
    way : Way
        What has to be other for it to show.
    """

    trial: Trial
    way: Way


def unseen(study: Study, limits: FloatArray, elsewhere: Elsewhere) -> list[Unseen]:
    """Mistakes that change no entry beyond its limit here, and would elsewhere.

    Parameters
    ----------
    study : Study
        At the point.
    limits : ndarray, shape (size,)
        How much an entry may change unseen; infinite where nothing can be seen.
    elsewhere : Elsewhere
    """
    search = _Search(study, limits, elsewhere)
    found = search.look(Way.PARAMETERS)
    if search.open:
        found += search.look(Way.INPUTS)
    return found + search.look(Way.SIZES)


Key = tuple[Any, ...]


class _Search:
    """The search for what is hidden at a point.

    Attributes
    ----------
    open : dict
        Mistakes without effect at the point, that have shown nowhere yet.
    """

    def __init__(self, study: Study, limits: FloatArray, elsewhere: Elsewhere) -> None:
        self._limits = limits
        self._elsewhere = elsewhere
        self._here = _Look(study)
        finest = float(np.min(limits)) / (self._here.largest or 1.0)
        self.open = {
            key: trial
            for key, trial in [*self._here.trials.items(), *self._here.equal_arrays()]
            if trial.change <= (finest if trial.edits else 0.0) and self._visible(trial)
        }

    def look(self, way: Way) -> list[Unseen]:
        """Those that show in runs that are other in this way."""
        found = []
        for run in self._elsewhere.of(way):
            there = _Look(run)
            for key, trial in there.trials.items():
                mine = None if way is Way.SIZES else self.open.get(key)
                told = mine or self._absent(key, trial, way)
                if told is not None and trial.change > _SHOWS and self._holds(mine, trial, there):
                    found.append(Unseen(told, way))
                    self.open.pop(key, None)
            apart = [key for key, t in self.open.items() if t.other and there.differ(key)]
            found += [Unseen(self.open.pop(key), way) for key in apart]
        return found

    def _absent(self, key: Key, trial: Trial, way: Way) -> Trial | None:
        """A mistake that nobody could make at the point: in code not run, on a path not there."""
        if key in self._here.trials or not self._visible(trial):
            return None
        if key[0] in self._here.sites:
            grown = way is Way.SIZES and trial.kind is Kind.PATH
            return trial if grown and key[0] not in self._here.silent else None
        return replace(trial, kind=Kind.NOT_RUN) if way is not Way.SIZES else None

    def _holds(self, mine: Trial | None, trial: Trial, there: _Look) -> bool:
        """Whether the whole gradient is right with the mistake here, and wrong with it there."""
        # If it changes a little, what becomes of that on the way is not known.
        changed = mine is not None and mine.change > 0.0
        if changed and not self._right(self._here, mine or trial, self._limits):
            return False
        shows = np.full(self._limits.shape, _SHOWS * there.largest)
        return not trial.edits or not self._right(there, trial, shows)

    def _right(self, look: _Look, trial: Trial, limits: FloatArray) -> bool:
        """Whether a mistake changes nothing beyond limits; what cannot be said is not hidden."""
        unknown = look is not self._here
        if not self._elsewhere.affords(1):
            return unknown
        try:
            made = look.study.gradient(trial.edits)
        except (TraceError, ValueError):  # shapes by which nobody could make this mistake
            return unknown
        return bool(np.all(np.abs(made - look.gradient) <= limits))

    def _visible(self, trial: Trial) -> bool:
        """Whether anything can be seen at the point in what the mistake would spoil."""
        return any(
            leaf.name in trial.parameters and np.isfinite(self._limits[leaf.place]).any()
            for leaf in self._here.study.parameters.leaves
        )


class _Look:
    """A run, and what mistakes would change on the way back through it.

    Attributes
    ----------
    gradient : ndarray, shape (size,)
    sites : dict
        All operations.
    silent : set
        Those to which nothing comes back.
    trials : dict
        The mistakes at the others.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._changes: dict[Step, list[_Change] | None] = {}
        watched = (step for step in study.steps if not isinstance(step, Gathered))
        self.gradient = study.gradient(dict.fromkeys(watched, self._watch))
        self.largest = float(np.max(np.abs(self.gradient)))
        self.sites = _sites(study)
        self.silent = {
            key
            for key, site in self.sites.items()
            if all(self._changes.get(step) is None for step in site.steps)
        }
        self.trials = dict(self._trials())

    def _watch(self, came: Any, step: Step, right: Any) -> Parts:
        parts: Parts = right(came)
        self._changes[step] = None if isinstance(came, list) else _changes(came, step, parts)
        return parts

    def _trials(self) -> Iterator[tuple[Key, Trial]]:
        for key, site in self.sites.items():
            if key not in self.silent:
                for position in site.operands():
                    for what, trial in self._at(site, position):
                        yield (key, position, what), trial

    def _at(self, site: Site, position: int) -> Iterator[tuple[str, Trial]]:
        places = [(s, n, c) for s, n in site.places(position) if (c := self._changes.get(s))]
        if not places:
            return
        names = frozenset[str]().union(*(self.study.reach[step][n] for step, n, _ in places))
        branches = all(_is_piecewise(step) for step, _, _ in places)

        def trial(kind: Kind, change: float, edit: Callable[[int], Edit] | None = None) -> Trial:
            kind = Kind.BRANCH if branches else kind
            edits = {step: edit(number) for step, number, _ in places} if edit else {}
            return Trial(kind, site, position, names, change, edits)

        yield "path", trial(Kind.PATH, max(c[n].path for _, n, c in places), without)
        factor = max(c[n].factor for _, n, c in places)
        if np.isfinite(factor):
            yield "factor", trial(Kind.FACTOR, factor, _factor_left_out)
        matrices = [_other_matrix(step, position) for step, _, _ in places]
        if all(matrix is not None for matrix in matrices):
            yield "transpose", trial(Kind.TRANSPOSE, max(map(_asymmetry, matrices)))

    def equal_arrays(self) -> Iterator[tuple[Key, Trial]]:
        """Parameters' factors that another array at hand is equal to."""
        factors = {
            (key, position): arrays
            for key, site in self.sites.items()
            for position in (site.operands() if key not in self.silent else ())
            if (arrays := self._factors(site, position))
        }
        wanted = {tuple(map(np.shape, arrays)) for arrays in factors.values()}
        at_hand: dict[Any, list[Key]] = {}
        for key, arrays in self._at_hand.items() if wanted else ():
            if tuple(map(np.shape, arrays)) in wanted:
                at_hand.setdefault(_digest(arrays), []).append(key)
        for (key, position), arrays in factors.items():
            site = self.sites[key]
            for other in at_hand.get(_digest(arrays), []):
                if other == (key, 1 - position):
                    continue
                names = (self.study.reach[step][n] for step, n in site.places(position))
                parameters = frozenset[str]().union(*names)
                words = self._words_of(*other)
                trial = Trial(Kind.OTHER_ARRAY, site, position, parameters, 0.0, other=words)
                yield (key, position, "other-array", other), trial

    def differ(self, key: Key) -> bool:
        """Whether two arrays that are equal elsewhere are not in this run."""
        site, position, _, other = key
        if site not in self.sites or other not in self._at_hand or site in self.silent:
            return False
        factors, others = self._factors(self.sites[site], position), self._at_hand[other]
        if [np.shape(a) for a in factors] != [np.shape(a) for a in others]:
            return False
        pairs = zip(factors, others, strict=True)
        return any(_apart(a, b) > _SHOWS * _largest(a) for a, b in pairs)

    @cached_property
    def _at_hand(self) -> dict[Key, list[Any]]:
        """What operations make, and the arrays that they take, one for each step."""
        found: dict[Key, list[Any]] = {}
        for key, site in self.sites.items():
            found[key, None] = [step.value for step in site.steps]
            taken = [step.note.args if step.note else () for step in site.steps]
            for position in range(min(map(len, taken))):
                arrays = [plain(args[position]) for args in taken]
                if all(isinstance(array, np.ndarray) and array.ndim for array in arrays):
                    found[key, position] = arrays
        return found

    def _words_of(self, key: Key, position: int | None) -> str:
        site = self.sites[key]
        return site.words if position is None else site.operand(position)

    def _factors(self, site: Site, position: int) -> list[Any]:
        """What a parameter is multiplied by at an operation; none if it is something else."""
        places = list(site.places(position))
        roots = all(step.places[number].storage in self.study.roots for step, number in places)
        if site.function not in (np.matmul, np.dot) or not roots or len(places) != len(site.steps):
            return []
        return [plain(step.note.args[1 - position]) for step in site.steps if step.note]


class _Change(NamedTuple):
    """How far what goes back to an argument is from right, with a mistake.

    Attributes
    ----------
    path : float
        If nothing goes back.
    factor : float
        If what came goes back as it is; infinite where nobody could do that.
    """

    path: float
    factor: float


def _changes(came: Any, step: Step, parts: Parts) -> list[_Change] | None:
    """For each argument; None if nothing has come back."""
    coming = _largest(came)
    if coming == 0.0:
        return None
    sizes = [0.0 if part is None else _largest(part) for _, part in parts]
    largest = max(sizes, default=0.0) or 1.0
    factors = step.note is not None and step.note.function not in _LINEAR
    return [
        _Change(
            size / largest,
            _largest(came - part) / max(largest, coming)
            if factors and part is not None and np.shape(part) == np.shape(came)
            else np.inf,
        )
        for size, (_, part) in zip(sizes, parts, strict=True)
    ]


def _factor_left_out(number: int) -> Edit:
    return instead(number, lambda came, *_: came)


def _is_piecewise(step: Step) -> bool:
    """Whether an operation takes one branch or another."""
    if step.note is None:
        return False
    if step.note.function is np.multiply:  # by a mask
        return any(np.asarray(plain(arg)).dtype == bool for arg in step.note.args)
    return step.note.function in _PIECEWISE


def _other_matrix(step: Step, position: int) -> Any:
    """The square matrix that an argument is multiplied by; None if it is zero or something else."""
    if step.note is None or step.note.function not in (np.matmul, np.dot):
        return None
    matrix = plain(step.note.args[1 - position])
    square = np.ndim(matrix) >= 2 and np.shape(matrix)[-1] == np.shape(matrix)[-2] > 1
    return matrix if square and np.any(matrix) else None


def _asymmetry(matrix: Any) -> float:
    return _apart(matrix, np.swapaxes(matrix, -1, -2)) / (_largest(matrix) or 1.0)


def _digest(arrays: list[Any]) -> Any:
    """The same for equal arrays, and hardly for others."""
    return tuple(hash(np.asarray(array).tobytes()) for array in arrays)


def _apart(first: Any, second: Any) -> float:
    """The largest difference, of truth values too."""
    return _largest(first * 1.0 - second)


def _largest(array: Any) -> float:
    return float(np.max(np.abs(array), initial=0.0))


# --- operations ---------------------------------------------------------------------------------


def _sites(study: Study) -> dict[Key, Site]:
    """Every operation of the user's code, by each way down to it.

    The words are those of the call, where an operation is reached in several ways.
    """
    steps: dict[Key, list[Step]] = {}
    spots: dict[Key, tuple[Spot, ...]] = {}
    ways: dict[Key, dict[Key, None]] = {}
    call, number = 0, 0
    for step in study.steps:
        way = study.spots(step)
        if step.note is None or not way:  # what tricheck itself adds to a loss
            continue
        # NumPy functions that are written in terms of others make several steps in one call
        call, number = step.note.call, number + 1 if step.note.call == call else 0
        key = (way, number, step.note.function)
        steps.setdefault(key, []).append(step)
        spots[key] = way
        ways.setdefault((key[0][-1], *key[1:]), {})[key] = None
    found = {}
    for alike in ways.values():
        for key in alike:
            by_call = len(alike) > 1 and len(spots[key]) > 1
            found[key] = Site(tuple(steps[key]), spots[key][-2:-1] if by_call else spots[key])
    return found
