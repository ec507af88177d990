"""Several references at once: compared with each other, and settled by the finite difference.

Where they agree nothing hangs on the choice. Where they do not, the one that the measured finite
difference supports is used, whatever their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from tricheck.comparison import BoolArray
from tricheck.parameters import FloatArray, Leaf, Parameters
from tricheck.sources.finite_difference import FiniteDifference
from tricheck.sources.reference import ReferenceEstimate
from tricheck.sources.same_loss import different_loss
from tricheck.vocabulary import Cause, Finding, Severity, Source


@dataclass(frozen=True)
class Settled:
    """The reference that the verdict rests on.

    Attributes
    ----------
    reference : ReferenceEstimate or None
        Entry by entry one of the candidates; None when there are none.
    disputed : ndarray of bool, shape (size,)
        Where candidates contradict each other.
    findings : list of Finding
        A warning for every parameter and pair of candidates that do.
    """

    reference: ReferenceEstimate | None
    disputed: BoolArray
    findings: list[Finding]


def settle(
    candidates: Sequence[ReferenceEstimate], difference: FiniteDifference, parameters: Parameters
) -> Settled:
    """Choose among references, entry by entry.

    Parameters
    ----------
    candidates : sequence of ReferenceEstimate
        In the user's order.
    difference : FiniteDifference
        The loss's own word on them.
    parameters : Parameters
        Their layout.
    """
    nowhere = np.zeros(parameters.size, dtype=bool)
    if len(candidates) < 2:
        return Settled(next(iter(candidates), None), nowhere, [])
    pairs = {
        (i, j): _contradict(candidates[i], candidates[j])
        for i, j in combinations(range(len(candidates)), 2)
    }
    disputed: BoolArray = np.logical_or.reduce(list(pairs.values()))
    excess = np.array([_excess(candidate, difference) for candidate in candidates])
    chosen = _choice(candidates, excess, disputed, parameters)
    findings = [
        _disagreement(candidates, excess, chosen, difference, pair, leaf, where)
        for pair, where in pairs.items()
        for leaf in parameters.leaves
        if where[leaf.place].any()
    ]
    unused = [c for i, c in enumerate(candidates) if i not in chosen]
    findings += [
        different_loss(c.method, c.mismatch, Severity.WARNING)
        for c in unused
        if c.mismatch is not None
    ]
    return Settled(_merged(candidates, chosen), disputed, findings)


def _contradict(first: ReferenceEstimate, second: ReferenceEstimate) -> BoolArray:
    """Where two differ by more than their bounds, or one alone has a value."""
    apart = np.abs(first.values - second.values) > first.bounds + second.bounds
    return np.array(apart | (first.finite != second.finite), dtype=bool)


def _excess(candidate: ReferenceEstimate, difference: FiniteDifference) -> FloatArray:
    """By how much the finite difference contradicts a candidate; 0 where it cannot tell."""
    apart = np.abs(candidate.values - difference.values) - candidate.bounds - difference.bounds
    silent = difference.kinks | difference.troubles | ~np.isfinite(difference.bounds)
    excess = np.where(silent, 0.0, np.fmax(apart, 0.0))
    return np.where(candidate.finite, excess, np.inf)


def _choice(
    candidates: Sequence[ReferenceEstimate],
    excess: FloatArray,
    disputed: BoolArray,
    parameters: Parameters,
) -> npt.NDArray[np.intp]:
    """Which candidate stands for each entry, shape (size,)."""
    contradicted = np.empty(excess.shape)
    for leaf in parameters.leaves:
        contradicted[:, leaf.place] = np.sum(excess[:, leaf.place] > 0.0, axis=1, keepdims=True)
    size = parameters.size
    unfaithful = np.repeat([[not c.faithful] for c in candidates], size, axis=1)
    foreign = np.repeat([[not c.traced] for c in candidates], size, axis=1)
    bounds = np.array([candidate.bounds for candidate in candidates])
    # The last key weighs most; among equals the first candidate wins.
    settled = np.lexsort((contradicted, unfaithful, excess), axis=0)[0]
    agreed = np.lexsort((bounds, foreign, unfaithful, contradicted), axis=0)[0]
    choice: npt.NDArray[np.intp] = np.where(disputed, settled, agreed)
    return choice


def _merged(
    candidates: Sequence[ReferenceEstimate], chosen: npt.NDArray[np.intp]
) -> ReferenceEstimate:
    used = [candidates[i] for i in np.unique(chosen)]
    rows = np.arange(chosen.size)
    return ReferenceEstimate(
        Source.REFERENCE,
        values=np.array([c.values for c in candidates])[chosen, rows],
        bounds=np.array([c.bounds for c in candidates])[chosen, rows],
        method=", ".join(c.method for c in used),
        traced=all(c.traced for c in used),
        mismatch=next((c.mismatch for c in used if c.mismatch is not None), None),
        repeatable=all(c.repeatable for c in used),
    )


# --- findings -----------------------------------------------------------------------------------


def _disagreement(
    candidates: Sequence[ReferenceEstimate],
    excess: FloatArray,
    chosen: npt.NDArray[np.intp],
    difference: FiniteDifference,
    pair: tuple[int, int],
    leaf: Leaf,
    where: BoolArray,
) -> Finding:
    first, second = (candidates[i] for i in pair)
    apart = np.where(where, np.abs(first.values - second.values), -1.0)[leaf.place]
    worst = leaf.start + int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    index = leaf.index(worst - leaf.start)
    used = candidates[chosen[worst]].method
    loser = second if chosen[worst] == pair[0] else first
    return Finding(
        _cause(loser, leaf),
        f"Two references disagree, most at {leaf.name}{list(index) or ''}: {first.method} gives "
        f"{first.values[worst]:.10g} ± {first.bounds[worst]:.1e}, {second.method} "
        f"{second.values[worst]:.10g} ± {second.bounds[worst]:.1e}. "
        f"{_word(excess[list(pair), worst], difference, worst)} Used here: {used}.",
        Source.REFERENCE,
        leaf.name,
        [leaf.index(int(i)) for i in np.flatnonzero(where[leaf.place])],
        Severity.WARNING,
        {
            "methods": [first.method, second.method],
            "values": [repr(float(s.values[worst])) for s in (first, second)],
            "bounds": [repr(float(s.bounds[worst])) for s in (first, second)],
            "used": used,
        },
    )


def _word(excess: FloatArray, difference: FiniteDifference, worst: int) -> str:
    """What the finite difference says of two candidates."""
    supported = int(np.sum(excess == 0.0))
    if supported == 2:
        return "The finite difference cannot tell which is right."
    measured = f"{difference.values[worst]:.10g} ± {difference.bounds[worst]:.1e}"
    if supported == 0:
        return f"The finite difference, {measured}, supports neither."
    which = "first" if excess[0] == 0.0 else "second"
    return f"The finite difference, {measured}, supports the {which}."


def _cause(loser: ReferenceEstimate, leaf: Leaf) -> Cause:
    if not np.all(loser.finite[leaf.place]):
        return Cause.NON_FINITE
    if not loser.faithful:
        return Cause.DIFFERENT_LOSS
    return Cause.UNKNOWN if np.any(loser.values[leaf.place]) else Cause.BLOCKED
