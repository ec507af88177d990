"""Does the loss jump between nearby points? What a stopping rule, a table or a cast leaves behind.

A solver that stops at a tolerance gives a loss of smooth pieces: each has its own sharp slope, and
none is the slope of the loss that was meant. Stencils and traces see one piece only; a longer line
sees the jumps between them.
"""

from __future__ import annotations

import numpy as np

from tricheck.calls import Evaluator
from tricheck.parameters import FloatArray, Parameters
from tricheck.sources.noise import Noise, line_values, random_direction

_REACHES = (1.0, 2.0**-3, 2.0**-6)  # of the line, to both sides, relative to the parameters
_PIECE = 2.0**-5  # of the line: the shortest piece of a loss that stencils take for smooth
_POINTS = 97
_ORDER = 6
_ZOOMS = 7
_FACTOR = 4.0
# What a unit jump leaves in differences of that order
_AMPLITUDE = 10.0
_ABOVE_NOISE = 64.0


def slope_uncertainty(
    evaluate: Evaluator, parameters: Parameters, noise: Noise, seed: int
) -> float:
    """How far jumps leave the loss's slopes open.

    Parameters
    ----------
    evaluate : Evaluator
        The loss; left at its point.
    parameters : Parameters
        The point.
    noise : Noise
        The loss's noise.
    seed : int
        Seed of the line's direction.

    Returns
    -------
    float
        The size of a jump met on a line through the point, over the length of the shortest piece
        that stencils would take for smooth; 0 where the loss is continuous along the line.
    """
    direction = random_direction(parameters, np.random.default_rng(seed))
    jumps = (_jump(evaluate, direction, reach, noise) / (_PIECE * reach) for reach in _REACHES)
    return next((slope for slope in jumps if slope), 0.0)


def _jump(evaluate: Evaluator, direction: FloatArray, reach: float, noise: Noise) -> float:
    """The size of a jump met on a line through the point; 0 where there is none."""
    spacing, points, first = 2.0 * reach / _POINTS, _POINTS, -_POINTS / 2.0
    sizes: list[float] = []
    level = noise.level
    for _ in range(_ZOOMS):
        places = (first + np.arange(points)) * spacing
        values, offset = line_values(evaluate, direction, places)
        if not np.all(np.isfinite(values)):
            return 0.0
        # Far out the loss may be larger, and so are its rounding and its noise.
        size = float(np.max(np.abs(values + offset)))
        level = max(noise.level * size / noise.size if noise.size else 0.0, float(np.spacing(size)))
        rough = np.abs(np.diff(values, _ORDER))
        sizes.append(float(np.max(rough)) / _AMPLITUDE)
        # A jump leaves its pattern centred on itself; look closer there.
        centre = (first + int(np.argmax(rough)) + _ORDER / 2) * spacing
        spacing, points = spacing / _FACTOR, 4 * _ORDER + 1
        first = centre / spacing - points // 2
    # A kink or a steep stretch shrinks with the spacing, a jump stays.
    stays = min(sizes[-3:]) > 0.25 * max(sizes[-3:])
    return sizes[-1] if stays and sizes[-1] > _ABOVE_NOISE * level else 0.0
