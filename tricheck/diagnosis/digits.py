"""A backprop that agrees, but to fewer digits than rounding explains: a cast, an approximation.

Its own bound is wide then, for along a line its values lie on a coarse grid. Rounding moves with
the last digits of the point; what these do not move is something else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tricheck.calls import Calls
from tricheck.diagnosis.relations.block import Block, block_of
from tricheck.facts import Evidence
from tricheck.parameters import FloatArray, Leaf
from tricheck.sources.rounding import lengths
from tricheck.vocabulary import Cause, Finding, Severity, Source, Verdict

_LOST = 2.0**10  # times epsilon: an error that sums of many terms may leave
_ULPS = 8.0  # by so many the point is moved
_MOVED = 0.25  # of an error: what moves by that with the last digits may be rounding
_AGREES = (Verdict.AGREE, Verdict.FINITE_DIFFERENCE)


def few_digits(evidence: Evidence, verdicts: Mapping[str, Verdict], calls: Calls) -> list[Finding]:
    """Warnings on parameters that agree to fewer digits than their arithmetic has.

    Parameters
    ----------
    evidence : Evidence
    verdicts : mapping of str to Verdict
        By parameter.
    calls : Calls
        To see whether the last digits of the point matter, if there are such parameters.
    """
    if evidence.rtol or evidence.point.spread or evidence.unrepeatable.any():
        return []
    agreed = [leaf for leaf in evidence.parameters.leaves if verdicts[leaf.name] in _AGREES]
    coarse = {leaf.name: _excess(evidence, leaf) for leaf in agreed}
    coarse = {name: error for name, error in coarse.items() if error > 0.0}
    if not coarse:
        return []
    moved = _moved_by_rounding(evidence, calls)
    return [
        _warning(block_of(evidence, leaf), coarse[leaf.name])
        for leaf in agreed
        if leaf.name in coarse and np.max(moved[leaf.place]) <= _MOVED * coarse[leaf.name]
    ]


def _excess(evidence: Evidence, leaf: Leaf) -> float:
    """The largest error of a block that nothing measured beside backprop explains; 0 for none."""
    block = block_of(evidence, leaf)
    others = block.slack.reshape(-1) - evidence.backprop.bounds[leaf.place]
    largest = float(np.max(np.abs(evidence.backprop.values), initial=0.0))
    unseen = abs(float(evidence.point.loss)) / lengths(evidence.parameters)[leaf.place]
    allowed = np.fmax(others, 0.0) + _LOST * block.eps * (largest + unseen)
    error = np.abs(block.error).reshape(-1)
    return float(np.max(error, where=error > allowed, initial=0.0))


def _moved_by_rounding(evidence: Evidence, calls: Calls) -> FloatArray:
    """How far a few ulps in every parameter move backprop; infinite where that fails."""
    rng = np.random.default_rng(0)
    parameters, point = evidence.parameters, evidence.point
    signs = rng.choice([-1.0, 1.0], parameters.size)
    step = _ULPS * point.gradient_eps * lengths(parameters) * signs
    try:
        beside = calls.gradient(parameters.values + step)[0]
    except Exception:  # beside the point the user's code may leave its domain
        return np.full(parameters.size, np.inf)
    moved = np.abs(beside - point.gradient)
    return np.where(np.isfinite(moved), moved, np.inf)


def _warning(block: Block, error: float) -> Finding:
    relative = error / float(np.max(np.abs(block.truth), where=block.known, initial=0.0))
    digits, kept = (max(0, math.floor(-math.log10(x))) for x in (relative, block.eps))
    return Finding(
        Cause.APPROXIMATE,
        f"Right to {digits} digits only ({relative:.1e} of its largest entry) where its arithmetic "
        f"keeps {kept}, and not for rounding: consistent with a cast to lower precision, a rounded "
        "constant or an approximated function on the way back.",
        Source.BACKPROP,
        block.name,
        severity=Severity.WARNING,
        evidence={"relative_error": relative, "digits": float(digits), "kept": float(kept)},
    )
