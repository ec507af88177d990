"""Is backprop the gradient of any function at all?

The Jacobian J of a gradient is symmetric: u·Jv = v·Ju for all directions. An error in the chain
rule breaks that; a forgotten term, a wrong constant or a wrong sign of the whole does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tricheck.calls import Calls
from tricheck.comparison import BoolArray
from tricheck.facts import Evidence
from tricheck.parameters import FloatArray
from tricheck.sources.rounding import lengths

_PAIRS = 2
_SURE = 10.0  # times its own error
_SHARP = 1e-5  # of the products compared: the error that shows a symmetric Jacobian


@dataclass(frozen=True)
class Curl:
    """How far backprop's Jacobian is from symmetric.

    Attributes
    ----------
    asymmetry, error : float
        The largest |u·Jv − v·Ju| seen, relative to the products, and how far that may be off.
    """

    asymmetry: float
    error: float

    @property
    def is_gradient(self) -> bool | None:
        """Whether backprop is the gradient of some function; None if this cannot tell."""
        if self.asymmetry > _SURE * self.error:
            return False
        return True if self.error <= _SHARP else None

    @property
    def evidence(self) -> dict[str, float | str | list[str]]:
        """The numbers."""
        return {"curl": self.asymmetry, "curl_error": self.error}

    @property
    def sentence(self) -> str:
        """What that says; nothing if it cannot tell."""
        return _SENTENCES.get(self.is_gradient, "")


_SENTENCES: dict[bool | None, str] = {
    True: (
        "It is the gradient of another function, though: look at the derivative of the loss "
        "itself, for a term, a constant or a branch that is not the loss's."
    ),
    False: (
        "It is not the gradient of any function: look for an error in the chain rule, not for a "
        "forgotten term of the loss."
    ),
}


def curl(
    calls: Calls, evidence: Evidence, unexplained: list[str], wrong: list[str], seed: int = 0
) -> Curl | None:
    """Compare u·Jv with v·Ju for some pairs of random directions.

    Parameters
    ----------
    calls : Calls
    evidence : Evidence
    unexplained : list of str
        Parameters of which it is asked; u changes these alone.
    wrong : list of str
        Those whose error is explained already, which no direction touches.
    seed : int

    Returns
    -------
    Curl or None
        None where the gradient cannot be had around the point, or changes between calls.
    """
    if evidence.unrepeatable.any() or evidence.point.spread or not evidence.backprop.finite.all():
        return None
    rng = np.random.default_rng(seed)
    measured = []
    for _ in range(_PAIRS):
        u, v = (
            rng.standard_normal(evidence.parameters.size) * _lengths(evidence, touched)
            for touched in (_mask(evidence, unexplained), ~_mask(evidence, wrong))
        )
        measured.append(_asymmetry(calls, evidence, u, v))
    found = [one for one in measured if one is not None]
    if len(found) < _PAIRS:
        return None
    return max(found, key=lambda one: one.asymmetry - _SURE * one.error)


def _mask(evidence: Evidence, names: list[str]) -> BoolArray:
    mask = np.zeros(evidence.parameters.size, dtype=bool)
    for leaf in evidence.parameters.leaves:
        mask[leaf.place] = leaf.name in names
    return mask


def _lengths(evidence: Evidence, touched: BoolArray) -> FloatArray:
    return np.where(touched, lengths(evidence.parameters), 0.0)


def _asymmetry(calls: Calls, evidence: Evidence, u: FloatArray, v: FloatArray) -> Curl | None:
    """One pair of directions, at two steps: their difference bounds the error."""
    eps = float(np.max(evidence.point.gradient_eps))
    step = eps ** (1.0 / 3.0)
    values = []
    for h in (step, 2.0 * step):
        along_v, along_u = _slopes(calls, v, h), _slopes(calls, u, h)
        if along_v is None or along_u is None:
            return None
        (moved_v, change_v), (moved_u, change_u) = along_v, along_u
        values.append((float(moved_u @ change_v) / h**2, float(moved_v @ change_u) / h**2))
    (first, second), (first_wide, second_wide) = values
    size = max(abs(first), abs(second))
    noise = float(evidence.backprop.bounds @ (np.abs(u) + np.abs(v))) / step
    if not (np.isfinite(size) and size > 0.0):
        return None
    error = abs(first - first_wide) + abs(second - second_wide) + noise
    return Curl(abs(first - second) / size, error / size)


def _slopes(calls: Calls, direction: FloatArray, h: float) -> tuple[FloatArray, FloatArray] | None:
    """How far a central difference really moves the point, halved, and what the gradient does."""
    point = calls.parameters.values
    there, back = point + h * direction, point - h * direction
    try:
        change = calls.gradient(there) - calls.gradient(back)
    except Exception:  # beside the point the user's code may leave its domain
        return None
    moved = _native(calls, there) - _native(calls, back)
    finite = np.all(np.isfinite(change))
    return (moved / 2.0, change / 2.0) if finite else None


def _native(calls: Calls, flat: FloatArray) -> FloatArray:
    """A point as it is in the dtypes that the user passed."""
    rounded = flat.copy()
    for leaf in calls.parameters.leaves:
        rounded[leaf.place] = flat[leaf.place].astype(leaf.dtype)
    return rounded
