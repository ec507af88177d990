"""Why the reference is wrong, speaks of another loss, or follows a convention of its own."""

from __future__ import annotations

import numpy as np

from tricheck.facts import Evidence, admits
from tricheck.parameters import Index, Leaf
from tricheck.sources.reference import ReferenceEstimate
from tricheck.sources.same_loss import different_loss
from tricheck.verdict import SHARP
from tricheck.vocabulary import Cause, Finding, Severity, Source

_TIES = "abs(0), a maximum of equals, relu(0), sort"


def diagnose(evidence: Evidence, blamed: dict[str, list[Index]]) -> list[Finding]:
    """Findings on the reference: another loss first, then parameter by parameter.

    Parameters
    ----------
    evidence : Evidence
    blamed : dict of str to list of tuple
        The entries by parameter in which the verdict blames the reference.
    """
    reference = evidence.reference
    if reference is None:
        return []
    if reference.mismatch is not None and not evidence.point.spread:
        severity = Severity.ERROR if blamed else Severity.WARNING
        return [different_loss(reference.method, reference.mismatch, severity)]
    found = [
        _explain(evidence, reference, leaf, blamed.get(leaf.name, []))
        for leaf in evidence.parameters.leaves
    ]
    return [finding for finding in found if finding is not None]


def _explain(
    evidence: Evidence, reference: ReferenceEstimate, leaf: Leaf, blamed: list[Index]
) -> Finding | None:
    severity = Severity.ERROR if blamed else Severity.WARNING
    bad = np.flatnonzero(~reference.finite[leaf.place])
    if bad.size:
        return _finding(leaf, Cause.NON_FINITE, _NON_FINITE, leaf.indices(bad), severity)
    if _lost(evidence, reference, leaf):
        message = _LOST.format(method=reference.method, name=leaf.name)
        return _finding(leaf, Cause.BLOCKED, message, blamed, severity)
    if tied := _tied(evidence, reference, leaf):
        return _at_kink(evidence, reference, leaf, tied)
    if jumping := _jumping(evidence, reference, leaf):
        return _beside_itself(evidence, reference, leaf, jumping)
    if blamed:
        message = _UNKNOWN.format(method=reference.method, ties=_TIES)
        return _finding(leaf, Cause.UNKNOWN, message, blamed, severity)
    return None


def _finding(
    leaf: Leaf, cause: Cause, message: str, entries: list[Index], severity: Severity
) -> Finding:
    return Finding(cause, message, Source.REFERENCE, leaf.name, entries, severity)


_NON_FINITE = (
    "The reference is not finite where the loss is: a derivative rule divides zero by zero there "
    "(norm(0), sqrt(0)), or a dead branch of where has an infinite slope, which is multiplied by "
    "0. Move the point, or keep the dead branch's argument inside its domain with an inner where."
)
_LOST = (
    "The reference ({method}) is 0 throughout where backprop and the finite difference agree that "
    "it is not: the path to {name} was cut, e.g. by float(), .item(), stop_gradient or detach."
)
_UNKNOWN = (
    "The reference ({method}) differs from backprop and the finite difference, which agree. If the "
    "point sits on a tie inside the loss ({ties}), that may be a convention: move the point."
)


def _lost(evidence: Evidence, reference: ReferenceEstimate, leaf: Leaf) -> bool:
    """Zero throughout, where the other two agree on a slope."""
    if np.any(reference.values[leaf.place]):
        return False
    backprop, difference = evidence.backprop, evidence.difference
    slope = np.minimum(np.abs(backprop.values), np.abs(difference.values))
    seen = slope > backprop.bounds + difference.bounds + reference.bounds
    agree = np.abs(backprop.values - difference.values) <= backprop.bounds + difference.bounds
    return bool(np.any((seen & agree)[leaf.place]))


# --- conventions at ties ------------------------------------------------------------------------


def _tied(evidence: Evidence, reference: ReferenceEstimate, leaf: Leaf) -> list[int]:
    """Positions on a kink where the reference takes another of the fair answers than backprop."""
    tied = []
    for position in leaf.start + np.flatnonzero(evidence.difference.kinks[leaf.place]):
        kink = evidence.difference.entry(position).kink
        assert kink is not None  # that is what `kinks` says
        slack = kink.error + SHARP * max(abs(kink.backward), abs(kink.forward))
        if abs(reference.values[position] - evidence.backprop.values[position]) > slack:
            tied.append(int(position))
    return tied


def _at_kink(
    evidence: Evidence, reference: ReferenceEstimate, leaf: Leaf, tied: list[int]
) -> Finding:
    position = tied[0]
    kink = evidence.difference.entry(position).kink
    assert kink is not None  # `_tied` has chosen it for that
    values = {"the reference": reference.values, "backprop": evidence.backprop.values}
    took = {who: float(block[position]) for who, block in values.items()}
    outside = [who for who, value in took.items() if not admits(kink, value)]
    reading = f"{' and '.join(outside)} outside them" if outside else "both are fair answers"
    return Finding(
        Cause.SUBGRADIENT,
        f"At {leaf.label(position - leaf.start)}, on a kink with slopes {kink.backward:.6g} and "
        f"{kink.forward:.6g}, the reference takes {took['the reference']:.6g} and backprop "
        f"{took['backprop']:.6g}, {reading}: at a tie ({_TIES}) every tool has its own convention.",
        Source.REFERENCE,
        leaf.name,
        leaf.indices(i - leaf.start for i in tied),
        Severity.NOTE,
        {
            "backward_slope": kink.backward,
            "forward_slope": kink.forward,
            "reference": took["the reference"],
            "backprop": took["backprop"],
        },
    )


def _jumping(evidence: Evidence, reference: ReferenceEstimate, leaf: Leaf) -> list[int]:
    """Positions where the loss is smooth, and the reference's own bound admits that it is off.

    Such a bound comes of a gradient that changes from the point to one ulp beside it.
    """
    difference = evidence.difference
    apart = np.abs(reference.values - difference.values)
    smooth = ~(difference.kinks | difference.troubles)
    off = smooth & (apart > difference.bounds + SHARP * evidence.largest)
    unsure = np.isfinite(reference.bounds) & (apart <= reference.bounds)
    return [leaf.start + int(i) for i in np.flatnonzero((off & unsure)[leaf.place])]


def _beside_itself(
    evidence: Evidence, reference: ReferenceEstimate, leaf: Leaf, jumping: list[int]
) -> Finding:
    position = jumping[0]
    difference = evidence.difference
    return Finding(
        Cause.SUBGRADIENT,
        f"At {leaf.label(position - leaf.start)} the reference gives "
        f"{reference.values[position]:.6g}, but another value right beside the point, and the "
        f"finite difference is {difference.values[position]:.6g} ± "
        f"{difference.bounds[position]:.1e}: the loss is "
        f"smooth there, but made of parts with a tie ({_TIES}), whose conventions do not add up. "
        "Move the point by a small random amount.",
        Source.REFERENCE,
        leaf.name,
        leaf.indices(i - leaf.start for i in jumping),
        Severity.WARNING,
        {
            "reference": float(reference.values[position]),
            "finite_difference": float(difference.values[position]),
        },
    )
