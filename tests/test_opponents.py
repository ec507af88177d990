"""The checkers that tricheck is compared with are asked as their users ask them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from tests.benchmark.opponents.opponent import BUDGET, Answer, Opponent, Task
from tests.benchmark.opponents.registry import OPPONENTS
from tricheck.parameters import FloatArray

EVERY = pytest.mark.parametrize("opponent", OPPONENTS, ids=lambda o: f"{o.name}, {o.setting}")
PARAMS = {"W": np.array([[0.5, -0.8], [0.3, 0.9]]), "b": np.array([0.4, -0.6])}


def loss(params: dict[str, FloatArray]) -> Any:
    # little curvature, as the forward differences among the defaults need it
    return np.sum(np.sin(params["W"])) + 0.1 * np.sum(params["b"] ** 2)


def gradient(params: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return {"W": np.cos(params["W"]), "b": 0.2 * params["b"]}


def half_wrong(params: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return {"W": 1.5 * np.cos(params["W"]), "b": 0.2 * params["b"]}


def asked(opponent: Opponent, task: Task) -> Answer:
    package = opponent.package.split(".")[0]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    return opponent.run(task)


@EVERY
def test_right_gradient_passes(opponent: Opponent) -> None:
    answer = asked(opponent, Task.of(loss, gradient, PARAMS))
    assert answer.passes is True, answer.reason
    assert answer.reason == ""
    assert answer.evaluations > 0
    assert answer.seconds > 0


@EVERY
def test_wrong_block_fails(opponent: Opponent) -> None:
    answer = asked(opponent, Task.of(loss, half_wrong, PARAMS))
    assert answer.passes is False
    assert answer.reason


@EVERY
@pytest.mark.parametrize("error", [ValueError, AssertionError])
def test_loss_that_raises_is_no_verdict(opponent: Opponent, error: type[Exception]) -> None:
    def raising(params: Any) -> float:
        raise error("no loss here")

    answer = asked(opponent, Task.of(raising, gradient, PARAMS))
    assert answer.passes is None
    assert answer.reason == f"{error.__name__}: no loss here"


@EVERY
def test_gradient_of_another_shape_is_no_verdict(opponent: Opponent) -> None:
    def misshapen(params: Any) -> Any:
        return {**gradient(params), "b": np.zeros((3, 2))}

    answer = asked(opponent, Task.of(loss, misshapen, PARAMS))
    assert answer.passes is None
    assert answer.reason == "ValueError: gradient of b has shape (3, 2), expected (2,)"


@EVERY
def test_random_directions_are_always_the_same(opponent: Opponent) -> None:
    seen: list[list[bytes]] = []

    def noting(params: dict[str, FloatArray]) -> Any:
        seen[-1].append(b"".join(block.tobytes() for block in params.values()))
        return loss(params)

    for _ in range(2):
        seen.append([])
        asked(opponent, Task.of(noting, gradient, PARAMS))
    assert seen[0] == seen[1]


@EVERY
def test_float32_model_in_best_settings(opponent: Opponent) -> None:
    params = {name: value.astype(np.float32) for name, value in PARAMS.items()}
    task = Task.of(loss, gradient, params)
    assert task.point.dtype == np.float32
    answer = asked(opponent, task)
    assert answer.passes is not None
    if opponent.setting == "best":
        assert answer.passes, answer.reason


def test_too_dear_a_check_is_not_run() -> None:
    def greedy(task: Task) -> None:
        while True:
            task.loss(task.point)

    answer = Opponent("greedy", "default", greedy, "numpy").run(Task.of(loss, gradient, PARAMS))
    assert (answer.passes, answer.reason) == (None, "too many evaluations")
    assert answer.evaluations == BUDGET + 1


def test_missing_package_is_no_verdict() -> None:
    missing = Opponent("missing", "default", lambda task: None, "no_such_package")
    answer = missing.run(Task.of(loss, gradient, PARAMS))
    assert answer.passes is None
    assert answer.reason.startswith("no_such_package cannot be imported")


def test_every_checker_comes_in_both_settings() -> None:
    settings = [(opponent.name, opponent.setting) for opponent in OPPONENTS]
    assert len(set(settings)) == len(settings)
    assert {name for name, setting in settings if setting == "default"} == {
        name for name, setting in settings if setting == "best"
    }
