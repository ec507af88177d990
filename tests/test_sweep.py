"""The sweep of one entry: its table, its readings, its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tricheck
from tricheck import Model, ModelError, sweep

SMOOTH = Model(
    lambda p: np.sum(np.exp(p["W"])), lambda p: {"W": np.exp(p["W"])}, {"W": np.ones((2, 3))}
)


def test_a_smooth_loss_shows_both_slopes() -> None:
    swept = sweep(SMOOTH, "W", (1, 2))
    assert swept.readings[0] == "truncation"
    assert swept.readings[-1] == "rounding"
    assert abs(swept.derivative - np.e) <= swept.bound < 1e-10
    assert swept.backprop == np.e
    falling = [k for k, reading in enumerate(swept.readings) if reading == "truncation"]
    steps, errors = swept.steps[falling], swept.errors[falling]
    slope = np.polyfit(np.log(steps[1:]), np.log(errors[1:]), 1)[0]
    assert 1.9 < slope < 2.1
    assert "falls like h²" in swept.reading
    assert "backprop agrees" in swept.reading


def test_a_wrong_gradient_stays_away_at_every_step() -> None:
    model = Model(lambda x: np.sum(x**2), lambda x: x, np.array([3.0]))
    swept = sweep(model, "params", 0)
    assert "backprop stays 3.0e+00 away" in swept.reading


@pytest.mark.parametrize(
    ("loss", "point", "said"),
    [
        (lambda x: np.sum(np.abs(x)), 0.0, "kink: the slope is -1 from the left and 1 from"),
        (lambda x: np.sum(np.maximum(x, 0.0)), 1e-7, "wrong plateau"),
        (lambda x: np.sum(np.maximum(x, 0.0)), 1e-7, "A kink lies about 1e-07 away"),
        (lambda x: np.sum(np.log(x)), 1e-4, "leave the domain"),
        (lambda x: np.sum(np.floor(x)), 1.0, "jump"),
    ],
)
def test_readings_of_nasty_losses(loss: Any, point: float, said: str) -> None:
    swept = sweep(Model(loss, lambda x: 0 * x, np.array([point])), "params", 0)
    assert said in swept.reading


def test_steps_outside_the_domain_are_said() -> None:
    swept = sweep(
        Model(lambda x: np.sum(np.log(x)), lambda x: 1 / x, np.array([1e-4])), "params", 0
    )
    assert swept.readings[0] == "outside"
    assert "accurate" in swept.readings


def test_the_table_fits_eighty_columns() -> None:
    text = str(sweep(SMOOTH, "W", (0, 0)))
    assert max(map(len, text.splitlines())) <= 80
    for word in ("central", "forward", "backward", "rounding", "truncation", "W[0, 0]"):
        assert word in text


def test_a_number_has_one_entry() -> None:
    model = Model(lambda p: p["a"] ** 2, lambda p: {"a": 2 * p["a"]}, {"a": 1.5})
    assert sweep(model, "a").derivative == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("name", "index", "said"),
    [
        ("V", (0, 0), "no parameter 'V': the model has W"),
        ("W", (2, 0), "shape is (2, 3)"),
        ("W", 1, "shape is (2, 3)"),
        ("W", (), "shape is (2, 3)"),
        ("W", "x", "shape is (2, 3)"),
        ("W", 1.5, "shape is (2, 3)"),
        ("W", None, "shape is (2, 3)"),
        ("W", (True, 0), "shape is (2, 3)"),
    ],
)
def test_errors_name_what_is_there(name: str, index: Any, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        sweep(SMOOTH, name, index)
    assert said in str(caught.value)


def test_it_is_public() -> None:
    assert tricheck.sweep is sweep


def test_backprops_own_rounding_is_no_error_of_its() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)).astype(np.float32), rng.normal(size=40).astype(np.float32)
    model = Model(
        lambda w: np.sum((X @ w - y) ** 2),
        lambda w: 2 * X.T @ (X @ w - y),
        rng.normal(size=3).astype(np.float32),
    )
    assert tricheck.check(model).verdict is tricheck.Verdict.AGREE
    swept = sweep(model, "params", 0)
    assert swept.gap == 0.0
    assert "backprop agrees" in swept.reading


@pytest.mark.parametrize(
    ("loss", "gradient", "point"),
    [
        (lambda w: 1e15 + np.sum(np.sin(w)), np.cos, 1.0),
        (lambda w: np.sum(np.sin(1e300 * w)), lambda w: 1e300 * np.cos(1e300 * w), 1e-300),
        (lambda w: np.sum(np.exp(700 * w)), lambda w: 700 * np.exp(700 * w), 1.0),
        (lambda w: np.sum(np.sqrt(w)), lambda w: 0.5 / np.sqrt(w), 1e-300),
        (lambda w: 1.7e308 * np.sum(np.sin(w)), lambda w: 1.7e308 * np.cos(w), 0.3),
    ],
    ids=["offset", "fast", "steep", "root", "huge"],
)
def test_a_bound_that_says_nothing_accuses_nobody_and_is_drawn(
    loss: Any, gradient: Any, point: float
) -> None:
    model = Model(loss, gradient, np.array([point]))
    accusing = (tricheck.Verdict.BACKPROP, tricheck.Verdict.BACKPROP_AND_REFERENCE)
    assert tricheck.check(model).verdict not in accusing
    swept = sweep(model, "params", 0)
    assert not swept.gap or "the finite difference's word alone" in str(swept)
    swept.plot().figure.clear()
    page = tricheck.check(model).to_html()
    assert "at every accurate step" not in page or "does not blame backprop" in page


def test_a_gradient_that_is_no_number_is_said_to_be_none() -> None:
    swept = sweep(Model(lambda w: np.sum(w**2), lambda w: w * np.nan, np.ones(1)), "params", 0)
    assert swept.reading.endswith("backprop is nan.")
    assert str(swept)
