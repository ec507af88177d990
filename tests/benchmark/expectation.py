"""What is honest to say about a case: derived from what was injected and from 50-digit truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.benchmark.family import mapped
from tests.benchmark.truth import leaves
from tricheck.vocabulary import Verdict

Blocks = Mapping[str, npt.NDArray[Any]]

CLEAR = 100.0  # times what can be resolved: far enough for one honest answer
_UNRESOLVED = 1e-10  # of the loss or the largest gradient: a block so small has vanished
_STEPS = 10.0 ** -np.arange(1.0, 11.0)

_PLAIN = 1e-3  # of a block's largest entry: a fixed step so far off is to blame

OF_NOBODY = frozenset({Verdict.AGREE, Verdict.FINITE_DIFFERENCE})
_DOUBTFUL = OF_NOBODY | {Verdict.INCONCLUSIVE}


class Guilty(StrEnum):
    """Who is wrong by construction."""

    NOBODY = "nobody"
    BACKPROP = "backprop"
    REFERENCE = "reference"
    BOTH = "backprop and reference"


_ACCUSING = {
    Guilty.BACKPROP: Verdict.BACKPROP,
    Guilty.REFERENCE: Verdict.REFERENCE,
    Guilty.BOTH: Verdict.BACKPROP_AND_REFERENCE,
}


@dataclass(frozen=True)
class Expectation:
    """What may be said about a case.

    Attributes
    ----------
    verdicts : frozenset of Verdict
        The admissible ones.
    blamed, spared : frozenset of str
        Parameters that must be and must not be blamed; what is in neither may be either.
    wrong, right : mapping of str to ndarray of bool
        Per parameter that must be blamed, the entries that must and must not be; none for a
        gradient of another shape.
    causes : frozenset of str
        The causes that may be named; empty where none is asked for.
    magnitude : float
        The largest error of an entry, relative to its block's largest: what was injected.
    relative : mapping of str to float
        The same, block by block.
    """

    verdicts: frozenset[Verdict]
    blamed: frozenset[str] = frozenset()
    spared: frozenset[str] = frozenset()
    wrong: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    right: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    causes: frozenset[str] = frozenset()
    magnitude: float = 0.0
    relative: Mapping[str, float] = field(default_factory=dict)

    @property
    def single(self) -> bool:
        """Whether there is one honest answer: nobody is wrong, or one culprit."""
        return self.verdicts <= OF_NOBODY or len(self.verdicts) == 1


@dataclass(frozen=True)
class Resolved:
    """How far each block of a gradient is off, against what can be resolved.

    Attributes
    ----------
    error : mapping of str to ndarray
        Absolute errors; infinite throughout where the shape is wrong.
    floor : mapping of str to float
        What a right gradient in this precision is off by, with a margin.
    size : mapping of str to float
        The largest entry of the truth.
    """

    error: Blocks
    floor: Mapping[str, float]
    size: Mapping[str, float]

    def clear(self, times: float = CLEAR) -> frozenset[str]:
        """The blocks that are off by so many floors."""
        return frozenset(k for k in self.error if np.max(self.error[k]) > times * self.floor[k])

    @property
    def relative(self) -> dict[str, float]:
        """The largest error of each block relative to its largest entry."""
        return {
            key: float(np.max(self.error[key]) / self.size[key]) if self.size[key] else np.inf
            for key in self.error
            if np.max(self.error[key]) > 0
        }


def resolved(truth: Blocks, right: Blocks, came: Blocks, scale: float, unseen: float) -> Resolved:
    """How far a gradient is off, against a right one in the same precision.

    Parameters
    ----------
    truth, right, came : mapping of str to ndarray
        To 50 digits; hand-written and right; the one in question.
    scale : float
        The loss's magnitude at the point, without offset.
    unseen : float
        The smallest gradient that shows in the loss, offset and all.
    """
    size = {key: float(np.max(np.abs(block))) for key, block in truth.items()}
    eps = float(np.finfo(np.result_type(*(block.dtype for block in right.values()))).eps)
    vanished = max(unseen, _UNRESOLVED * max(scale, *size.values()))
    floor = {
        key: 4.0 * float(np.max(np.abs(right[key] - truth[key])))
        + 16.0 * eps * size[key]
        + (vanished if size[key] < vanished else 0.0)
        + np.finfo(np.float64).tiny
        for key in truth
    }
    return Resolved({key: _error(truth[key], came[key]) for key in truth}, floor, size)


def _error(truth: npt.NDArray[Any], came: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if np.shape(came) != truth.shape:
        return np.full(truth.shape, np.inf)
    error = np.abs(came - truth)
    return np.where(np.isfinite(error), error, np.inf)


# --- expectations ---------------------------------------------------------------------------------


def of_right(approximated: float, noisy: bool) -> frozenset[Verdict]:
    """Verdicts on a right gradient, away from kinks.

    Parameters
    ----------
    approximated : float
        Error of a fixed step's difference relative to a block's largest entry, the worst; 0 where
        the steps are free.
    noisy : bool
        Whether the loss's noise keeps a trace from it.
    """
    if noisy:
        return frozenset(_DOUBTFUL)
    return frozenset({Verdict.FINITE_DIFFERENCE}) if approximated > _PLAIN else OF_NOBODY


def of_wrong(
    guilty: Guilty, seen: Resolved, differences: float, random: bool
) -> frozenset[Verdict]:
    """Verdicts where a source is wrong.

    Parameters
    ----------
    guilty : Guilty
    seen : Resolved
        How far the source is off.
    differences : float
        The error of the best finite difference where only that can tell who is right, else 0.
    random : bool
        Whether the loss is another at every call.
    """
    accusing = _ACCUSING[guilty]
    worst = max(float(np.max(error)) for error in seen.error.values())
    if not seen.clear() or worst <= CLEAR * differences:
        return frozenset(_DOUBTFUL | {accusing})
    if random:
        return frozenset({accusing, Verdict.INCONCLUSIVE, Verdict.FINITE_DIFFERENCE})
    if guilty is Guilty.REFERENCE and not np.isfinite(worst):
        return frozenset({accusing, Verdict.INCONCLUSIVE})  # as the finite difference confirms
    if guilty is Guilty.BOTH and not np.isfinite(worst):
        return frozenset({accusing, Verdict.BACKPROP})  # two that are no numbers do not agree
    return frozenset({accusing})


def expected_of(
    verdicts: frozenset[Verdict], seen: Resolved, right: Blocks, came: Blocks, differences: float,
    causes: frozenset[str],
) -> Expectation:  # fmt: skip
    """The whole expectation where a source is wrong.

    Parameters
    ----------
    verdicts : frozenset of Verdict
    seen : Resolved
    right, came : mapping of str to ndarray
        The right gradient in the same precision, and what came instead.
    differences : float
        The error of the best finite difference where only that can tell.
    causes : frozenset of str
    """
    limit = {key: CLEAR * max(floor, differences) for key, floor in seen.floor.items()}
    blamed = frozenset(key for key in seen.error if np.max(seen.error[key]) > limit[key])
    if differences:  # known at one entry alone
        worst = max(seen.relative, key=lambda key: seen.relative[key])
        blamed &= {worst}
    same = {key: _same(right[key], came[key]) for key in right}
    shaped = [key for key in blamed if np.shape(came[key]) == right[key].shape and not differences]
    return Expectation(
        verdicts,
        blamed,
        spared=frozenset(key for key in same if np.all(same[key])),
        wrong={key: seen.error[key] > limit[key] for key in shaped},
        right={key: same[key] for key in shaped},
        causes=causes,
        magnitude=max(seen.relative.values()),
        relative=seen.relative,
    )


def _same(right: npt.NDArray[Any], came: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if np.shape(came) != right.shape:
        return np.zeros(right.shape, dtype=bool)
    return np.asarray(came == right)


# --- finite differences ---------------------------------------------------------------------------


def best_difference(
    loss: Callable[[Any], Any], params: Any, key: str, index: int, slope: float
) -> float:
    """The error that the best central difference of an entry has, whichever its step.

    Three neighbouring steps must be as good: one alone can be right by chance.
    """
    errors = [abs(central(loss, params, key, index, h) - slope) for h in _STEPS]
    finite = [e if np.isfinite(e) else np.inf for e in errors]
    return min(max(near) for near in zip(finite, finite[1:], finite[2:], strict=False))


def worst_difference(loss: Callable[[Any], Any], params: Any, truth: Blocks, step: float) -> float:
    """The error of central differences with a fixed step relative to its block, the worst.

    Blocks whose gradient has vanished are no measure.
    """
    sizes = {key: float(np.max(np.abs(block))) for key, block in truth.items()}
    vanished = _UNRESOLVED * max(abs(float(loss(params))), *sizes.values())
    worst = 0.0
    for key, block in truth.items():
        if sizes[key] > vanished:
            came = [central(loss, params, key, n, step) for n in range(block.size)]
            error = float(np.max(np.abs(np.array(came) - block.ravel())))
            worst = max(worst, error / sizes[key])
    return worst


def central(loss: Callable[[Any], Any], params: Any, key: str, index: int, step: float) -> float:
    """The central difference of one entry, divided by the realised step."""
    forth, back = (_moved(params, key, index, s * step) for s in (1.0, -1.0))
    ends = (dict(leaves(forth))[key].ravel()[index], dict(leaves(back))[key].ravel()[index])
    width = float(ends[0]) - float(ends[1])
    return (float(loss(forth)) - float(loss(back))) / width if width else np.nan


def _moved(params: Any, key: str, index: int, step: float) -> Any:
    def move(name: str, leaf: Any) -> Any:
        leaf = np.array(leaf, dtype=np.float64)
        if name == key:
            leaf.reshape(-1)[index] += step
        return leaf

    return mapped(params, move)
