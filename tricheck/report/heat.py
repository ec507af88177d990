"""How far the sources are apart in every entry of a parameter, on a grid that can be looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from tricheck.containers import walk
from tricheck.parameters import FloatArray, Index
from tricheck.report.facts import ParameterReport, Report
from tricheck.vocabulary import Source

Blocks = Mapping[str, tuple[FloatArray, FloatArray]]  # by source: values and bounds, flat


@dataclass(frozen=True)
class Cell:
    """An entry, or a block of them.

    Attributes
    ----------
    name : str
        The indices it covers, like ``[2, 0]`` or ``[0:8, 16:24]`` of the array as a matrix.
    ratio : float
        The largest difference of two sources over their bounds; NaN where nothing was compared.
    wrong : int
        How many of its entries are blamed.
    index : int
        The entry of that ratio, among the parameter's entries.
    """

    name: str
    ratio: float
    wrong: int
    index: int


@dataclass(frozen=True)
class Heat:
    """A parameter as a grid.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the parameter as a matrix.
    block : tuple of int
        Rows and columns of a cell; (1, 1) where each entry has its own.
    ratios : ndarray, shape (m, n)
        For each cell, the largest difference of two sources over their bounds.
    wrong : ndarray of int, shape (m, n)
        How many of its entries are blamed.
    worst : ndarray of int, shape (m, n)
        The entry of that ratio, among the parameter's entries.
    """

    shape: tuple[int, int]
    block: tuple[int, int]
    ratios: FloatArray
    wrong: npt.NDArray[np.intp]
    worst: npt.NDArray[np.intp]

    @property
    def entrywise(self) -> bool:
        """Whether every entry has its own cell."""
        return self.block == (1, 1)

    def cells(self) -> Iterator[Cell]:
        """Row by row."""
        for i, j in np.ndindex(self.ratios.shape):
            yield Cell(
                self._name(i, j),
                float(self.ratios[i, j]),
                int(self.wrong[i, j]),
                int(self.worst[i, j]),
            )

    def _name(self, i: int, j: int) -> str:
        sides = zip((i, j), self.block, self.shape, strict=True)
        ranges = [f"{k * b}:{min((k + 1) * b, end)}" if b > 1 else f"{k}" for k, b, end in sides]
        return f"[{', '.join(ranges)}]"


def blocks(report: Report) -> dict[str, dict[str, tuple[FloatArray, FloatArray]]]:
    """For each parameter and source, its values and bounds as flat arrays."""
    found: dict[str, dict[str, tuple[FloatArray, FloatArray]]] = {}
    for source, gradient in report.gradients.items():
        bounds = walk(report.bounds[source], "")
        for (name, values), (_, bound) in zip(walk(gradient, ""), bounds, strict=True):
            found.setdefault(name, {})[str(source)] = (_flat(values), _flat(bound))
    return found


def heat(parameter: ParameterReport, sources: Blocks, most: int) -> Heat:
    """The grid of a parameter, of at most about so many cells.

    Parameters
    ----------
    parameter : ParameterReport
    sources : mapping of str to two ndarrays, shape (size,)
    most : int

    Examples
    --------
    >>> import numpy as np
    >>> import tricheck
    >>> report = tricheck.check(lambda w: np.sum(w**2), lambda w: w, np.ones((3, 40)))
    >>> grid = heat(report.parameters["params"], blocks(report)["params"], most=60)
    >>> grid.ratios.shape, grid.block, int(grid.wrong.sum())
    ((2, 20), (2, 2), 120)
    """
    shape = as_matrix(parameter.shape)
    block = _block(shape, most)
    ratios = ratio(sources).reshape(shape)
    wrong = np.zeros(shape, dtype=bool)
    if parameter.wrong:
        wrong.reshape(-1)[_offsets(parameter.wrong, parameter.shape)] = True
    return Heat(shape, block, *_summarized(ratios, wrong, block))


def ratio(sources: Blocks) -> FloatArray:
    """For each entry the largest difference of two sources over the sum of their bounds."""
    size = next(iter(sources.values()))[0].size
    most = np.full(size, np.nan)
    for (first, first_bound), (second, second_bound) in combinations(sources.values(), 2):
        with np.errstate(all="ignore"):
            difference = np.abs(first - second)
            bound = first_bound + second_bound
            found = np.where(difference == 0.0, 0.0, difference / bound)
            found[np.isinf(bound)] = np.nan
        np.fmax(most, found, out=most)
    # What is not finite where another is was computed so, and no bound makes up for that; a finite
    # difference may just not have been taken.
    finite = {source: np.isfinite(values) for source, (values, _) in sources.items()}
    some = np.logical_or.reduce(list(finite.values()))
    for source, known in finite.items():
        if source != Source.FINITE_DIFFERENCE:
            most[~known & some] = np.inf
    return most


def as_matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns that show an array of any dimension, as near to a square as axes allow.

    Examples
    --------
    >>> as_matrix((4, 3)), as_matrix((5,)), as_matrix(()), as_matrix((8, 3, 3, 3))
    ((4, 3), (1, 5), (1, 1), (24, 9))
    """
    if len(shape) < 2:
        return 1, math.prod(shape)
    splits = [(math.prod(shape[:k]), math.prod(shape[k:])) for k in range(1, len(shape))]
    return min(splits, key=lambda split: abs(math.log(split[0] / split[1])))


def _block(shape: tuple[int, int], most: int) -> tuple[int, int]:
    """Sides of the blocks that leave at most so many, as near to squares as the array allows."""
    rows, columns = shape
    side = 1
    while True:
        block = (min(side, rows), min(side, columns))
        if math.ceil(rows / block[0]) * math.ceil(columns / block[1]) <= max(most, 1):
            return block
        side += max(1, side // 8)


def _summarized(
    ratios: FloatArray, wrong: npt.NDArray[np.bool_], block: tuple[int, int]
) -> tuple[FloatArray, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    rows, columns = (-(-n // b) for n, b in zip(ratios.shape, block, strict=True))
    padding = [(0, m * b - n) for m, b, n in zip((rows, columns), block, ratios.shape, strict=True)]

    def in_blocks(array: npt.NDArray[np.generic], filling: float) -> npt.NDArray[np.generic]:
        padded = np.pad(array, padding, constant_values=filling)
        split = padded.reshape(rows, block[0], columns, block[1]).swapaxes(1, 2)
        return split.reshape(rows, columns, -1)

    values = np.asarray(in_blocks(ratios, np.nan), dtype=np.float64)
    known = np.where(np.isnan(values), -1.0, values)
    place = known.argmax(axis=-1)
    largest = np.take_along_axis(values, place[..., None], axis=-1)[..., 0]
    number = np.arange(ratios.size).reshape(ratios.shape)
    entries = np.take_along_axis(in_blocks(number, 0), place[..., None], axis=-1)[..., 0]
    return largest, in_blocks(wrong, 0).sum(axis=-1), np.asarray(entries, dtype=np.intp)


def _offsets(entries: list[Index], shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    if not shape:
        return np.zeros(len(entries), dtype=np.intp)
    return np.asarray(np.ravel_multi_index(tuple(np.transpose(entries)), shape))


def _flat(block: object) -> FloatArray:
    return np.ravel(np.asarray(block, dtype=np.float64))
