"""What shown intermediate gradients say of where backprop goes wrong: last right, first wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from tricheck.adapters.state import named_arrays
from tricheck.diagnosis.deltas.judgement import Judgement, judge
from tricheck.diagnosis.deltas.likeness import Ruler
from tricheck.diagnosis.deltas.matching import Matcher
from tricheck.diagnosis.deltas.way import Mark, between, operations
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.facts import Evidence
from tricheck.tracing.study import Study
from tricheck.vocabulary import Cause, Finding, Severity, Source, Verdict

_MOST_FINDINGS = 3
_MOST_NAMES = 3
_MOST_OPERATIONS = 2
_LARGEST = 1024  # denominator of a factor that is shown as a fraction
_SAME = 1e-6


def diagnose(
    evidence: Evidence, verdicts: Mapping[str, Verdict], kept: Study | None
) -> list[Finding]:
    """Notes on the intermediate gradients that backprop shows, if it does.

    Parameters
    ----------
    evidence : Evidence
    verdicts : mapping of str to Verdict
        By parameter.
    kept : Study or None
    """
    shown = named_arrays(evidence.point.intermediates)
    # On a kink more than one gradient is right, and what the loss contradicts says nothing.
    silent = evidence.difference.kinks.any() or Verdict.BACKPROP_AND_REFERENCE in verdicts.values()
    if kept is None or not shown or silent:
        return []
    eps = float(evidence.point.gradient_eps.max())
    ruler = Ruler.of(evidence.backprop, evidence.parameters.leaves, eps)
    matched, unmatched = Matcher(kept, ruler).match(shown)
    blamed = {name for name, verdict in verdicts.items() if verdict is Verdict.BACKPROP}
    judgement = judge(kept, ruler, matched, evidence.backprop.values, blamed)
    return list(_strays(kept, judgement, unmatched) if blamed else _harmless(judgement, unmatched))


def _strays(study: Study, judgement: Judgement, unmatched: list[str]) -> Iterator[Finding]:
    """Where the way back leaves the right one, each operation once."""
    shown = {mark.step: mark for mark in (*judgement.right, *judgement.wrong) if mark.step}
    told: set[str] = set()
    for mark in judgement.strays:
        gap = between(study, mark, shown.keys() - {mark.step})
        sites = operations(study, mark, gap)
        way = _way(sites, from_loss=not gap.known)
        if way in told or (mark.step is None and not gap.known) or len(told) == _MOST_FINDINGS:
            continue
        told.add(way)
        known = [shown[step] for step in reversed(gap.known)]
        evidence: dict[str, float | str | list[str]] = {
            "first_wrong": mark.name,
            "line": sites[0].spot,
        }
        if (factor := judgement.wrong.get(mark)) is not None:
            evidence["factor"] = factor
        message = f"{_sentence(mark, known, judgement)} error is made on the way back {way}."
        yield _note(message, judgement, unmatched, evidence)


def _sentence(mark: Mark, known: list[Mark], judgement: Judgement) -> str:
    """How a gradient is wrong beside those that it should follow from, up to the error's place."""
    factor = judgement.wrong.get(mark)
    relation = f" ({_times(factor)} the right one)" if factor is not None else ""
    if not known:
        return f"{mark.name} is wrong already{relation}: the"
    names = _listed(known)
    if not all(other in judgement.right for other in known):
        return f"{mark.name} does not follow from {names}: another"
    scale = judgement.right[known[0]]
    unit = f" up to the factor {_number(scale)}" if scale != 1.0 else ""
    return f"{names} {_is(known)} right{unit}, {mark.name} is wrong{relation}: the"


def _way(sites: list[Site], *, from_loss: bool) -> str:
    """Operations in the order of the way back, as words to follow "on the way back"."""
    first, last = sites[0].words, sites[-1].words
    if len(sites) > _MOST_OPERATIONS:
        return f"from {'the loss' if from_loss else first} to {last}"
    through = f"through {first}" + (f" or {last}" if len(sites) > 1 else "")
    return f"from the loss {through}" if from_loss else through


def _harmless(judgement: Judgement, unmatched: list[str]) -> Iterator[Finding]:
    """What is shown besides, where all parameters are right."""
    if marks := judgement.harmless:
        message = (
            f"{_listed(marks)} {_is(marks)} not the gradient that the name says, though what comes "
            "of it is right: it holds a part or another gradient, or was changed after its use."
        )
        evidence: dict[str, float | str | list[str]] = {
            "wrong": [mark.name for mark in marks],
        }
        yield _note(message, judgement, unmatched, evidence)


def _note(
    message: str,
    judgement: Judgement,
    unmatched: list[str],
    evidence: Mapping[str, float | str | list[str]],
) -> Finding:
    found: dict[str, float | str | list[str]] = {
        "right": [mark.name for mark in judgement.right],
        "wrong": [mark.name for mark in judgement.wrong],
        "unmatched": unmatched,
    }
    return Finding(
        Cause.UPSTREAM,
        message,
        Source.BACKPROP,
        severity=Severity.NOTE,
        evidence={**found, **evidence},
    )


def _listed(marks: list[Mark]) -> str:
    names = list(dict.fromkeys(mark.name for mark in marks))
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _is(marks: list[Mark]) -> str:
    return "is" if len(marks) == 1 else "are"


def _times(factor: float) -> str:
    return "minus" if _number(factor) == "-1" else f"{_number(factor)} times"


def _number(factor: float) -> str:
    """A factor as the simple fraction that it is, or to six digits.

    Examples
    --------
    >>> _number(1 / 6), _number(-2.0), _number(0.123456789)
    ('1/6', '-2', '0.123457')
    """
    ratio = Fraction(factor).limit_denominator(_LARGEST)
    near = abs(float(ratio) - factor) <= _SAME * abs(factor)
    simple = near and 1 in (abs(ratio.numerator), ratio.denominator)
    return str(ratio) if simple else f"{factor:.6g}"
