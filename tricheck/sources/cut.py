"""Has a reference lost the path to a parameter? Zero throughout, where the loss has a slope.

A value that was turned into a plain number on its way (`float`, `.item()`, `stop_gradient`,
`detach`) no longer depends on the parameters for whoever follows it, without a word.
"""

from __future__ import annotations

import numpy as np

from tricheck.calls import Calls
from tricheck.parameters import FloatArray, Leaf
from tricheck.sources.estimate import Estimate
from tricheck.sources.noise import Noise
from tricheck.sources.rounding import lengths

_WIDE, _NARROW = 2.0**-10, 2.0**-13  # relative to the parameters
_ABOVE_NOISE = 64.0


def cut_parameters(estimate: Estimate, calls: Calls, noise: Noise, seed: int) -> list[str]:
    """Parameters whose gradient is exactly zero though the loss has a slope in them.

    Costs four calls of the loss for each parameter whose gradient is zero.

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
    zero = [leaf for leaf in calls.parameters.leaves if not np.any(estimate.values[leaf.place])]
    return [leaf.name for leaf in zero if _has_slope(leaf, calls, noise, seed)]


def _has_slope(leaf: Leaf, calls: Calls, noise: Noise, seed: int) -> bool:
    """Whether the central difference along a random line stays as its step shrinks.

    At an optimum it falls like h², over a jump it grows like 1/h.
    """
    parameters = calls.parameters
    line = np.zeros(parameters.size)
    shares = np.random.default_rng(seed).standard_normal(leaf.stop - leaf.start)
    line[leaf.place] = shares * lengths(parameters)[leaf.place]
    wide, narrow = (_slope(calls, line, step) for step in (_WIDE, _NARROW))
    seen = abs(narrow) > _ABOVE_NOISE * max(noise.level, np.spacing(noise.size)) / _NARROW
    return bool(seen and 0.5 * abs(wide) < abs(narrow) < 2.0 * abs(wide))


def _slope(calls: Calls, line: FloatArray, step: float) -> float:
    point = calls.parameters.values
    try:
        ahead, behind = (float(calls.loss(point + s * step * line)) for s in (1.0, -1.0))
    except Exception:  # beside the point the user's code may leave its domain
        return float("nan")
    return (ahead - behind) / (2.0 * step)
