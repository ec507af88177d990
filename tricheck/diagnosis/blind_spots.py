"""What this point cannot reveal: classes of mistakes, made on its own arrays, that change nothing.

Nothing here goes by names or shapes alone. Each class is simulated, and reported if the gradient it
leads to is within what the run could have told from the right one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tricheck.comparison import BoolArray
from tricheck.diagnosis.mistakes import paths
from tricheck.diagnosis.mistakes.activations import activations, is_curved
from tricheck.diagnosis.mistakes.sites import sites
from tricheck.diagnosis.mistakes.unseen import Restudy, Unseen, unseen
from tricheck.diagnosis.sensitivity import limits
from tricheck.facts import Evidence
from tricheck.parameters import FloatArray, Leaf
from tricheck.tracing.study import Study
from tricheck.verdict import Facts
from tricheck.vocabulary import BlindSpot, Cause, Verdict

_OTHER_POINT = "check at a displaced point (tricheck check --displace 1)"
_MOST_ALIKE = 2


def blind_spots(
    evidence: Evidence,
    facts: Facts[BoolArray],
    verdicts: dict[str, Verdict],
    arguments: Any,
    study: Study | None,
    restudy: Restudy,
) -> list[BlindSpot]:
    """What this point cannot reveal.

    Parameters
    ----------
    evidence, facts, verdicts
    arguments : tuple and dict
        What follows the parameters in a call.
    study : Study or None
        A kept run of the loss at the point, where it can be traced.
    restudy : callable
        A study at a displaced point.
    """
    seen = limits(evidence, facts)
    spots = [*_vanished(evidence, facts, verdicts, study)]
    for leaf in evidence.parameters.leaves:
        if np.isfinite(seen[leaf.place]).any():
            spots += _of_block(evidence, leaf, seen[leaf.place])
    spots += _sizes(arguments)
    if study is not None:
        spots += _of_trace(unseen(study, seen, restudy))
        spots += _one_signed(evidence, study, seen)
        spots += _unrepeated(study)
        spots += _unit_upstream(study)
    return spots


# --- the gradient itself ------------------------------------------------------------------------


def _vanished(
    evidence: Evidence,
    facts: Facts[BoolArray],
    verdicts: dict[str, Verdict],
    study: Study | None,
) -> Iterator[BlindSpot]:
    for leaf in evidence.parameters.leaves:
        if np.all(facts.vanished[leaf.place]) and verdicts[leaf.name] is Verdict.AGREE:
            yield BlindSpot(
                "vanishing-gradient",
                "The gradient vanishes at this point, or is too small for the loss to show, so "
                f"every error that scales with it is invisible here.{_dead(study, leaf)}",
                leaf.name,
                [Cause.SCALE, Cause.SIGN, Cause.UPSTREAM, Cause.ACTIVATION_DERIVATIVE],
            )


def _dead(study: Study | None, leaf: Leaf) -> str:
    """How many units on the way from a parameter have a slope of zero."""
    if study is None:
        return ""
    slopes = [
        study.slope(list(a.steps), a.last.outs[0], a.place)
        for a in activations(study)
        if any(leaf.name in names for names in study.reach[a.steps[0]])
    ]
    shares = [float(np.mean(slope == 0.0)) for slope in slopes if np.ndim(slope)]
    dead = max(shares, default=0.0)
    return f" Up to {dead:.0%} of a layer's units are dead." if dead else ""


# --- one block's own array ----------------------------------------------------------------------


def _of_block(evidence: Evidence, leaf: Leaf, seen: FloatArray) -> Iterator[BlindSpot]:
    best = evidence.reference or evidence.difference
    gradient, weights = best.values[leaf.place], evidence.parameters.values[leaf.place]
    if len(leaf.shape) == 2 and leaf.shape[0] == leaf.shape[1] > 1:
        swapped = gradient.reshape(leaf.shape).T.reshape(-1)
        if np.all(np.abs(swapped - gradient) <= seen):
            yield BlindSpot(
                "symmetric-gradient",
                "The right gradient is a symmetric matrix here, so its transpose would pass: "
                f"{_OTHER_POINT}.",
                leaf.name,
                [Cause.TRANSPOSED],
            )
    is_bias = len(leaf.shape) < 2 and any(len(o.shape) > 1 for o in evidence.parameters.leaves)
    if not np.any(weights) and not is_bias:  # these start at 0, and are seldom regularized
        yield BlindSpot(
            "zero-weights",
            "The parameter is 0 throughout, so a regularization term of any strength would not "
            f"show: {_OTHER_POINT}.",
            leaf.name,
            [Cause.REGULARIZER],
        )


def _one_signed(evidence: Evidence, study: Study, seen: FloatArray) -> Iterator[BlindSpot]:
    """Inputs of a function with no negative entry: a wrong sign there would change nothing."""
    best = evidence.reference or evidence.difference
    for leaf, root in zip(study.parameters.leaves, study.roots, strict=True):
        gradient, values = best.values[leaf.place], evidence.parameters.values[leaf.place]
        flipped = np.where(values < 0.0, -gradient, gradient)
        of_function = any(
            is_curved(s) for s in study.steps if s.places and s.places[0].storage is root
        )
        unchanged = np.all(np.abs(flipped - gradient) <= seen[leaf.place])
        if of_function and unchanged and leaf.stop - leaf.start > 1 and not np.any(values < 0.0):
            yield BlindSpot(
                "one-signed",
                "No entry is negative, so a branch that is wrong for negative values would not "
                "show: use values of both signs.",
                leaf.name,
                [Cause.SIGN, Cause.ENTRIES],
            )


# --- the inputs ---------------------------------------------------------------------------------


def _sizes(arguments: Any) -> Iterator[BlindSpot]:
    """Axes of one, over which a mean is a sum; and of equal size, which a factor cannot tell."""
    axes = list(_axes(arguments))
    single = [where for where, size in axes if size == 1]
    if single:
        verb = "has" if len(single) == 1 else "have"
        yield BlindSpot(
            "size-one-axis",
            f"{_listed(single)} {verb} size 1, where a mean is a sum and a missing reduction does "
            "not show: use more samples, outputs or steps.",
            hides=[Cause.SCALE, Cause.BIAS_REDUCTION, Cause.UPSTREAM],
        )
    sizes: dict[int, list[str]] = {}
    for where, size in axes:
        sizes.setdefault(size, []).append(where)
    for size, alike in sizes.items():
        numbers = {where.partition(" of ")[0] for where in alike}
        if size > 1 and len(numbers) > 1:
            yield BlindSpot(
                "coinciding-sizes",
                f"{_listed(alike)} all have size {size}, so a wrong factor of {size} could be any "
                "of them, and an array summed over the wrong axis may have the right shape.",
                hides=[Cause.SCALE, Cause.TRANSPOSED],
            )


def _axes(arguments: Any) -> Iterator[tuple[str, int]]:
    positional, keywords = arguments
    named = [(f"args[{i}]", value) for i, value in enumerate(positional)] + list(keywords.items())
    for name, value in named:
        if isinstance(value, np.ndarray):
            yield from ((f"axis {k} of {name}", size) for k, size in enumerate(value.shape))


# --- the way back -------------------------------------------------------------------------------


def _of_trace(found: list[Unseen]) -> Iterator[BlindSpot]:
    """One spot for all mistakes of a kind at one place."""
    groups: dict[tuple[str, str, bool], list[Unseen]] = {}
    for one in found:
        name = _NAMES.get(one.mistake.kind, "hidden-derivative")
        groups.setdefault((name, one.mistake.spot, one.by_inputs), []).append(one)
    for (name, _, by_inputs), group in groups.items():
        clauses = [one.mistake.words for one in group[:_MOST_ALIKE]]
        more = f" (and {len(group) - _MOST_ALIKE} more)" if len(group) > _MOST_ALIKE else ""
        other = "use other inputs, of both signs" if by_inputs else _OTHER_POINT
        yield BlindSpot(
            name,
            f"Nothing would change here if {', or if '.join(clauses)}{more}: {other}.",
            hides=list(dict.fromkeys(one.mistake.cause for one in group)),
        )


_NAMES = {
    "untransposed": "symmetric-weights",
    "path-left-out": "hidden-path",
    "factor-left-out": "hidden-factor",
    "wrong-factor": "equal-arrays",
}


def _unrepeated(study: Study) -> Iterator[BlindSpot]:
    for site in sites(study):
        if not site.turn and paths.unrepeated(site):
            yield BlindSpot(
                "no-repeated-index",
                f"No index occurs twice in {site.words}, so `=` in place of `+=` on the way back "
                "would not show: use inputs that repeat one.",
                hides=[Cause.ENTRIES],
            )


def _unit_upstream(study: Study) -> Iterator[BlindSpot]:
    """Whether the gradient that comes back to the last operation with a parameter is all ones."""
    used = [s for s in study.steps if any(p.storage in study.roots for p in s.places)]
    came = study.came.get(used[-1]) if used else None
    if isinstance(came, np.ndarray) and came.size > 1 and np.all(came == 1.0):
        yield BlindSpot(
            "upstream-of-one",
            "The gradient that comes back to the output is 1 throughout, so a backward pass that "
            "drops its upstream gradient would pass: weight the outputs before they are summed.",
            hides=[Cause.UPSTREAM],
        )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
