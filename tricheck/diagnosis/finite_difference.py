"""Why the finite difference is imprecise: the larger part of its bound, or what broke it."""

from __future__ import annotations

import numpy as np

from tricheck.comparison import BoolArray
from tricheck.facts import Evidence, admits
from tricheck.parameters import Leaf
from tricheck.sources.finite_difference import FiniteDifference
from tricheck.sources.jumps import Jump
from tricheck.sources.ladder import Derivative, Kink
from tricheck.verdict import SHARP
from tricheck.vocabulary import Cause, Finding, Severity, Source, Verdict

# The tutorials call a check passed below this relative error, so a step that costs more is named.
_TUTORIAL = 1e-7
_BALANCE = 8.0
Numbers = dict[str, float | str | list[str]]


def diagnose(evidence: Evidence, verdicts: dict[str, Verdict]) -> list[Finding]:
    """Findings on the finite difference, one per parameter where there is something to say."""
    findings = [_one_jump(evidence.jump)] if evidence.jump else []
    for leaf in evidence.parameters.leaves:
        kinked = evidence.difference.kinked(leaf)
        at_point = [i for i in kinked if not _kink_of(evidence, i).distance]
        if at_point:
            findings.append(_kink_at_point(evidence, leaf, at_point))
        elif kinked:
            findings.append(_kink_beside(evidence, leaf, kinked))
        if in_pieces := [i for i in evidence.pieces if leaf.start <= i < leaf.stop]:
            findings.append(_in_pieces(evidence, leaf, in_pieces[0]))
        elif verdicts[leaf.name] is Verdict.FINITE_DIFFERENCE:
            if not _left_open(evidence, leaf):
                findings.append(_imprecise(evidence, leaf, Severity.WARNING))
        elif evidence.difference.fixed_step is not None and _costly(evidence, leaf):
            findings.append(_imprecise(evidence, leaf, Severity.NOTE))
    return findings


def _one_jump(jump: Jump) -> Finding:
    slopes = float(np.max(jump.steep))
    return Finding(
        Cause.NOISE,
        "The loss jumps between nearby points (a solver's stopping rule, a table, a count), which "
        f"leaves its slopes open by about {slopes:.1e}: a difference this small accuses nobody. "
        "Tighten the tolerance, or leave the jumping term out, to know more.",
        Source.FINITE_DIFFERENCE,
        severity=Severity.WARNING,
        evidence={"jump": jump.size, "open_slopes": slopes},
    )


def _in_pieces(evidence: Evidence, leaf: Leaf, position: int) -> Finding:
    pieces = evidence.pieces[position]
    between = f"{pieces.within:.4g} between jumps and " if np.isfinite(pieces.within) else ""
    return Finding(
        Cause.NOISE,
        f"Along {leaf.label(position - leaf.start)} the loss jumps by {pieces.size:.0e} every "
        f"{pieces.length:.0e} or so (a stopping rule, a table, rounding): its slope is "
        f"{between}{pieces.across:.4g} ± {pieces.across_bound:.0e} across them. "
        "That accuses nobody; run a fixed number of iterations to know more.",
        Source.FINITE_DIFFERENCE,
        leaf.name,
        leaf.indices([position - leaf.start]),
        Severity.WARNING,
        {
            "jump": pieces.size,
            "distance": pieces.length,
            "slope_between": pieces.within,
            "slope_across": pieces.across,
            "slope_across_bound": pieces.across_bound,
        },
    )


# --- kinks --------------------------------------------------------------------------------------


def _kink_of(evidence: Evidence, position: int) -> Kink:
    kink = evidence.difference.entry(position).kink
    assert kink is not None
    return kink


def _kink_at_point(evidence: Evidence, leaf: Leaf, positions: list[int]) -> Finding:
    kink = _kink_of(evidence, positions[0])
    sources = [evidence.backprop, *([evidence.reference] if evidence.reference else [])]
    admissible = [s.source.value for s in sources if admits(kink, float(s.values[positions[0]]))]
    return Finding(
        Cause.KINK,
        f"At {leaf.label(positions[0] - leaf.start)} the slope is {kink.backward:.6g} from the "
        f"left and {kink.forward:.6g} from the right: every value between is a fair answer. Move "
        "the point off the kink.",
        Source.FINITE_DIFFERENCE,
        leaf.name,
        leaf.indices(i - leaf.start for i in positions),
        Severity.WARNING,
        {
            "backward_slope": kink.backward,
            "forward_slope": kink.forward,
            "slope_error": kink.error,
            "distance": 0.0,
            "admissible": admissible,
        },
    )


def _kink_beside(evidence: Evidence, leaf: Leaf, positions: list[int]) -> Finding:
    nearest = min(positions, key=lambda i: _kink_of(evidence, i).distance)
    kink = _kink_of(evidence, nearest)
    return Finding(
        Cause.KINK,
        f"A kink lies about {kink.distance:.0e} from {leaf.label(nearest - leaf.start)}, where the "
        f"slope changes by about {abs(kink.forward - kink.backward):.0e}: a step beyond it gives a "
        "wrong slope."
        + (" Smaller steps were used." if evidence.difference.fixed_step is None else ""),
        Source.FINITE_DIFFERENCE,
        leaf.name,
        leaf.indices(i - leaf.start for i in positions),
        Severity.NOTE,
        {
            "backward_slope": kink.backward,
            "forward_slope": kink.forward,
            "distance": kink.distance,
        },
    )


# --- imprecision --------------------------------------------------------------------------------


def _costly(evidence: Evidence, leaf: Leaf) -> bool:
    """Whether the fixed step's error would fail the tutorials' threshold."""
    bounds = evidence.difference.bounds[leaf.place]
    return bool(np.max(bounds) > _TUTORIAL * np.max(evidence.largest[leaf.place]))


def _left_open(evidence: Evidence, leaf: Leaf) -> bool:
    """Whether entries were left out, and those that were not show no imprecision."""
    left_out = evidence.difference.left_out[leaf.place]
    return bool(left_out.any() and not _coarse(evidence, leaf).any())


def _coarse(evidence: Evidence, leaf: Leaf) -> BoolArray:
    """Entries that were measured, and confirm nobody."""
    difference = evidence.difference
    coarse = difference.bounds[leaf.place] > SHARP * evidence.largest[leaf.place]
    return np.array(coarse & ~difference.left_out[leaf.place], dtype=bool)


def _imprecise(evidence: Evidence, leaf: Leaf, severity: Severity) -> Finding:
    difference = evidence.difference
    measured = np.where(difference.left_out[leaf.place], 0.0, difference.bounds[leaf.place])
    position = leaf.start + int(np.argmax(measured))
    entry = difference.entry(position)
    cause = _cause(evidence, entry)
    message = _words(difference, position, cause).format(
        bound=entry.bound,
        step=entry.step,
        noise=difference.noise.level,
        largest=float(evidence.largest[position]),
        loss=difference.noise.size,
        jump=entry.jump,
        where=_where_precision_is_lost(evidence),
    )
    numbers = _numbers(evidence, position)
    if np.isfinite(entry.best_step):
        numbers["better_step"] = entry.best_step
        message += f" A step of {entry.best_step:.0e} would do; without a fixed step it is chosen."
    bad = _coarse(evidence, leaf)
    worst = [position - leaf.start]
    entries = leaf.indices(np.flatnonzero(bad) if bad.any() else worst)
    return Finding(cause, message, Source.FINITE_DIFFERENCE, leaf.name, entries, severity, numbers)


def _words(difference: FiniteDifference, position: int, cause: Cause) -> str:
    """A fixed step far below the best one is to blame itself, not the loss's offset."""
    best, step = difference.entry(position).best_step, difference.fixed_step
    if cause is not Cause.ROUND_OFF:
        return _WORDS[cause]
    if step is not None and np.isfinite(best) and step < _SMALL * best:
        return _TOO_SMALL
    return _ROUNDED_INSIDE if difference.noise.inside else _WORDS[cause]


_SMALL = 0.01
_TOO_SMALL = (
    "The step {step:.0e} is too small for this loss: the rounding of its value leaves ±{bound:.1e}."
)


def _cause(evidence: Evidence, entry: Derivative) -> Cause:
    difference = evidence.difference
    if entry.trouble is not None:
        return entry.trouble
    # A chosen step balances the two: it is large only because rounding forbids a smaller one.
    balanced = 1.0 if difference.fixed_step is not None else _BALANCE
    if entry.truncation > balanced * entry.rounding:
        return Cause.TRUNCATION
    if difference.noise.is_rounding or difference.noise.inside:
        return Cause.ROUND_OFF
    return Cause.LOW_PRECISION if _is_low_precision(evidence) else Cause.NOISE


def _is_low_precision(evidence: Evidence) -> bool:
    """Whether the noise is what arithmetic in float32 or float16 makes."""
    if evidence.point.spread:
        return False
    relative = evidence.difference.noise.relative
    single = float(np.finfo(np.float32).eps)
    returned = float(np.finfo(evidence.point.loss.dtype).eps)
    return relative < 64.0 * max(single, returned) and (
        returned >= single or _is_single(evidence) or relative > single / 64.0
    )


def _is_single(evidence: Evidence) -> bool:
    return any(leaf.dtype.itemsize < 8 for leaf in evidence.parameters.leaves)


def _where_precision_is_lost(evidence: Evidence) -> str:
    if evidence.difference.noise.is_rounding:
        return "nowhere"
    if evidence.point.loss.dtype.itemsize < 8:
        return f"the returned value is {evidence.point.loss.dtype}"
    return "inside the loss"


def _numbers(evidence: Evidence, position: int) -> Numbers:
    difference = evidence.difference
    entry = difference.entry(position)
    return {
        "bound": entry.bound,
        "largest_entry": float(evidence.largest[position]),
        "step": entry.step,
        "truncation": entry.truncation,
        "rounding": entry.rounding,
        "noise": difference.noise.level,
        "relative_noise": difference.noise.relative,
        "random": str(bool(evidence.point.spread)).lower(),
        "loss_dtype": str(evidence.point.loss.dtype),
        "precision_lost": _where_precision_is_lost(evidence),
        **({"jump": entry.jump} if entry.jump else {}),
    }


_ROUNDED_INSIDE = (
    "Rounding inside the loss leaves it good to {noise:.1e} (1 - p for a p near 1, say, or large "
    "terms that cancel), its slope to ±{bound:.1e}. Use log1p, expm1 or a log-sum-exp there."
)
_WORDS = {
    Cause.TRUNCATION: (
        "The step {step:.0e} is too large for this loss: truncation leaves ±{bound:.1e}."
    ),
    Cause.ROUND_OFF: (
        "The loss is about {loss:.1e} and keeps no more digits: rounding leaves ±{bound:.1e} at "
        "step {step:.0e}, beside a largest entry of {largest:.1e}. Take constant offsets out of it."
    ),
    Cause.NOISE: (
        "The loss carries noise of {noise:.1e}, far above rounding (a solver's tolerance, a random "
        "draw): that leaves ±{bound:.1e}."
    ),
    Cause.LOW_PRECISION: (
        "The loss is computed in low precision ({where}), to about {noise:.1e}: that leaves "
        "±{bound:.1e}. Compute it in float64 to know more."
    ),
    Cause.STEP_BELOW_ULP: "The step is below one ulp of the parameter: x + h is x.",
    Cause.DOMAIN: (
        "The stencil leaves the domain of the loss, which turns non-finite beside the point."
    ),
    Cause.JUMP: (
        "The loss jumps by {jump:.1e} at the point (a floor, an argmax, a comparison): no slope "
        "exists there."
    ),
}
