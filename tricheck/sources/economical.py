"""One stencil per entry of a smooth loss: a sample tells how fast its Taylor series falls.

A step so small that the largest third derivative of the sample, many times over, would not show
beside rounding needs no second step to say so. What the one-sided gap of a stencil may be is known
from the sample too; where it is more, there is a kink, and the entry is measured on its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tricheck.parameters import FloatArray, Leaf
from tricheck.sources.ladder import (
    ROUNDING_SAFETY,
    TRUNCATION_SAFETY,
    Derivative,
    Stencil,
    is_lawful,
)

_SHARE = 8  # one entry in so many is sampled,
_FEWEST, _MOST = 4, 64  # and of one parameter no fewer, and no more
_UNSEEN = 64.0  # how much more other entries may bend than those of the sample
_GAP = 8.0
_GOLDEN = (5.0**0.5 - 1.0) / 2.0
_CLEAR = 8.0  # roundings by which a gap stands out


@dataclass(frozen=True)
class Law:
    """How far a loss is from a straight line, in units of each entry's scale.

    Attributes
    ----------
    step : float
        The step at which the unseen truncation equals rounding.
    second, third : float
        The largest second and third derivatives of the sample.
    """

    step: float
    second: float
    third: float


@dataclass(frozen=True)
class Columns:
    """What single stencils gave, a row for each.

    Attributes
    ----------
    positions : ndarray of int, shape (count,)
        Of the entries in the flat vector, in their order.
    steps, values, truncation, rounding : ndarray, shape (count,)
    lawful : ndarray of bool, shape (count,)
        Where nothing speaks of a kink or of the end of the loss's domain.
    """

    positions: npt.NDArray[np.intp]
    steps: FloatArray
    values: FloatArray
    truncation: FloatArray
    rounding: FloatArray
    lawful: npt.NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[Columns]) -> Columns:
        """Several after each other."""
        none = np.empty(0)
        empty = cls(np.empty(0, np.intp), none, none, none, none, np.empty(0, bool))
        rows = zip(*(vars(part).values() for part in [empty, *parts]), strict=True)
        return cls(*map(np.concatenate, rows))

    @property
    def bounds(self) -> FloatArray:
        """Bounds on the error of the values, shape (count,)."""
        bounds: FloatArray = TRUNCATION_SAFETY * self.truncation + ROUNDING_SAFETY * self.rounding
        return bounds

    def row(self, position: int) -> Derivative:
        """The measurement of one entry."""
        k = int(np.searchsorted(self.positions, position))
        return Derivative(
            float(self.values[k]),
            float(self.bounds[k]),
            float(self.steps[k]),
            float(self.truncation[k]),
            float(self.rounding[k]),
        )

    def noisier(self, extra: float) -> Columns:
        """The same, the loss's noise found to be higher by `extra`."""
        return replace(self, rounding=self.rounding + extra / self.steps)


def sample(leaves: Iterable[Leaf]) -> list[int]:
    """Positions spread over every parameter, without a pattern of rows or columns.

    Examples
    --------
    >>> import numpy as np
    >>> from tricheck.parameters import Parameters
    >>> sample(Parameters.read(np.zeros((10, 10))).leaves)
    [3, 9, 18, 23, 32, 41, 47, 56, 61, 70, 79, 85, 94]
    """
    positions: set[int] = set()
    for leaf in leaves:
        size = leaf.stop - leaf.start
        count = min(size, max(_FEWEST, min(-(-size // _SHARE), _MOST)))
        shares = np.arange(1, count + 1) * _GOLDEN % 1.0
        positions.update(leaf.start + int(offset) for offset in shares * size)
    return sorted(positions)


def law(stencils: Sequence[Sequence[Stencil]], scales: FloatArray, noise: float) -> Law | None:
    """What a sample says of the entries that it leaves out.

    Parameters
    ----------
    stencils : sequence of sequences of Stencil
        All that were measured of each entry of the sample.
    scales : ndarray, shape (count,)
        The length on which the loss is expected to vary with each.
    noise : float
        Absolute noise of the loss.

    Returns
    -------
    Law or None
        None where the loss is not smooth in each of them.
    """
    second, third, widest = 0.0, 0.0, np.inf
    for rungs, scale in zip(stencils, scales, strict=True):
        ordered = sorted(rungs, key=lambda rung: -rung.step)
        if len(ordered) < 2 or not is_lawful(ordered):
            return None
        for coarse, fine in pairwise(ordered):
            wide, narrow = coarse.step / scale, fine.step / scale
            bend = abs(coarse.central - fine.central) * scale / (wide**2 - narrow**2)
            third = max(third, bend)
            second = max(second, abs(coarse.gap) * scale / wide)
        widest = min(widest, ordered[0].step / scale)
    balance = (noise / (_UNSEEN * third)) ** (1 / 3) if third else np.inf
    return Law(float(min(balance, widest)), second, third)


def columns(
    positions: Sequence[int],
    right: FloatArray,
    left: FloatArray,
    ahead: FloatArray,
    behind: FloatArray,
    scales: FloatArray,
    known: Law,
    noise: float,
) -> Columns:
    """Slopes and their bounds, from the loss on either side of each entry.

    Parameters
    ----------
    positions : sequence of int
    right, left : ndarray, shape (count,)
        The loss a step ahead and a step behind, less its value at the point.
    ahead, behind : ndarray, shape (count,)
        How far these steps led.
    scales : ndarray, shape (count,)
    known : Law
    noise : float
    """
    half = (ahead + behind) / 2.0
    rounding, share = noise / half, half / scales
    gaps = np.abs(right / ahead + left / behind)
    allowed = _GAP * known.second * share / scales + _CLEAR * rounding
    return Columns(
        np.array(positions, dtype=np.intp),
        half,
        (right - left) / (ahead + behind),
        _UNSEEN * known.third * share**2 / scales,
        rounding,
        np.array(gaps <= allowed, dtype=bool),  # a gap that is no number is not either
    )
