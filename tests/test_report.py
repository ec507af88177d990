"""Renderings of hand-built facts: no numerics needed to see what a reader will see."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import tricheck
from tricheck.report import PairReport, ParameterReport, Report, Worst
from tricheck.report.text import to_ascii
from tricheck.vocabulary import BlindSpot, Cause, Finding, Severity, Source, Verdict

B, D, R = Source.BACKPROP, Source.FINITE_DIFFERENCE, Source.REFERENCE
NAN, INF = math.nan, math.inf


def parameter(name: str, verdict: Verdict, wrong: list[tuple[int, ...]]) -> ParameterReport:
    bad = verdict is Verdict.BACKPROP
    off, slack = (8.2e-01, 1.1e-15) if bad else (2.1e-17, 4.4e-16)
    pairs = [
        PairReport(B, R, not bad, not bad, off, slack, (2, 0), NAN),
        PairReport(
            B,
            D,
            not bad,
            not bad,
            8.2e-01 if bad else 3.1e-12,
            4.0e-12,
            (2, 0),
            INF if bad else 2e-11,
        ),
        PairReport(D, R, True, True, 3.1e-12, 4.0e-12, (2, 0), 2e-11),
    ]
    backprop = 0.41 if bad else -0.41
    return ParameterReport(
        name,
        (3, 2),
        verdict,
        wrong,
        {f"{pair.first}/{pair.second}": pair for pair in pairs},
        2.5e-15,
        1.5e-15,
        1.6e-11,
        Worst(
            (2, 0),
            {B: backprop, D: -0.4100000000031, R: -0.41},
            {B: 2e-16, D: 3e-12, R: 2e-16},
        ),
    )


WRONG = Report(
    model="two_layer",
    verdict=Verdict.BACKPROP,
    parameters={
        "W1": parameter("W1", Verdict.BACKPROP, [(i, j) for i in range(3) for j in range(2)]),
        "encoder.layers[0].W": parameter("encoder.layers[0].W", Verdict.AGREE, []),
    },
    findings=[
        Finding(Cause.SIGN, "Backprop is exactly minus the right gradient.", B, "W1"),
        Finding(
            Cause.MUTATES_PARAMETERS,
            "gradient changes its parameters in place.",
            B,
            severity=Severity.WARNING,
        ),
    ],
    blind_spots=[],
    gradients={"backprop": {"W1": np.array([[0.41]])}},
    bounds={"backprop": {"W1": np.array([[INF]])}},
    evaluations={"loss": 61, "gradient": 5, "reference": 7},
    loss=1.25,
    reference="autograd through the loss",
    step=None,
    seed=0,
)

GOOD = replace(
    WRONG,
    verdict=Verdict.AGREE,
    parameters={"W1": parameter("W1", Verdict.AGREE, [])},
    findings=[],
    blind_spots=[
        BlindSpot("vanishing-gradient", "The gradient vanishes at this point.", "b", [], "inputs")
    ],
    step=1e-4,
)

# the same with gradients of the shape that they say, to be drawn
SHAPED = {
    "gradients": {"backprop": {"W1": np.ones((3, 2))}},
    "bounds": {"backprop": {"W1": np.ones((3, 2))}},
}
GOOD_DRAWN = replace(GOOD, **SHAPED)  # type: ignore[arg-type]
WRONG_DRAWN = replace(
    WRONG, parameters={"W1": WRONG.parameters["W1"]}, **SHAPED  # type: ignore[arg-type]
)  # fmt: skip


def golden(text: str) -> str:
    return dedent(text).lstrip("\n")


def test_a_wrong_backprop_in_text() -> None:
    assert str(WRONG) == golden("""
        ✗ two_layer: backprop
          The hand-written backprop is wrong.
          sign: W1: Backprop is exactly minus the right gradient.

                        backprop           backprop           finite diff.       ‖a−b‖
            parameter   − reference        − finite diff.     − reference        /‖a+b‖
          ✗ W1          8.2e-01 > 1.1e-15  8.2e-01 > 4.0e-12  3.1e-12 ≤ 4.0e-12  inf
          ✓ encoder.layers[0].W
                        2.1e-17 ≤ 4.4e-16  3.1e-12 ≤ 4.0e-12  3.1e-12 ≤ 4.0e-12  2.0e-11

          worst W1[2, 0]: backprop 0.41 ± 2.0e-16, finite difference -0.4100000000031
            ± 3.0e-12, reference -0.41 ± 2.0e-16
          wrong throughout: W1

          mutates-parameters: gradient changes its parameters in place.
          more: tricheck explain sign
          next: Mend the backward pass of W1, then check again.
          61 loss, 5 gradient and 7 reference evaluations; reference: autograd through
            the loss; steps chosen per entry; seed 0; errors above 2.5e-15 of a
            parameter's largest entry were sure to be seen
    """)


def test_agreement_with_a_blind_spot_in_text() -> None:
    assert str(GOOD) == golden("""
        ✓ two_layer: agree
          All sources agree within their bounds.

                        backprop           backprop           finite diff.       ‖a−b‖
            parameter   − reference        − finite diff.     − reference        /‖a+b‖
          ✓ W1          2.1e-17 ≤ 4.4e-16  3.1e-12 ≤ 4.0e-12  3.1e-12 ≤ 4.0e-12  2.0e-11

          worst W1[2, 0]: backprop -0.41 ± 2.0e-16, finite difference -0.4100000000031
            ± 3.0e-12, reference -0.41 ± 2.0e-16

          blind spot: b: The gradient vanishes at this point.
          next: Nothing to mend here; other inputs would show what is blind at this
            point.
          61 loss, 5 gradient and 7 reference evaluations; reference: autograd through
            the loss; fixed step 0.0001; seed 0; errors above 2.5e-15 of a parameter's
            largest entry were sure to be seen
    """)


def spots(count: int, remedy: str = "displace") -> list[BlindSpot]:
    return [
        BlindSpot("zero-weights", f"Number {k} is 0.", f"W{k}", [], remedy) for k in range(count)
    ]


def said(report: Report) -> list[str]:
    """Lines that speak of blind spots, and what to do next."""
    return [
        s
        for s in map(str.strip, str(report).splitlines())
        if s.startswith(("blind", "and", "next"))
    ]


def test_three_blind_spots_are_shown_and_the_others_counted() -> None:
    assert said(replace(GOOD, blind_spots=spots(5))) == [
        "blind spot: W0: Number 0 is 0.",
        "blind spot: W1: Number 1 is 0.",
        "blind spot: W2: Number 2 is 0.",
        "and 2 more: see -v, or report.blind_spots",
        "next: Nothing to mend here; check with --displace 1 too (in Python,",
    ]
    assert len(said(replace(GOOD, blind_spots=spots(3)))) == 4


def test_blind_spots_that_say_the_same_are_one() -> None:
    same = [BlindSpot("vanishing-gradient", "It vanishes.", name) for name in "abcde"]
    assert said(replace(GOOD, blind_spots=same))[0] == "blind spot: a, b, c, d, e: It vanishes."


def test_a_blind_spot_of_the_model_names_no_parameter() -> None:
    of_model = replace(GOOD, blind_spots=[BlindSpot("size-one-axis", "There is one.")])
    assert said(of_model)[0] == "blind spot: There is one."


def test_what_is_next_is_what_opens_them() -> None:
    inputs = replace(GOOD, blind_spots=spots(1, "inputs"))
    assert said(inputs)[-1].startswith("next: Nothing to mend here; other inputs would show")
    assert said(replace(GOOD, blind_spots=spots(1, "")))[-1] == "next: Nothing to mend."


def test_where_something_is_wrong_blind_spots_are_only_counted() -> None:
    text = str(replace(WRONG, blind_spots=spots(2)))
    assert "2 blind spots at this point: see -v, or report.blind_spots\n  next: Mend" in text
    assert "blind spot:" not in text
    assert "1 blind spot at this point" in str(replace(WRONG, blind_spots=spots(1)))
    assert "blind" not in str(WRONG)


def test_a_displaced_point_is_said_to_be_one() -> None:
    text = str(replace(GOOD, displace=7, blind_spots=[]))
    assert text.startswith("✓ two_layer: agree, at a displaced point\n")
    assert "seed 0; displaced with seed 7; errors" in " ".join(text.split())
    assert json.loads(replace(GOOD, displace=7).to_json())["displace"] == 7
    assert json.loads(GOOD.to_json())["displace"] is None


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_fits_eighty_columns_and_says_what_to_do(verdict: Verdict) -> None:
    many: list[tuple[int, ...]] = [(i, 0) for i in range(3)]
    report = replace(
        WRONG,
        verdict=verdict,
        parameters={name: parameter(name, verdict, many) for name in ("W1", "x" * 70)},
    )
    text = str(report)
    assert max(map(len, text.splitlines())) <= 80
    assert verdict.sentence.split()[0] in text
    assert "next: " in text
    assert to_ascii(text).isascii()


def test_unmeasured_values_are_said_not_hidden() -> None:
    one = parameter("W1", Verdict.INCONCLUSIVE, [])
    pairs = {
        name: replace(pair, difference=NAN, bound=INF, agree=False)
        for name, pair in one.pairs.items()
    }
    report = replace(WRONG, parameters={"W1": replace(one, pairs=pairs)})
    assert "not comparable" in str(report)


def test_many_wrong_entries_are_counted() -> None:
    wrong: list[tuple[int, ...]] = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
    report = replace(WRONG, parameters={"W1": parameter("W1", Verdict.BACKPROP, wrong)})
    assert "W1[0, 0], W1[1, 0], W1[2, 0], W1[0, 1], W1[1, 1] (5 of 6 entries)" in str(report)


def test_alike_findings_are_said_once() -> None:
    sign = "Backprop is exactly minus the right gradient."
    findings = [Finding(Cause.SIGN, sign, B, name) for name in ("W1", "b1")]
    assert f"sign: W1, b1: {sign}" in " ".join(str(replace(WRONG, findings=findings)).split())


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is not strict JSON")


def test_json_is_strict_and_complete() -> None:
    facts = json.loads(WRONG.to_json(), parse_constant=refuse)
    assert facts["verdict"] == "backprop"
    assert facts["ok"] is False
    assert facts["parameters"]["W1"]["pairs"]["backprop/finite-difference"]["relative_error"] == (
        "Infinity"
    )
    assert facts["parameters"]["W1"]["pairs"]["backprop/reference"]["relative_error"] == "NaN"
    assert facts["parameters"]["W1"]["worst"]["values"]["backprop"] == 0.41
    assert facts["gradients"] == {"backprop": {"W1": [[0.41]]}}
    assert facts["bounds"] == {"backprop": {"W1": [["Infinity"]]}}
    assert facts["findings"][0] == {
        "cause": "sign",
        "message": "Backprop is exactly minus the right gradient.",
        "source": "backprop",
        "parameter": "W1",
        "entries": [],
        "severity": "error",
        "evidence": {},
    }
    assert facts["evaluations"] == {"loss": 61, "gradient": 5, "reference": 7}


def test_raise_if_wrong() -> None:
    GOOD.raise_if_wrong()
    with pytest.raises(tricheck.GradientMismatch) as caught:
        WRONG.raise_if_wrong()
    assert caught.value.report is WRONG
    assert str(WRONG) in str(caught.value)


def test_text_and_json_tell_the_same_of_a_real_check() -> None:
    w = np.array([[0.3, -0.2], [0.1, 0.4]])
    report = tricheck.check(lambda w: np.sum(np.tanh(w)), lambda w: -1 / np.cosh(w) ** 2, w)
    facts = json.loads(report.to_json(), parse_constant=refuse)
    text = str(report)
    for pair in facts["parameters"]["params"]["pairs"].values():
        assert f"{pair['difference']:.1e}" in text
        assert f"{pair['bound']:.1e}" in text
    np.testing.assert_array_equal(
        facts["gradients"]["backprop"]["params"], report.gradients["backprop"]
    )


def test_a_sign_error_has_an_infinite_classical_figure() -> None:
    w = np.array([0.5, 1.0])
    report = tricheck.check(lambda w: np.sum(w), lambda w: -np.ones(2), w, reference=None)
    pair = report.parameters["params"].pairs["backprop/finite-difference"]
    assert pair.relative_error > 1e9


@pytest.mark.parametrize("seed", range(12))
def test_errors_above_the_sensitivity_are_seen_by_a_finite_difference_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(6)
    loss, gradient = (lambda w: np.sum(np.exp(w))), np.exp
    options: dict[str, Any] = {"step": 1e-4, "reference": None}
    right = tricheck.check(loss, gradient, w, **options)
    at = int(rng.integers(w.size))
    least = right.parameters["params"].sensitivity * np.max(np.exp(w))
    for sign in (-1.0, 1.0):
        off = sign * 1.001 * least * (np.arange(w.size) == at)
        report = tricheck.check(loss, lambda w, off=off: gradient(w) + off, w, **options)
        assert not report.ok, f"{off[at]:.3e} beside {least:.3e}: {report}"


def test_a_report_among_other_things_is_a_line() -> None:
    report = tricheck.check(lambda w: np.sum(w**2), lambda w: w, np.ones(2), name="line")
    assert repr([report]) == "[<Report line: backprop, scale (params)>]"
    with pytest.raises(TypeError):
        report.to_json("report.json")  # type: ignore[call-arg,arg-type]
