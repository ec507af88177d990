"""What surrounds a model in a case: a noisy or offset loss, a fixed step, another reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

import tricheck
from tests.benchmark.family import mapped
from tests.benchmark.truth import leaves

Loss = Callable[..., Any]


@dataclass(frozen=True)
class Setting:
    """How a model is checked.

    Attributes
    ----------
    name : str
        Its class: ``plain``, ``offset 1e+08``, ``step 1e-04``.
    loss : callable
        The model's loss in it.
    options : dict
        Keyword arguments of `tricheck.check`.
    noise : float
        Standard deviation of the loss's noise, relative to the loss.
    answers : callable, optional
        What the reference will say, where it is handed over.
    """

    name: str
    loss: Loss
    options: dict[str, Any] = field(default_factory=dict)
    noise: float = 0.0
    answers: Loss | None = None

    @property
    def kind(self) -> str:
        """Its class without the size."""
        return self.name.split()[0]


def plain(loss: Loss) -> Setting:
    """Nothing special."""
    return Setting("plain", loss)


def fixed_step(loss: Loss, step: float) -> Setting:
    """The classical check with one step."""
    return Setting(f"step {step:.0e}", loss, {"step": step})


def offset(loss: Loss, size: float) -> Setting:
    """A constant added to the loss."""
    return Setting(f"offset {size:.0e}", lambda p, *args: loss(p, *args) + size)


def hashed_noise(loss: Loss, level: float) -> Setting:
    """The same noise at the same point, as of an iterative solver."""

    def noisy(p: Any, *args: Any) -> Any:
        return loss(p, *args) * (1.0 + level * _hashed(p))

    return Setting(f"solver-noise {level:.0e}", noisy, noise=level)


def random_noise(loss: Loss, level: float, seed: int) -> Setting:
    """Other noise at every call, as of a loss that draws without a seed."""
    draws = np.random.default_rng(seed)

    def noisy(p: Any, *args: Any) -> Any:
        return loss(p, *args) * (1.0 + level * draws.standard_normal())

    return Setting(f"random-noise {level:.0e}", noisy, noise=level)


def referred(loss: Loss, name: str, reference: Loss) -> Setting:
    """A reference that is handed over as a function."""
    return Setting(name, loss, {"reference": reference}, answers=reference)


def other_loss(loss: Loss, gradient: Loss, rate: float) -> Setting:
    """A traced reference of a rewritten loss, which has a term too many."""

    def rewritten(p: Any, *args: Any) -> Any:
        return loss(p, *args) + 0.5 * rate * sum(np.sum(leaf**2) for _, leaf in leaves(p))

    def answers(p: Any, *args: Any) -> Any:
        values = dict(leaves(p))
        return mapped(gradient(p, *args), lambda key, g: g + rate * values[key])

    return Setting("other-loss", loss, {"reference": tricheck.autograd(rewritten)}, answers=answers)


def _hashed(params: Any) -> float:
    """A number in [-1, 1] that every bit of the parameters decides."""
    digest = 0
    for _, leaf in leaves(params):
        digest = crc32(np.ascontiguousarray(leaf).tobytes(), digest)
    return digest / 2.0**31 - 1.0
