"""What the mistakes found say to a person, parameter by parameter."""

from __future__ import annotations

import math

import numpy as np

from tricheck.calls import Calls
from tricheck.diagnosis.mistakes.search import Discrepancy, Explained, Search
from tricheck.facts import Evidence
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Study, study
from tricheck.vocabulary import Finding, Source

_MOST_READINGS = 4


def kept_run(calls: Calls, evidence: Evidence) -> Study | None:
    """A kept run at the point, if the loss can be traced and the trace gives the right gradient."""
    if evidence.point.spread or evidence.point.stateful:
        return None
    with np.errstate(all="ignore"):
        kept = study(calls, evidence.parameters.values)
    if kept is None:
        return None
    best = evidence.reference or evidence.difference
    known = np.isfinite(best.values) & np.isfinite(best.bounds)
    size = float(np.max(np.abs(best.values), where=known, initial=0.0))
    apart = np.abs(kept.gradient() - best.values)[known]
    allowed = best.bounds[known] + evidence.difference.bounds[known] + 1e-9 * size
    return kept if np.all(apart <= allowed) else None


def findings(kept: Study, discrepancy: Discrepancy) -> dict[str, Finding]:
    """For each parameter that a mistake explains, that mistake."""
    found = {}
    for explained in Search(kept, discrepancy).explanations():
        for name in explained.parameters:
            place = next(leaf.place for leaf in kept.parameters.leaves if leaf.name == name)
            found[name] = _finding(explained, name, discrepancy.backprop[place])
    return found


def _finding(explained: Explained, name: str, block: FloatArray) -> Finding:
    mistake, residual = explained.mistake, explained.residual[name]
    readings = _readings(explained)
    advice = f" {mistake.advice[0].upper()}{mistake.advice[1:]}." if mistake.advice else ""
    other = f", or if {readings[1]}" if len(readings) == 2 else ""
    if len(readings) > 2:
        other = f", or by {len(readings) - 1} other mistakes"
    return Finding(
        mistake.cause,
        f"{_to_digits(residual, block)} one gets this gradient if {mistake.words}{other}.{advice}",
        Source.BACKPROP,
        name,
        evidence={
            "mistake": mistake.kind,
            "line": mistake.spot,
            "residual": residual,
            "bound": explained.bound[name],
            "readings": readings[:_MOST_READINGS],
        },
    )


def _readings(explained: Explained) -> list[str]:
    """The mistake's words, and those of others at other places that would look the same."""
    seen = {explained.mistake.spot}
    words = [explained.mistake.words]
    for other in explained.also:
        if other.spot not in seen:
            seen.add(other.spot)
            words.append(other.words)
    return words


def _to_digits(residual: float, block: FloatArray) -> str:
    size = float(np.max(np.abs(block)))
    if residual == 0.0 or size == 0.0:
        return "Exactly"
    digits = min(max(math.floor(-math.log10(residual / size)), 0), 15)
    return f"To {digits} digits"
