"""One derivative and its error bound, from symmetric stencils at a ladder of step sizes.

Two stencils are extrapolated, and how fast the Taylor series is seen to fall between them bounds
what is left. Where slopes and one-sided gaps do not change as they would for a smooth loss (a kink
inside the stencil, an oscillation) the whole ladder is measured. The value of any other gradient
never enters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tricheck.vocabulary import Cause

EPS = float(np.finfo(np.float64).eps)
# Extrapolation leaves an error like h⁴ and rounding one like noise / h, equal at h⁵ ~ noise.
_FINEST_FIRST = 2.0 * EPS**0.2
_COARSEST_FIRST = 0.03
_RATIO = 8.0
# The noise is known from a few values, to a factor of two or so; errors of three standard
# deviations are to be covered: those of a central difference are 0.7 noise / h each.
ROUNDING_SAFETY = 4.0
TRUNCATION_SAFETY = 2.0
_EXTRAPOLATION_SAFETY = 12.0  # the next order, guessed from two ratios, is off by up to seven
_MOST_STEPS = 5
_ONE_SIDED = 0.25  # a kink on one side changes the gap by twice what it changes the slope
_WORTH = 2.5  # truncation beside rounding that makes a finer stencil lower the bound
_SHARP_ENOUGH = 1e-6  # relative rounding error below which a wider stencil is not worth its cost
_RUNGS = 18
_VANISHES = 40.0  # a smooth loss's gap falls by the ratio of the steps, eightfold
_DROWNED = 0.1  # rounding beyond this share of the steepest slope seen: finer steps tell nothing


class Stencil(NamedTuple):
    """Slopes of the loss over one symmetric stencil.

    Attributes
    ----------
    step : float
        Half-width actually realised in floating point.
    central, forward, backward : float
        The three difference quotients; NaN where the loss is not finite.
    rounding : float
        Error of `central` that the loss's noise can cause.
    """

    step: float
    central: float
    forward: float
    backward: float
    rounding: float

    @property
    def finite(self) -> bool:
        """Whether both ends lie in the domain."""
        return bool(np.isfinite(self.forward) and np.isfinite(self.backward))

    @property
    def gap(self) -> float:
        """Forward minus backward slope: falls with the step unless there is a kink."""
        return self.forward - self.backward


@dataclass(frozen=True)
class Kink:
    """A change of slope at the point or beside it.

    Attributes
    ----------
    distance : float
        From the point; 0 when no step can tell it from the point.
    backward, forward : float
        Slopes on its two sides.
    error : float
        Bound on the error of the slopes.
    """

    distance: float
    backward: float
    forward: float
    error: float


@dataclass(frozen=True)
class Derivative:
    """A derivative with its measured bound.

    Attributes
    ----------
    value, bound : float
        NaN and infinity when nothing could be measured.
    step : float
        The step of the stencil that gave `value`.
    truncation, rounding : float
        The two parts of the bound, each before the safety factor.
    trouble : Cause or None
        Why the value is no derivative: `jump`, `domain` or `step-below-ulp`.
    kink : Kink or None
        A kink met by the stencils.
    jump : float
        Size of a jump at the point.
    best_step : float
        The step that would have been chosen, where another was asked for.
    """

    value: float
    bound: float
    step: float
    truncation: float
    rounding: float
    trouble: Cause | None = None
    kink: Kink | None = None
    jump: float = 0.0
    best_step: float = np.nan

    def noisier(self, extra: float) -> Derivative:
        """The same, the loss's noise found to be higher by `extra`."""
        if not extra:
            return self
        rounding = extra / self.step
        bound = self.bound + ROUNDING_SAFETY * rounding
        return replace(self, bound=bound, rounding=self.rounding + rounding)


Probe = Callable[[float], Stencil]


def first_step(noise: float, slope: float) -> float:
    """Where to begin, relative to the scale of the parameter.

    Parameters
    ----------
    noise : float
        Absolute noise of the loss.
    slope : float
        How fast the loss varies, in the same scale.

    Examples
    --------
    >>> round(first_step(1e-16, 1.0), 4), first_step(1e-6, 1.0), first_step(1.0, 0.0)
    (0.0015, 0.03, 0.03)
    """
    if not slope:
        return _COARSEST_FIRST
    balance = 2.0 * (noise / slope) ** 0.2
    return float(min(max(balance, _FINEST_FIRST), _COARSEST_FIRST))


def differentiate(
    probe: Probe, first: float, scale: float, finest: float, *, thorough: bool = False
) -> Derivative:
    """The derivative at a point, and a bound on its error.

    Parameters
    ----------
    probe : callable
        ``probe(step)`` measures the stencil of that half-width.
    first : float
        The coarsest step to begin with.
    scale : float
        The length on which the loss is expected to vary; a guess, corrected by what is measured.
    finest : float
        The smallest step that floating point can tell apart at the point.
    thorough : bool
        Measure the whole ladder whatever the first steps say.

    Returns
    -------
    Derivative

    Notes
    -----
    Truncation is read from neighbouring steps (Richardson, 1911), the best step balances it
    against rounding (Gill, Murray, Saunders & Wright, 1983).

    Examples
    --------
    >>> def probe(step):
    ...     plus, minus = np.exp(step), np.exp(-step)
    ...     slopes = (plus - minus) / (2 * step), (plus - 1) / step, (1 - minus) / step
    ...     return Stencil(step, *slopes, rounding=1e-16 / step)
    >>> derivative = differentiate(probe, first=1e-3, scale=1.0, finest=1e-16)
    >>> bool(abs(derivative.value - 1.0) < derivative.bound < 1e-9)
    True
    """
    rungs = [] if thorough else _inside(probe, first, finest)
    while rungs and len(rungs) <= _MOST_STEPS and is_lawful(rungs):
        candidate = _extrapolated(rungs)
        coarsest, finest_yet = rungs[0].step, rungs[-1].step
        if candidate.truncation > _WORTH * candidate.rounding and candidate.step == finest_yet:
            rungs.append(probe(finest_yet / _RATIO))
        elif (
            _RATIO**4 * candidate.truncation < candidate.rounding
            and _drowned(candidate)
            and coarsest < _COARSEST_FIRST * scale
        ):
            rungs.insert(0, probe(coarsest * _RATIO))
        else:
            return candidate
    return _whole_ladder(probe, rungs, scale, finest)


def _inside(probe: Probe, first: float, finest: float) -> list[Stencil]:
    """Two rungs to begin with, the coarsest that lie inside the domain of the loss."""
    coarse = probe(first)
    while not coarse.finite and first / _RATIO > finest:
        first /= _RATIO
        coarse = probe(first)
    return [coarse, probe(first / _RATIO)]


def _drowned(candidate: Derivative) -> bool:
    """Whether a wider stencil, which drowns less in noise, is worth its cost."""
    return candidate.rounding > _SHARP_ENOUGH * abs(candidate.value)


def _extrapolated(rungs: list[Stencil]) -> Derivative:
    """Richardson's extrapolation of the two neighbouring rungs that bound it best."""
    best = Derivative(np.nan, np.inf, np.nan, np.inf, np.inf)
    for coarse, fine in pairwise(rungs):
        ratio = coarse.step / fine.step
        weight = 1.0 / (ratio**2 - 1.0)
        truncation = _next_order(coarse, fine) / ratio**2
        rounding = (ratio**2 * fine.rounding + coarse.rounding) * weight
        bound = _EXTRAPOLATION_SAFETY * truncation + ROUNDING_SAFETY * rounding
        if bound < best.bound:
            value = fine.central + (fine.central - coarse.central) * weight
            best = Derivative(value, bound, fine.step, truncation, rounding)
    return best


def _next_order(coarse: Stencil, fine: Stencil) -> float:
    """The h⁴ term of the coarser central difference, which extrapolation leaves in part.

    How fast the Taylor series falls is seen twice: from the slope to its change, and from the
    one-sided gap to its change. Either may be small by accident, seldom both. Where the gap changes
    as much as the slope there may be a kink between the two steps, and no series: then all of the
    change is left.
    """
    ratio = coarse.step / fine.step
    share = ratio**2 / (ratio**2 - 1.0)
    odd = share * abs(coarse.central - fine.central)  # third derivative × h² / 6
    even = share * abs(coarse.gap - ratio * fine.gap)  # fourth derivative × h³ / 12
    slope, bend = abs(fine.central), abs(coarse.gap)  # first derivative, second × h
    if even > _ONE_SIDED * odd or not slope + bend:
        return max(odd, even)
    decay = 6.0 * odd / (slope + bend)
    if even and bend + slope * decay:
        decay = max(decay, 12.0 * even / (bend + slope * np.sqrt(decay)))
    return float(max(slope * decay**2 / 120.0, odd * decay / 20.0))


def _truncation(rungs: list[Stencil]) -> float:
    """Truncation error of the finest central difference.

    By the h² law where the change before is seen to have been so much larger; where the loss bends
    abruptly beside the point, as a squared hinge does, it falls with h alone.
    """
    coarse, fine = rungs[-2:]
    change, ratio = abs(coarse.central - fine.central), coarse.step / fine.step
    square = change / (ratio**2 - 1.0)
    if len(rungs) < 3:
        return square
    coarser = rungs[-3]
    before, wide = abs(coarser.central - coarse.central), coarser.step / coarse.step
    expected = before * (1.0 - ratio**-2) / (wide**2 - 1.0)
    return square if change <= 4.0 * expected else change / (ratio - 1.0)


def is_lawful(rungs: list[Stencil]) -> bool:
    """Whether differences fall like h² and one-sided gaps like h, as for a smooth loss."""
    if not all(rung.finite for rung in rungs):
        return False
    if not all(_gap_falls(coarse, fine) for coarse, fine in pairwise(rungs)):
        return False
    for a, b, c in zip(rungs, rungs[1:], rungs[2:], strict=False):
        wide, narrow = (a.step / b.step) ** 2, (c.step / b.step) ** 2
        expected = abs(a.central - b.central) * (1.0 - narrow) / (wide - 1.0)
        if abs(b.central - c.central) > 4.0 * expected + 3.0 * (b.rounding + c.rounding):
            return False
    return True


def _straddled(rungs: list[Stencil]) -> list[float]:
    """What a kink inside each stencil does to its central difference: half the gap over it.

    A gap that does not fall with the step tells of a kink, and a finer step is clear of it only
    where its own gap is seen to be smaller: it may drown in noise first.
    """
    errors, over = [0.0], 0.0
    for coarse, fine in pairwise(rungs):
        if not _gap_falls(coarse, fine):
            over = abs(fine.gap)
        elif abs(fine.gap) + ROUNDING_SAFETY * fine.rounding < 0.5 * over:
            over = 0.0
        errors.append(0.5 * over)
    return errors


def _gap_falls(coarse: Stencil, fine: Stencil) -> bool:
    """Whether the one-sided gap shrinks with the step, as far as rounding lets it be seen."""
    allowed = 4.0 * abs(coarse.gap) * fine.step / coarse.step
    return abs(fine.gap) <= allowed + 8.0 * fine.rounding


def _best(rungs: list[Stencil]) -> Derivative:
    """The rung with the smallest bound, given that every finer rung has its say."""
    best = Derivative(np.nan, np.inf, np.nan, np.inf, np.inf)
    straddled = _straddled(rungs)
    for k in range(1, len(rungs)):
        rung = rungs[k]
        disputes = (
            abs(finer.central - rung.central) - 3.0 * (finer.rounding + rung.rounding)
            for finer in rungs[k + 1 :]
        )
        truncation = max(_truncation(rungs[: k + 1]), *disputes, straddled[k])
        bound = TRUNCATION_SAFETY * truncation + ROUNDING_SAFETY * rung.rounding
        if bound < best.bound:
            best = Derivative(rung.central, bound, rung.step, truncation, rung.rounding)
    return best


def _whole_ladder(probe: Probe, known: list[Stencil], scale: float, finest: float) -> Derivative:
    """Every rung, down to the step where rounding leaves nothing to see."""
    rungs = {rung.step: rung for rung in known if rung.step}
    step = scale * _COARSEST_FIRST
    steepest = 0.0
    for _ in range(_RUNGS):
        if step < finest:
            break
        if not any(abs(step / taken - 1.0) < 0.5 for taken in rungs):
            rung = probe(step)
            rungs[rung.step] = rung
            if rung.finite:
                steepest = max(steepest, abs(rung.central), abs(rung.gap))
                if steepest and rung.rounding > _DROWNED * steepest:
                    break
        step /= _RATIO
    finite = [rungs[step] for step in sorted(rungs, reverse=True) if rungs[step].finite]
    if len(finite) < 2:
        return Derivative(np.nan, np.inf, np.nan, np.inf, np.inf, Cause.DOMAIN)
    best = _best(finite)
    trouble, kink, jump = _singularity(finite)
    return replace(best, trouble=trouble, kink=kink, jump=jump)


def _singularity(rungs: list[Stencil]) -> tuple[Cause | None, Kink | None, float]:
    """A gap that stays, or grows, where a smooth loss's would fall: a kink, or a jump of a size."""
    nothing = (None, _kink_beside(rungs), 0.0)
    seen = [k for k, rung in enumerate(rungs) if abs(rung.gap) > 20.0 * rung.rounding]
    if not seen or seen[-1] < 2:
        return nothing
    coarse, _, last = rungs[seen[-1] - 2 : seen[-1] + 1]
    if any(abs(last.gap) > 40.0 * rung.rounding for rung in rungs[seen[-1] + 1 :]):
        return nothing  # a finer step could have shown it, so it lies beside the point
    growth = abs(last.gap) / max(abs(coarse.gap), np.finfo(float).tiny)
    if growth > np.sqrt(coarse.step / last.step):
        return Cause.JUMP, None, abs(last.gap) * last.step
    if growth > 0.5 and last.step < 1e-3 * rungs[0].step:
        return None, _kink_at_point(rungs[: seen[-1] + 1], last.gap), 0.0
    return nothing


def _kink_beside(rungs: list[Stencil]) -> Kink | None:
    """A gap that vanishes from one step to the next: the stencil no longer reaches a kink."""
    for k in range(len(rungs) - 2):
        gap = abs(rungs[k].gap)
        small = [abs(finer.gap) < gap / _VANISHES for finer in rungs[k + 1 : k + 3]]
        if not all(small) or gap < 40.0 * rungs[k + 1].rounding:
            continue
        # The gap over a kink is its change of slope times 1 - distance / step.
        whole = max(abs(rungs[k - 1].gap), gap) if k else 2.0 * gap
        distance = rungs[k].step * (1.0 - gap / whole)
        distance = min(max(distance, rungs[k + 1].step), rungs[k].step)
        widest = rungs[max(k - 1, 0)]
        return Kink(distance, widest.backward, widest.forward, gap)
    return None


def _kink_at_point(rungs: list[Stencil], gap: float) -> Kink:
    """The one-sided slopes from the step where their error is least."""
    best = Kink(0.0, np.nan, np.nan, np.inf)
    for coarse, fine in pairwise(rungs):
        if abs(fine.gap) > 0.5 * abs(gap):
            change = max(abs(coarse.forward - fine.forward), abs(coarse.backward - fine.backward))
            error = 2.0 * change + ROUNDING_SAFETY * fine.rounding
            if error < best.error:
                best = Kink(0.0, fine.backward, fine.forward, error)
    return best
