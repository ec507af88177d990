"""What shown intermediate gradients say of where backprop goes wrong: last right, first wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from tricheck.adapters.state import named_arrays
from tricheck.diagnosis.deltas.judgement import Judge, Judgement
from tricheck.diagnosis.deltas.likeness import Ruler
from tricheck.diagnosis.deltas.matching import Matcher
from tricheck.diagnosis.deltas.spelling import last_word, meanings
from tricheck.diagnosis.deltas.way import Mark, between, operations, words_of
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.facts import Evidence
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Step
from tricheck.vocabulary import Cause, Finding, Severity, Source, Verdict

_MOST_STRAYS = 64
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
    own = {last_word(leaf.name) for leaf in evidence.parameters.leaves}
    shown = {
        name: value
        for name, value in named_arrays(evidence.point.intermediates).items()
        if own.isdisjoint(meanings(name))
    }
    # On a kink more than one gradient is right, and what the loss contradicts says nothing.
    silent = evidence.difference.kinks.any() or Verdict.BACKPROP_AND_REFERENCE in verdicts.values()
    if kept is None or not shown or silent:
        return []
    eps = float(evidence.point.gradient_eps.max())
    ruler = Ruler.of(evidence.backprop, evidence.parameters.leaves, eps)
    matched, unmatched = Matcher(kept, ruler).match(shown)
    blamed = frozenset(name for name, verdict in verdicts.items() if verdict is Verdict.BACKPROP)
    judgement = Judge(kept, ruler, evidence.backprop.values, blamed).judge(matched)
    return list(_strays(kept, judgement, unmatched) if blamed else _harmless(judgement, unmatched))


@dataclass(frozen=True)
class Stray:
    """A gradient that does not follow from those shown downstream of it.

    Attributes
    ----------
    mark : Mark
    known : list of Mark
        Those downstream of it, as far as the way back to it leads.
    sites : dict of str to Site
        The operations in between, in the order of the way back, by their words.
    own : str
        The operation that it is the gradient of, or that uses the parameter.
    """

    mark: Mark
    known: list[Mark]
    sites: dict[str, Site]
    own: str


def _stray(study: Study, mark: Mark, shown: Mapping[Step, Mark], settled: set[Step]) -> Stray:
    others = shown.keys() - {mark.step}
    known = [shown[step] for step in reversed(between(study, mark, others).known)]
    sites = operations(study, mark, between(study, mark, others | settled).steps)
    own = sites[-1].words if mark.step is None else words_of(study, mark.step)
    return Stray(mark, known, {site.words: site for site in sites}, own)


def _strays(study: Study, judgement: Judgement, unmatched: list[str]) -> Iterator[Finding]:
    """Where the way back leaves the right one: a finding for each error that it takes."""
    shown = {mark.step: mark for mark in (*judgement.right, *judgement.wrong) if mark.step}
    strays = [
        _stray(study, mark, shown, judgement.settled) for mark in judgement.strays[:_MOST_STRAYS]
    ]
    for origin in _origins([s for s in strays if s.known or s.mark.step is not None]):
        first = origin.strays[0]
        evidence: dict[str, float | str | list[str]] = {
            "first_wrong": first.mark.name,
            "line": first.sites[origin.common[0]].spot,
        }
        if (factor := judgement.wrong.get(first.mark)) is not None:
            evidence["factor"] = factor
        yield _note(_message(origin, judgement), judgement, unmatched, evidence)


@dataclass(frozen=True)
class Origin:
    """One error that would explain several strays.

    Attributes
    ----------
    strays : list of Stray
        In the order of the way back.
    common : list of str
        The operations that the ways back to all of them lead through.
    """

    strays: list[Stray]
    common: list[str]


def _origins(strays: list[Stray]) -> list[Origin]:
    """As few errors as explain all strays, more or less."""
    origins: list[Origin] = []
    for stray in strays:
        for number, origin in enumerate(origins):
            if common := [words for words in origin.common if words in stray.sites]:
                origins[number] = Origin([*origin.strays, stray], common)
                break
        else:
            origins.append(Origin([stray], list(stray.sites)))
    return origins[:_MOST_FINDINGS]


def _message(origin: Origin, judgement: Judgement) -> str:
    """How a gradient is wrong beside those that it should follow from, and where that comes in."""
    stray = origin.strays[0]
    name, names = stray.mark.name, _listed(stray.known)
    factor = judgement.wrong.get(stray.mark)
    relation = f" ({_times(factor)} the right one)" if factor is not None else ""
    another = not all(other in judgement.right for other in stray.known)
    if not stray.known:
        said = f"{name} is wrong already{relation}"
    elif another:
        said = f"{name} does not follow from {names}"
    else:
        scale = judgement.right[stray.known[0]]
        unit = f" up to the factor {_number(scale)}" if scale != 1.0 else ""
        said = f"{names} {_is(stray.known)} right{unit}, {name} is wrong{relation}"
    if len(origin.common) < len(stray.sites):
        wrong = _listed([other.mark for other in origin.strays])
        return f"{said}; the wrong {wrong} share the way back {_through(origin)}."
    which = "another" if another else "the"
    return f"{said}: {which} error is made on the way back {_through(origin)}."


def _through(origin: Origin) -> str:
    """Operations in the order of the way back, as words to follow "the way back"."""
    stray, common = origin.strays[0], origin.common
    if len(common) > _MOST_OPERATIONS:
        return f"from {common[0] if stray.known else 'the loss'} to {stray.own}"
    start = "through" if stray.known else "from the loss through"
    return f"{start} {' or '.join(common)}"


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
