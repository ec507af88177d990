"""What the mistakes found say to a person, parameter by parameter."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tricheck.calls import Calls
from tricheck.diagnosis.mistakes.mistake import Mistake
from tricheck.diagnosis.mistakes.search import Discrepancy, Explained, Search
from tricheck.diagnosis.mistakes.trials import Trials
from tricheck.diagnosis.mistakes.where import Where, locate
from tricheck.diagnosis.relations.block import Block
from tricheck.diagnosis.relations.readings import readings_of
from tricheck.diagnosis.relations.surroundings import Surroundings
from tricheck.measured import Measured
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Study, study
from tricheck.vocabulary import Cause, Finding, Source

_MOST_READINGS = 4
_FACTOR = 1e-9
_MOST_FACTORS = 3
_FOLLOWS = 1e-4


def kept_run(calls: Calls, measured: Measured) -> Study | None:
    """A kept run at the point, if the loss can be traced and the trace gives the right gradient.

    None where there is no time to run the model again for every mistake.
    """
    evidence = measured.evidence
    if not calls.watch.allows():
        calls.watch.omit("mistakes on the way back, and what the point hides")
    if calls.hurried or evidence.point.spread or evidence.point.stateful:
        return None
    with np.errstate(all="ignore"):
        kept = study(calls, evidence.parameters.values, lenient=True)
    if kept is None:
        return None
    best = evidence.reference or evidence.difference
    known = np.isfinite(best.values) & np.isfinite(best.bounds)
    size = float(np.max(np.abs(best.values), where=known, initial=0.0))
    apart = np.abs(kept.gradient() - best.values)[known]
    slack = np.concatenate(
        [
            np.where(measured.skipped(leaf), 0.0, evidence.difference.bounds[leaf.place])
            for leaf in evidence.parameters.leaves
        ]
    )
    allowed = best.bounds[known] + slack[known] + 1e-9 * size
    return kept if np.all(apart <= allowed) else None


@dataclass(frozen=True)
class Mistaken:
    """What mistakes explain.

    Attributes
    ----------
    found : dict of str to Finding
        By parameter.
    explained : list of Explained
        The mistakes behind these findings.
    """

    found: dict[str, Finding]
    explained: list[Explained]


def mistaken(
    kept: Study,
    blocks: Iterable[Block],
    wrong: Collection[str],
    unexplained: Collection[str],
    around: Surroundings,
) -> Mistaken:
    """For each parameter that a mistake explains, that mistake.

    Parameters
    ----------
    kept : Study
    blocks : iterable of Block
        All parameters, in their order.
    wrong, unexplained : collection of str
        Parameters that are wrong; those that no relation explains by itself.
    around : Surroundings
        What factors can be; those that other parameters have may have come this far.
    """
    flat = {
        name: np.concatenate([getattr(block, name).reshape(-1) for block in blocks])
        for name in ("backprop", "truth", "slack")
    }
    found: dict[str, Finding] = {}
    behind: list[Explained] = []
    trials = Trials(
        kept, {leaf.name: flat["backprop"][leaf.place] for leaf in kept.parameters.leaves}
    )
    unexplained = [name for name in unexplained if not _follows(kept, name, flat)]
    factors = dict.fromkeys(f"{factor.value:.6g}" for factor in around.factors.values())
    for factor in (1.0, *map(float, list(factors)[:_MOST_FACTORS])):
        rest = frozenset(unexplained) - found.keys()
        if not rest:
            break
        seen = Discrepancy(
            flat["backprop"] / factor,
            flat["truth"],
            flat["slack"] / abs(factor),
            frozenset(wrong),
        )
        trials.begin()
        for explained in Search(kept, trials, seen, rest, paired=factor == 1.0).explanations():
            behind.append(replace(explained, factor=factor * explained.factor))
            for name in explained.parameters:
                place = next(leaf.place for leaf in kept.parameters.leaves if leaf.name == name)
                found[name] = _finding(explained, name, seen.backprop[place], factor, around)
    return Mistaken(found, behind)


def _follows(kept: Study, name: str, flat: Mapping[str, FloatArray]) -> bool:
    """Whether backprop is the loss's own way back, in which no mistake is to be found."""
    place = next(leaf.place for leaf in kept.parameters.leaves if leaf.name == name)
    own, came, right = kept.gradient()[place], flat["backprop"][place], flat["truth"][place]
    return bool(np.max(np.abs(own - came)) <= _FOLLOWS * np.max(np.abs(right - came)))


def located(
    kept: Study, blocks: Iterable[Block], found: Mapping[str, Finding]
) -> dict[str, Finding]:
    """The findings, with where on the way back the error enters if they do not say so yet."""
    right = {b.name for b in blocks if b.name not in found and np.any(np.abs(b.truth) > b.slack)}
    where = locate(kept, frozenset(found), frozenset(right))
    return {
        name: _with_place(finding, where[name]) if name in where else finding
        for name, finding in found.items()
    }


def _with_place(finding: Finding, where: Where) -> Finding:
    if "line" in finding.evidence:
        return finding
    evidence = {**finding.evidence, "line": where.spot}
    if finding.cause is not Cause.UNKNOWN:
        return replace(finding, evidence=evidence)
    words = f"{where.words[0].upper()}{where.words[1:]}."
    if where.own:
        return replace(finding, message=f"{finding.message} {words}", evidence=evidence)
    return replace(finding, cause=Cause.UPSTREAM, message=words, evidence=evidence)


def _finding(
    explained: Explained, name: str, block: FloatArray, factor: float, around: Surroundings
) -> Finding:
    mistake, residual = explained.mistake.on_the_way_to(name), explained.residual[name]
    readings = _readings(explained, mistake)
    advice = f" {mistake.advice[0].upper()}{mistake.advice[1:]}." if mistake.advice else ""
    other = f", or where {readings[1]}" if len(readings) == 2 else ""
    if len(readings) > 2:
        other = f", or with {len(readings) - 1} other mistakes"
    beside = [f"and {earlier.words}" for earlier in explained.beside]
    beside += [f"besides the factor {factor:.6g}"] if factor != 1.0 else []
    besides = "".join(f", {words}" for words in beside)
    reading = _meaning(mistake, around)
    return Finding(
        mistake.cause,
        f"Consistent with a backward pass where {mistake.words}{reading}{other}{besides} "
        f"({_digits(residual, block)}).{advice}",
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


def _readings(explained: Explained, mistake: Mistake) -> list[str]:
    """The mistake's words, and those of others that would look the same.

    At one place only those of another cause: the rest would say the same in other words.
    """
    seen = {(mistake.spot, mistake.cause)}
    words = [mistake.words]
    for other in explained.also:
        if (other.spot, other.cause) not in seen:
            seen.add((other.spot, other.cause))
            words.append(other.words)
    return words


def _meaning(mistake: Mistake, around: Surroundings) -> str:
    """What the factor of a mistake can be, if it has one."""
    if mistake.factor is None or mistake.factor == 0.0 or abs(abs(mistake.factor) - 1.0) < _FACTOR:
        return ""
    readings = readings_of(abs(mistake.factor), _FACTOR * abs(mistake.factor), around)
    told = [reading.text for reading in readings.found if reading.text != f"{mistake.factor:g}"]
    return f" ({' or '.join(told[:2])})" if told else ""


def _digits(residual: float, block: FloatArray) -> str:
    size = float(np.max(np.abs(block)))
    if residual == 0.0 or size == 0.0:
        return "exactly"
    return f"{min(max(math.floor(-math.log10(residual / size)), 0), 15)} digits"
