"""The model behind a report, to be asked for more than was measured."""

from __future__ import annotations

from dataclasses import dataclass

from tricheck.formula import Formula, formula
from tricheck.model import Model
from tricheck.parameters import FloatArray, Index
from tricheck.sweeping import Sweep, sweep


@dataclass(frozen=True)
class LiveModel:
    """A model at the point of a check.

    Attributes
    ----------
    model : Model
    point : ndarray, shape (size,)
        All parameters, displaced if the check was.
    seed : int
        Of the check.
    seconds_per_loss : float
        That the check took, with all else that it did.
    """

    model: Model
    point: FloatArray
    seed: int
    seconds_per_loss: float

    def formula(self, parameter: str, index: Index | int) -> Formula:
        """As `tricheck.Report.formula`."""
        return formula(self.model, parameter, index, point=self.point)

    def sweep(self, parameter: str, index: Index | int) -> Sweep:
        """As `tricheck.Report.sweep`."""
        return sweep(self.model, parameter, index, seed=self.seed, point=self.point)
