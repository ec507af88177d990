"""Displaced points: how far they lie, what they open, and that nothing of the user's is changed."""

from __future__ import annotations

import importlib
import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner

import tricheck
from tests.hiding import CASES, Hiding
from tricheck.cli import main
from tricheck.displace import SHARES, displaced
from tricheck.parameters import Parameters
from tricheck.vocabulary import Verdict

Array = npt.NDArray[Any]

EXAMPLES = Path(__file__).parent.parent / "examples"
SEEDS = range(20)
OPENED = [case for case in CASES if case.remedy == "displace"]


@cache
def at(case: Hiding, seed: int) -> tricheck.Report:
    """The check with the mistake at a displaced point."""
    return tricheck.check(case.model(case.wrong), displace=seed)


def moved(params: Any, seed: int = 0, share: float = 1.0) -> Any:
    parameters = Parameters.read(params)
    return parameters.build(displaced(parameters, seed, share), native=True)


# --- where the point lies -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_entries_keep_their_size_and_half_of_them_change_their_sign(seed: int) -> None:
    W = np.array([[1e-3, 1.0, -5.0], [300.0, 2.0, -1.0]])
    ratio = moved(W, seed) / W
    assert np.all((np.abs(ratio) >= 0.5) & (np.abs(ratio) <= 1.5))
    assert np.sum(moved(W, seed) < 0.0) == 3


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", [(2,), (5,), (3, 3), (2, 3, 2, 2)])
@pytest.mark.parametrize("value", [0.0, 1.0, -10.0, 1e-200, 1e200])
def test_blocks_are_of_both_signs_nowhere_zero_and_of_entries_that_differ(
    seed: int, shape: tuple[int, ...], value: float
) -> None:
    block = moved(np.full(shape, value), seed)
    assert np.all(block != 0.0)
    assert np.all(np.isfinite(block))
    assert block.min() < 0.0 < block.max()
    assert len(np.unique(np.abs(block))) == block.size


@pytest.mark.parametrize(
    ("shape", "fan_in"),
    [
        ((), 1), ((7,), 7), ((100, 10), 100), ((10, 100), 100),
        ((8, 3, 5, 5), 120), ((5, 5, 3, 8), 120),
    ],
)  # fmt: skip
def test_zeros_become_weights_of_the_usual_initial_size(
    shape: tuple[int, ...], fan_in: int
) -> None:
    sizes = np.abs([moved({"W": np.zeros(shape)}, seed)["W"] for seed in SEEDS]) * np.sqrt(fan_in)
    assert np.all((sizes >= 0.5) & (sizes <= 1.5))


def test_single_zeros_become_numbers_of_their_blocks_size() -> None:
    sizes = np.abs(moved(np.array([0.0, 4.0, -4.0, 1e-12])))
    assert np.all((sizes >= 0.5) & (sizes <= 6.0))


def test_numbers_and_single_precision_stay_what_they_are() -> None:
    params = {"scale": 2.0, "W": np.ones((2, 2), dtype=np.float32), "n": np.float64(1.0)}
    at = moved(params)
    assert at["W"].dtype == np.float32
    assert 1.0 <= abs(at["scale"]) <= 3.0
    single = displaced(Parameters.read(params), 0)[1:5]
    np.testing.assert_array_equal(single, at["W"].reshape(-1).astype(np.float64))


def test_a_seed_always_leads_to_the_same_point_and_another_to_another() -> None:
    W = np.arange(6.0)
    np.testing.assert_array_equal(moved(W, 3), moved(W, 3))
    assert np.all(moved(W, 3) != moved(W, 4))


def test_a_share_lies_on_the_way_and_a_quarter_keeps_the_signs() -> None:
    W = np.array([1e-5, 1.0, -5.0, 300.0])
    np.testing.assert_allclose(moved(W, 0, 0.25), W + 0.25 * (moved(W) - W))
    for seed in SEEDS:
        assert np.all(np.sign(moved(W, seed, 0.25)) == np.sign(W))


# --- the check there ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", OPENED, ids=lambda case: case.name)
def test_a_displaced_point_shows_what_the_point_hides(case: Hiding) -> None:
    assert tricheck.check(case.model(case.wrong)).verdict is Verdict.AGREE
    report = at(case, 1)
    assert report.verdict is Verdict.BACKPROP, str(report)
    blamed = {n for n, p in report.parameters.items() if p.verdict is Verdict.BACKPROP}
    assert blamed == set(case.spoiled.split())


@pytest.mark.parametrize("case", OPENED, ids=lambda case: case.name)
def test_nearly_every_seed_shows_it_and_none_accuses_the_right_gradient(case: Hiding) -> None:
    wrong = [at(case, seed).verdict for seed in SEEDS[:8]]
    assert wrong.count(Verdict.BACKPROP) >= 7, wrong
    right = [tricheck.check(case.model(case.right), displace=seed) for seed in SEEDS[:4]]
    assert all(report.verdict is Verdict.AGREE for report in right)


@pytest.mark.parametrize("name", [path.stem for path in sorted(EXAMPLES.glob("[!_]*.py"))])
def test_the_examples_agree_at_displaced_points(name: str) -> None:
    model = importlib.import_module(f"examples.{name}").model
    slow = name in ("convolution", "gru", "lstm", "max_pooling")
    for seed in SEEDS[:3] if slow else SEEDS:
        report = tricheck.check(model, displace=seed)
        assert report.verdict is Verdict.AGREE, str(report)


def test_the_report_says_so_and_its_facts_are_those_of_the_displaced_point() -> None:
    w = np.array([1.0, 2.0])
    report = tricheck.check(lambda w: np.sum(w**3), lambda w: 3 * w**2, w, displace=2)
    there = moved(w, 2)
    assert report.displace == 2
    assert report.loss == pytest.approx(np.sum(there**3))
    np.testing.assert_allclose(report.gradients["backprop"], 3 * there**2)
    assert report.formula("params", 1).value == pytest.approx(3 * there[1] ** 2)
    assert json.loads(report.to_json())["displace"] == 2
    text = " ".join(str(report).split())
    assert "agree, at a displaced point" in text
    assert "displaced with seed 2" in text
    here = tricheck.check(lambda w: np.sum(w**3), lambda w: 3 * w**2, w)
    assert here.displace is None
    assert "displaced" not in str(here)


def test_a_blind_spot_that_stays_is_not_to_be_displaced_again() -> None:
    X, Y = np.ones((4, 2)), np.zeros((4, 2))
    never = tricheck.Model(
        lambda w, X, Y: np.sum(np.maximum(X @ (w**2), 0.0)),
        lambda w, X, Y: 2 * w * (X.T @ np.ones_like(Y)),
        np.ones((2, 2)),
        (X, Y),
    )
    for displace in (None, 1):
        report = tricheck.check(never, displace=displace)
        [spot] = [spot for spot in report.blind_spots if spot.name == "untaken-branch"]
        assert spot.remedy == "inputs"
        assert "displaced point" not in spot.message
    assert "--displace" not in str(report)


@pytest.mark.parametrize("wrong", [-1, 1.5, "1", True, np.array([1])])
def test_a_bad_seed_is_refused_by_name(wrong: Any) -> None:
    with pytest.raises(tricheck.ModelError, match=r"^displace is .*expected an integer of 0 or"):
        tricheck.check(np.sum, np.ones_like, np.ones(2), displace=wrong)


def test_an_integer_of_numpy_is_a_seed() -> None:
    seed: Any = np.int64(3)
    report = tricheck.check(np.sum, np.ones_like, np.ones(2), displace=seed)
    assert report.displace == 3
    assert type(report.displace) is int


def test_assert_gradients_takes_it_too() -> None:
    with pytest.raises(tricheck.GradientMismatch, match="at a displaced point"):
        tricheck.assert_gradients(
            lambda w: np.sum(w**2), lambda w: w, np.zeros(2), displace=1
        )  # fmt: skip


# --- the domain of the loss -----------------------------------------------------------------------


def likelihood(p: dict[str, Array]) -> Any:
    return np.sum(np.log(p["variance"]) + 1.0 / p["variance"]) + np.sum(p["mean"] ** 2)


def likelihood_gradient(p: dict[str, Array]) -> dict[str, Array]:
    v = p["variance"]
    return {"variance": 1.0 / v - 1.0 / v**2, "mean": 2 * p["mean"]}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_loss_without_value_there_is_checked_nearer(seed: int) -> None:
    params = {"variance": np.array([1e-3, 0.5, 1.0, 20.0]), "mean": np.zeros(3)}
    report = tricheck.check(likelihood, likelihood_gradient, params, displace=seed)
    assert report.verdict is Verdict.AGREE, str(report)


def test_a_loss_that_raises_there_is_checked_nearer() -> None:
    def loss(w: Array) -> Any:
        if np.any(w <= 0):
            raise ValueError("negative")
        return np.sum(w**2)

    report = tricheck.check(loss, lambda w: 2 * w, np.array([1.0, 2.0]), displace=0)
    assert report.verdict is Verdict.AGREE


def test_no_displaced_point_inside_the_domain_is_an_error_that_says_so() -> None:
    w = np.array([1.0, 2.0])

    def loss(at: Array) -> Any:
        return np.sum(at**2) if np.array_equal(at, w) else np.nan

    with pytest.raises(tricheck.ModelError, match=r"displace=0 .* domain .* is nan .* 1\.6%"):
        tricheck.check(loss, lambda w: 2 * w, w, displace=0)

    def raising(at: Array) -> Any:
        if not np.array_equal(at, w):
            raise ValueError("too far")
        return np.sum(at**2)

    with pytest.raises(tricheck.ModelError, match="raises ValueError: too far") as caught:
        tricheck.check(raising, lambda w: 2 * w, w, displace=0)
    assert isinstance(caught.value.__cause__, ValueError)


def test_what_is_wrong_at_the_point_itself_comes_first() -> None:
    def broken(w: Array) -> Any:
        raise TypeError("broken")

    with pytest.raises(tricheck.ModelError, match=r"loss\(params, \*args\) raised TypeError"):
        tricheck.check(broken, np.ones_like, np.ones(2), displace=1)
    with pytest.raises(tricheck.ModelError, match="loss is nan at params"):
        tricheck.check(lambda w: np.nan, np.ones_like, np.ones(2), displace=1)


def test_the_last_share_is_small_and_each_is_half_of_the_one_before() -> None:
    assert SHARES[0] == 1.0
    assert all(near == far / 2 for far, near in pairwise(SHARES))
    assert len(SHARES) == 7


def test_every_call_is_counted_on_the_way_there_too() -> None:
    calls = 0

    def loss(w: Array) -> Any:
        nonlocal calls
        calls += 1
        return np.sum(np.log(w))

    report = tricheck.check(
        loss, lambda w: 1.0 / w, np.array([1.0, 2.0]), reference=None, displace=0
    )
    traced = report.evaluations["reference"]
    assert report.evaluations["loss"] + traced == calls


# --- nothing is changed ---------------------------------------------------------------------------


class Net:
    """A network that holds its weights, and what it computed last."""

    def __init__(self) -> None:
        self.W = np.zeros((3, 2))
        self.b = 0.0
        self.seen: Any = None

    def loss(self, X: Array, Y: Array) -> Any:
        self.seen = X @ self.W + self.b
        return np.sum((self.seen - Y) ** 2)

    def gradient(self, X: Array, Y: Array) -> Any:
        self.loss(X, Y)
        d = 2 * (self.seen - Y)
        return X.T @ d, np.sum(d)


def test_an_object_is_as_it_was() -> None:
    net = Net()
    rng = np.random.default_rng(0)
    data = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    net.loss(*data)
    W, seen = net.W, net.seen
    model = tricheck.Model.from_object(net, ["W", "b"], Net.loss, Net.gradient, args=data)
    report = tricheck.check(model, displace=1)
    assert report.verdict is Verdict.AGREE
    assert np.all(
        report.gradients["backprop"]["W"] != tricheck.check(model).gradients["backprop"]["W"]
    )
    assert net.W is W
    assert net.seen is seen
    np.testing.assert_array_equal(W, 0.0)
    assert net.b == 0.0


class Uncopyable(Net):
    """One that no copy can be made of."""

    def __deepcopy__(self, memo: Any) -> Uncopyable:
        raise TypeError("holds a lock")


def test_an_object_that_cannot_be_copied_is_set_back() -> None:
    net = Uncopyable()
    data = np.eye(3), np.ones((3, 2))
    model = tricheck.Model.from_object(net, ["W", "b"], Net.loss, Net.gradient, args=data)
    assert tricheck.check(model, displace=1).verdict is Verdict.AGREE
    np.testing.assert_array_equal(net.W, 0.0)
    assert net.b == 0.0
    assert net.seen is None


def test_a_layers_inputs_are_displaced_and_stay() -> None:
    x, w = np.abs(np.random.default_rng(1).standard_normal((4, 3))), np.ones((3, 2))

    def forward(x: Array, w: Array) -> Any:
        return np.maximum(x @ w, 0.0), (x, w)

    def backward(dout: Array, cache: Any) -> Any:
        x, w = cache
        return dout @ w.T, x.T @ dout  # forgot the slope of the ReLU

    before = x.copy(), w.copy()
    model = tricheck.Model.from_layer(forward, backward, {"x": x, "w": w})
    assert tricheck.check(model).verdict is Verdict.AGREE
    assert tricheck.check(model, displace=1).verdict is Verdict.BACKPROP
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(w, before[1])


def test_arrays_and_arguments_stay_and_kept_state_is_left_at_the_point() -> None:
    kept: dict[str, Any] = {}
    w, args = np.array([1.0, -2.0]), (np.eye(2),)

    def loss(w: Array, A: Array) -> Any:
        kept["z"] = A @ w
        return np.sum(kept["z"] ** 2)

    report = tricheck.check(loss, lambda w, A: 2 * w, w, args=args, displace=1)
    assert report.verdict is Verdict.AGREE
    np.testing.assert_array_equal(kept["z"], [1.0, -2.0])
    np.testing.assert_array_equal(w, [1.0, -2.0])
    np.testing.assert_array_equal(args[0], np.eye(2))


def test_arguments_that_a_loss_changes_are_fresh_at_the_displaced_point() -> None:
    def loss(w: Array, X: Array) -> Any:
        X *= 2.0
        return np.sum((X @ w) ** 2)

    X = np.eye(2)
    report = tricheck.check(loss, lambda w, X: 8 * w, np.ones(2), args=(X,), displace=1)
    assert report.verdict is Verdict.AGREE, str(report)
    np.testing.assert_array_equal(X, np.eye(2))


# --- the command line -----------------------------------------------------------------------------


def test_the_command_line_checks_every_model_at_a_displaced_point(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(
        "import numpy as np\nimport tricheck\n"
        "right = tricheck.Model(lambda w: np.sum(w**2), lambda w: 2 * w, np.zeros(2))\n"
        "wrong = tricheck.Model(lambda w: np.sum(w**2), lambda w: w, np.zeros(2))\n",
        encoding="utf-8",
    )
    here = CliRunner().invoke(main, ["check", str(path)])
    assert here.exit_code == 0
    assert "check with --displace 1" in " ".join(here.output.split())
    facts = tmp_path / "out.json"
    there = CliRunner().invoke(main, ["check", str(path), "--displace", "1", "--json", str(facts)])
    assert there.exit_code == 1
    assert "right: agree, at a displaced point" in there.output
    assert "wrong: backprop, at a displaced point" in there.output
    assert [m["displace"] for m in json.loads(facts.read_text())["models"]] == [1, 1]


@pytest.mark.parametrize("seed", ["-1", "x", "1.5"])
def test_a_bad_seed_is_a_usage_error(seed: str) -> None:
    path = str(EXAMPLES / "linear_regression.py")
    result = CliRunner().invoke(main, ["check", path, "--displace", seed])
    assert result.exit_code == 2
    assert "--displace" in result.output
