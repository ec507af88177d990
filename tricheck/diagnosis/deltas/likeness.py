"""Is an array the right gradient, a multiple of it, or beyond doubt another?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tricheck.parameters import FloatArray, Leaf
from tricheck.sources.estimate import Estimate

_ULPS = 64.0
_CLOSE = 8.0  # times the relative bound of backprop's own blocks
_FAR = 1e3
_TINY = 1e-6  # of the largest gradient entry: such a block's relative bound says little


@dataclass(frozen=True)
class Likeness:
    """What an array is beside the right gradient.

    Attributes
    ----------
    factor : float or None
        It is so many times the right one, 1 if it is right; None if it is no multiple of it.
    apart : bool
        It is another beyond doubt.
    """

    factor: float | None
    apart: bool

    @property
    def right(self) -> bool:
        """Whether it is the right gradient."""
        return self.factor == 1.0


@dataclass(frozen=True)
class Ruler:
    """How closely gradients can be told apart, relative to an array's largest entry.

    Attributes
    ----------
    close : float
        What rounding explains.
    far : float
        What it does not explain by any means.
    """

    close: float
    far: float

    @classmethod
    def of(cls, backprop: Estimate, leaves: tuple[Leaf, ...], eps: float) -> Ruler:
        """By the relative bounds of the parameters' own gradients, and no less than some ulps."""
        blocks = [(backprop.values[leaf.place], backprop.bounds[leaf.place]) for leaf in leaves]
        sizes = [_largest(values) for values, _ in blocks]
        bounds = [_largest(bounds) for _, bounds in blocks]
        relative = [
            bound / size
            for size, bound in zip(sizes, bounds, strict=True)
            if size > _TINY * max(sizes)
        ]
        unit = max([_ULPS * eps, *relative])
        return cls(_CLOSE * unit, _FAR * unit)

    def compare(
        self, array: npt.NDArray[np.floating], right: FloatArray, value: FloatArray
    ) -> Likeness:
        """What an array is beside the right gradient of a value; all of one shape."""
        size = _largest(right)
        if not np.all(np.isfinite(array)):
            return Likeness(None, True)
        if size == 0.0:
            return Likeness(None, False)
        gap = np.abs(array - right)
        if np.max(gap) <= self.close * size:
            return Likeness(1.0, False)
        # Where the value is 0 it may lie on a kink, and both slopes be right.
        if not np.max(gap, where=value != 0.0, initial=0.0) > self.far * size:
            return Likeness(None, False)
        return Likeness(self._factor(array, right, size), True)

    def _factor(
        self, array: npt.NDArray[np.floating], right: FloatArray, size: float
    ) -> float | None:
        factor = float(np.vdot(right, array) / np.vdot(right, right))
        several = int(np.sum(np.abs(right) > self.far * size)) > 1
        if factor == 0.0 or not (several or abs(factor + 1.0) <= self.close):
            return None  # one entry always has some factor
        drift = self.close * abs(factor) * size
        return factor if np.max(np.abs(array - factor * right)) <= drift else None


def _largest(values: FloatArray) -> float:
    return float(np.max(np.abs(values), where=np.isfinite(values), initial=0.0))
