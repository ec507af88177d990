"""The verdict table: every combination of facts, held to rules that do not repeat its code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from tricheck.verdict import Facts, decide, decide_all, worst
from tricheck.vocabulary import Verdict

V = Verdict


def everything() -> Iterator[Facts[bool]]:
    """Every combination of facts; too many to keep."""
    return (Facts(*bits) for bits in product([False, True], repeat=len(Facts._fields)))


FINE = Facts(
    shaped=True,
    backprop=True,
    reference=True,
    difference=True,
    third=True,
    br=True,
    bf=True,
    fr=True,
    sharp=True,
    trouble=False,
    kink=False,
    admissible=True,
    blunt=False,
    sided=False,
    slight=False,
    trusted=True,
    elsewhere=False,
    jumpy=False,
    unsettled=False,
    vague=False,
    vanished=False,
)


def consistent(f: Facts[bool]) -> bool:
    """Combinations that a measurement can produce."""
    return (
        (not f.br or (f.backprop and f.reference))
        and (not f.bf or (f.backprop and f.difference))
        and (not f.fr or (f.difference and f.reference))
        and (not f.reference or f.third)
        and (not f.trusted or f.third)
        and (not f.sharp or f.difference)
    )


MEASURABLE = [facts for facts in everything() if consistent(facts)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, V.AGREE),
        ({"br": False, "bf": False}, V.BACKPROP),
        ({"bf": False, "fr": False}, V.BACKPROP_AND_REFERENCE),
        ({"bf": False, "fr": False, "trouble": True}, V.FINITE_DIFFERENCE),
        ({"bf": False, "fr": False, "sharp": False}, V.FINITE_DIFFERENCE),
        ({"sharp": False}, V.FINITE_DIFFERENCE),
        ({"br": False, "fr": False}, V.REFERENCE),
        ({"br": False, "bf": False, "fr": False}, V.INCONCLUSIVE),
        ({"br": False, "bf": False, "fr": False, "trouble": True}, V.BACKPROP),
        ({"br": False}, V.BACKPROP),  # the finite difference cannot tell; the trace is trusted
        ({"br": False, "trusted": False}, V.INCONCLUSIVE),
        ({"kink": True}, V.NONDIFFERENTIABLE),
        ({"kink": True, "admissible": False}, V.INCONCLUSIVE),
        ({"elsewhere": True, "bf": False, "fr": False}, V.NONDIFFERENTIABLE),
        ({"elsewhere": True, "bf": False, "fr": False, "trusted": False}, V.INCONCLUSIVE),
        ({"blunt": True, "bf": False}, V.INCONCLUSIVE),  # a reference too wide to tell
        ({"blunt": True, "bf": False, "sided": True}, V.BACKPROP),
        ({"blunt": True, "bf": False, "sided": True, "sharp": False}, V.INCONCLUSIVE),
        ({"bf": False}, V.AGREE),  # at the margin of the bounds
        ({"slight": True, "bf": False, "fr": False}, V.FINITE_DIFFERENCE),
        ({"slight": True, "bf": False, "fr": False, "trusted": False}, V.BACKPROP_AND_REFERENCE),
        ({"slight": True, "br": False, "bf": False}, V.BACKPROP),
        ({"jumpy": True}, V.AGREE),
        ({"jumpy": True, "br": False, "bf": False}, V.INCONCLUSIVE),
        ({"elsewhere": True, "br": False, "bf": False}, V.BACKPROP),
        ({"kink": True, "br": False, "bf": False, "fr": False}, V.NONDIFFERENTIABLE),
        ({"shaped": False, "backprop": False, "br": False, "bf": False}, V.BACKPROP),
        ({"backprop": False, "br": False, "bf": False}, V.BACKPROP),
        ({"reference": False, "br": False, "fr": False, "trusted": False}, V.REFERENCE),
        ({"unsettled": True, "br": False, "bf": False, "fr": False}, V.INCONCLUSIVE),
        ({"vanished": True, "sharp": False}, V.AGREE),
        ({"vague": True}, V.INCONCLUSIVE),
        ({"vague": True, "vanished": True}, V.INCONCLUSIVE),
    ],
)
def test_named_rows(change: dict[str, bool], expected: Verdict) -> None:
    assert decide(FINE._replace(**change)) is expected


TWO = FINE._replace(reference=False, third=False, trusted=False, br=False, fr=False)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, V.AGREE),
        ({"bf": False}, V.BACKPROP),
        ({"bf": False, "elsewhere": True}, V.INCONCLUSIVE),
        ({"bf": False, "sharp": False}, V.INCONCLUSIVE),
        ({"bf": False, "trouble": True}, V.INCONCLUSIVE),
        ({"sharp": False}, V.INCONCLUSIVE),
    ],
)
def test_rows_without_a_reference(change: dict[str, bool], expected: Verdict) -> None:
    assert decide(TWO._replace(**change)) is expected


def test_every_combination_has_a_verdict() -> None:
    assert {type(decide(facts)) for facts in everything()} == {Verdict}


def test_backprop_that_agrees_with_both_is_never_accused() -> None:
    for facts in MEASURABLE:
        if facts.shaped and facts.br and facts.bf:
            assert decide(facts) not in (V.BACKPROP, V.BACKPROP_AND_REFERENCE), facts


def test_backprop_that_agrees_with_a_precise_reference_is_never_accused_alone() -> None:
    for facts in MEASURABLE:
        if facts.shaped and facts.br and not facts.blunt:
            assert decide(facts) is not V.BACKPROP, facts


def test_the_reference_is_accused_only_against_two() -> None:
    for facts in MEASURABLE:
        if decide(facts) is V.REFERENCE:
            assert facts.bf, facts
            assert not facts.br, facts


def test_both_are_accused_only_by_a_converged_finite_difference() -> None:
    for facts in MEASURABLE:
        if decide(facts) is V.BACKPROP_AND_REFERENCE:
            assert facts.sharp, facts
            assert not facts.trouble, facts
            assert not facts.bf, facts
            assert not facts.fr, facts


def test_nobody_is_accused_on_a_kink_or_under_randomness() -> None:
    for facts in MEASURABLE:
        if facts.shaped and facts.backprop and (facts.kink or facts.unsettled):
            assert decide(facts) in (V.NONDIFFERENTIABLE, V.INCONCLUSIVE), facts


def test_agreement_needs_a_confirming_finite_difference_unless_the_gradient_vanished() -> None:
    for facts in MEASURABLE:
        if decide(facts) is V.AGREE and not facts.vanished:
            assert facts.sharp, facts


def test_a_backprop_that_contradicts_both_others_is_not_passed() -> None:
    for facts in MEASURABLE:
        clear = facts.fr and not (facts.br or facts.bf or facts.trouble)
        special = facts.kink or facts.unsettled or facts.vanished or facts.jumpy
        if clear and facts.backprop and not special:
            assert decide(facts) is V.BACKPROP, facts


def test_swapping_backprop_and_reference_swaps_the_blame() -> None:
    """Relabelling the two moves a verdict on one to the other, where neither has privileges."""
    swap = {V.BACKPROP: V.REFERENCE, V.REFERENCE: V.BACKPROP}
    for facts in MEASURABLE:
        plain = facts.shaped and facts.backprop and facts.reference and not facts.trusted
        told = facts.difference and not (
            facts.trouble or facts.elsewhere or facts.blunt or facts.vague
        )
        if plain and told:
            swapped = facts._replace(bf=facts.fr, fr=facts.bf)
            verdict = decide(facts)
            assert decide(swapped) is swap.get(verdict, verdict), facts


def test_arrays_are_decided_like_their_rows() -> None:
    rng = np.random.default_rng(0)
    rows = [Facts(*map(bool, bits)) for bits in rng.integers(0, 2, (500, len(Facts._fields)))]
    columns = Facts(*(np.array(column) for column in zip(*rows, strict=True)))
    assert list(decide_all(columns)) == [decide(row) for row in rows]


def test_worst_follows_the_published_order() -> None:
    order = [
        V.BACKPROP,
        V.BACKPROP_AND_REFERENCE,
        V.REFERENCE,
        V.INCONCLUSIVE,
        V.NONDIFFERENTIABLE,
        V.FINITE_DIFFERENCE,
        V.AGREE,
    ]
    for i in range(len(order)):
        assert worst(order[i:]) is order[i]
        assert worst(reversed(order[i:])) is order[i]


def test_ok_means_no_derivation_error() -> None:
    assert {v for v in Verdict if v.ok} == {V.AGREE, V.FINITE_DIFFERENCE, V.NONDIFFERENTIABLE}
