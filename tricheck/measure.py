"""Three gradients with their bounds, from the contract's first call to the last stencil."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from tricheck import contract
from tricheck.calls import Calls, Evaluator
from tricheck.coordinates import Along, Coordinates, whole_leaf
from tricheck.judge import Sources, judge
from tricheck.measured import Measured
from tricheck.options import Options
from tricheck.parameters import LARGE
from tricheck.sources import backprop
from tricheck.sources import reference as references
from tricheck.sources.finite_difference import Sweeper
from tricheck.sources.noise import Noise, measure_noise
from tricheck.sources.residual import POINTS
from tricheck.survey import so_far, survey, worst_disputed
from tricheck.work import Work, one_blas_thread

_LINES = 4  # along which the loss's noise is seen
_SHARE = 10  # of the time that is left: what these may take one part of
_EACH = 2048  # entries up to which "auto" takes a finite difference in each
_LOSSES = 3  # for one entry, on average
_SLACK = 1.2


def measure(calls: Calls, options: Options) -> Measured:
    """Three gradients with their bounds.

    Parameters
    ----------
    calls : Calls
    options : Options
    """
    seed, reference = options.seed, options.reference
    point = contract.inspect(calls)
    # From here on functions run beside the point too, where warnings are expected.
    with np.errstate(all="ignore"):
        evaluate, base, work = _ready(calls, int(options.jobs))
        noise = _noise(calls, evaluate, base, seed, work)
        if not noise.is_rounding and not point.spread:
            point = contract.with_spread(point, contract.repeated_spread(calls))
        noise = noise.at_least(point.spread / 2)
        evaluate.rest()
        hand_written = backprop.measure(calls, point, seed)
        calls.watch.begin("the reference")
        candidates, notes = references.find(reference, calls, noise, seed)
        chosen = not (isinstance(reference, str) and reference == "auto")
        unrepeatable = backprop.unrepeatable(calls, point)
        sources = Sources(calls, point, noise, hand_written, candidates, unrepeatable, chosen)
        with one_blas_thread() if calls.parameters.size <= LARGE else nullcontext():
            measured = _with_differences(sources, evaluate, base, options, work)
        calls.watch.begin("the diagnosis")
        probed = calls.model.probe(calls, measured.evidence)
        return replace(measured, notes=[*notes, *measured.notes, *probed])


def _ready(calls: Calls, jobs: int) -> tuple[Evaluator, np.floating[Any], Work]:
    """The loss, its value at the point, and who takes its finite differences."""
    began = time.perf_counter()
    evaluate, base = evaluator(calls)
    seconds = time.perf_counter() - began
    large = calls.parameters.size > LARGE  # then a copy of everything costs more than it brings
    return evaluate, base, Work(calls.watch, 1 if large else jobs, seconds)


def _with_differences(
    sources: Sources, evaluate: Evaluator, base: Any, options: Options, work: Work
) -> Measured:
    """Finite differences where they are asked for, and what they say of the other sources."""
    size, rtol, seed = sources.parameters.size, options.rtol, options.seed
    sweeper = Sweeper(evaluate, base, sources.noise, options.step, work)
    each = options.step is not None or options.entries == "all" or size <= _EACH
    if each and options.step is None and not work.affords(_SLACK * _LOSSES * size):
        each = False
        work.watch.omit("finite differences entry by entry")
    if not each:
        return survey(sources, sweeper, rtol, seed)
    work.watch.begin("finite differences", sources.parameters, size, sources.backprop.values)
    difference = sweeper.measure(worst_disputed(sources, rtol))
    if missing := int(np.sum(difference.left_out)):
        work.watch.omit(f"finite differences in {missing} of {size} entries")
        return so_far(sources, sweeper, difference, rtol, seed)
    evidence, found = judge(sources, sweeper, difference, rtol, seed)
    return Measured(evidence, evidence, None, found)


def _noise(
    calls: Calls, evaluate: Evaluator, base: np.floating[Any], seed: int, work: Work
) -> Noise:
    """The loss's noise along lines through the point; of a large model, through some parameters."""
    parameters = calls.parameters
    if parameters.size <= LARGE:
        lines = _LINES if work.affords(_SHARE * POINTS * _LINES) else 1
        return measure_noise(evaluate, parameters, base, seed, lines=lines)
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
