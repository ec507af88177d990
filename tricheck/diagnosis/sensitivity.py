"""How sure is the run: the smallest error that it would have flagged."""

from __future__ import annotations

import numpy as np

from tricheck.comparison import BoolArray
from tricheck.facts import Evidence, cancelled
from tricheck.parameters import FloatArray, Leaf
from tricheck.verdict import Facts


def limits(evidence: Evidence, facts: Facts[BoolArray]) -> FloatArray:
    """How far each entry of backprop might be off without being flagged, shape (size,).

    Infinite where the gradient vanishes. What both sources are off by themselves, by their bounds
    at the most, may hide as much again as the sum of the two bounds.
    """
    against = evidence.reference if evidence.reference is not None else evidence.difference
    bounds = 2.0 * (evidence.backprop.bounds + against.bounds)
    bounds = np.maximum(bounds, evidence.rtol * evidence.largest)
    return np.where(facts.vanished | cancelled(evidence), np.inf, bounds)


def of_entry(evidence: Evidence, seen: FloatArray, leaf: Leaf) -> float:
    """The smallest error of any one entry that was certain to be flagged.

    Parameters
    ----------
    evidence : Evidence
    seen : ndarray, shape (size,)
        The limits of all entries.
    leaf : Leaf

    Returns
    -------
    float
        Relative to the parameter's largest gradient entry; infinite where the gradient vanishes.
    """
    largest = float(evidence.largest[leaf.start])
    return float(np.max(seen[leaf.place])) / largest if largest else float("inf")


def of_block(evidence: Evidence, seen: FloatArray, leaf: Leaf) -> float:
    """The smallest error of the whole block, the same factor for all, that was to be flagged.

    Returns
    -------
    float
        Relative; infinite where the gradient vanishes.
    """
    best = evidence.reference if evidence.reference is not None else evidence.difference
    sizes = np.abs(best.values[leaf.place])
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = seen[leaf.place] / sizes
    return float(np.min(shares, where=np.isfinite(shares), initial=np.inf))
