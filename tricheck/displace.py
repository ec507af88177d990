"""Another point beside the one that was given, to see what is hidden there."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricheck.parameters import FloatArray, Parameters

_FAR = 1.0  # of a block's own size


def displaced(parameters: Parameters, seed: int) -> FloatArray:
    """The parameters, each entry moved at random by about its block's size.

    A block of zeros is moved to weights of the usual initial size, 1/√(fan in). No entry stays
    where it was, so that weights are neither zero nor symmetric any more.

    Parameters
    ----------
    parameters : Parameters
    seed : int

    Returns
    -------
    ndarray, shape (size,)
        A new array.

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
    for leaf in parameters.leaves:
        block = moved[leaf.place]
        size = float(np.sqrt(np.mean(np.square(block))))
        fan_in = leaf.shape[0] if len(leaf.shape) > 1 else 1
        block += _FAR * (size or 1.0 / np.sqrt(fan_in)) * rng.standard_normal(block.shape)
    return moved


def displaced_arguments(value: Any, seed: int) -> Any:
    """Arguments of a loss with every array of floats in them moved likewise, and of both signs."""
    return _moved(value, np.random.default_rng(seed))


def _moved(value: Any, rng: np.random.Generator) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size:
        size = float(np.sqrt(np.mean(np.square(value)))) or 1.0
        return (value + size * rng.standard_normal(value.shape)).astype(value.dtype)
    if type(value) in (list, tuple):
        return type(value)(_moved(part, rng) for part in value)
    if type(value) is dict:
        return {key: _moved(part, rng) for key, part in value.items()}
    return value
