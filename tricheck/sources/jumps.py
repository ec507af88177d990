"""Does the loss jump between nearby points? What a stopping rule, a table or a cast leaves behind.

A solver that stops at a tolerance gives a loss of smooth pieces: each has its own sharp slope, and
none is the slope of the loss that was meant. Stencils and traces see one piece only; a longer line
sees the jumps between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from tricheck.calls import Movable
from tricheck.comparison import BoolArray
from tricheck.parameters import FloatArray, Parameters
from tricheck.sources.noise import Noise, values_at
from tricheck.sources.residual import random_places, residual

_REACHES = (2.0, 2.0**-2, 2.0**-5)  # of the path, in each parameter's e-foldings
_PIECE = 2.0**-11  # relative to a parameter: the shortest piece that stencils take for smooth
_POINTS = 97
_ORDER = 10
_AMPLITUDE = float(comb(_ORDER - 1, (_ORDER - 1) // 2))  # what a unit jump leaves in differences
_ZOOMS = 10
_FACTOR = 4
_AROUND = _FACTOR * _ORDER // 2
_STAYS = 0.1  # three zooms leave a sixty-fourth of what a kink leaves
_BESIDE = 3  # as many zooms show what is near a jump, but not the jump
_CLOSE = 2.0**-40  # of the path: a line on which only noise is seen
_ABOVE_NOISE = 24.0


@dataclass(frozen=True)
class Jump:
    """A jump met on a path through the point.

    Attributes
    ----------
    size : float
    lengths : ndarray, shape (size,)
        How far the path moved each parameter.
    scale : ndarray, shape (size,)
        Of each parameter: its size, or one.
    """

    size: float
    lengths: FloatArray
    scale: FloatArray

    @property
    def mild(self) -> FloatArray:
        """Slopes that change the loss by as much on the whole path, shape (size,)."""
        return np.divide(self.size, self.lengths)

    @property
    def steep(self) -> FloatArray:
        """... on the shortest piece that stencils would take for smooth, shape (size,)."""
        return self.size / (_PIECE * self.scale)


def find_jump(
    evaluate: Movable, parameters: Parameters, where: BoolArray, noise: Noise, seed: int
) -> Jump | None:
    """A jump on a line through the point.

    Parameters
    ----------
    evaluate : Movable
        The loss; left at its point.
    parameters : Parameters
        The point.
    where : ndarray of bool, shape (size,)
        The entries that the line moves.
    noise : Noise
        The loss's noise.
    seed : int
        Seed of the line's direction.

    Returns
    -------
    Jump or None
        None where the loss is continuous along the line.
    """
    path = _Path.draw(parameters.values, where, seed)
    for reach in _REACHES:
        places = np.linspace(-min(reach, path.inward), reach, _POINTS)
        if size := _jump(evaluate, path, places, noise):
            return Jump(size, np.abs(path.at(reach) - path.start), path.scale)
    return None


@dataclass(frozen=True)
class _Path:
    """Through the point, on which parameters of size one or more grow and shrink by factors.

    The scales on which solvers work go by factors, and beyond zero a solver may never end: no
    parameter changes its sign.
    """

    start: FloatArray
    rates: FloatArray  # 0 for entries that stay
    signs: FloatArray
    scale: FloatArray

    @staticmethod
    def draw(values: FloatArray, where: BoolArray, seed: int) -> _Path:
        rng = np.random.default_rng(seed)
        rates = where * rng.uniform(0.75, 1.0, values.size) / np.sqrt(np.sum(where))
        signs = np.where(values == 0.0, rng.choice([-1.0, 1.0], values.size), np.sign(values))
        return _Path(values, rates, signs, np.maximum(np.abs(values), 1.0))

    @property
    def inward(self) -> float:
        """How far towards zero it leads: until a parameter has lost three quarters of its size."""
        shrinks = (self.rates > 0.0) & (self.start != 0.0)
        far = -np.log1p(-0.75 * np.abs(self.start) / self.scale) / self.rates
        return float(np.min(far, where=shrinks, initial=np.inf))

    def at(self, place: float) -> FloatArray:
        point: FloatArray = self.start + self.signs * self.scale * np.expm1(self.rates * place)
        return point


def _jump(evaluate: Movable, path: _Path, places: FloatArray, noise: Noise) -> float:
    """The size of a jump met at some places of a path; 0 where there is none."""
    sizes: list[float] = []
    ends = places
    for zoom in range(_ZOOMS):
        values, offset = values_at(evaluate, map(path.at, places))
        places, values = _finite(places, values)
        if len(values) <= 2 * _ORDER:
            return 0.0
        # Far out the loss may be larger, and so are its rounding and its noise.
        size = float(np.max(np.abs(values + offset)))
        grown = noise.level * size / noise.size if noise.size else 0.0
        rough = np.abs(np.diff(values, _ORDER))
        sizes.append(float(np.max(rough)) / _AMPLITUDE)
        if sizes[-1] <= _ABOVE_NOISE * max(grown, float(np.spacing(size))):
            return 0.0
        # A jump leaves its pattern about itself; look closer there.
        centre = places[int(np.argmax(rough)) + _ORDER // 2]
        spacing = (places[1] - places[0]) / _FACTOR
        places = centre + spacing * np.arange(-_AROUND, _AROUND + 1)
        ends = places[[0, -1]] if zoom <= _BESIDE else ends
    # A kink or a steep stretch shrinks with the spacing, a jump stays, and so does noise.
    stays = sizes[-1] > _STAYS * max(sizes[-4:])
    return sizes[-1] if stays and sizes[-1] > _ABOVE_NOISE * _noise(evaluate, path, ends) else 0.0


def _noise(evaluate: Movable, path: _Path, places: FloatArray) -> float:
    """The loss's noise right beside one of some places, for a jump may spoil the others."""
    shares = random_places(np.random.default_rng(len(places)))
    found = (values_at(evaluate, map(path.at, place + _CLOSE * shares)) for place in places)
    return min(float(residual(shares, values)) for values, _ in found)


def _finite(places: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The stretch about the point, or else about the middle, on which the loss is finite."""
    home = int(np.argmin(np.abs(places)))
    bad = np.flatnonzero(~np.isfinite(values))
    first = int(np.max(bad[bad < home] + 1, initial=0))
    last = int(np.min(bad[bad >= home], initial=len(values)))
    return places[first:last], values[first:last]
