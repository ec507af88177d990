"""The upstream gradient of a layer: random, of both signs, nowhere small."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.parameters import FloatArray

_GRID = 512  # on so coarse a grid the same numbers exist in every precision


def upstream(outputs: Sequence[Any], weights: tuple[float, float], seed: int) -> list[Any]:
    """One upstream gradient for each output, in its precision; zeros where it is of integers.

    Parameters
    ----------
    outputs : sequence of arrays or numbers
        Traced ones too: they are asked for shape and dtype alone.
    weights : tuple of two floats
        Of two random gradients, which add up to this one.
    seed : int

    Returns
    -------
    list of ndarray or numpy scalar
        Fresh ones, free to be changed.

    Examples
    --------
    >>> [dout] = upstream([np.zeros((2, 2))], (1.0, 0.0), 0)
    >>> bool(np.all((0.5 <= abs(dout)) & (abs(dout) < 1.5)))
    True
    """
    shapes = tuple(tuple(getattr(output, "shape", ())) for output in outputs)
    drawn = _combined(shapes, weights, seed)
    return [
        (0.0 * values if is_integer(output) else values).astype(_dtype(output))[()]
        for output, values in zip(outputs, drawn, strict=True)
    ]


def is_integer(value: Any) -> bool:
    """Whether a value is made of integers or booleans, so that no gradient exists in it.

    Examples
    --------
    >>> is_integer(np.arange(3)), is_integer(True), is_integer(np.ones(2) > 0), is_integer(2.0)
    (True, True, True, False)
    """
    return isinstance(value, int) or _kind(value) in "iub"


def _kind(value: Any) -> str:
    # Other libraries' arrays have dtypes of another kind: they are no integers of NumPy's.
    return str(getattr(getattr(value, "dtype", None), "kind", "f"))


def _dtype(output: Any) -> np.dtype[Any]:
    floating = hasattr(output, "dtype") and _kind(output) == "f"
    return np.dtype(output.dtype if floating else np.float64)


@lru_cache(maxsize=8)  # the same few for every evaluation of a loss
def _combined(
    shapes: tuple[tuple[int, ...], ...], weights: tuple[float, float], seed: int
) -> list[FloatArray]:
    rng = np.random.default_rng(seed)
    first, second = ([_draw(rng, shape) for shape in shapes] for _ in weights)
    return [weights[0] * a + weights[1] * b for a, b in zip(first, second, strict=True)]


def _draw(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    sizes = np.asarray(0.5 + rng.integers(_GRID, size=shape) / _GRID)
    return np.asarray(sizes * rng.choice([-1.0, 1.0], size=shape))
