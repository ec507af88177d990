"""Models of more than 100,000 entries: fewer runs, fewer passes, and nothing less is found.

What is expected follows from what was planted, and is the same as of a small model.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tricheck
from tricheck import Model, Report, Verdict
from tricheck.calls import Calls, Evaluator
from tricheck.comparison import relative_error
from tricheck.coordinates import Along, Coordinates, whole_leaf
from tricheck.parameters import LARGE, Parameters
from tricheck.sources import reference as references
from tricheck.sources.cut import cut_parameters
from tricheck.sources.estimate import Estimate
from tricheck.sources.noise import Noise
from tricheck.vocabulary import Cause, Source

Array = npt.NDArray[np.floating[Any]]
SIDES = [12, 330]  # of a square matrix: a small model, and a large one
NOISE = Noise(1e-16, 1.0, 1.0)


class Network:
    """One tanh layer, right as it stands; what is wrong is added in the tests."""

    def __init__(self, side: int, dtype: str = "float64") -> None:
        rng = np.random.default_rng(side)
        self.X, self.Y = rng.standard_normal((2, 4, side)).astype(dtype)
        W = rng.standard_normal((side, side)) / np.sqrt(side)
        self.params = {"W": W.astype(dtype), "b": np.zeros(side, dtype)}

    def hidden(self, p: Any) -> Any:
        return np.tanh(self.X @ p["W"] + p["b"])

    def loss(self, p: Any) -> Any:
        return 0.5 * np.mean((self.hidden(p) - self.Y) ** 2)

    def gradient(self, p: Any) -> dict[str, Any]:
        return self.back(self.hidden(p))

    def model(self) -> Model:
        return Model(self.loss, self.gradient, self.params)

    def back(self, h: Any) -> dict[str, Any]:
        dz = (h - self.Y) / self.Y.size * (1.0 - h**2)
        return {"W": self.X.T @ dz, "b": dz.sum(axis=0)}


@pytest.fixture(params=SIDES, ids=["small", "large"])
def network(request: pytest.FixtureRequest) -> Network:
    return Network(request.param)


@pytest.fixture
def large() -> Network:
    return Network(SIDES[-1])


def causes(report: Report) -> set[tuple[Cause, str | None]]:
    return {(found.cause, found.parameter) for found in report.findings}


# --- runs and memory ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_large_model_is_run_a_few_times(dtype: str) -> None:
    net = Network(SIDES[-1], dtype)
    report = tricheck.check(net.loss, net.gradient, net.params)
    assert report.verdict is Verdict.AGREE, str(report)
    # Two at the point and two beside it; of the reference one less, and the loss beside it.
    assert report.evaluations["gradient"] <= 4
    assert report.evaluations["reference"] <= 4
    assert report.evaluations["loss"] < 60


def test_memory_stays_below_a_dozen_times_the_parameters() -> None:
    rng, layers, side = np.random.default_rng(0), 10, 224
    params = {f"W{k}": rng.standard_normal((side, side)) / np.sqrt(side) for k in range(layers)}
    X = rng.standard_normal((4, side))

    def hidden(p: Any) -> list[Any]:
        found = [X]
        for W in p.values():
            found.append(np.tanh(found[-1] @ W))
        return found

    def gradient(p: Any) -> dict[str, Any]:
        h, g = hidden(p), {}
        back = h[-1] / h[-1].size
        for k in reversed(range(layers)):
            dz = back * (1.0 - h[k + 1] ** 2)
            g[f"W{k}"], back = h[k].T @ dz, dz @ p[f"W{k}"].T
        g["W4"][-1, -1] += 0.1 * np.max(np.abs(g["W4"]))
        return g

    tricheck.check(lambda w: w @ w, lambda w: 2.0 * w, np.ones(2))  # whatever is imported
    tracemalloc.start()
    try:
        report = tricheck.check(lambda p: 0.5 * np.mean(hidden(p)[-1] ** 2), gradient, params)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert {n: p.wrong for n, p in report.parameters.items() if p.wrong} == {
        "W4": [(side - 1, side - 1)]
    }
    assert peak < 12.0 * sum(W.nbytes for W in params.values())


def test_an_evaluator_at_rest_holds_nothing_and_is_at_the_point() -> None:
    params = np.arange(4.0)
    calls = Calls(Model(np.sum, np.ones_like, params), Parameters.read(params))
    evaluate = Evaluator(calls, np.float64)
    evaluate.flat[2] = 10.0
    assert evaluate() == 14.0
    evaluate.rest()
    assert "flat" not in vars(evaluate)
    assert evaluate() == 6.0


# --- what is handed over ------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["loss", "gradient", "reference"])
def test_functions_that_change_their_parameters_change_nothing_else(
    network: Network, who: str
) -> None:
    before = {name: block.copy() for name, block in network.params.items()}

    def spoiling(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def spoiled(p: Any) -> Any:
            answer = function(p)
            p["W"] *= 3.0
            return answer

        return spoiled

    functions: dict[str, Callable[[Any], Any]] = {
        "loss": network.loss,
        "gradient": network.gradient,
        "reference": network.gradient,
    }
    functions[who] = spoiling(functions[who])
    loss, gradient, reference = functions.values()
    report = tricheck.check(loss, gradient, network.params, reference=reference)
    assert report.verdict is Verdict.AGREE, str(report)
    assert (Cause.MUTATES_PARAMETERS, None) in causes(report) or who == "reference"
    for name, block in network.params.items():
        np.testing.assert_array_equal(block, before[name])


@pytest.mark.parametrize("spare", [False, True])
def test_only_a_spare_point_is_handed_over_itself(large: Network, spare: bool) -> None:
    parameters = Parameters.read(large.params)
    flat = parameters.values.copy()
    handed = parameters.build(flat, native=True, spare=spare)
    assert all(np.shares_memory(block, flat) is spare for block in handed.values())


def test_no_point_is_spared_where_functions_change_what_they_are_given(large: Network) -> None:
    parameters = Parameters.read(large.params)
    calls = Calls(Model(large.loss, lambda p: p["W"].fill(0.0) or p, large.params), parameters)
    calls.careful = True
    point = parameters.values.copy()
    assert not np.any(calls.gradient_blocks(point, spare=True)[0])
    np.testing.assert_array_equal(point, parameters.values)


def test_a_gradient_that_reads_what_the_loss_left_is_run_after_it(network: Network) -> None:
    kept = {}

    def loss(p: Any) -> Any:
        kept["h"] = network.hidden(p)
        return 0.5 * np.mean((kept["h"] - network.Y) ** 2)

    report = tricheck.check(loss, lambda _: network.back(kept["h"]), network.params)
    assert report.verdict is Verdict.AGREE, str(report)
    assert (Cause.STATEFUL, None) in causes(report)


def test_a_gradient_that_adds_up_is_told_by_its_second_answer(network: Network) -> None:
    buffers: dict[str, Any] = {}

    def gradient(p: Any) -> dict[str, Any]:
        for name, block in network.gradient(p).items():
            buffers[name] = buffers.get(name, 0.0) + block
        return {name: block.copy() for name, block in buffers.items()}

    report = tricheck.check(network.loss, gradient, network.params)
    assert report.verdict is Verdict.BACKPROP
    [found] = [f for f in report.findings if f.parameter == "W"]
    assert found.cause is Cause.ACCUMULATED
    first, second = found.evidence["first"], found.evidence["second"]
    assert isinstance(first, float)
    assert second == pytest.approx(2.0 * first)


def test_a_loss_that_cannot_be_run_beside_the_point_is_checked_all_the_same(
    network: Network,
) -> None:
    most = np.max(np.abs(network.params["b"])) + 5e-4

    def loss(p: Any) -> Any:
        if np.max(np.abs(p["b"])) > most:
            raise ValueError("outside the domain")
        return network.loss(p)

    report = tricheck.check(loss, network.gradient, network.params, reference=network.gradient)
    assert report.ok, str(report)


# --- the reference ------------------------------------------------------------------------------


def test_a_reference_is_run_again_only_where_it_may_be_random(large: Network) -> None:
    model, parameters = large.model(), Parameters.read(large.params)

    def asked(reference: Callable[[Any], Any]) -> tuple[int, bool]:
        calls = Calls(model, parameters)
        [estimate], _ = references.find(reference, calls, NOISE, 0)
        return calls.counts["reference"], estimate.repeatable

    rng = np.random.default_rng(0)

    def random(p: Any) -> dict[str, Any]:
        right = large.gradient(p)
        return right | {"W": right["W"] * (1.0 + rng.uniform(0.0, 1.0, right["W"].shape))}

    assert asked(large.gradient) == (3, True)
    assert asked(random) == (4, False)


def test_what_takes_the_entries_one_by_one_is_left_out(large: Network) -> None:
    def loss(p: Any) -> Any:
        z = large.X[0] @ p["W"] + p["b"]
        return np.sum(np.asarray([*memoryview(z)]) ** 2)  # no trace gets through

    def gradient(p: Any) -> dict[str, Any]:
        z = large.X[0] @ p["W"] + p["b"]
        return {"W": np.outer(large.X[0], 2.0 * z), "b": 2.0 * z}

    report = tricheck.check(loss, gradient, large.params)
    assert report.verdict is Verdict.AGREE, str(report)
    assert report.reference is None
    [found] = [f for f in report.findings if f.cause is Cause.NO_REFERENCE]
    assert f"one by one, and there are {SIDES[-1] * (SIDES[-1] + 1):,}" in found.message
    assert sum(report.evaluations.values()) < 100


@pytest.mark.parametrize("share", [1.0, 0.1], ids=["all", "some"])
def test_a_path_is_missed_where_nothing_comes_back(network: Network, share: float) -> None:
    calls = Calls(network.model(), Parameters.read(network.params))
    values = calls.gradient(calls.parameters.values)
    leaf = calls.parameters.leaves[0]
    values[: int(share * leaf.stop)] = 0.0
    estimate = Estimate(Source.REFERENCE, values, np.zeros_like(values), "")
    # Of a large model nobody asks where some entries are zero, as they are wherever units are.
    asked = share == 1.0 or values.size <= LARGE
    assert cut_parameters(estimate, calls, NOISE, 0) == (["W"] if asked else [])
    assert bool(calls.counts["loss"]) is asked


def test_doubted_rounding_is_no_matter_of_long_double(large: Network) -> None:
    seen = set()

    def gradient(p: Any) -> dict[str, Any]:
        seen.add(p["W"].dtype)
        right = large.gradient(p)
        return right | {"W": right["W"] * (1.0 + 1e-9)}  # in the range of what rounding may be

    report = tricheck.check(large.loss, gradient, large.params)
    assert report.verdict is Verdict.BACKPROP, str(report)
    assert seen == {np.dtype(np.float64)}


# --- piece by piece -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [LARGE, LARGE + 1, 3 * LARGE])
def test_the_relative_error_is_that_of_the_whole(size: int) -> None:
    rng = np.random.default_rng(size)
    a = rng.standard_normal(size) * 1e200
    b = a * (1.0 + 1e-6 * rng.standard_normal(size))
    expected = float(np.linalg.norm(a / 1e200 - b / 1e200))
    expected /= float(np.linalg.norm(a / 1e200 + b / 1e200))
    assert relative_error(a, b) == pytest.approx(expected, rel=1e-12)
    a[-1], b[0] = np.nan, np.inf
    expected = relative_error(a[1:-1], b[1:-1])
    assert relative_error(a, b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("where", [(0, 0), (150, 7), (499, 499)], ids=str)
def test_the_worst_entry_of_a_large_parameter_is_found(where: tuple[int, int]) -> None:
    point = np.random.default_rng(0).standard_normal((500, 500))

    def gradient(w: Any) -> Any:
        g = np.cos(w)
        g[where] += 1e-3
        return g

    report = tricheck.check(lambda w: np.sum(np.sin(w)), gradient, point)
    [parameter] = report.parameters.values()
    assert parameter.wrong == [where]
    assert parameter.worst.entry == where
    pair = parameter.pairs["backprop/reference"]
    assert (pair.entry, pair.agree) == (where, False)
    assert pair.difference == pytest.approx(1e-3)
    assert parameter.pairs["finite-difference/reference"].agree


def test_a_group_in_pieces_moves_and_sums_like_one() -> None:
    rng = np.random.default_rng(0)
    point, gradient, bounds = rng.standard_normal((3, LARGE + 1000))
    parameters = Parameters.read(point)
    group = whole_leaf(parameters.leaves[0], rng)
    weights = group.weights(point)
    source = Estimate(Source.BACKPROP, gradient, np.abs(bounds), "")
    [slope], [bound] = group.sums(point, [gradient], [source])
    assert slope == pytest.approx(gradient @ weights, rel=1e-9)
    assert bound == pytest.approx(np.abs(bounds) @ np.abs(weights), rel=1e-9)

    seen = []
    calls = Calls(Model(lambda w: seen.append(w.copy()) or 0.0, np.cos, point), parameters)  # type: ignore[func-returns-value]
    along = Along(Evaluator(calls, np.float64), Coordinates.of([group], parameters))
    for step in (1e-3, -2e-3, 0.0):
        along.flat[0] = step
        along()
        np.testing.assert_array_equal(seen[-1], point + step * weights)


@pytest.mark.parametrize("place", [0, 54_321, 108_899])
def test_an_error_that_the_reference_shares_is_found_wherever_it_is(
    large: Network, place: int
) -> None:
    where = tuple(map(int, np.unravel_index(place, large.params["W"].shape)))

    def gradient(p: Any) -> dict[str, Any]:
        g = large.gradient(p)
        g["W"][where] += 0.3 * np.max(np.abs(g["W"]))
        return g

    report = tricheck.check(large.loss, gradient, large.params, reference=gradient)
    assert report.verdict is Verdict.BACKPROP_AND_REFERENCE
    wrong = {name: p.wrong for name, p in report.parameters.items() if p.wrong}
    assert wrong == {"W": [where]}
    assert report.evaluations["loss"] < 250


# --- the diagnosis ------------------------------------------------------------------------------


def test_one_wrong_entry_of_many_is_said_to_be_one(network: Network) -> None:
    def gradient(p: Any) -> dict[str, Any]:
        g = network.gradient(p)
        g["W"][3, 5] += np.max(np.abs(g["W"]))
        return g

    report = tricheck.check(network.loss, gradient, network.params)
    assert causes(report) == {(Cause.ENTRIES, "W")}
    assert report.parameters["W"].wrong == [(3, 5)]


@pytest.mark.parametrize(("factor", "matches"), [(2.0, "2"), (-1.0, None)])
def test_a_whole_large_parameter_off_by_a_factor_is_told_so(
    large: Network, factor: float, matches: str | None
) -> None:
    def gradient(p: Any) -> dict[str, Any]:
        g = large.gradient(p)
        return g | {"W": factor * g["W"]}

    report = tricheck.check(large.loss, gradient, large.params)
    [found] = report.findings
    assert found.cause is (Cause.SCALE if matches else Cause.SIGN)
    assert len(report.parameters["W"].wrong) == large.params["W"].size


def test_a_clipped_gradient_is_told_though_it_is_mostly_right(large: Network) -> None:
    limit = float(np.sort(np.abs(large.gradient(large.params)["W"]), axis=None)[-50])

    def gradient(p: Any) -> dict[str, Any]:
        return {name: np.clip(g, -limit, limit) for name, g in large.gradient(p).items()}

    report = tricheck.check(large.loss, gradient, large.params)
    [found] = [f for f in report.findings if f.parameter == "W"]
    assert "clipped" in found.message
    assert len(report.parameters["W"].wrong) == 49
