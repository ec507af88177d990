"""What the user's functions compute with beside the parameters: sizes, numbers and indices.

They are what a factor can be said to be, and nothing is guessed that is not among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.diagnosis.relations.block import Block
from tricheck.diagnosis.relations.fit import Factor, data_factor_of, factor_of
from tricheck.outside import is_code
from tricheck.parameters import FloatArray

_DEEP = 2  # levels of containers that are looked into
_LONG = 64  # containers with more items are data, not settings
_PLACES = 2  # of a size, that are named
_HUGE = 2**31  # what is larger is no size but a seed or a hash


@dataclass(frozen=True)
class Surroundings:
    """What a relation may be read with.

    Attributes
    ----------
    sizes : mapping of int to str
        Lengths of axes and numbers of entries, each with where it is found.
    letters : mapping of int to str
        What they are called: N samples, K outputs or features, T steps; "N or T" if it may be both.
    batches : frozenset of int
        Those of them that a gradient may be summed over.
    numbers : mapping of str to float
        Floats by name: a regularization strength, a rate, a temperature.
    indices : mapping of str to ndarray
        Arrays of integers by name: labels, words, edges.
    vectors : mapping of str to ndarray
        Floats along one axis by name: weights of samples or classes, masks.
    blocks : tuple of Block
        All parameters, the right ones too.
    factors : mapping of str to Factor
        Those of the parameters that are right but for a constant factor, of the data term at least.
    """

    sizes: Mapping[int, str] = field(default_factory=dict)
    letters: Mapping[int, str] = field(default_factory=dict)
    batches: frozenset[int] = frozenset()
    numbers: Mapping[str, float] = field(default_factory=dict)
    indices: Mapping[str, npt.NDArray[np.integer[Any]]] = field(default_factory=dict)
    vectors: Mapping[str, FloatArray] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    factors: Mapping[str, Factor] = field(default_factory=dict)

    @classmethod
    def read(cls, named: Mapping[str, Any], blocks: Iterable[Block]) -> Surroundings:
        """Of named values, which may be nested; of the parameters' sizes where they hold none.

        Examples
        --------
        >>> around = Surroundings.read({"X": np.ones((6, 3)), "options": {"reg": 0.1}}, [])
        >>> around.sizes[6], around.numbers
        ('axis 0 of X', {'options.reg': 0.1})
        """
        blocks = tuple(blocks)
        values = [found for name, value in named.items() for found in _walk(name, value, _DEEP)]
        values = [(name, value) for name, value in values if not _is_parameter(value, blocks)]
        if not any(_shape(value) for _, value in values):  # a layer's inputs are parameters
            values += [(block.name, block.weights) for block in blocks if block.weights.ndim > 1]
        floats: dict[float, str] = {}
        for name, value in values:  # one name for each number will do: the first
            if isinstance(value, float | np.floating):
                floats.setdefault(float(value), name)
        arrays = [(name, value) for name, value in values if isinstance(value, np.ndarray)]
        fitted = {b.name: factor_of(b) or data_factor_of(b) for b in blocks if not b.mostly_right}
        factors = {name: factor for name, factor in fitted.items() if factor is not None}
        return cls(
            _merged([place for name, value in values for place in _sizes(name, value)]),
            _lettered([pair for _, value in values for pair in _letters(value)]),
            frozenset(size for _, value in values for size in _batches(_shape(value)) if size),
            {name: number for number, name in floats.items()},
            {name: array for name, array in arrays if array.dtype.kind in "iu" and array.size},
            {
                name: np.squeeze(array).astype(np.float64)
                for name, array in arrays
                if array.dtype.kind in "fb" and sum(n > 1 for n in array.shape) == 1
            },
            blocks,
            factors,
        )


def _is_parameter(value: Any, blocks: tuple[Block, ...]) -> bool:
    """Whether an object that is handed over holds a parameter there."""
    if not (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        return False
    alike = [block.weights for block in blocks if block.shape == value.shape]
    return any(np.array_equal(value, weights) for weights in alike)


def _walk(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """A value and what it holds, by name."""
    yield name, value
    inside: dict[Any, Any] = {}
    if isinstance(value, dict):
        inside = value
    elif isinstance(value, list | tuple):
        inside = dict(enumerate(value[:_LONG]))
    elif not is_code(value):
        inside = getattr(value, "__dict__", {})
    if depth > 0 and len(inside) <= _LONG:
        for key, child in inside.items():
            place = f"{name}[{key}]" if isinstance(key, int) else f"{name}.{key}"
            yield from _walk(place, child, depth - 1)


def _sizes(name: str, value: Any) -> Iterator[tuple[int, str, str]]:
    """Sizes of a value: the number, what it is of it, and the value's name."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        yield int(value), "", name
        return
    if isinstance(value, list) and value and isinstance(value[0], int | float | str):
        yield len(value), "the length", name
        return
    shape = _shape(value)
    for axis, length in enumerate(shape):
        yield length, f"axis {axis}", name
    if sum(n > 1 for n in shape) > 1:
        yield int(np.prod(shape)), "the number of entries", name
    if len(shape) > 2:
        for axis in range(len(shape)):
            others = " and ".join(str(other) for other in range(len(shape)) if other != axis)
            yield int(np.prod(shape[:axis] + shape[axis + 1 :])), f"axes {others}", name


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of an array, of whatever library; empty for what is none."""
    try:
        shape = value.shape
    except Exception:  # other people's attributes may raise anything
        return ()
    axes = isinstance(shape, tuple) and all(isinstance(length, int) for length in shape)
    return shape if axes else ()


def _batches(shape: tuple[int, ...]) -> Iterator[int]:
    """What a gradient may be summed over: samples, time steps, pixels, not features."""
    yield from shape[:1] if len(shape) < 3 else shape
    if len(shape) > 2:
        yield from (int(np.prod(shape[:axis] + shape[axis + 1 :])) for axis in range(len(shape)))


def _letters(value: Any) -> Iterator[tuple[int, str]]:
    """The lengths of an array's axes, and what such axes are called."""
    shape = _shape(value)
    indices = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
    for axis, length in enumerate(shape):
        if len(shape) > 2 and axis < 2:
            yield length, "N"
            yield length, "T"
        elif axis == 0:
            yield length, "N"
        else:
            yield length, "T" if indices else "K"


def _lettered(pairs: Iterable[tuple[int, str]]) -> dict[int, str]:
    found: dict[int, set[str]] = {}
    for size, letter in pairs:
        found.setdefault(size, set()).add(letter)
    return {size: " or ".join(sorted(letters, key="NKT".index)) for size, letters in found.items()}


def _merged(places: list[tuple[int, str, str]]) -> dict[int, str]:
    """Where each size from 2 on is found, like "axis 0 of X and Y"."""
    found: dict[int, dict[str, list[str]]] = {}
    for size, what, name in places:
        if 1 < size < _HUGE:
            names = found.setdefault(size, {}).setdefault(what, [])
            names += [name] if name not in names else []
    return {size: _place(by_kind) for size, by_kind in found.items()}


def _place(by_kind: dict[str, list[str]]) -> str:
    # One axis of several arrays says more than many axes of one.
    ranked = sorted(by_kind.items(), key=lambda item: -len(item[1]))[:_PLACES]
    return ", ".join(
        (f"{what} of " if what else "") + " and ".join(names[:_PLACES]) for what, names in ranked
    )
