"""Why the finite difference is imprecise: the larger part of its bound, or what broke it."""

from __future__ import annotations

import numpy as np

from tricheck.facts import Evidence
from tricheck.parameters import Leaf
from tricheck.verdict import SHARP
from tricheck.vocabulary import Cause, Finding, Severity, Source, Verdict

# The tutorials call a check passed below this relative error, so a step that costs more is named.
_TUTORIAL = 1e-7
_FLOAT64_NOISE = 2.0**-40
_BALANCE = 8.0


def diagnose(evidence: Evidence, verdicts: dict[str, Verdict]) -> list[Finding]:
    """Findings on the finite difference, one per parameter where there is something to say."""
    findings = []
    for leaf in evidence.parameters.leaves:
        if verdicts[leaf.name] is Verdict.NONDIFFERENTIABLE or _kinked(evidence, leaf):
            findings.append(_kink(evidence, leaf))
        elif verdicts[leaf.name] is Verdict.FINITE_DIFFERENCE:
            findings.append(_imprecise(evidence, leaf, Severity.WARNING))
        elif evidence.difference.fixed_step is not None and _costly(evidence, leaf):
            findings.append(_imprecise(evidence, leaf, Severity.NOTE))
    return findings


def _kinked(evidence: Evidence, leaf: Leaf) -> bool:
    return bool(np.any(evidence.difference.kinks[leaf.place]))


def _costly(evidence: Evidence, leaf: Leaf) -> bool:
    """Whether the fixed step's error would fail the tutorials' threshold."""
    bounds = evidence.difference.bounds[leaf.place]
    return bool(np.max(bounds) > _TUTORIAL * np.max(evidence.largest[leaf.place]))


def _imprecise(evidence: Evidence, leaf: Leaf, severity: Severity) -> Finding:
    difference = evidence.difference
    place = leaf.place
    offset = int(np.argmax(difference.bounds[place]))
    position = leaf.start + offset
    entry = difference.entries[position]
    bound = entry.bound
    largest = float(evidence.largest[position])
    cause = _cause(evidence, position)
    numbers: dict[str, float | str | list[str]] = {
        "bound": bound,
        "largest_entry": largest,
        "step": entry.step,
        "truncation": entry.truncation,
        "rounding": entry.rounding,
        "noise": difference.noise.level,
    }
    message = _WORDS[cause].format(
        bound=bound,
        step=entry.step,
        noise=difference.noise.level,
        largest=largest,
        loss=difference.noise.size,
    )
    if difference.fixed_step is not None:
        better = float(difference.best_steps[position])
        numbers["better_step"] = better
        if np.isfinite(better):
            message += f" A step of {better:.0e} would do; without a fixed step it is chosen."
    bad = difference.bounds[place] > SHARP * evidence.largest[place]
    entries = [leaf.index(int(i)) for i in np.flatnonzero(bad)] or [leaf.index(offset)]
    return Finding(cause, message, Source.FINITE_DIFFERENCE, leaf.name, entries, severity, numbers)


def _cause(evidence: Evidence, position: int) -> Cause:
    difference = evidence.difference
    entry = difference.entries[position]
    if entry.trouble is not None:
        return entry.trouble
    # A chosen step balances the two: it is large only because rounding forbids a smaller one.
    balanced = 1.0 if difference.fixed_step is not None else _BALANCE
    if entry.truncation > balanced * entry.rounding:
        return Cause.TRUNCATION
    relative = difference.noise.relative
    if relative <= _FLOAT64_NOISE:
        return Cause.ROUND_OFF
    low = any(leaf.dtype.itemsize < 8 for leaf in evidence.parameters.leaves)
    if (low or evidence.point.loss.dtype.itemsize < 8) and relative < 1e-5:
        return Cause.LOW_PRECISION
    return Cause.NOISE


_WORDS = {
    Cause.TRUNCATION: (
        "The step {step:.0e} is too large for this loss: truncation leaves ±{bound:.1e}."
    ),
    Cause.ROUND_OFF: (
        "The loss is about {loss:.1e} and keeps no more digits: rounding leaves ±{bound:.1e} at "
        "step {step:.0e}, beside a largest entry of {largest:.1e}."
    ),
    Cause.NOISE: (
        "The loss carries noise of {noise:.1e}, far above rounding (a solver's tolerance, a random "
        "draw): that leaves ±{bound:.1e}."
    ),
    Cause.LOW_PRECISION: (
        "The loss is computed in low precision, to about {noise:.1e}: that leaves ±{bound:.1e}. "
        "Compute it in float64 to know more."
    ),
    Cause.STEP_BELOW_ULP: "The step is below one ulp of the parameter: x + h is x.",
    Cause.DOMAIN: (
        "The stencil leaves the domain of the loss, which turns non-finite beside the point."
    ),
    Cause.JUMP: "The loss jumps at the point (a floor, an argmax, a comparison): no slope exists.",
    Cause.KINK: "A kink lies at the point: the one-sided slopes differ.",
}


def _kink(evidence: Evidence, leaf: Leaf) -> Finding:
    difference = evidence.difference
    kinked = np.flatnonzero(difference.kinks[leaf.place])
    backward, forward = difference.slopes[leaf.start + int(kinked[0])]
    index = leaf.index(int(kinked[0]))
    return Finding(
        Cause.KINK,
        f"At {leaf.name}{list(index)} the slope is {backward:.6g} from the left and {forward:.6g} "
        "from the right: every value between is a fair answer. Move the point off the kink.",
        Source.FINITE_DIFFERENCE,
        leaf.name,
        [leaf.index(int(i)) for i in kinked],
        Severity.WARNING,
        {"backward_slope": float(backward), "forward_slope": float(forward)},
    )
