"""Who is wrong: a truth table over measured facts, knowing nothing of any model.

`decide` is the table. `decide_all` applies it to arrays of facts, one row at a time of the few
that occur.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tricheck.vocabulary import Verdict

# A finite difference coarser than this, relative to the parameter's largest entry, confirms nobody.
SHARP = 1e-4


ACCUSING = frozenset({Verdict.BACKPROP, Verdict.REFERENCE, Verdict.BACKPROP_AND_REFERENCE})

T = TypeVar("T")


class Facts(NamedTuple, Generic[T]):
    """What is known of one entry; arrays of shape (size,) for all of them.

    Attributes
    ----------
    shaped : bool
        Backprop's block has its parameter's shape.
    backprop, reference, difference : bool
        The source has a finite value (the finite difference: a finite bound too).
    third : bool
        There is a reference at all.
    br, bf, fr : bool
        The pair agrees within its bounds.
    sharp : bool
        The finite difference is precise enough to confirm somebody.
    trouble : bool
        The finite difference shows a sign of its own failure.
    kink : bool
        The point sits on a kink along this entry.
    admissible : bool
        All sources lie between the one-sided slopes.
    blunt : bool
        The reference is less precise than the finite difference.
    sided : bool
        The reference's value is nearer the finite difference's than backprop's.
    slight : bool
        The sources differ by no more than a thousandth of the parameter's largest entry.
    trusted : bool
        The reference differentiates the loss itself, as its value shows.
    elsewhere : bool
        The point sits on a kink along some entry of the model.
    jumpy : bool
        The loss jumps nearby, which explains how the sources differ.
    unsettled : bool
        The loss is random beyond what the sources' bounds cover, or there was no time to look
        closely.
    vague : bool
        Backprop meets the others within its own bound alone, which is as wide as the gradient.
    vanished : bool
        The parameter's whole gradient lies at or below the bounds.
    """

    shaped: T
    backprop: T
    reference: T
    difference: T
    third: T
    br: T
    bf: T
    fr: T
    sharp: T
    trouble: T
    kink: T
    admissible: T
    blunt: T
    sided: T
    slight: T
    trusted: T
    elsewhere: T
    jumpy: T
    unsettled: T
    vague: T
    vanished: T


def decide(facts: Facts[bool]) -> Verdict:
    """The verdict on one entry.

    Examples
    --------
    >>> everything_fine = Facts(
    ...     shaped=True, backprop=True, reference=True, difference=True, third=True,
    ...     br=True, bf=True, fr=True, sharp=True, trouble=False, kink=False, admissible=True,
    ...     blunt=False, sided=False, slight=False, trusted=True,
    ...     elsewhere=False, jumpy=False, unsettled=False, vague=False, vanished=False,
    ... )
    >>> decide(everything_fine)
    <Verdict.AGREE: 'agree'>
    >>> decide(everything_fine._replace(br=False, bf=False))
    <Verdict.BACKPROP: 'backprop'>
    """
    if not facts.shaped:
        return Verdict.BACKPROP
    verdict = _of_smooth_loss(facts)
    if facts.jumpy and verdict in ACCUSING:
        # A trace that sees one piece of the loss is no reference; the loss's own word remains.
        confirmed = verdict is Verdict.REFERENCE and facts.trusted and facts.sharp
        return Verdict.AGREE if confirmed else Verdict.INCONCLUSIVE
    return verdict


def _of_smooth_loss(facts: Facts[bool]) -> Verdict:
    if facts.unsettled:
        return Verdict.INCONCLUSIVE
    if not facts.backprop:
        others_stand = facts.difference or (facts.reference and facts.trusted)
        return Verdict.BACKPROP if others_stand else Verdict.INCONCLUSIVE
    if facts.kink:
        return Verdict.NONDIFFERENTIABLE if facts.admissible else Verdict.INCONCLUSIVE
    if facts.vague and (facts.br or facts.bf):
        return Verdict.INCONCLUSIVE
    if facts.vanished:
        return Verdict.AGREE
    if not facts.reference:
        return _two_sources(facts)
    if facts.br:
        return _backprop_and_reference_agree(facts)
    return _backprop_and_reference_differ(facts)


def _two_sources(facts: Facts[bool]) -> Verdict:
    """Backprop and finite difference alone; the loss as implemented defines the truth."""
    if not (facts.difference and facts.sharp) or facts.trouble:
        return Verdict.INCONCLUSIVE
    if facts.bf:
        return Verdict.REFERENCE if facts.third else Verdict.AGREE
    # Where several kinks meet, a slope may exist that no chain rule finds.
    return Verdict.INCONCLUSIVE if facts.elsewhere else Verdict.BACKPROP


def _backprop_and_reference_agree(facts: Facts[bool]) -> Verdict:
    confirms = facts.difference and facts.sharp
    if facts.blunt and facts.fr and not facts.bf:
        # The reference is too wide to tell the two apart, but its value leans to one.
        return _two_sources(facts) if facts.sided else Verdict.INCONCLUSIVE
    if facts.bf or facts.fr:
        return Verdict.AGREE if confirms else Verdict.FINITE_DIFFERENCE
    if not (facts.trusted or facts.trouble or facts.sharp) and facts.difference:
        return Verdict.INCONCLUSIVE  # a coarse bound is broken, and the loss vouches for nobody
    if not confirms or facts.trouble:
        return Verdict.FINITE_DIFFERENCE
    if facts.slight and facts.trusted:
        # Two ways through the loss itself agree to rounding; a bound has its exceptions.
        return Verdict.FINITE_DIFFERENCE
    if facts.elsewhere:  # where several kinks meet, a slope may exist that no chain rule finds
        return Verdict.NONDIFFERENTIABLE if facts.trusted else Verdict.INCONCLUSIVE
    return Verdict.BACKPROP_AND_REFERENCE


def _backprop_and_reference_differ(facts: Facts[bool]) -> Verdict:
    if not facts.difference or facts.trouble or (facts.bf and facts.fr):
        return _untold(facts)
    if facts.fr:
        return Verdict.BACKPROP
    if facts.bf:
        return Verdict.REFERENCE
    return Verdict.INCONCLUSIVE


def _untold(facts: Facts[bool]) -> Verdict:
    """Backprop and reference differ by less than the finite difference can see."""
    return Verdict.BACKPROP if facts.trusted else Verdict.INCONCLUSIVE


def decide_all(facts: Facts[npt.NDArray[np.bool_]]) -> npt.NDArray[np.object_]:
    """The verdict on every entry; `facts` holds arrays of shape (size,).

    A reference that is wrong in some entries shields nobody in those where all three differ.
    """
    verdicts = _each(facts)
    if np.any(verdicts == Verdict.REFERENCE):
        without = _each(facts._replace(reference=np.zeros_like(facts.reference)))
        differ = (verdicts == Verdict.INCONCLUSIVE) & facts.reference & ~facts.trusted
        verdicts = np.where(differ, without, verdicts)
    return verdicts


def _each(facts: Facts[npt.NDArray[np.bool_]]) -> npt.NDArray[np.object_]:
    """The table's verdicts, entry by entry."""
    columns = [np.asarray(column, dtype=bool) for column in facts]
    codes = np.zeros(columns[0].shape, dtype=np.int64)
    for bit, column in enumerate(columns):
        codes |= column.astype(np.int64) << bit
    seen, inverse = np.unique(codes, return_inverse=True)
    table = np.empty(len(seen), dtype=object)
    for row, code in enumerate(seen):
        table[row] = decide(Facts(*(bool(code >> bit & 1) for bit in range(len(columns)))))
    return table[inverse.reshape(codes.shape)]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on the whole of what the parts got.

    Examples
    --------
    >>> worst([Verdict.AGREE, Verdict.FINITE_DIFFERENCE])
    <Verdict.FINITE_DIFFERENCE: 'finite-difference'>
    """
    return min(set(verdicts), key=lambda verdict: verdict.severity_rank)
