"""Many parameters: every entry of backprop beside the reference, the loss's own word where it tells.

Where backprop and the reference agree, a finite difference along a random direction through all of
a parameter's entries sees what they might share. Where they do not, it is taken in single entries,
and along one direction through all that are disputed. A direction that accuses somebody is halved
until the entries are found (group testing, Dorfman, 1943).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tricheck.comparison import compare
from tricheck.coordinates import Coordinates
from tricheck.facts import Evidence
from tricheck.parameters import FloatArray, Leaf
from tricheck.sources.estimate import Estimate

_ALONE = 8  # disputed entries of one parameter that are measured one by one
_MOST_HALVED = 96  # groups measured in search of the entries behind an accusation


@dataclass(frozen=True)
class Survey:
    """What was measured of a model with many parameters.

    Attributes
    ----------
    coordinates : Coordinates
        The groups that the finite difference moved.
    evidence : Evidence
        The three sources along these.
    """

    coordinates: Coordinates
    evidence: Evidence

    @property
    def directions(self) -> int:
        """How many groups are more than single entries."""
        return sum(not group.alone for group in self.coordinates.groups)


def disputed(backprop: Estimate, reference: Estimate | None, leaf: Leaf, rtol: float) -> FloatArray:
    """Offsets of a parameter's entries that differ beyond their bounds, the worst first."""
    mine, other = backprop.part(leaf), reference.part(leaf) if reference is not None else None
    if other is None:
        return np.flatnonzero(~mine.finite)
    pair = compare(mine, other, rtol)
    offsets = np.flatnonzero(~pair.agree)
    return offsets[np.argsort(-pair.differences[offsets], kind="stable")]
