"""What the user's functions compute with beside the parameters: sizes, numbers and indices.

They are what a factor can be said to be, and nothing is guessed that is not among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.diagnosis.block import Block
from tricheck.diagnosis.fit import Factor, factor_of

_DEEP = 2  # levels of containers that are looked into
_LONG = 64  # containers with more items are data, not settings
_PLACES = 2  # of a size, that are named


@dataclass(frozen=True)
class Surroundings:
    """What a relation may be read with.

    Attributes
    ----------
    sizes : mapping of int to str
        Lengths of axes and numbers of entries, each with where it is found.
    batches : frozenset of int
        Those of them that a gradient may be summed over.
    numbers : mapping of str to float
        Floats by name: a regularization strength, a rate, a temperature.
    indices : mapping of str to ndarray
        Arrays of natural numbers by name: labels, words, edges.
    blocks : tuple of Block
        All parameters, the right ones too.
    factors : mapping of str to Factor
        Those of the parameters that are right but for a constant factor.
    """

    sizes: Mapping[int, str] = field(default_factory=dict)
    batches: frozenset[int] = frozenset()
    numbers: Mapping[str, float] = field(default_factory=dict)
    indices: Mapping[str, npt.NDArray[np.integer[Any]]] = field(default_factory=dict)
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
        if all(_shape(value) is None for _, value in values):  # a layer's inputs are parameters
            values += [(block.name, block.weights) for block in blocks if block.weights.ndim > 1]
        places = [place for name, value in values for place in _sizes(name, value)]
        floats = {float(v): name for name, v in values if isinstance(v, float | np.floating)}
        numbers = {name: value for value, name in floats.items()}  # one name for each will do
        indices = {
            name: value
            for name, value in values
            if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.size
        }
        batches = frozenset(n for _, value in values for n in _batches(_shape(value) or ()))
        factors = {b.name: factor for b in blocks if (factor := factor_of(b)) is not None}
        return cls(_merged(places), batches, numbers, indices, blocks, factors)


def _walk(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """A value and what it holds, by name."""
    yield name, value
    if depth == 0 or isinstance(value, ModuleType | type | str | bytes) or callable(value):
        return
    inside: Mapping[Any, Any] = {}
    if isinstance(value, Mapping):
        inside = value
    elif isinstance(value, list | tuple):
        inside = dict(enumerate(value))
    elif isinstance(getattr(value, "__dict__", None), dict):
        inside = vars(value)
    if len(inside) <= _LONG:
        for key, child in inside.items():
            place = f"{name}[{key}]" if isinstance(key, int) else f"{name}.{key}"
            yield from _walk(place, child, depth - 1)


def _sizes(name: str, value: Any) -> Iterator[tuple[int, str, str]]:
    """Sizes of a value: the number, what it is of it, and the value's name."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        yield int(value), "", name
        return
    if isinstance(value, list | tuple):
        yield len(value), "the length", name
        return
    shape = _shape(value) or ()
    for axis, length in enumerate(shape):
        yield length, f"axis {axis}", name
    if sum(n > 1 for n in shape) > 1:
        yield int(np.prod(shape)), "the number of entries", name
    if len(shape) > 2:
        for axis in range(len(shape)):
            others = " and ".join(str(other) for other in range(len(shape)) if other != axis)
            yield int(np.prod(shape[:axis] + shape[axis + 1 :])), f"axes {others}", name


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of an array, of whatever library; None for what has none, or no axes."""
    shape = getattr(value, "shape", None)
    axes = isinstance(shape, tuple) and all(isinstance(length, int) for length in shape)
    return shape if axes and shape else None


def _batches(shape: tuple[int, ...]) -> Iterator[int]:
    """What a gradient may be summed over: samples, time steps, pixels, not features."""
    yield from shape[:1] if len(shape) < 3 else shape
    if len(shape) > 2:
        yield from (int(np.prod(shape[:axis] + shape[axis + 1 :])) for axis in range(len(shape)))


def _merged(places: list[tuple[int, str, str]]) -> dict[int, str]:
    """Where each size from 2 on is found, like "axis 0 of X and Y"."""
    found: dict[int, dict[str, list[str]]] = {}
    for size, what, name in places:
        if size > 1:
            names = found.setdefault(size, {}).setdefault(what, [])
            names += [name] if name not in names else []
    return {size: _place(by_kind) for size, by_kind in found.items()}


def _place(by_kind: dict[str, list[str]]) -> str:
    # One axis of several arrays says more than many axes of one.
    ranked = sorted(by_kind.items(), key=lambda item: -len(item[1]))[:_PLACES]
    return ", ".join(
        (f"{what} of " if what else "") + " and ".join(names[:_PLACES]) for what, names in ranked
    )
