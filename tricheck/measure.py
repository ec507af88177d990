"""Three gradients with their bounds, from the contract's first call to the last stencil."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricheck import contract
from tricheck.calls import Calls, Evaluator
from tricheck.facts import Evidence
from tricheck.judge import Sources, judge
from tricheck.sources import backprop
from tricheck.sources import reference as references
from tricheck.sources.finite_difference import Sweeper
from tricheck.sources.noise import measure_noise
from tricheck.vocabulary import Finding


def measure(
    calls: Calls, reference: Any, step: float | None, rtol: float, seed: int
) -> tuple[Evidence, list[Finding]]:
    """Three gradients with their bounds, the finite difference in every entry."""
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
        chosen = not (isinstance(reference, str) and reference == "auto")
        unrepeatable = backprop.unrepeatable(calls, point)
        sources = Sources(calls, point, noise, hand_written, candidates, unrepeatable, chosen)
        sweeper = Sweeper(evaluate, base, noise, step)
        evidence, found = judge(sources, sweeper, sweeper.measure(), rtol, seed)
        return evidence, [*notes, *found, *calls.model.probe(calls, evidence)]


def evaluator(calls: Calls) -> tuple[Evaluator, np.floating[Any]]:
    """The loss of the parameters upcast to float64, or in their own dtype where that fails."""
    for dtype in (calls.parameters.values.dtype, calls.parameters.native_dtype):
        evaluate = Evaluator(calls, dtype)
        base = np.asarray(evaluate()).reshape(-1)[0]
        if np.isfinite(base):
            break
    return evaluate, base
