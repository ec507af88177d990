"""The gradient to 50 digits: the hand-written one, held against differences of the loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import numpy as np

from tests.benchmark import digits
from tests.benchmark.family import Problem, loaded, mapped

Function = Callable[[Any], Any]

_STEP = mpmath.mpf(10) ** -18  # of the central difference: truncation 1e-36, rounding 1e-42
_AGREE = mpmath.mpf(10) ** -14  # relative: constants such as 3 * 0.044715 are themselves rounded
_ONE_SIDED = mpmath.mpf(10) ** -12
_KINKED = 1e-6  # one-sided slopes this far apart, of the largest entry, are a kink
_NOTHING = mpmath.mpf(10) ** -30
_FOLDER = Path(__file__).parent / "models"


@cache
def in_digits(name: str) -> ModuleType:
    """The model's module, computing in 50 digits."""
    module = loaded(_FOLDER / f"{name}.py", f"{name}_in_digits")
    module.np = digits.NUMPY  # type: ignore[attr-defined]
    return module


def truth(name: str, problem: Problem) -> dict[str, Any]:
    """The gradient of every block, rounded to float64.

    Raises
    ------
    AssertionError
        When the hand-written gradient in 50 digits is not that of the loss in 50 digits.
    """
    with mpmath.workdps(digits.DIGITS):
        loss, params, gradient = _exactly(name, problem)
        blocks = dict(leaves(gradient(params)))
        _verify(name, loss, params, blocks)
        return {key: digits.rounded(block) for key, block in blocks.items()}


def kinked(name: str, problem: Problem) -> dict[str, Any]:
    """For every block, the entries whose one-sided slopes differ."""
    with mpmath.workdps(digits.DIGITS):
        loss, params, _ = _exactly(name, problem)
        base = loss(params)
        gaps = {
            key: np.array([_gap(loss, params, base, key, n) for n in range(np.size(block))])
            for key, block in leaves(params)
        }
    size = max(float(np.max(gap)) for gap in gaps.values())
    return {key: gap > max(_KINKED, 1e-3 * size) for key, gap in gaps.items()}


def leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    """The arrays of a structure under the names of reports."""
    found: list[tuple[str, Any]] = []
    mapped(tree, lambda name, leaf: found.append((name, leaf)))
    return iter(found)


def _exactly(name: str, problem: Problem) -> tuple[Function, Any, Function]:
    """Loss, parameters and gradient in 50 digits."""
    module = in_digits(name)
    args = digits.exact(problem.args)
    return (
        lambda params: module.loss(params, *args),
        digits.exact(problem.params),
        lambda params: module.gradient(params, *args),
    )


def _gap(loss: Function, params: Any, base: Any, key: str, index: int) -> float:
    """How far the slopes to the two sides of an entry are apart."""
    forth, back = (loss(_moved(params, key, index, s * _ONE_SIDED)) for s in (1, -1))
    return abs(float((forth - 2 * base + back) / _ONE_SIDED))


def _moved(params: Any, key: str, index: int, step: Any) -> Any:
    def move(name: str, array: Any) -> Any:
        if name != key:
            return array
        array = np.array(array, dtype=object)
        array.reshape(-1)[index] += step
        return array

    return mapped(params, move)


def _verify(name: str, loss: Function, params: Any, blocks: dict[str, Any]) -> None:
    """Hold the gradient against the loss along a random direction."""
    rng = np.random.default_rng(0)
    direction = {key: rng.standard_normal(np.shape(block)) for key, block in blocks.items()}
    terms = [np.sum(blocks[key] * direction[key]) for key in blocks]
    size = sum(np.sum(abs(blocks[key] * direction[key])) for key in blocks)
    slope = (
        loss(mapped(params, lambda key, leaf: leaf + _STEP * direction[key]))
        - loss(mapped(params, lambda key, leaf: leaf - _STEP * direction[key]))
    ) / (2 * _STEP)
    near = abs(slope - sum(terms)) <= _AGREE * max(size, abs(slope)) + _NOTHING
    assert near, f"{name}: slope {slope}, hand-written gradient {sum(terms)}"
