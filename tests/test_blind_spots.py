"""Blind spots: reported where they hold and only there, and what they say is true."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tricheck
from tests import hiding
from tests.hiding import CASES, Hiding, normal
from tricheck.targets import find
from tricheck.vocabulary import BlindSpot, Verdict

Array = npt.NDArray[Any]

EXAMPLES = Path(__file__).parent.parent / "examples"

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def spots(report: tricheck.Report, name: str) -> list[BlindSpot]:
    return [spot for spot in report.blind_spots if spot.name == name]


def blamed(report: tricheck.Report) -> set[str]:
    return {n for n, p in report.parameters.items() if p.verdict is Verdict.BACKPROP}


@cache
def right(case: Hiding) -> tricheck.Report:
    """The check of the right gradient at the point."""
    return tricheck.check(case.model(case.right))


@cache
def right_opened(case: Hiding) -> tricheck.Report:
    """The same where nothing is hidden."""
    return case.opened(case.right)


@every_case
def test_a_blind_spot_is_reported_where_it_holds(case: Hiding) -> None:
    report = right(case)
    assert report.verdict is Verdict.AGREE, str(report)
    found = spots(report, case.spot)
    named = [spot.parameter or "" for spot in found]
    assert named == (case.parameters.split() or [""]), str(report)
    assert {spot.remedy for spot in found} == {case.remedy}


@every_case
def test_the_mistake_that_it_speaks_of_passes_there(case: Hiding) -> None:
    report = tricheck.check(case.model(case.wrong))
    assert report.verdict is Verdict.AGREE, str(report)
    assert spots(report, case.spot)


@every_case
def test_what_it_says_to_change_opens_it(case: Hiding) -> None:
    assert not spots(right_opened(case), case.spot), str(right_opened(case))
    report = case.opened(case.wrong)
    assert report.verdict is Verdict.BACKPROP, str(report)
    assert blamed(report) == set(case.spoiled.split())


@every_case
def test_the_right_gradient_passes_where_nothing_is_hidden(case: Hiding) -> None:
    assert right_opened(case).verdict is Verdict.AGREE


@every_case
def test_a_message_is_short(case: Hiding) -> None:
    for spot in right(case).blind_spots:
        lead = f"  blind spot: {spot.parameter or ''}: "
        assert len(textwrap.wrap(lead + spot.message, 80, subsequent_indent="    ")) <= 3


# --- where nothing is hidden ----------------------------------------------------------------------


def test_an_ordinary_network_hides_nothing() -> None:
    model = (hiding.two_layers, hiding.two_layers_backward(), hiding.usual)
    assert not tricheck.check(*model, args=(hiding.X, hiding.Y)).blind_spots


def silent(loss: Callable[..., Any], params: Any, *args: Any) -> bool:
    """Whether nothing is reported of a loss; its gradient is left to the reference."""
    gradient = tricheck.check(loss, lambda p, *_: p, params, args=args).gradients["reference"]
    report = tricheck.check(loss, lambda *_: gradient, params, args=args)
    assert report.verdict is Verdict.AGREE, str(report)
    return not report.blind_spots


def test_what_shows_nowhere_is_not_reported() -> None:
    X, y = normal(7, 3), normal(7)

    def shifted(w: Array) -> Any:  # the gradient through the maximum is always 0 in the end
        z = X @ w
        top = np.max(z)
        return top + np.log(np.sum(np.exp(z - top)))

    def quadratic(A: Array) -> Any:  # a gradient that is symmetric wherever one looks
        return np.exp(X[0] @ A @ X[0])

    def stabilized(w: Array) -> Any:  # far from its limits everywhere
        return np.sum(np.log(np.clip(1 / (1 + np.exp(-(X @ w))), 1e-300, 1.0)) * y)

    assert silent(shifted, normal(3))
    assert silent(quadratic, 0.3 * normal(3, 3))
    assert silent(stabilized, normal(3))


def test_axes_of_one_that_nothing_is_summed_over_are_not_reported() -> None:
    X = normal(6, 3)
    assert silent(lambda w, c: np.sum(np.tanh(X @ w) * c), normal(3, 2), np.ones((1, 2)) * 0.7)
    assert silent(lambda w: np.sum((X / (1 + w[:, None] ** 2).T) ** 2), normal(3))


def test_equal_sizes_that_nothing_is_divided_by_are_not_reported() -> None:
    X, Y = normal(3, 3), normal(3, 3)
    assert silent(lambda W, X, Y: 0.5 * np.sum((np.tanh(X @ W) - Y) ** 2), normal(3, 3), X, Y)
    assert silent(
        lambda W, X, Y: np.sum((X @ W - Y) ** 2) / len(X), normal(4, 2), normal(3, 4), normal(3, 2)
    )


def test_indices_that_reorder_are_not_expected_to_repeat() -> None:
    order = np.array([2, 0, 1, 3])
    assert silent(lambda w: np.sum(np.tanh(w)[order] * np.arange(1.0, 5.0)), normal(4))


def test_a_sum_of_squares_is_no_output_with_an_upstream_gradient_of_one() -> None:
    X, y = normal(6, 3), normal(6)
    assert silent(lambda w: np.sum((X @ w - y) ** 2), normal(3))
    assert silent(lambda w: np.sum(w**3), normal(3))


def test_biases_of_zero_are_no_weights_of_zero() -> None:
    X, y = normal(6, 3), normal(6)
    assert silent(lambda p: np.mean((X @ p["w"] + p["b"] - y) ** 2), {"w": normal(3), "b": 0.0})


# --- the examples ---------------------------------------------------------------------------------

# What each of them hides is planted below; the others hide nothing.
HIDDEN = {
    "feedforward_2_2_1": (
        "size-one-axis", "outputs[-1] - target)", "(outputs[-1] - target) / len(target))",
    ),
    "neural_networks_demystified": (
        "size-one-axis", "delta3 = -(y - self.yHat)", "delta3 = -(y - self.yHat) / y.shape[1]",
    ),
    "embedding": ("coinciding-sizes", "T = words.shape[1]", "T = words.shape[0]"),
}  # fmt: skip


@pytest.mark.parametrize("name", [path.stem for path in sorted(EXAMPLES.glob("[!_]*.py"))])
def test_the_examples_hide_what_can_be_planted_in_them_and_no_more(
    name: str, tmp_path: Path
) -> None:
    found = tricheck.check(importlib.import_module(f"examples.{name}").model).blind_spots
    spot, old, new = HIDDEN.get(name, ("", "", ""))
    assert [one.name for one in found] == ([spot] if spot else [])
    if spot:
        source = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
        assert source.count(old) == 1
        (tmp_path / "planted.py").write_text(source.replace(old, new), encoding="utf-8")
        [target] = find(str(tmp_path / "planted.py"))
        assert tricheck.check(target.model).verdict is Verdict.AGREE


# --- where little can be looked at ----------------------------------------------------------------


def test_a_loss_that_cannot_be_traced_is_said_not_to_have_been_looked_at() -> None:
    def loss(w: Array) -> float:
        return sum(float(repr(float(x))) ** 2 for x in w.tolist())

    report = tricheck.check(loss, lambda w: 2 * w, np.array([1.0, 2.0]))
    assert [spot.name for spot in report.blind_spots] == ["not-looked-for"], str(report)


def test_a_model_that_takes_too_long_is_said_not_to_have_been_looked_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [case] = [case for case in CASES if case.name == "mask of ones"]
    monkeypatch.setattr("tricheck.diagnosis.hiding.elsewhere._CHEAP", 0)
    monkeypatch.setattr("tricheck.diagnosis.hiding.elsewhere._PASSES", 5)
    report = tricheck.check(case.model(case.right))
    [spot] = report.blind_spots
    assert spot.name == "not-looked-for"
    assert "too much" in spot.message


def test_a_loop_that_would_not_end_elsewhere_is_given_up() -> None:
    def root(a: Array) -> Any:
        x, steps = a * 1.0, 0
        while np.any(np.abs(x * x - a) > 1e-12):  # never for a < 0
            x, steps = 0.5 * (x + a / x), steps + 1
        return np.sum(x)

    a = np.array([4.0, 9.0])
    report = tricheck.check(root, lambda a: 0.5 / np.sqrt(a), a)
    assert report.verdict is Verdict.AGREE, str(report)


def test_a_gradient_that_vanishes_everywhere_is_said_to() -> None:
    X, y = normal(6, 3), normal(6)

    def normalized(p: dict[str, Array]) -> Any:  # b goes as the mean is subtracted
        z = X @ p["w"] + p["b"]
        return np.sum(((z - np.mean(z)) / np.sqrt(np.var(z) + 1e-3) - y) ** 2)

    params = {"w": normal(3), "b": 0.5}
    gradient = tricheck.check(normalized, lambda p: p, params).gradients["reference"]
    report = tricheck.check(normalized, lambda _: gradient, params)
    [spot] = report.blind_spots
    assert (spot.name, spot.parameter, spot.remedy) == ("vanishing-gradient", "b", "")
    assert "at displaced points too" in spot.message
    assert "next: Nothing to mend.\n" in str(report)


def test_the_share_of_dead_units_is_told() -> None:
    def messages(name: str) -> str:
        [case] = [case for case in CASES if case.name == name]
        return "".join(s.message for s in tricheck.check(case.model(case.right)).blind_spots)

    assert "(100% of a layer's units are dead)" in messages("dead units")
    assert "dead" not in messages("all weights zero")
