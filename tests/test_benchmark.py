"""The blame benchmark: its cases are what they say, and a slice of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmark import family, tables
from tests.benchmark.case import Case, drawn
from tests.benchmark.expectation import Guilty
from tests.benchmark.operators import CODE
from tests.benchmark.results import RESULT
from tests.benchmark.run import Outcome, outcome, outcomes
from tests.benchmark.truth import leaves, truth

MODELS = family.names()
SIZES = [(name, size) for name in MODELS for size in family.family(name).SIZES if size != "huge"]
SITES = [
    pytest.param(name, number, id=f"{name}-{number}-{site.operator}")
    for name in MODELS
    for number, site in enumerate(family.family(name).MISTAKES)
]
SLICE = 200


# --- models and mistakes --------------------------------------------------------------------------


def test_there_are_enough_models_and_mistakes() -> None:
    planted = {site.operator for name in MODELS for site in family.family(name).MISTAKES}
    assert len(MODELS) >= 20
    assert planted == set(CODE)
    assert len(CODE) + len(RESULT) >= 50


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_the_hand_written_gradient_is_right_to_50_digits(name: str, size: str) -> None:
    problem = family.drawn(name, size, "random", np.float64, seed=1)
    exact = truth(name, problem)  # which holds it against differences of the loss
    module = family.family(name)
    for key, block in leaves(module.gradient(problem.params, *problem.args)):
        np.testing.assert_allclose(block, exact[key], atol=1e-11 * np.max(np.abs(exact[key])))


@pytest.mark.parametrize(("name", "number"), SITES)
def test_a_planted_mistake_changes_the_gradient_and_not_the_loss(
    name: str, number: int, tmp_path: Path
) -> None:
    module = family.family(name)
    wrong = family.planted(name, module.MISTAKES[number], tmp_path)
    problem = family.drawn(name, "small", "random", np.float64, seed=2)
    assert wrong.loss(problem.params, *problem.args) == module.loss(problem.params, *problem.args)
    wrong.gradient(problem.params, *problem.args)  # some are right the first time only
    came = dict(leaves(wrong.gradient(problem.params, *problem.args)))
    right = dict(leaves(module.gradient(problem.params, *problem.args)))
    assert any(
        np.shape(came[key]) != np.shape(right[key])
        or not np.allclose(came[key], right[key], rtol=1e-6, atol=0.0)
        for key in right
    )


# --- cases ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    folder = tmp_path_factory.mktemp("planted")
    return [drawn(0, number, folder) for number in range(SLICE)]


def test_a_case_follows_from_its_seed_and_number(cases: list[Case], tmp_path: Path) -> None:
    for case in cases[:20]:
        again = drawn(0, case.number, tmp_path)
        assert again.label == case.label
        assert again.expected.verdicts == case.expected.verdicts
        assert again.expected.magnitude == case.expected.magnitude


def test_a_third_of_the_cases_are_correct(cases: list[Case]) -> None:
    share = sum(case.guilty is Guilty.NOBODY for case in cases) / SLICE
    assert 0.25 < share < 0.4


def test_what_must_be_blamed_is_wrong_and_what_must_be_spared_is_right(cases: list[Case]) -> None:
    for case in cases:
        assert not case.expected.blamed & case.expected.spared
        assert (case.expected.magnitude > 0.0) == (case.guilty is not Guilty.NOBODY)
        for key, wrong in case.expected.wrong.items():
            assert np.any(wrong)
            assert not np.any(wrong & case.expected.right[key])


# --- a slice --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fared(cases: list[Case]) -> list[Outcome]:
    return [outcome(case, others=False) for case in cases]


def test_cases_run_by_number_fare_the_same(fared: list[Outcome]) -> None:
    numbers = [one.number for one in fared if not one.setting.startswith("solver-noise")][:5]
    for again in outcomes(seed=0, numbers=numbers, jobs=1, others=False):
        before = fared[again.number]
        unclocked = replace(again.tricheck, seconds=before.tricheck.seconds)
        assert replace(again, tricheck=unclocked) == before


def test_no_right_gradient_is_accused(fared: list[Outcome]) -> None:
    assert [o.label for o in fared if o.tricheck.accused_backprop_falsely] == []
    assert [o.label for o in fared if o.tricheck.accused_falsely] == []


def test_nothing_is_missed_that_the_report_claims_to_see(fared: list[Outcome]) -> None:
    assert [o.label for o in fared if o.tricheck.missed_above_sensitivity] == []


def test_the_culprit_is_named_where_one_answer_is_honest(fared: list[Outcome]) -> None:
    assert [o.label for o in fared if o.tricheck.culprit is False] == []


def test_no_wrong_cause_is_stated_as_certain(fared: list[Outcome]) -> None:
    assert [o.label for o in fared if o.tricheck.certain_and_wrong] == []


def test_the_tables_count_every_case(fared: list[Outcome]) -> None:
    head, *_ = tables.checkers(fared).splitlines()[2:]
    kinked = sum(o.kinked for o in fared)
    wrong = sum(o.wrong and not o.kinked for o in fared)
    assert f"of {wrong} " in head
    assert f"of {SLICE - kinked - wrong} " in head
