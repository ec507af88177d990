"""How sure is the run: the smallest error it would have flagged, and what it could not see."""

from __future__ import annotations

import numpy as np

from tricheck.comparison import BoolArray
from tricheck.facts import Evidence, rounding_floor
from tricheck.parameters import Leaf
from tricheck.verdict import Facts
from tricheck.vocabulary import BlindSpot, Verdict


def sensitivity(evidence: Evidence, facts: Facts[BoolArray], leaf: Leaf) -> float:
    """The smallest error of any one entry that this run was certain to flag.

    Returns
    -------
    float
        Relative to the parameter's largest gradient entry; infinite where the gradient vanishes.
    """
    place = leaf.place
    if np.all(facts.vanished[place]):
        return float("inf")
    against = evidence.reference if evidence.reference is not None else evidence.difference
    by_difference = (evidence.backprop.bounds + evidence.difference.bounds)[place]
    bounds = (evidence.backprop.bounds + against.bounds)[place]
    # Below this floor a trace alone convicts nobody; the finite difference may.
    bounds = np.maximum(bounds, np.minimum(by_difference, rounding_floor(evidence)))
    largest = float(evidence.largest[leaf.start])
    seen = float(np.max(bounds)) / largest if largest else float("inf")
    return max(seen, evidence.rtol)


def blind_spots(
    evidence: Evidence, facts: Facts[BoolArray], verdicts: dict[str, Verdict]
) -> list[BlindSpot]:
    """What this point cannot reveal."""
    return [
        BlindSpot(
            "vanishing-gradient",
            "The gradient vanishes at this point, or is too small for the loss to show, so every "
            "error that scales with it is invisible here.",
            leaf.name,
        )
        for leaf in evidence.parameters.leaves
        if np.all(facts.vanished[leaf.place]) and verdicts[leaf.name] is Verdict.AGREE
    ]
