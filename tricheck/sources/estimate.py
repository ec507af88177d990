"""What every source returns: a gradient, and its bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tricheck.parameters import FloatArray
from tricheck.vocabulary import Source


@dataclass(frozen=True)
class Estimate:
    """A gradient with its own error bound, entry by entry.

    Attributes
    ----------
    source : Source
        Who made it.
    values : ndarray, shape (size,)
        Flat gradient; NaN where it could not be measured.
    bounds : ndarray, shape (size,)
        Absolute bound on the error of each entry; infinite where it could not be measured.
    method : str
        How it was made, for reports.
    """

    source: Source
    values: FloatArray
    bounds: FloatArray
    method: str

    @property
    def finite(self) -> npt.NDArray[np.bool_]:
        """Where there is a number, as booleans of shape (size,)."""
        return np.isfinite(self.values)

    def part(self, place: slice | npt.NDArray[np.intp]) -> Estimate:
        """The same of one parameter, or of some entries."""
        return Estimate(self.source, self.values[place], self.bounds[place], self.method)
