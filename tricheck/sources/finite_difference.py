"""Central finite differences of the loss as it is implemented, each with its measured bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.calls import Evaluator
from tricheck.parameters import FloatArray
from tricheck.sources.estimate import Estimate
from tricheck.sources.ladder import Derivative, Stencil, differentiate, first_step
from tricheck.sources.noise import Noise
from tricheck.vocabulary import Cause, Source


@dataclass(frozen=True)
class FiniteDifference(Estimate):
    """A finite-difference gradient with what its bound is made of.

    Attributes
    ----------
    entries : list of Derivative
        The measurement behind each value.
    noise : Noise
        Noise of the loss.
    fixed_step : float or None
        The step the user asked for.
    best_steps : ndarray, shape (size,)
        The step that the measurement would choose.
    """

    entries: list[Derivative]
    noise: Noise
    fixed_step: float | None
    best_steps: FloatArray

    @property
    def kinks(self) -> npt.NDArray[np.bool_]:
        """Entries along which the point itself sits on a kink, shape (size,)."""
        kinks = [entry.kink is not None and not entry.kink.distance for entry in self.entries]
        return np.array(kinks, dtype=bool)

    @property
    def troubles(self) -> npt.NDArray[np.bool_]:
        """Entries with any other sign of failure, shape (size,)."""
        return np.array([entry.trouble is not None for entry in self.entries], dtype=bool)

    def opened(self, margins: Mapping[int, float], jump: float = 0.0) -> FiniteDifference:
        """The same with wider bounds at some positions; with a jump, that is their trouble."""
        entries = list(self.entries)
        for position, margin in margins.items():
            entry = replace(entries[position], bound=entries[position].bound + margin)
            entries[position] = replace(entry, trouble=Cause.JUMP, jump=jump) if jump else entry
        return replace(self, entries=entries, bounds=np.array([entry.bound for entry in entries]))


@dataclass(frozen=True)
class Sweeper:
    """The loss along single entries, its value and noise at the point known.

    Attributes
    ----------
    evaluate : Evaluator
        The loss over a flat vector; left as it was found, also on an exception.
    base : numpy scalar
        The loss at the point.
    noise : Noise
        Its noise there.
    step : float or None
        A fixed absolute step, or None to choose and certify one per entry.
    """

    evaluate: Evaluator
    base: Any
    noise: Noise
    step: float | None

    def measure(self) -> FiniteDifference:
        """Differentiate the loss in every entry."""
        pairs = self._measure(range(self.evaluate.flat.size), thorough=False)
        return self._gradient(*map(list, zip(*pairs, strict=True)))

    def remeasure(self, earlier: FiniteDifference, positions: list[int]) -> FiniteDifference:
        """The same with the whole ladder at some entries, where a verdict hangs on them.

        The others keep their values, under the noise that is known by now.
        """
        extra = self.noise.level - earlier.noise.level
        entries = [entry.noisier(extra) for entry in earlier.entries]
        best_steps = list(earlier.best_steps)
        again = self._measure(positions, thorough=True)
        for position, (entry, best_step) in zip(positions, again, strict=True):
            entries[position], best_steps[position] = entry, best_step
        return self._gradient(entries, best_steps)

    def _measure(
        self, positions: Iterable[int], *, thorough: bool
    ) -> list[tuple[Derivative, float]]:
        try:
            return [self._entry(position, thorough) for position in positions]
        finally:
            self.evaluate.restore()

    def certify(self, position: int, *, thorough: bool = False) -> Derivative:
        """The derivative in one entry, its step chosen by what is measured."""
        x = self.evaluate.flat[position]
        finest = 4.0 * float(np.spacing(abs(x))) if x else 0.0
        scale = max(1.0, abs(float(x)))
        first = scale * first_step(self.noise.level, self.noise.slope)
        return differentiate(self._probe(position), first, scale, finest, thorough=thorough)

    def across(self, position: int, jumps: float) -> Derivative:
        """The derivative in one entry of a loss whose jumps of a size are taken for noise."""
        return replace(self, noise=self.noise.at_least(jumps), step=None).certify(position)

    def stencil(self, position: int, step: float) -> Stencil:
        """The stencil of one entry at a given step."""
        return self._probe(position)(step)

    def _entry(self, position: int, thorough: bool) -> tuple[Derivative, float]:
        """What is reported of one entry, and the step that suits it best."""
        certified = self.certify(position, thorough=thorough)
        if self.step is None:
            return certified, certified.step
        return _at_fixed_step(self.stencil(position, self.step), certified), certified.step

    def _probe(self, position: int) -> Callable[[float], Stencil]:
        """Stencils along one entry of the flat vector."""
        evaluate, base, noise = self.evaluate, self.base, self.noise
        flat = evaluate.flat
        x = flat[position]

        def probe(step: float) -> Stencil:
            flat[position] = x + step
            right = flat[position]  # where the step truly leads, in the parameter's precision
            plus = evaluate()
            flat[position] = x - (right - x)
            left = flat[position]
            width = float(right - left)
            if not width > 0.0:
                flat[position] = x
                return Stencil(0.0, np.nan, np.nan, np.nan, np.inf)
            minus = evaluate()
            flat[position] = x
            half = width / 2.0
            # Far from the point the loss may be larger, and so is its noise.
            size = float(max(abs(plus), abs(minus)))
            grown = size / noise.size if size > noise.size > 0.0 else 1.0
            return Stencil(
                half,
                float(plus - minus) / width,
                float(plus - base) / float(right - x),
                float(base - minus) / float(x - left),
                noise.level * grown / half,
            )

        return probe

    def _gradient(self, entries: list[Derivative], best_steps: list[float]) -> FiniteDifference:
        return FiniteDifference(
            Source.FINITE_DIFFERENCE,
            np.array([entry.value for entry in entries]),
            np.array([entry.bound for entry in entries]),
            "central differences" + (f" at step {self.step:g}" if self.step is not None else ""),
            entries,
            self.noise,
            self.step,
            np.array(best_steps),
        )


def _at_fixed_step(classical: Stencil, certified: Derivative) -> Derivative:
    """The classical check's value, with its true error measured against the certified one."""
    if not classical.step:
        return Derivative(np.nan, np.inf, 0.0, np.inf, np.inf, Cause.STEP_BELOW_ULP)
    if not classical.finite:
        return Derivative(np.nan, np.inf, classical.step, np.inf, np.inf, Cause.DOMAIN)
    error = abs(classical.central - certified.value)
    rounding = min(error, classical.rounding)
    return replace(
        certified,
        value=classical.central,
        bound=error + certified.bound,
        step=classical.step,
        truncation=error - rounding,
        rounding=rounding,
    )
