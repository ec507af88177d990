"""How sure is the run: the smallest error that it would have flagged."""

from __future__ import annotations

import numpy as np

from tricheck.measured import Measured
from tricheck.parameters import FloatArray, Leaf, largest_of

# What two sources are off by themselves, by their bounds at the most, may hide as much again.
_BOTH = 2.0


def limits(measured: Measured, leaf: Leaf) -> FloatArray:
    """How far each entry of backprop might be off without being flagged, in the leaf's order.

    Infinite where the gradient vanishes.
    """
    evidence = measured.evidence
    size = leaf.stop - leaf.start
    if measured.cancels(leaf):
        return np.full(size, np.inf)
    own = evidence.backprop.bounds[leaf.place]
    reference = evidence.reference
    if reference is not None:
        bounds = own + reference.bounds[leaf.place]
        bounds *= _BOTH
    else:
        bounds = np.full(size, _BOTH * measured.unseen(leaf))
    if evidence.rtol:
        np.maximum(bounds, evidence.rtol * measured.largest(leaf), out=bounds)
    return bounds


def of_entry(measured: Measured, seen: FloatArray, leaf: Leaf) -> float:
    """The smallest error of any one entry that was certain to be flagged.

    Parameters
    ----------
    measured : Measured
    seen : ndarray, shape (leaf size,)
        The limits of its entries.
    leaf : Leaf

    Returns
    -------
    float
        Relative to the parameter's largest gradient entry; infinite where the gradient vanishes.
    """
    largest = measured.largest(leaf)
    return float(np.max(seen)) / largest if largest else float("inf")


def of_block(measured: Measured, seen: FloatArray, leaf: Leaf) -> float:
    """The smallest error of the whole block, the same factor for all, that was to be flagged.

    Returns
    -------
    float
        Relative; infinite where the gradient vanishes.
    """
    reference = measured.evidence.reference
    if reference is not None:
        values = reference.values[leaf.place]
    else:
        values, bounds = measured.along(leaf)
        seen = seen if seen.size == bounds.size else _BOTH * bounds
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.abs(values)
        np.divide(seen, shares, out=shares)
    return float(np.min(shares, where=np.isfinite(shares), initial=np.inf))


def shared(measured: Measured, leaf: Leaf) -> float:
    """The smallest error of one entry that backprop and the reference might share unseen.

    Returns
    -------
    float
        Relative to the parameter's largest gradient entry; infinite where the gradient vanishes.
    """
    # Where both say 0, the finite difference alone knows a size.
    along = measured.judged.difference.values[measured.moved(leaf).place]
    largest = measured.largest(leaf) or largest_of(along)
    if not largest or measured.cancels(leaf):
        return float("inf")
    return _BOTH * float(np.max(measured.unseen(leaf))) / largest
