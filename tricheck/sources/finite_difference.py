"""Central finite differences of the loss as it is implemented, each with its measured bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tricheck.calls import Calls, Evaluator
from tricheck.parameters import FloatArray
from tricheck.sources.estimate import Estimate
from tricheck.sources.ladder import Derivative, Stencil, differentiate
from tricheck.vocabulary import Cause, Source


@dataclass(frozen=True)
class FiniteDifference(Estimate):
    """A finite-difference gradient with what its bound is made of.

    Attributes
    ----------
    steps : ndarray, shape (size,)
        Half-width of the stencil that gave each value.
    truncation, rounding : ndarray, shape (size,)
        The parts of each bound, before the safety factor.
    troubles : ndarray of object, shape (size,)
        A `Cause` where an entry shows a sign of failure, else None.
    slopes : ndarray, shape (size, 2)
        Backward and forward slope at a kink or jump; NaN elsewhere.
    noise : float
        Absolute noise of the loss.
    fixed_step : float or None
        The step the user asked for.
    best_steps : ndarray, shape (size,)
        The step that the measurement would choose.
    """

    steps: FloatArray
    truncation: FloatArray
    rounding: FloatArray
    troubles: npt.NDArray[np.object_]
    slopes: FloatArray
    noise: float
    fixed_step: float | None
    best_steps: FloatArray

    @property
    def kinks(self) -> npt.NDArray[np.bool_]:
        """Entries along which the point itself sits on a kink."""
        return self.troubles == Cause.KINK


def measure(
    calls: Calls, evaluate: Evaluator, base: float, noise: float, step: float | None
) -> FiniteDifference:
    """Differentiate the loss entry by entry.

    Parameters
    ----------
    calls : Calls
        The model's functions.
    evaluate : Evaluator
        The loss over a flat vector; left as it was found, also on an exception.
    base, noise : float
        The loss at the point and its noise.
    step : float or None
        A fixed absolute step, or None to choose and certify one per entry.

    Returns
    -------
    FiniteDifference
    """
    size = calls.parameters.size
    results: list[Derivative] = []
    best_steps = np.empty(size)
    try:
        # Stencils may leave the domain; the NaN that follows is what is looked for.
        with np.errstate(all="ignore"):
            for position in range(size):
                certified = _entry(evaluate, position, base, noise)
                best_steps[position] = certified.step
                if step is not None:
                    probe = _probe(evaluate, position, base, noise)
                    certified = _at_fixed_step(probe(step), certified, noise)
                results.append(certified)
    finally:
        evaluate.restore()
    troubles = np.empty(size, dtype=object)
    troubles[:] = [result.trouble for result in results]
    return FiniteDifference(
        Source.FINITE_DIFFERENCE,
        np.array([result.value for result in results]),
        np.array([result.bound for result in results]),
        "central differences" + (f" at step {step:g}" if step is not None else ""),
        steps=np.array([result.step for result in results]),
        truncation=np.array([result.truncation for result in results]),
        rounding=np.array([result.rounding for result in results]),
        troubles=troubles,
        slopes=np.array([result.slopes for result in results]),
        noise=noise,
        fixed_step=step,
        best_steps=best_steps,
    )


def _entry(evaluate: Evaluator, position: int, base: float, noise: float) -> Derivative:
    x = float(evaluate.flat[position])
    finest = 4.0 * float(np.spacing(abs(x))) if x else 0.0
    probe = _probe(evaluate, position, base, noise)
    return differentiate(probe, max(1.0, abs(x)), finest)


def _probe(
    evaluate: Evaluator, position: int, base: float, noise: float
) -> Callable[[float], Stencil]:
    """Stencils along one entry of the flat vector."""
    flat = evaluate.flat
    x = flat[position]

    def probe(step: float) -> Stencil:
        right = x + step
        left = x - (right - x)  # as far from x as the right end truly is
        width = float(right - left)
        if not width > 0.0:
            return Stencil(0.0, np.nan, np.nan, np.nan, np.inf)
        flat[position] = right
        plus = evaluate()
        flat[position] = left
        minus = evaluate()
        flat[position] = x
        half = width / 2.0
        # Far from the point the loss may be larger, and so is its rounding.
        spacing = 0.5 * float(np.spacing(max(abs(plus), abs(minus))))
        return Stencil(
            half,
            float(plus - minus) / width,
            float(plus - base) / float(right - x),
            float(base - minus) / float(x - left),
            max(noise, spacing) / half,
        )

    return probe


def _at_fixed_step(classical: Stencil, certified: Derivative, noise: float) -> Derivative:
    """The classical check's value, with its true error measured against the certified one."""
    if not classical.step:
        return Derivative(
            0.0, np.inf, 0.0, np.inf, np.inf, Cause.STEP_BELOW_ULP, certified.slopes
        )
    error = abs(classical.central - certified.value)
    bound = error + certified.bound
    rounding = min(error, noise / classical.step)
    return Derivative(
        classical.central,
        bound if np.isfinite(bound) else np.inf,
        classical.step,
        error - rounding,
        rounding,
        certified.trouble if certified.trouble else _trouble(classical),
        certified.slopes,
    )


def _trouble(classical: Stencil) -> Cause | None:
    return None if classical.finite else Cause.DOMAIN
