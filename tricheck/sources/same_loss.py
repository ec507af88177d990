"""Does a reference compute the model's loss? Values are compared before any gradient is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tricheck.calls import Calls
from tricheck.parameters import LARGE, FloatArray, Parameters, random_signs
from tricheck.sources.noise import Noise
from tricheck.vocabulary import Cause, Finding, Severity, Source

_DISPLACED = 2
_VALUE_ULPS = 1024.0
_AT_POINT = "at the point"


@dataclass(frozen=True)
class Mismatch:
    """Two losses that differ.

    Attributes
    ----------
    model, reference : float
        The model's loss, and the one that the reference differentiates.
    where : str
        At the point, or beside it.
    """

    model: float
    reference: float
    where: str

    def __str__(self) -> str:
        gap = abs(self.model - self.reference)
        size = max(abs(self.model), abs(self.reference))
        digits = int(np.ceil(np.log10(size / gap))) + 2 if np.isfinite(gap) and gap else 6
        shown = f".{min(max(digits, 6), 17)}g"
        return (
            f"{self.where} the model's is {self.model:{shown}}, the other {self.reference:{shown}}"
        )


def mismatch(
    at_point: Any,
    elsewhere: Callable[[FloatArray], Any],
    calls: Calls,
    noise: Noise,
    seed: int,
) -> Mismatch | None:
    """Where a loss differs from the model's, at the point or a little away; None where it does not.

    Parameters
    ----------
    at_point : number
        The other loss at the point.
    elsewhere : callable
        The other loss at any flat point.
    calls : Calls
        The model's own.
    noise : Noise
        The loss's noise, which is no difference.
    seed : int
        Seed of the displacements.
    """
    point = calls.parameters.values
    found = differing(calls.loss(point), at_point, noise)
    rng = np.random.default_rng(seed)
    large = point.size > LARGE
    for _ in range(1 if large else _DISPLACED):
        if found is not None:
            break
        displaced = np.abs(point)
        np.maximum(displaced, 0.1, out=displaced)
        displaced *= 0.1
        displaced *= random_signs(rng, point.size) if large else rng.standard_normal(point.size)
        displaced += point
        try:
            plain = calls.loss(displaced, spare=True)
        except Exception:  # outside the domain there is nothing to compare
            continue
        if np.isfinite(plain):
            where = _beside(calls.parameters, displaced)
            found = differing(plain, elsewhere(displaced), noise, where)
    return found


def differing(model: Any, other: Any, noise: Noise, where: str = _AT_POINT) -> Mismatch | None:
    """Whether two values of one loss differ by more than rounding and noise."""
    first, second = float(model), float(other)
    size = max(abs(first), abs(second))
    allowed = _VALUE_ULPS * float(np.spacing(size)) + 16.0 * noise.relative * size
    return None if abs(first - second) <= allowed else Mismatch(first, second, where)


def different_loss(method: str, found: Mismatch, severity: Severity) -> Finding:
    """That a reference differentiates another loss, with both values."""
    return Finding(
        Cause.DIFFERENT_LOSS,
        f"The reference ({method}) computes another loss than the model: {found}. Mend that before "
        "reading its gradient.",
        Source.REFERENCE,
        severity=severity,
        evidence={"model": found.model, "reference": found.reference, "where": found.where},
    )


def _beside(parameters: Parameters, displaced: FloatArray) -> str:
    leaf, index = parameters.locate(0)
    more = ", and so on" if parameters.size > 1 else ""
    return f"beside the point ({leaf.name}{list(index) or ''} = {displaced[0]:.6g}{more})"
