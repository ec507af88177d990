"""What a smooth curve leaves of some values: noise, where the values lie close together."""

from __future__ import annotations

import numpy as np

from tricheck.parameters import FloatArray

POINTS = 9
_TERMS = 5  # a quartic


def random_places(rng: np.random.Generator) -> FloatArray:
    """Places in [0, 1), in order; random, for on a lattice roundings repeat by coincidence."""
    return np.sort(rng.random(POINTS))


def residual(places: FloatArray, values: FloatArray) -> FloatArray:
    """Standard deviation of values about their best quartic, column by column.

    On a short line everything smooth is a quartic, and what is left is noise, as in the difference
    tables of Hamming (1971) and Moré & Wild (2011), but at places that need not be equally spaced.

    Parameters
    ----------
    places : ndarray, shape (POINTS,)
    values : ndarray, shape (POINTS,) or (POINTS, k)

    Returns
    -------
    ndarray, shape () or (k,)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> t = random_places(rng)
    >>> noisy = np.exp(1e-3 * t) + 1e-6 * rng.standard_normal(POINTS)
    >>> bool(2e-7 < residual(t, noisy) < 5e-6)
    True
    """
    basis, _ = np.linalg.qr(np.vander(places, _TERMS))
    rest = values - values[0]
    rest = rest - basis @ (basis.T @ rest)
    deviation: FloatArray = np.sqrt(np.sum(rest**2, axis=0) / (POINTS - _TERMS))
    return deviation
