"""What backprop remembers from one call to the next: sums, caches, parameters already updated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tricheck.calls import Calls
from tricheck.contract import Point
from tricheck.diagnosis.probes.frozen import frozen
from tricheck.diagnosis.relations.block import Block
from tricheck.facts import Evidence
from tricheck.parameters import FloatArray, Leaf
from tricheck.sources.rounding import lengths
from tricheck.vocabulary import Cause, Finding

_FAR = 2.0**-3  # of a parameter's size: how far another point is
_STEP = 2.0**-12
_MOVED = 1e-3  # relative change of a slope that no difference quotient feigns
_MULTIPLE = 1e-6


def between_calls(evidence: Evidence, leaf: Leaf, block: Block) -> Finding:
    """The finding on a block that a second call at the same point gives otherwise."""
    first, second = (
        array[leaf.place].reshape(leaf.shape)
        for array in (evidence.point.gradient, evidence.point.second_gradient)
    )
    worst = np.unravel_index(int(np.argmax(np.abs(second - first))), first.shape)
    numbers = {"first": float(first[worst]), "second": float(second[worst])}
    told = f"{numbers['first']:.6g}, then {numbers['second']:.6g}"
    slack = 4.0 * block.slack + 1e-9 * np.abs(block.truth)
    if block.off.any() and np.all(np.abs(second - block.truth) <= slack):
        return block.finding(
            Cause.STALE_WEIGHTS,
            f"Wrong at the first call, right at the second at the same point ({told}), consistent "
            "with a cache that is refreshed after its use: the answer is that of the call before.",
            numbers,
        )
    grown = _fits(second - first, block.truth, slack)
    if grown is not None:
        once = abs(grown - 1.0) < _MULTIPLE
        weight = "" if once else f"{grown:.6g} times "
        average = "" if once else ", or a running average (momentum) inside the gradient"
        return block.finding(
            Cause.ACCUMULATED,
            f"A second call at the same point adds {weight}the right gradient to the first's "
            f"({told}), consistent with a buffer that is not set to zero{average}.",
            numbers,
        )
    if not block.off.any():
        return block.finding(
            Cause.ACCUMULATED,
            f"Right at the first call, not at the second at the same point ({told}), consistent "
            "with a buffer that is not set to zero, or other state kept between calls.",
            numbers,
        )
    return block.finding(
        Cause.NONDETERMINISTIC,
        f"Two calls at the same point give different gradients ({told}) though the loss stays "
        "the same: look for a random draw or kept state in the backward pass.",
        numbers,
    )


def _fits(array: FloatArray, truth: FloatArray, slack: FloatArray) -> float | None:
    """The positive factor by which an array is a multiple of the truth."""
    weight = float(np.sum(truth * truth))
    factor = float(np.sum(array * truth)) / weight if weight else 0.0
    alike = np.abs(array - factor * truth) <= max(1.0, factor) * slack
    return factor if factor > _MULTIPLE and np.all(alike) else None


# --- a cache that is not refreshed --------------------------------------------------------------


def stale(evidence: Evidence, calls: Calls, blocks: Sequence[Block]) -> list[Finding]:
    """Findings on blocks that stay the same elsewhere, though the loss has another slope there.

    If backprop sees some of the parameters move, no such cache is to blame.
    """
    elsewhere = _elsewhere(evidence)
    answer = _gradient(calls, elsewhere) if blocks else None
    if answer is None or not np.array_equal(answer, evidence.backprop.values):
        return []
    places = {leaf.name: leaf.place for leaf in evidence.parameters.leaves}
    return [
        block.finding(
            Cause.STALE_WEIGHTS,
            "Backprop gives the very same numbers at another point, where the loss has other "
            "slopes, consistent with a cache that is not refreshed, or a backward pass that "
            "leaves the parameters out.",
            {"relative_error": block.relative_error},
            list(block.blamed),
        )
        for block in blocks
        if np.ptp(block.backprop) > 0.0 and _bends(calls, elsewhere, places[block.name])
    ]


def _elsewhere(evidence: Evidence) -> FloatArray:
    """Another point, well away in every entry."""
    rng = np.random.default_rng(0)
    parameters = evidence.parameters
    signs = rng.choice([-1.0, 1.0], parameters.size) * rng.uniform(0.5, 1.0, parameters.size)
    return np.asarray(parameters.values + _FAR * lengths(parameters) * signs)


def _bends(calls: Calls, elsewhere: FloatArray, place: slice) -> bool:
    """Whether the loss's slope along a parameter is another there than at the point."""
    rng = np.random.default_rng(1)
    line = np.zeros(calls.parameters.size)
    line[place] = rng.standard_normal(line[place].size) * lengths(calls.parameters)[place]
    slopes = []
    for flat in (calls.parameters.values, elsewhere):
        for step in (_STEP, 2.0 * _STEP):
            try:
                above, below = (calls.loss(flat + s * step * line) for s in (1.0, -1.0))
            except Exception:  # beside the point the user's code may leave its domain
                return False
            slopes.append(float(above - below) / (2.0 * step))
    here, here_wide, there, there_wide = slopes
    error = abs(here - here_wide) + abs(there - there_wide)
    return abs(here - there) > max(10.0 * error, _MOVED * (abs(here) + abs(there)))


# --- parameters that are updated on the way -----------------------------------------------------


UPDATED = (
    "The gradient also changes its parameters on the way: compute all of it before any update."
)


def updated(evidence: Evidence, calls: Calls, blocks: Iterable[Block]) -> list[Finding]:
    """Findings on blocks that are right once the gradient's own updates have no effect."""
    if not moves_parameters(evidence.point):
        return []
    answer = _frozen_gradient(calls)
    if answer is None:
        return []
    leaves = {leaf.name: leaf for leaf in evidence.parameters.leaves}
    findings = []
    for block in blocks:
        held = answer[leaves[block.name].place].reshape(block.shape)
        if np.all((np.abs(held - block.truth) <= block.slack) | ~block.known):
            findings.append(
                block.finding(
                    Cause.STALE_WEIGHTS,
                    f"Backprop is off by {block.relative_error:.1e} of its norm, and right once "
                    "its own updates of the parameters are held back: it goes back through "
                    "weights that it has updated already. Compute all gradients first.",
                    {"relative_error": block.relative_error},
                    list(block.blamed),
                )
            )
    return findings


def moves_parameters(point: Point) -> bool:
    """Whether calling the gradient changes its parameters."""
    return any(f.cause is Cause.MUTATES_PARAMETERS and f.source for f in point.findings)


def _frozen_gradient(calls: Calls) -> FloatArray | None:
    """Backprop's answer when it cannot change its parameters in place."""
    structure = calls.parameters.build(calls.parameters.values.copy(), native=True)
    try:
        return calls.parameters.read_gradient(calls.raw_gradient(frozen(structure)))[0]
    except Exception:  # code that minds the type of its parameters
        return None
    finally:
        _gradient(calls, calls.parameters.values)  # whatever it keeps is plain again


def _gradient(calls: Calls, flat: FloatArray) -> Any:
    try:
        return calls.gradient(flat)
    except Exception:  # beside the point the user's code may leave its domain
        return None
