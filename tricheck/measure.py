"""Three gradients with their bounds, from the contract's first call to the last stencil."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tricheck import contract
from tricheck.calls import Calls, Evaluator
from tricheck.comparison import BoolArray
from tricheck.errors import TraceError
from tricheck.excuse import excuse
from tricheck.facts import Evidence, facts_of
from tricheck.parameters import Parameters
from tricheck.sources import backprop, finite_difference
from tricheck.sources import reference as references
from tricheck.sources import sympy as symbols
from tricheck.sources.estimate import Estimate
from tricheck.sources.monte_carlo import backprop_bound, noise_inside
from tricheck.sources.noise import Noise, measure_noise
from tricheck.sources.reference import ReferenceEstimate
from tricheck.sources.several import settle
from tricheck.verdict import decide_all
from tricheck.vocabulary import Cause, Finding, Severity, Source, Verdict

_FINE = 1e-3
_REMEASURED = 32  # entries of one parameter that are measured again before anyone is accused


def measure(
    calls: Calls, reference: Any, step: float | None, rtol: float, seed: int
) -> tuple[Evidence, list[Finding]]:
    """Three gradients with their bounds; the finite difference twice where all hangs on it."""
    point = contract.inspect(calls)
    # From here on functions run beside the point too, where warnings are expected.
    with np.errstate(all="ignore"):
        evaluate, base = evaluator(calls)
        noise = measure_noise(evaluate, calls.parameters, base, seed)
        if not noise.is_rounding and not point.spread:
            point = contract.with_spread(point, contract.repeated_spread(calls))
        noise = noise.at_least(point.spread / 2)
        hand_written = backprop.measure(calls, point, seed)
        candidates, notes = references.find(reference, calls, noise, seed)
        sweeper = finite_difference.Sweeper(evaluate, base, noise, step)
        difference = sweeper.measure()
        settled = settle(candidates, difference, calls.parameters)
        evidence = Evidence(
            calls.parameters,
            point,
            hand_written,
            difference,
            settled.reference,
            backprop.unrepeatable(calls, point),
            rtol,
        )
        evidence = _with_rounding_inside(evidence, hand_written, calls, seed)
        chosen = not (isinstance(reference, str) and reference == "auto")
        if not chosen and _stands_alone(evidence):
            evidence = excuse(evidence, sweeper, seed)
        if not chosen and _stands_alone(evidence):
            # Nobody chose this reference: before it is blamed, the others are heard.
            candidates = [*candidates, *references.others(calls, noise, seed)]
            settled = settle(candidates, difference, calls.parameters)
            evidence = replace(evidence, reference=settled.reference)
        if doubtful := _doubtful(evidence, settled.disputed):
            noise = noise_inside(calls, noise, seed)
            if noise.inside:
                sweeper = replace(sweeper, noise=noise)
                difference = sweeper.remeasure(difference, doubtful)
                settled = settle(candidates, difference, calls.parameters)
                evidence = replace(evidence, difference=difference, reference=settled.reference)
        undecided = _undecided(evidence)
        if undecided.any() and (exact := _arbiter(undecided, calls, noise, seed)):
            notes = [*notes, _arbitrated(undecided, settled.reference)]
            candidates, settled = [exact], settle([exact], difference, calls.parameters)
            evidence = replace(evidence, reference=exact)
            # Beside exact values backprop's own rounding shows.
            evidence = _with_rounding_inside(evidence, hand_written, calls, seed)
        measured: set[int] = set()
        while decisive := _decisive(evidence, settled.disputed, measured):
            again = sweeper.remeasure(evidence.difference, decisive)
            measured.update(decisive)
            settled = settle(candidates, again, calls.parameters)
            evidence = replace(evidence, difference=again, reference=settled.reference)
        evidence = excuse(evidence, sweeper, seed)
        notes = [*notes, *settled.findings, *calls.model.probe(calls, evidence)]
    return evidence, notes


def _with_rounding_inside(
    evidence: Evidence, hand_written: Estimate, calls: Calls, seed: int
) -> Evidence:
    """Backprop bounded by the rounding of its intermediate results too, unless it is already."""
    if evidence.backprop is not hand_written or not _hangs_on_rounding(evidence):
        return evidence
    inside = backprop_bound(calls, evidence.point, hand_written.bounds, seed)
    return replace(evidence, backprop=replace(hand_written, bounds=hand_written.bounds + inside))


def _hangs_on_rounding(evidence: Evidence) -> bool:
    """Whether backprop's own rounding matters: it is doubted, or claims to be finer than the loss.

    A bound far below an ulp of the loss may come of terms that cancel where nothing shows it. Calls
    that differ at the same point say nothing of rounding, and more of them move it further.
    """
    if evidence.unrepeatable.any():
        return False
    with_backprop = [pair for pair in evidence.pairs if pair.first is Source.BACKPROP]
    doubted = not all(np.all(pair.agree) for pair in with_backprop)
    ulp = float(np.spacing(np.abs(np.float64(evidence.point.loss))))
    return doubted or bool(np.any(evidence.backprop.bounds < _FINE * ulp))


def _stands_alone(evidence: Evidence) -> bool:
    """Whether backprop and the finite difference agree against the reference somewhere."""
    return bool(np.any(decide_all(facts_of(evidence)) == Verdict.REFERENCE))


def _undecided(evidence: Evidence) -> BoolArray:
    """Entries that a sharper reference might decide.

    Those without a conclusion, and those where backprop is acquitted by the reference's bound
    alone, for the finite difference cannot tell. Of a loss that jumps nobody is sharper: symbols
    show one piece as well.
    """
    reference = evidence.reference
    if reference is None or not (reference.traced and reference.faithful) or evidence.point.spread:
        return np.zeros(evidence.parameters.size, dtype=bool)
    facts = facts_of(evidence)
    verdicts = decide_all(facts)
    apart = np.abs(evidence.backprop.values - reference.values) > evidence.backprop.bounds
    undecided = verdicts == Verdict.INCONCLUSIVE
    undecided |= (verdicts == Verdict.FINITE_DIFFERENCE) & apart
    rough = ~(reference.bounds <= 4.0 * np.spacing(np.abs(reference.values)))
    return np.array(undecided & rough & ~facts.kink & ~facts.jumpy, dtype=bool)


def _arbiter(
    undecided: BoolArray, calls: Calls, noise: Noise, seed: int
) -> ReferenceEstimate | None:
    """The derivatives to 50 digits, where they can be had."""
    try:
        exact = references.within_noise(
            symbols.measure(calls, noise, seed), calls.parameters, noise
        )
    except TraceError:
        return None
    return exact if exact.faithful and np.all(exact.finite[undecided]) else None


def _arbitrated(undecided: BoolArray, before: ReferenceEstimate | None) -> Finding:
    count = int(np.sum(undecided))
    return Finding(
        Cause.SETTLED,
        f"In {count} {'entry' if count == 1 else 'entries'} the finite difference could not tell "
        f"backprop from the reference ({before.method if before else 'none'}), so the loss was run "
        "on symbols: the reference's derivatives are now known to 50 digits.",
        Source.REFERENCE,
        severity=Severity.NOTE,
        evidence={"entries": float(count)},
    )


def _doubtful(evidence: Evidence, disputed: BoolArray) -> list[int]:
    """Entries where the finite difference is decisive, or nothing is concluded."""
    inconclusive = decide_all(facts_of(evidence)) == Verdict.INCONCLUSIVE
    return _first_few(_alone(evidence, disputed) | inconclusive, evidence.parameters)


def _decisive(evidence: Evidence, disputed: BoolArray, measured: set[int]) -> list[int]:
    """Entries where the finite difference alone contradicts somebody, or settles a dispute.

    None of a parameter in which one was measured with care and still does.
    """
    alone = _alone(evidence, disputed)
    for leaf in evidence.parameters.leaves:
        decided = measured.intersection(range(leaf.start, leaf.stop))
        if any(alone[position] for position in decided):
            alone[leaf.place] = False
    return _first_few(alone, evidence.parameters)


def _alone(evidence: Evidence, disputed: BoolArray) -> BoolArray:
    facts = facts_of(evidence)
    verdicts = decide_all(facts)
    alone = disputed | np.isin(verdicts, [Verdict.REFERENCE, Verdict.BACKPROP_AND_REFERENCE])
    unsupported = ~facts.reference | facts.br | ~(facts.fr | facts.trusted)
    return np.array(alone | (verdicts == Verdict.BACKPROP) & unsupported)


def _first_few(chosen: BoolArray, parameters: Parameters) -> list[int]:
    """Positions of each parameter's first chosen entries."""
    positions: list[int] = []
    for leaf in parameters.leaves:
        offsets = np.flatnonzero(chosen[leaf.place])[:_REMEASURED]
        positions += [leaf.start + int(offset) for offset in offsets]
    return positions


def evaluator(calls: Calls) -> tuple[Evaluator, np.floating[Any]]:
    """The loss of the parameters upcast to float64, or in their own dtype where that fails."""
    for dtype in (calls.parameters.values.dtype, calls.parameters.native_dtype):
        evaluate = Evaluator(calls, dtype)
        base = np.asarray(evaluate()).reshape(-1)[0]
        if np.isfinite(base):
            break
    return evaluate, base
