"""Named parameter arrays: any nesting of containers, seen as one flat vector.

The flat vector is the layout that every source shares. `Parameters.build` lays the user's own
containers over it, so that one assignment to the vector changes one entry of one array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Number
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tricheck.containers import (
    as_gradient,
    as_parameter,
    described,
    matched,
    rebuild,
    refuse_aliases,
    refuse_twins,
    walk,
)
from tricheck.errors import ModelError

FloatArray = npt.NDArray[np.floating[Any]]
Blocks = Sequence[FloatArray]  # of a gradient: a flat array for each parameter
Index = tuple[int, ...]
LARGE = 100_000  # entries; of more, a pass over all is not free


class ShapeError(NamedTuple):
    """A gradient block that has not its parameter's shape."""

    parameter: str
    expected: tuple[int, ...]
    came: tuple[int, ...]
    block: FloatArray


@dataclass(frozen=True)
class Leaf:
    """One parameter array and its place in the flat vector."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    stop: int
    scalar: bool  # a Python or NumPy number, to be handed over as one

    @property
    def place(self) -> slice:
        """Where the leaf's entries lie in the flat vector."""
        return slice(self.start, self.stop)

    @property
    def pieces(self) -> Iterator[slice]:
        """The same place in short pieces."""
        return pieces(self.start, self.stop)

    def index(self, offset: int) -> Index:
        """The index tuple of an entry, counted from the leaf's first."""
        return tuple(int(i) for i in np.unravel_index(offset, self.shape)) if self.shape else ()

    def indices(self, offsets: Iterable[int]) -> list[Index]:
        """The index tuples of some entries."""
        return [self.index(int(offset)) for offset in offsets]

    def label(self, offset: int) -> str:
        """What a message calls an entry, like ``W1[2, 0]``."""
        return f"{self.name}{list(self.index(offset)) or ''}"


@dataclass(frozen=True)
class Parameters:
    """The parameters of a model: their names, shapes and values, and the containers they sit in.

    Use `Parameters.read` to make one from what the user passed as `params`.
    """

    leaves: tuple[Leaf, ...]
    values: FloatArray  # flat, float64 (longdouble if any leaf is)
    template: Any

    @classmethod
    def read(cls, params: Any) -> Parameters:
        """Read the parameters out of any nesting of containers; the arrays are copied.

        Raises
        ------
        ModelError
            When there are none, or one is not a floating-point array, is empty, or shares memory
            with another; the message names it.
        """
        found = list(walk(params, ""))
        if not found:
            raise ModelError(
                f"params is empty ({described(params)}): expected an ndarray, or a dict, list or "
                "tuple of ndarrays; pass the parameters the gradient is taken in"
            )
        refuse_twins([name for name, _ in found])
        arrays = [(name, as_parameter(name, value)) for name, value in found]
        refuse_aliases(arrays)
        leaves: list[Leaf] = []
        start = 0
        for (name, array), (_, value) in zip(arrays, found, strict=True):
            scalar = not isinstance(value, np.ndarray)
            stop = start + array.size
            leaves.append(Leaf(name, array.shape, array.dtype, start, stop, scalar))
            start = stop
        dtype = np.result_type(np.float64, *(leaf.dtype for leaf in leaves))
        flat = np.empty(start, dtype=dtype)
        for leaf, (_, array) in zip(leaves, arrays, strict=True):
            flat[leaf.place] = array.reshape(-1)
        return cls(tuple(leaves), flat, params)

    @property
    def size(self) -> int:
        """Number of entries of all parameters."""
        return self.leaves[-1].stop

    @property
    def has_scalars(self) -> bool:
        """Whether a leaf is a number, which no view can stand for."""
        return any(leaf.scalar for leaf in self.leaves)

    @property
    def native_dtype(self) -> np.dtype[Any]:
        """The narrowest dtype that holds every parameter as the user passed it."""
        return np.result_type(*(leaf.dtype for leaf in self.leaves))

    def build(self, flat: npt.NDArray[Any], *, native: bool = False, spare: bool = False) -> Any:
        """The user's containers over `flat`: views of it, or copies in the user's own dtypes.

        Parameters
        ----------
        flat : ndarray, shape (size,)
            Any dtype; object arrays (symbols, traced values) too.
        native : bool
            Copy each block into the dtype that the user passed.
        spare : bool
            Whether views will do in place of copies, for nobody else needs `flat`.
        """
        block = self.copies(flat, native=True, spare=spare) if native else self._views(flat)
        return self.fill(lambda leaf: block(leaf)[()] if leaf.scalar else block(leaf))

    def copies(
        self, flat: npt.NDArray[Any], *, native: bool, spare: bool = False
    ) -> Callable[[Leaf], npt.NDArray[Any]]:
        """Blocks of `flat` in memory of their own; as for `build`."""
        views = self._views(flat)
        alike = not native or all(leaf.dtype == flat.dtype for leaf in self.leaves)
        if alike and self.size > LARGE:  # one large copy is faster than many small ones
            return views if spare else self._views(flat.copy())
        return lambda leaf: views(leaf).astype(leaf.dtype if native else flat.dtype)

    def _views(self, flat: npt.NDArray[Any]) -> Callable[[Leaf], npt.NDArray[Any]]:
        return lambda leaf: flat[leaf.place].reshape(leaf.shape)

    def fill(self, block: Callable[[Leaf], Any]) -> Any:
        """The user's containers, each leaf replaced by `block(leaf)`."""
        leaves = iter(self.leaves)
        return rebuild(self.template, lambda: block(next(leaves)))

    def read_gradient(
        self, gradient: Any, origin: str = "gradient"
    ) -> tuple[FloatArray, list[ShapeError]]:
        """Flatten a gradient that has the structure of the parameters; always a copy.

        Parameters
        ----------
        gradient : same structure as the parameters
            What the user's function returned; intermediate gradients beside it are left out.
        origin : str
            The function's name in messages.

        Returns
        -------
        values : ndarray, shape (size,)
            NaN where a block has the wrong shape.
        shape_errors : list of ShapeError

        Raises
        ------
        ModelError
            When a parameter is missing or unknown, or a block is not made of floats.
        """
        blocks, shape_errors = self.read_blocks(gradient, origin)
        return self.joined(blocks), shape_errors

    def read_blocks(
        self, gradient: Any, origin: str = "gradient"
    ) -> tuple[Blocks, list[ShapeError]]:
        """The same as blocks, which may lie in the user's own memory."""
        blocks, shape_errors = [], []
        for leaf, block in zip(self.leaves, self._arrays(gradient, origin), strict=True):
            size = leaf.stop - leaf.start
            if block.shape == leaf.shape or (block.ndim == 0 and size == 1):
                blocks.append(block.reshape(-1))
            else:
                blocks.append(np.broadcast_to(np.nan, size))
                shape_errors.append(ShapeError(leaf.name, leaf.shape, block.shape, block.copy()))
        return blocks, shape_errors

    def joined(self, blocks: Blocks) -> FloatArray:
        """The flat vector of some blocks; a copy."""
        values = np.empty(self.size, dtype=self.values.dtype)
        for leaf, block in zip(self.leaves, blocks, strict=True):
            values[leaf.place] = block
        return values

    @property
    def nowhere(self) -> list[FloatArray]:
        """Blocks of NaN."""
        return self.parts(np.broadcast_to(np.nan, self.size))

    def parts(self, flat: FloatArray) -> list[FloatArray]:
        """The blocks of a flat vector, as views of it."""
        return [flat[leaf.place] for leaf in self.leaves]

    def blocks(self, gradient: Any, origin: str) -> list[npt.NDArray[Any]]:
        """The gradient's arrays in the order of the leaves, as the user made them."""
        structure = self.split(gradient)[0]
        return [np.asarray(value) for value in matched(self.template, structure, "", origin)]

    def _arrays(self, gradient: Any, origin: str) -> list[npt.NDArray[Any]]:
        try:
            came = matched(self.template, self.split(gradient)[0], "", origin)
            return [
                as_gradient(leaf.name, v, origin) for leaf, v in zip(self.leaves, came, strict=True)
            ]
        except ModelError as error:
            if not _is_value_and_gradient(gradient):
                raise
            raise ModelError(
                f"{origin} returned a number and a {type(gradient[1]).__name__}, expected the "
                "gradient alone: return the second of the two, or pass a function that returns "
                "loss and gradient as the loss, with gradient=True"
            ) from error

    def split(self, answer: Any) -> tuple[Any, Mapping[str, Any]]:
        """A gradient, and the intermediate gradients by name that may come beside it."""
        params = self.template
        if isinstance(params, list | tuple) and len(params) == 2 and isinstance(params[1], Mapping):
            return answer, {}  # that dict is the gradient of the second entry
        return split(answer)

    def locate(self, position: int) -> tuple[Leaf, Index]:
        """The leaf and index tuple of a position in the flat vector."""
        leaf = next(leaf for leaf in self.leaves if position < leaf.stop)
        return leaf, leaf.index(position - leaf.start)

    def position(self, name: str, index: Index | int) -> tuple[Leaf, int]:
        """The leaf of this name, and an entry's position in the flat vector.

        Raises
        ------
        ModelError
            When there is no such parameter or entry.
        """
        names = [leaf.name for leaf in self.leaves]
        if name not in names:
            entry = "; an entry's index is given beside the name" if "[" in str(name) else ""
            raise ModelError(
                f"there is no parameter {name!r}: the model has {', '.join(names)}{entry}"
            )
        leaf = self.leaves[names.index(name)]
        place = index if isinstance(index, tuple | list) else (index,)
        try:
            offset = int(np.ravel_multi_index(place, leaf.shape)) if leaf.shape else 0
            fits = len(place) == len(leaf.shape)
            fits = fits and not any(isinstance(i, bool) for i in place)
        except (ValueError, TypeError):
            fits = False
        if not fits:
            raise ModelError(
                f"index is {index!r}, expected one entry of {name!r}, whose shape is {leaf.shape}: "
                f"{leaf.name}{list(leaf.index(0))} is its first"
            )
        return leaf, leaf.start + offset

    def parse_entry(self, text: str) -> tuple[str, Index]:
        """The parameter and index that ``W1[0,1]`` names; a parameter's own name may end so too.

        Raises
        ------
        ModelError
            When there is no such entry.
        """
        name, index = text, tuple[int, ...]()
        if all(leaf.name != text for leaf in self.leaves) and text.endswith("]"):
            before, _, inside = text[:-1].rpartition("[")
            with suppress(ValueError):  # then it is no entry, and said to be none
                name, index = before, tuple(int(part) for part in inside.split(","))
        self.position(name, index)
        return name, index


def split(answer: Any) -> tuple[Any, Mapping[str, Any]]:
    """What a backward pass returns, and the intermediate gradients that may come beside it.

    Examples
    --------
    >>> split(("gradient", {"dz1": 0.5}))
    ('gradient', {'dz1': 0.5})
    >>> split(("first", "second"))
    (('first', 'second'), {})
    """
    match answer:
        case (gradient, Mapping() as beside) if type(answer) is tuple:
            if all(isinstance(name, str) for name in beside):
                return gradient, beside
    return answer, {}


def _is_value_and_gradient(answer: Any) -> bool:
    return type(answer) is tuple and len(answer) == 2 and isinstance(answer[0], Number)


def pieces(start: int, stop: int) -> Iterator[slice]:
    """What lies between in pieces so short that what is computed of one costs no new memory."""
    for first in range(start, stop, LARGE):
        yield slice(first, min(first + LARGE, stop))


def per_parameter_max(parameters: Parameters, values: FloatArray) -> FloatArray:
    """The largest finite magnitude in each parameter, for each of its entries."""
    largest = np.empty(parameters.size)
    for leaf in parameters.leaves:
        largest[leaf.place] = largest_of(values[leaf.place])
    return largest


def largest_of(values: FloatArray) -> float:
    """The largest finite magnitude; 0 where there is none."""
    largest = max(float(np.max(values)), -float(np.min(values)))
    if np.isfinite(largest):
        return largest
    size = np.abs(values)
    return float(np.max(size, where=np.isfinite(size), initial=0.0))


def random_signs(rng: np.random.Generator, size: int) -> npt.NDArray[np.int8]:
    """Ones and minus ones, shape (size,), in a byte each."""
    signs = rng.integers(0, 2, size, dtype=np.int8)
    signs *= 2
    signs -= 1
    return signs
