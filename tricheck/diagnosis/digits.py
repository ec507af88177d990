"""A backprop that agrees, but to fewer digits than rounding explains: a cast, an approximation.

Its own bound is wide then, for along a line its values lie on a coarse grid. Rounding is another
at a point whose last digits differ, and less in wider arithmetic; what neither moves is no rounding
of the arithmetic that the code seems to use.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tricheck.calls import Calls
from tricheck.facts import Evidence
from tricheck.parameters import FloatArray, Leaf, largest_of
from tricheck.sources.estimate import Estimate
from tricheck.sources.monte_carlo import in_wider_arithmetic
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
    largest = largest_of(evidence.backprop.values)
    wide = [leaf for leaf in agreed if _is_wide(evidence, leaf, largest)]
    if not wide:
        return []
    scales = lengths(evidence.parameters)
    coarse = {
        leaf.name: error for leaf in wide if (error := _excess(evidence, leaf, largest, scales))
    }
    if not coarse:
        return []
    moved = _moved_by_rounding(evidence, calls)
    return [
        _warning(evidence, leaf, coarse[leaf.name])
        for leaf in agreed
        if leaf.name in coarse and np.max(moved[leaf.place]) <= _MOVED * coarse[leaf.name]
    ]


def _is_wide(evidence: Evidence, leaf: Leaf, largest: float) -> bool:
    """Whether backprop's own bound leaves room for anything that would be said here."""
    eps = float(evidence.point.gradient_eps[leaf.start])
    return bool(np.max(evidence.backprop.bounds[leaf.place]) > _LOST * eps * largest)


def _excess(evidence: Evidence, leaf: Leaf, largest: float, scales: FloatArray) -> float:
    """The largest error of a block that nothing measured beside backprop explains; 0 for none."""
    right, backprop = _right(evidence).part(leaf.place), evidence.backprop.values[leaf.place]
    unseen = abs(float(evidence.point.loss)) / scales[leaf.place]
    unseen += largest
    allowed = right.bounds + _LOST * evidence.point.gradient_eps[leaf.place] * unseen
    error = np.abs(backprop - right.values)
    return float(np.max(error, where=error > allowed, initial=0.0))


def _right(evidence: Evidence) -> Estimate:
    """What backprop agrees with: the reference, or the finite difference where there is none."""
    return evidence.difference if evidence.reference is None else evidence.reference


def _moved_by_rounding(evidence: Evidence, calls: Calls) -> FloatArray:
    """How far a few ulps in every parameter, or wider arithmetic, move backprop.

    Infinite where the user's code does not run in one of them.
    """
    rng = np.random.default_rng(0)
    parameters, point = evidence.parameters, evidence.point
    signs = rng.choice([-1.0, 1.0], parameters.size)
    step = _ULPS * point.gradient_eps * lengths(parameters) * signs
    try:
        beside = calls.gradient(parameters.values + step)
    except Exception:  # beside the point the user's code may leave its domain
        return np.full(parameters.size, np.inf)
    if (wider := in_wider_arithmetic(calls, point)) is None:
        return np.full(parameters.size, np.inf)
    moved = np.maximum(*(np.abs(other - point.gradient) for other in (beside, wider)))
    return np.where(np.isfinite(moved), moved, np.inf)


def _warning(evidence: Evidence, leaf: Leaf, error: float) -> Finding:
    eps = float(evidence.point.gradient_eps[leaf.start])
    sizes = np.fmax(np.abs(_right(evidence).values), np.abs(evidence.backprop.values))
    relative = error / float(np.nanmax(sizes[leaf.place]))
    digits, kept = (max(0, math.floor(-math.log10(x))) for x in (relative, eps))
    return Finding(
        Cause.APPROXIMATE,
        f"Right to {digits} digits only ({relative:.1e} of the largest entry) where its arithmetic "
        f"keeps {kept}: consistent with a cast to lower precision, a rounded constant or an "
        "approximated function on the way back.",
        Source.BACKPROP,
        leaf.name,
        severity=Severity.WARNING,
        evidence={"relative_error": relative, "digits": float(digits), "kept": float(kept)},
    )
