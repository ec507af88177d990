"""Find every checker's best settings: `python -m tests.benchmark.opponents.tune`.

The best are those with the highest balanced accuracy, the mean of the share of right gradients
that are not called wrong and the share of wrong ones that are, on models and points of their own.
Among equals the first is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from tests.benchmark.models import ridge
from tests.benchmark.opponents import (
    autograd_check_grads,
    jax_check_grads,
    numdifftools_gradient,
    openmdao_check_partials,
    scipy_check_derivative,
    scipy_check_grad,
    torch_gradcheck,
    tutorial,
)
from tests.benchmark.opponents.opponent import Check, Opponent, Task
from tests.benchmark.opponents.registry import OPPONENTS
from tests.diagnosis.bench import correct
from tricheck import Model
from tricheck.parameters import Parameters

SEED = 7001
_MODELS = ("elman", "logistic_ridge", "tied_autoencoder")
_OFFSETS = (0.0, 1e4)
_SCALES = (0.3, 1.0, 3.0)
_SIZES = (1e-1, 1e-2, 1e-3, 1e-4)

# Every grid starts with what is usual, the checker's own values or, for central differences, a
# step near the cube root of the rounding error; in single precision none of them does better.
_DOUBLE = {"double": (True,)}
_TOLERANCES = {"tolerance": (1e-6, 1e-7, 1e-5, 1e-4, 1e-3)}
_PAIRS = {"atol": (1e-5, 1e-8), "rtol": (1e-3, 1e-5, 1e-6)}
_TORCH = {"eps": (1e-5, 1e-6), **_PAIRS, **_DOUBLE}
_GRIDS: dict[str, tuple[Check, Mapping[str, tuple[Any, ...]]]] = {
    "scipy check_grad": (
        scipy_check_grad.check,
        {"epsilon": (1.5e-8, 1e-7, 1e-6, 1e-5), **_TOLERANCES, **_DOUBLE},
    ),
    "scipy check_derivative": (scipy_check_derivative.check, {**_TOLERANCES, **_DOUBLE}),
    "autograd check_grads": (autograd_check_grads.check, {"double": (False, True)}),
    "torch gradcheck": (torch_gradcheck.check, _TORCH),
    "torch gradcheck, fast": (partial(torch_gradcheck.check, fast_mode=True), _TORCH),
    "jax check_grads": (jax_check_grads.check, {"eps": (1e-5, 1e-4), **_PAIRS, **_DOUBLE}),
    "openmdao check_partials": (
        openmdao_check_partials.check,
        {
            "form": ("forward", "central"),
            "step": (1e-5, 1e-6),
            "atol": (1e-6, 1e-8),
            "rtol": (1e-6, 1e-5),
        },
    ),
    "numdifftools Gradient": (
        numdifftools_gradient.check,
        {"order": (2, 4), "tolerance": (1e-6, 1e-5), **_DOUBLE},
    ),
    "tutorial": (
        tutorial.check,
        {"step": (1e-5, 1e-4, 1e-6), "normwise": (False, True), **_TOLERANCES, **_DOUBLE},
    ),
}


@dataclass(frozen=True)
class Case:
    """A task, and whether its gradient is right."""

    task: Task
    right: bool


def cases() -> list[Case]:
    """Right gradients, and wrong ones by a share of one entry or of one parameter's block."""
    rng = np.random.default_rng(SEED)
    settings = product(_models(rng), (np.float64, np.float32), _OFFSETS, _SCALES)
    return [case for setting in settings for case in _of(*setting, rng)]


def _models(rng: np.random.Generator) -> list[Model]:
    problem: Callable[..., Any] = ridge.problem  # models are written without types
    params, args = problem(rng, **ridge.SIZES["small"])
    return [*map(correct, _MODELS), Model(ridge.loss, ridge.gradient, params, args=args)]


def _of(
    model: Model, dtype: Any, offset: float, scale: float, rng: np.random.Generator
) -> Iterator[Case]:
    """One right and two wrong gradients of a loss that is moved by the offset."""
    loss, gradient = model.loss, model.gradient
    assert callable(gradient)
    parameters = Parameters.read(model.params)
    params = parameters.build((scale * rng.standard_normal(parameters.size)).astype(dtype))
    args = tuple(_in(dtype, argument) for argument in model.args)
    task = Task.of(lambda *inputs: loss(*inputs) + offset, gradient, params, args)
    yield Case(task, right=True)
    entry = rng.integers(parameters.size)
    block = parameters.leaves[rng.integers(len(parameters.leaves))].place
    for place in (slice(entry, entry + 1), block):
        yield Case(_scaled(task, place, rng.choice(_SIZES)), right=False)


def _in(dtype: Any, argument: Any) -> Any:
    return argument.astype(dtype) if isinstance(argument, np.ndarray) else argument


def _scaled(task: Task, place: slice, share: float) -> Task:
    factor = np.ones_like(task.point)
    factor[place] += share
    return replace(task, gradient=lambda x: task.gradient(x) * factor.astype(x.dtype))


def balanced_accuracy(check: Check, package: str, cases: list[Case]) -> float:
    """Half the right gradients that are not accused and half the wrong ones that are."""
    opponent = Opponent("", "best", check, package)
    accused: dict[bool, list[bool]] = {True: [], False: []}
    for case in cases:
        accused[case.right].append(opponent.run(case.task).passes is False)
    return float(1 - np.mean(accused[True]) + np.mean(accused[False])) / 2


def main() -> None:
    """Print, for every checker, how it does by default, and the settings that do best."""
    mine = cases()
    packages = {opponent.name: opponent.package for opponent in OPPONENTS}
    for name, (check, grid) in _GRIDS.items():
        default = balanced_accuracy(check, packages[name], mine)
        accuracies = []
        candidates = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
        for settings in candidates:
            accuracies.append(balanced_accuracy(partial(check, **settings), packages[name], mine))
        best = int(np.argmax(accuracies))
        print(f"{name:24} default {default:.3f}, best {accuracies[best]:.3f}: {candidates[best]}")


if __name__ == "__main__":
    main()
