"""Three gradients with their bounds, from the contract's first call to the last stencil."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from tricheck import contract
from tricheck.calls import Calls, Evaluator
from tricheck.coordinates import Along, Coordinates, whole_leaf
from tricheck.judge import Sources, judge
from tricheck.measured import Measured
from tricheck.parameters import LARGE
from tricheck.sources import backprop
from tricheck.sources import reference as references
from tricheck.sources.finite_difference import Sweeper
from tricheck.sources.noise import Noise, measure_noise
from tricheck.survey import survey

Entries = Literal["auto", "all"]
_LINES = 4  # parameters that are moved to see the loss's noise
_EACH = 2048  # entries up to which "auto" takes a finite difference in each


def measure(
    calls: Calls, reference: Any, step: float | None, rtol: float, seed: int, entries: Entries
) -> Measured:
    """Three gradients with their bounds.

    Parameters
    ----------
    calls : Calls
    reference : object
        What the user chose as the third source.
    step : float or None
        A fixed step of the finite difference, which is then taken in every entry.
    rtol : float
    seed : int
    entries : {"auto", "all"}
        Where the finite difference is taken.
    """
    each = entries == "all" or step is not None or calls.parameters.size <= _EACH
    point = contract.inspect(calls)
    # From here on functions run beside the point too, where warnings are expected.
    with np.errstate(all="ignore"):
        evaluate, base = evaluator(calls)
        noise = _noise(calls, evaluate, base, seed)
        if not noise.is_rounding and not point.spread:
            point = contract.with_spread(point, contract.repeated_spread(calls))
        noise = noise.at_least(point.spread / 2)
        hand_written = backprop.measure(calls, point, seed)
        candidates, notes = references.find(reference, calls, noise, seed)
        chosen = not (isinstance(reference, str) and reference == "auto")
        unrepeatable = backprop.unrepeatable(calls, point)
        sources = Sources(calls, point, noise, hand_written, candidates, unrepeatable, chosen)
        if each:
            sweeper = Sweeper(evaluate, base, noise, step)
            evidence, found = judge(sources, sweeper, sweeper.measure(), rtol, seed)
            measured = Measured(evidence, evidence, None, found)
        else:
            measured = survey(sources, evaluate, base, rtol, seed)
        probed = calls.model.probe(calls, measured.evidence)
        return replace(measured, notes=[*notes, *measured.notes, *probed])


def _noise(calls: Calls, evaluate: Evaluator, base: np.floating[Any], seed: int) -> Noise:
    """The loss's noise along lines through the point; of a large model, through some parameters."""
    parameters = calls.parameters
    if parameters.size <= LARGE:
        return measure_noise(evaluate, parameters, base, seed)
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(parameters.leaves))[:_LINES]
    groups = [whole_leaf(parameters.leaves[row], rng) for row in some]
    coordinates = Coordinates.of(groups, parameters)
    return measure_noise(Along(evaluate, coordinates), coordinates.parameters, base, seed)


def evaluator(calls: Calls) -> tuple[Evaluator, np.floating[Any]]:
    """The loss of the parameters upcast to float64, or in their own dtype where that fails."""
    for dtype in (calls.parameters.values.dtype, calls.parameters.native_dtype):
        evaluate = Evaluator(calls, dtype)
        base = np.asarray(evaluate()).reshape(-1)[0]
        if np.isfinite(base):
            break
    return evaluate, base
