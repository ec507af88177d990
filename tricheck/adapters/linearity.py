"""Is a backward pass linear in its upstream gradient, as the chain rule is?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tricheck.facts import Evidence, rounding_floor
from tricheck.parameters import FloatArray, Leaf
from tricheck.vocabulary import Cause, Finding, Source

# Powers of two to be exact; far from 1 so that what clips or rounds shows itself.
WEIGHTS = (-32.0, 8.0)
_SLACK = 8.0  # for rounding at another upstream gradient than the one it was measured at
_ULPS = 64.0  # of the largest entry, which what cancels in another may leave


def departures(evidence: Evidence, whole: FloatArray, second: FloatArray) -> Iterator[Finding]:
    """An error for every parameter whose gradient is not linear in the upstream gradient.

    Nobody's word is needed for that but backprop's own.

    Parameters
    ----------
    evidence : Evidence
        Its backprop is the answer for the first upstream gradient.
    whole : ndarray, shape (size,)
        Backprop's answer for ``WEIGHTS[0] * first + WEIGHTS[1] * second``.
    second : ndarray, shape (size,)
        Its answer for the second.
    """
    if evidence.point.spread or evidence.unrepeatable.any():
        return  # what changes from call to call shows nothing here
    first = evidence.backprop.values
    expected = WEIGHTS[0] * first + WEIGHTS[1] * second
    largest = float(np.max(np.abs(first), where=np.isfinite(first), initial=0.0))
    for leaf in evidence.parameters.leaves:
        place = leaf.place
        gap = np.abs(whole - expected)[place]
        eps = float(evidence.point.gradient_eps[place].max())
        floor = max(rounding_floor(evidence), _ULPS * eps * largest)
        allowed = _SLACK * sum(map(abs, WEIGHTS)) * (evidence.backprop.bounds[place].max() + floor)
        if np.any(gap > allowed):  # never where a value is not finite, which has its own cause
            constant = np.all(np.abs(whole - first)[place] <= allowed)
            yield _finding(leaf, int(np.nanargmax(gap)), whole[place], expected[place], constant)


def _finding(
    leaf: Leaf, offset: int, whole: FloatArray, expected: FloatArray, constant: np.bool_
) -> Finding:
    came, linear = float(whole[offset]), float(expected[offset])
    size = float(np.max(np.abs(expected), where=np.isfinite(expected), initial=0.0))
    a, b = WEIGHTS
    return Finding(
        Cause.NONLINEAR,
        "The backward pass is not linear in its upstream gradient. Of two random ones, d1 and d2: "
        f"for {a:g}·d1 + {b:g}·d2 it gives {came:.6g}, where {a:g} times its answer for d1 plus "
        f"{b:g} times that for d2 is {linear:.6g}, consistent with an upstream gradient that is "
        + ("dropped." if constant else "squared, clipped, rectified or added to, not multiplied."),
        Source.BACKPROP,
        leaf.name,
        evidence={
            "combined": came,
            "expected": linear,
            "relative_error": abs(came - linear) / size if size else float("inf"),
        },
    )
