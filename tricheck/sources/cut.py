"""Has a reference lost the path to a parameter? Exactly zero, where the loss has a slope.

A value that was turned into a plain number on its way (`float`, `.item()`, `stop_gradient`,
`detach`) no longer depends on the parameters for whoever follows it, without a word.
"""

from __future__ import annotations

import numpy as np

from tricheck.calls import Calls
from tricheck.comparison import BoolArray
from tricheck.parameters import LARGE, FloatArray, Leaf
from tricheck.sources.estimate import Estimate
from tricheck.sources.noise import Noise
from tricheck.sources.rounding import leaf_lengths, lengths

_WIDE, _NARROW = 2.0**-10, 2.0**-13  # relative to the parameters
_ABOVE_NOISE = 64.0


def cut_parameters(estimate: Estimate, calls: Calls, noise: Noise, seed: int) -> list[str]:
    """Parameters with entries of exactly zero though the loss has a slope in these.

    Costs five calls of the loss for each parameter that has such entries. Of a large model only
    parameters without any other are looked at: some entries are zero wherever units are.

    Parameters
    ----------
    estimate : Estimate
        The reference.
    calls : Calls
        The model's functions.
    noise : Noise
        The loss's noise.
    seed : int
        Seed of the directions.
    """
    suspicious = np.all if calls.parameters.size > LARGE else np.any
    dead = {leaf: estimate.values[leaf.place] == 0.0 for leaf in calls.parameters.leaves}
    return [
        leaf.name
        for leaf, where in dead.items()
        if suspicious(where) and _has_slope(leaf, where, calls, noise, seed)
    ]


def contradicts(derivative: float, position: int, point: FloatArray, calls: Calls) -> bool:
    """Whether the loss has a slope along one entry, and clearly another one than a derivative."""
    line = np.zeros(calls.parameters.size)
    line[position] = lengths(calls.parameters)[position]
    slopes = [
        (_loss(calls, point + step * line) - _loss(calls, point - step * line))
        / (2.0 * step * line[position])
        for step in (_WIDE, _NARROW)
    ]
    settled = slopes[1] != 0.0 and abs(slopes[0] - slopes[1]) < 1e-3 * abs(slopes[1])
    return bool(settled and abs(derivative - slopes[1]) > 1e-2 * abs(slopes[1]))


def _has_slope(leaf: Leaf, dead: BoolArray, calls: Calls, noise: Noise, seed: int) -> bool:
    """Whether the loss has a slope along a random line through a leaf's dead entries.

    A slope stays as the step shrinks and is the same to both sides: at an optimum it falls like h²,
    over a jump it grows like 1/h, and on a kink the two sides differ.
    """
    parameters = calls.parameters
    shares = np.random.default_rng(seed).standard_normal(leaf.stop - leaf.start)
    line = shares * leaf_lengths(leaf, parameters) * dead

    def along(step: float) -> float:
        point = parameters.values.copy()
        point[leaf.place] += step * line
        return _loss(calls, point, spare=True)

    centre = _loss(calls, parameters.values)
    ahead, behind, far, back = map(along, (_NARROW, -_NARROW, _WIDE, -_WIDE))
    wide = (far - back) / (2.0 * _WIDE)
    narrow = (ahead - behind) / (2.0 * _NARROW)
    bend = abs(ahead + behind - 2.0 * centre) / (2.0 * _NARROW)
    seen = abs(narrow) > _ABOVE_NOISE * max(noise.level, np.spacing(noise.size)) / _NARROW
    return bool(seen and bend < 0.5 * abs(narrow) and 0.5 * abs(wide) < abs(narrow) < 2 * abs(wide))


def _loss(calls: Calls, flat: FloatArray, *, spare: bool = False) -> float:
    try:
        return float(calls.loss(flat, spare=spare))
    except Exception:  # beside the point the user's code may leave its domain
        return float("nan")
