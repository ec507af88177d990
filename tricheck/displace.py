"""Another point beside the one that was given, to see what is hidden there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tricheck import contract
from tricheck.calls import Calls
from tricheck.errors import ModelError
from tricheck.parameters import FloatArray, Leaf, Parameters

# Shares of the whole way, each tried if the loss has no value farther out. From 1/4 on no entry
# changes its sign, so that variances and the like are still positive there.
SHARES = tuple(0.5**k for k in range(7))

_SMALLEST, _LARGEST = 0.5, 1.5  # sizes that entries get, relative to their own
_NOTHING = math.sqrt(np.finfo(np.float64).eps)  # of a block's size: as good as 0


def displaced(parameters: Parameters, seed: int | Sequence[int], share: float = 1.0) -> FloatArray:
    """The parameters, each entry moved at random by about its own size, one in two across 0.

    So nothing is symmetric or equal any more, and all blocks hold entries of both signs. Zeros
    become numbers of their block's size; in a block of zeros, weights of the usual initial size,
    1/√(fan in).

    Parameters
    ----------
    parameters : Parameters
    seed : int or sequence of int
        As for `numpy.random.default_rng`.
    share : float
        Of the way there, from 0 to 1.

    Returns
    -------
    ndarray, shape (size,)
        A new array, of numbers that the parameters' own dtypes can hold.

    Examples
    --------
    >>> import numpy as np
    >>> from tricheck.parameters import Parameters
    >>> moved = displaced(Parameters.read({"W": np.zeros((2, 2))}), seed=0)
    >>> bool(np.all(moved != 0.0))
    True
    """
    rng = np.random.default_rng(seed)
    moved = parameters.values.copy()
    with np.errstate(all="ignore"):  # the largest numbers of a dtype overflow, and have no loss
        for leaf in parameters.leaves:
            block = moved[leaf.place]
            block += share * (_redrawn(block, _usual_size(leaf), rng) - block)
            block[:] = block.astype(leaf.dtype)
    return moved


def displaced_arguments(value: Any, seed: int | Sequence[int], share: float = 1.0) -> Any:
    """Arguments of a loss with every array of floats in them moved likewise."""
    rng = np.random.default_rng(seed)

    def moved(array: Any) -> Any:
        if array.dtype.kind != "f" or not array.size:
            return array
        block = array.reshape(-1)
        target = _redrawn(block, 1.0, rng)
        return (block + share * (target - block)).astype(array.dtype).reshape(array.shape)

    return with_arrays(value, moved)


def with_arrays(value: Any, change: Callable[[Any], Any]) -> Any:
    """Containers of arrays, with every array changed.

    Examples
    --------
    >>> with_arrays(({"x": np.ones(2)}, 3), lambda array: 2 * array)
    ({'x': array([2., 2.])}, 3)
    """
    if isinstance(value, np.ndarray):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)(with_arrays(part, change) for part in value)
    if type(value) is dict:
        return {key: with_arrays(part, change) for key, part in value.items()}
    return value


def displaced_calls(calls: Calls, seed: int) -> Calls:
    """The same model at a displaced point, as far away as its loss has a value.

    Raises
    ------
    ModelError
        When the loss has none at any displaced point, or at the point itself.
    """
    loss: Any = None
    cause: Exception | None = None
    for share in SHARES:
        values = displaced(calls.parameters, seed, share)
        there = replace(calls.parameters, values=values)
        # What a loss may do to its arguments is the contract's to find, with fresh ones.
        trial, fresh = (Calls(calls.model, there, calls.watch) for _ in range(2))
        trial.counts = fresh.counts = calls.counts
        try:
            with np.errstate(all="ignore"):
                loss = trial.loss(values, native=True)
        except Exception as error:  # outside the domain the user's code may raise anything
            cause = error
            continue
        if np.isfinite(loss):
            return fresh
    contract.inspect(calls)  # what is wrong at the point itself comes first
    came = f"is {loss}" if cause is None else f"raises {type(cause).__name__}: {cause}"
    raise ModelError(
        f"displace={seed} finds no point inside the domain of the loss: it {came} even where every "
        f"parameter is moved by {SHARES[-1]:.1%} of its size. Try another seed, or pass params "
        "farther inside the domain"
    ) from cause


def _redrawn(block: FloatArray, usual: float, rng: np.random.Generator) -> FloatArray:
    """Numbers of about the same sizes, as many positive as negative."""
    sizes = np.abs(block)
    largest = sizes.max() or 1.0
    overall = float(largest * np.sqrt(np.mean(np.square(sizes / largest))))
    overall = overall if overall > _NOTHING * usual else usual
    sizes = np.where(sizes > _NOTHING * overall, sizes, overall)
    redrawn: FloatArray = sizes * rng.uniform(_SMALLEST, _LARGEST, sizes.shape)
    negative = rng.permutation(sizes.size)[: (sizes.size + rng.integers(2)) // 2]
    redrawn[negative] *= -1.0
    return redrawn


def _usual_size(leaf: Leaf) -> float:
    """1/√(fan in), for the larger of the two that the order of a weight's axes may mean.

    The outputs lie along the first axis or along the last; a vector has one output, or is a bias,
    which should not outweigh the rest.
    """
    outputs = min(leaf.shape[0], leaf.shape[-1]) if len(leaf.shape) > 1 else 1
    return math.sqrt(outputs / (leaf.stop - leaf.start))
