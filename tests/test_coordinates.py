"""Directions and stencils by themselves: what moves, how far, and what their numbers bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tricheck import Model
from tricheck.calls import Calls, Evaluator
from tricheck.coordinates import Along, Coordinates, Group, whole_leaf
from tricheck.parameters import Parameters
from tricheck.sources.economical import Law, columns, law, sample
from tricheck.sources.estimate import Estimate
from tricheck.sources.finite_difference import Sweeper
from tricheck.sources.noise import Noise
from tricheck.vocabulary import Source

seeds = st.integers(0, 10_000)
NOISE = Noise(1e-16, 1.0, 1.0)


def evaluator(loss: Any, params: Any) -> Evaluator:
    parameters = Parameters.read(params)
    return Evaluator(Calls(Model(loss, lambda p: p, params), parameters), np.float64)


def groups_of(parameters: Parameters, seed: int) -> list[Group]:
    """Every parameter's halves, and some of its entries alone."""
    rng = np.random.default_rng(seed)
    groups: list[Group] = []
    for leaf in parameters.leaves:
        whole = whole_leaf(leaf, rng)
        groups += [*whole.halves(), *whole.singles(np.arange(2))] if whole.count > 3 else [whole]
    return groups


@settings(max_examples=30, deadline=None)
@given(seed=seeds, count=st.integers(2, 300))
def test_halves_part_a_group_and_no_entry_stays(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    point = rng.standard_normal(count) * 10.0 ** rng.uniform(-3, 3, count)
    whole = whole_leaf(Parameters.read(point).leaves[0], rng)
    first, second = whole.halves()
    assert sorted([*first.members, *second.members]) == list(range(count))
    for group in (whole, first, second):
        if group.alone:
            assert group.weights(point) == group.least == 1.0
            continue
        shares = np.abs(group.weights(point)) / np.maximum(1.0, np.abs(group.of(point)))
        assert np.all(shares >= group.least * 0.999)
        assert np.linalg.norm(shares) == pytest.approx(1.0, rel=0.3)
    differences = rng.standard_normal(count)
    aimed = whole.along(differences)
    np.testing.assert_array_equal(np.sign(aimed.weights(point)), np.sign(differences))
    assert aimed.differing


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_a_slope_along_a_group_is_the_gradient_times_its_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    params = {"a": rng.standard_normal((6, 5)), "b": np.array(0.3), "c": rng.standard_normal(40)}
    evaluate = evaluator(
        lambda p: np.sum(np.sin(p["a"])) * p["b"] + np.sum(p["c"] ** 2 * p["a"][0, 0]), params
    )
    gradient = np.concatenate([
        (np.cos(params["a"]) * params["b"]
         + (np.sum(params["c"] ** 2) * (np.arange(30) == 0)).reshape(6, 5)).reshape(-1),
        [np.sum(np.sin(params["a"]))],
        2 * params["c"] * params["a"][0, 0],
    ])  # fmt: skip
    parameters = Parameters.read(params)
    coordinates = Coordinates.of(groups_of(parameters, seed), parameters)
    along = Along(evaluate, coordinates)
    base = np.float64(evaluate())
    measured = Sweeper(along, base, NOISE, None).certify_all()
    expected = coordinates.project(gradient, parameters.values)
    assert np.all(np.abs(measured.values - expected) <= measured.bounds + 1e-12)
    # A source whose entries are off by their bounds is off by no more than its bound along them.
    bounds = rng.uniform(0.0, 1e-3, gradient.size)
    off = gradient + bounds * rng.choice([-1.0, 1.0], gradient.size)
    estimate = coordinates.estimate(Estimate(Source.BACKPROP, off, bounds, ""), parameters.values)
    assert np.all(np.abs(estimate.values - expected) <= estimate.bounds * (1.0 + 1e-9))
    np.testing.assert_array_equal(evaluate.flat, evaluate.start)


def test_all_moves_at_once_and_nothing_stays_moved() -> None:
    seen: list[Any] = []
    params = np.arange(10.0)
    evaluate = evaluator(lambda w: seen.append(w.copy()) or np.sum(w), params)  # type: ignore[func-returns-value]
    parameters = Parameters.read(params)
    whole = whole_leaf(parameters.leaves[0], np.random.default_rng(0))
    group = whole.part(np.array([1, 4, 7]))
    coordinates = Coordinates.of([*whole.singles(np.array([0, 9])), group], parameters)
    along = Along(evaluate, coordinates)
    along.flat[:] = [0.5, 9.25, 1e-3]
    along()
    expected = np.arange(10.0)
    expected[[0, 9]] = 0.5, 9.25
    expected[[1, 4, 7]] += 1e-3 * group.weights(params)
    np.testing.assert_array_equal(seen[-1], expected)
    np.testing.assert_array_equal(evaluate.flat, params)


def test_a_loss_that_is_interrupted_leaves_the_point() -> None:
    def loss(w: Any) -> Any:
        if w[0] != 1.0:
            raise KeyboardInterrupt
        return np.sum(w)

    params = np.ones(5)
    evaluate, parameters = evaluator(loss, params), Parameters.read(params)
    whole = whole_leaf(parameters.leaves[0], np.random.default_rng(0))
    along = Along(evaluate, Coordinates.of([whole], parameters))
    along.flat[0] = 0.1
    with pytest.raises(KeyboardInterrupt):
        along()
    np.testing.assert_array_equal(evaluate.flat, params)


def test_steps_that_the_entries_cannot_follow_say_nothing() -> None:
    params = np.random.default_rng(0).standard_normal(4000)
    evaluate, parameters = evaluator(lambda w: np.sum(w), params), Parameters.read(params)
    whole = whole_leaf(parameters.leaves[0], np.random.default_rng(0))
    along = Along(evaluate, Coordinates.of([whole], parameters))
    along.flat[0] = 1e-16  # a few of them would move by an ulp, the most by nothing
    assert np.isnan(along())
    along.flat[0] = 1e-9
    assert np.isfinite(along())


@pytest.mark.parametrize("seed", range(5))
def test_with_all_the_care_of_the_ladder_a_direction_is_as_sharp_as_an_entry(seed: int) -> None:
    rng = np.random.default_rng(seed)
    c, params = rng.standard_normal((2, 5000))
    evaluate = evaluator(lambda w: np.sum(c * np.sin(w)), params)
    parameters, base = Parameters.read(params), np.float64(np.sum(c * np.sin(params)))
    coordinates = Coordinates.of([whole_leaf(parameters.leaves[0], rng)], parameters)
    noise = Noise(1e-14, abs(float(base)) + 1.0, 1.0)
    sweeper = Sweeper(Along(evaluate, coordinates), base, noise, None)
    derivative = sweeper.certify(0, thorough=True)
    [right] = coordinates.project(c * np.cos(params), params)
    assert abs(derivative.value - right) <= derivative.bound < 1e-6


# --- one stencil per entry ----------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=5))
def test_a_sample_is_of_every_parameter(sizes: list[int]) -> None:
    parameters = Parameters.read([np.zeros(size) for size in sizes])
    positions = sample(parameters.leaves)
    assert positions == sorted(set(positions))
    for leaf in parameters.leaves:
        inside = [i for i in positions if leaf.start <= i < leaf.stop]
        assert min(4, leaf.stop - leaf.start) - 1 <= len(inside) <= 64


@settings(max_examples=15, deadline=None)
@given(seed=seeds, steepness=st.floats(0.05, 20.0))
def test_single_stencils_of_a_smooth_loss_are_covered(seed: int, steepness: float) -> None:
    rng = np.random.default_rng(seed)
    c, w = rng.standard_normal((2, 400))
    evaluate = evaluator(lambda w: np.sum(c * np.tanh(steepness * w)), w)
    base = np.float64(evaluate())
    noise = Noise(1e-14, abs(float(base)) + 1.0, 1.0)
    measured = Sweeper(evaluate, base, noise, None).measure()
    assert measured.single is not None
    right = c * steepness / np.cosh(steepness * w) ** 2
    assert np.all(np.abs(measured.values - right) <= measured.bounds)
    assert np.all(measured.bounds <= 1e-4 * np.max(np.abs(right)))


def test_where_the_sample_meets_a_kink_there_is_no_law() -> None:
    evaluate = evaluator(lambda w: np.sum(np.abs(w)), np.full(100, 1e-5))
    sweeper = Sweeper(evaluate, np.float64(100 * 1e-5), NOISE, None)
    seen: list[Any] = []
    sweeper.certify(0, seen=seen)
    assert law([seen], np.ones(1), 1e-16) is None
    assert law([seen[:1]], np.ones(1), 1e-16) is None  # of one stencil nothing can be told


def test_a_gap_that_the_sample_does_not_know_is_no_matter_of_one_stencil() -> None:
    known = Law(step=1e-4, second=1.0, third=1.0)
    steps = np.full(3, 1e-4)
    slopes = {"smooth": (2.0, 2.0001), "kinked": (1.0, 2.0), "outside": (np.nan, 2.0)}
    right = np.array([ahead * 1e-4 for ahead, _ in slopes.values()])
    left = np.array([-behind * 1e-4 for _, behind in slopes.values()])
    found = columns([3, 5, 8], right, left, steps, steps, np.ones(3), known, 1e-16)
    np.testing.assert_array_equal(found.lawful, [True, False, False])
    assert found.row(3).value == pytest.approx(2.00005)
    assert found.row(3).bound > 1e-8  # what is left of the third derivative
    assert found.noisier(1e-10).row(3).bound > found.row(3).bound
