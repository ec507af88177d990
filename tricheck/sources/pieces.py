"""The two slopes of a loss that jumps again and again: between its jumps, and across them.

A solver that stops at a tolerance, a table or rounding leaves pieces with jumps between them. Fine
stencils and traces see one piece, wide stencils the curve that the pieces follow, and a derivation
by hand is of that curve. A kink, a steep stretch and an oscillation have two slopes as well, but no
jump: halving an interval tells, for a jump stays down to neighbouring floating-point numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tricheck.parameters import FloatArray
from tricheck.sources.finite_difference import Sweeper
from tricheck.sources.ladder import Stencil
from tricheck.sources.noise import line_values
from tricheck.sources.residual import random_places, residual

_REACH = 0.03  # relative to the scale of the parameter, the widest stencil of a ladder
_RATIO = 8.0
_RESOLVED = 64.0  # a change of slope this many times what noise makes of it is one
_DEPARTS = 1.0 / 4.0  # of the gap: a change of slope that a jump may have caused
_EXPLAINS = 1.0 / 16.0  # of the gap: what a jump over its distance changes slopes by, at least
_BENDS = 3  # curvatures that are tried before a loss is taken for a smooth one
_WITHIN = 1.0 / 8.0  # of the gap: as near to one of two slopes, a value is no other's
_MANY = 64.0  # pieces, to see how far the loss is from the curve they follow

Jump = tuple[float, float]  # where, from the point, and how large


@dataclass(frozen=True)
class Pieces:
    """A loss that jumps again and again along one entry.

    Attributes
    ----------
    size : float
        The larger of two jumps beside the point.
    length : float
        How far they are apart.
    within, within_bound : float
        Slope of the piece that holds the point; NaN where pieces are too short to show theirs.
    across, across_bound : float
        Slope over many pieces, their jumps taken for noise.
    """

    size: float
    length: float
    within: float
    within_bound: float
    across: float
    across_bound: float

    def is_within(self, value: float) -> bool:
        """Whether nothing tells a slope from that of the piece."""
        return not abs(value - self.within) > self.within_bound

    def is_across(self, value: float) -> bool:
        """Whether a slope is the one across the jumps, as far as that is known."""
        return abs(value - self.across) <= self.across_bound

    def margin(self, value: float) -> float:
        """How far a value is from the other end of what the jumps leave open."""
        to_across = abs(value - self.across) + self.across_bound
        return float(np.fmax(to_across, abs(value - self.within)))


def find_pieces(
    sweeper: Sweeper, position: int, claim: float, gap: float, narrowest: float
) -> Pieces | None:
    """The slopes of a loss that jumps, where stencils of some width support a contradicted slope.

    Costs about ten evaluations where none does, a hundred or two elsewhere.

    Parameters
    ----------
    sweeper : Sweeper
        The loss along single entries; left at its point.
    position : int
        The entry.
    claim : float
        The slope that was contradicted.
    gap : float
        By how much.
    narrowest : float
        The step below which no support is looked for.

    Returns
    -------
    Pieces or None
        None where no stencil supports the claim, or the loss does not jump again and again.
    """
    entry = _Entry(sweeper, position, gap)
    try:
        if any(_supports(rung, claim, gap) for rung in entry.rungs(narrowest)):
            return entry.pieces()
        return None
    finally:
        sweeper.evaluate.restore()


def _supports(rung: Stencil, claim: float, gap: float) -> bool:
    """Whether a stencil's slopes are nearer to a claim than to what contradicts it."""
    low, high = sorted((rung.backward, rung.forward))
    return bool(low - 0.5 * gap < claim < high + 0.5 * gap)


@dataclass(frozen=True)
class _Entry:
    """The loss along one entry, looked at for jumps that explain a gap between two slopes."""

    sweeper: Sweeper
    position: int
    gap: float

    @cached_property
    def x(self) -> float:
        return abs(float(self.sweeper.evaluate.flat[self.position]))

    @cached_property
    def direction(self) -> FloatArray:
        direction = np.zeros(self.sweeper.evaluate.flat.size)
        direction[self.position] = 1.0
        return direction

    @property
    def ulp(self) -> float:
        return float(np.spacing(self.x or 1.0))

    @property
    def reach(self) -> float:
        """As far as the widest rung of a ladder, or farther where that leaves x its sign."""
        return max(_REACH * max(1.0, self.x), 0.5 * self.x)

    def value(self, place: float) -> float:
        return line_values(self.sweeper.evaluate, self.direction, np.array([place]))[1]

    def rungs(self, narrowest: float) -> Iterator[Stencil]:
        """From the widest on."""
        step = self.reach
        while step >= max(narrowest, 4.0 * self.ulp):
            rung = self.sweeper.stencil(self.position, step)
            if rung.finite and rung.step:
                yield rung
            step /= _RATIO

    def pieces(self) -> Pieces | None:
        """What is found beside the point."""
        if jumps := self.two_jumps():
            (one, first), (other, second) = jumps
            # The longer side of the piece shows its slope best.
            inside = 0.5 * (max(one, other, key=abs) if one * other < 0.0 else one)
            within = (self.value(inside) - self.value(0.0)) / inside
            return self.measured(max(first, second), abs(one - other), within)
        # Pieces shorter than any step that resolves the gap; one beyond reach resolves nothing.
        if self.noise > _RESOLVED * self.rounding and self.finest < self.reach:
            return self.measured(self.noise, self.finest, np.nan)
        return None

    def measured(self, size: float, length: float, within: float) -> Pieces:
        """The two slopes."""
        around = 0.5 * min(_MANY * length, self.reach)
        # Several solvers in one loss have jumps of several sizes, of which the nearest shows one.
        across = self.sweeper.across(self.position, max(size, self.roughness(-around, around)))
        return Pieces(size, length, within, _WITHIN * self.gap, across.value, across.bound)

    @property
    def rounding(self) -> float:
        return 0.5 * float(np.spacing(self.sweeper.noise.size))

    @cached_property
    def noise(self) -> float:
        """The loss's noise within one piece; the model's was measured over many, if there are any.

        A jump beside the point lies to one side of it.
        """
        length = _RESOLVED * self.rounding / self.gap
        sides = (self.roughness(0.0, length), self.roughness(0.0, -length))
        return max(self.rounding, min(sides))

    @property
    def finest(self) -> float:
        """The finest step that resolves the gap."""
        return max(_RESOLVED * self.noise / self.gap, 4.0 * self.ulp)

    def roughness(self, start: float, stop: float) -> float:
        """How far the loss is from a smooth curve between two places."""
        shares = random_places(np.random.default_rng(self.position))
        places = start + (stop - start) * shares
        values, _ = line_values(self.sweeper.evaluate, self.direction, places)
        return float(np.nan_to_num(residual(shares, values)))

    def two_jumps(self) -> tuple[Jump, Jump] | None:
        """The nearest on both sides, or two on one: a lone jump is no stopping rule."""
        ahead, behind = (self.nearest_jump(0.0, step) for step in (self.finest, -self.finest))
        if ahead and behind:
            return ahead, behind
        for jump, step in ((ahead, self.finest), (behind, -self.finest)):
            if jump and (beyond := self.nearest_jump(jump[0], step)):
                return jump, beyond
        return None

    def nearest_jump(self, home: float, step: float) -> Jump | None:
        """The first from a place on, in the direction of a first step that resolves the gap."""
        at_home = self.value(home)
        slope, bend = (self.value(home + step) - at_home) / step, 0.0

        def rest(distance: float) -> float:
            straight = self.value(home + distance) - at_home - slope * distance
            return straight - bend * distance**2

        near = step
        for _ in range(_BENDS):
            far = self.departure(rest, near)
            if far is None:
                return None
            near, size = self.jump(rest, near, far)
            if size:
                return home + near, size
            bend += rest(near) / near**2  # it was no jump but a curve
        return None

    def departure(self, rest: Callable[[float], float], near: float) -> float | None:
        """The first of some places, ever farther off, at which the loss has left its curve."""
        while abs(near) < self.reach:
            near = float(np.copysign(min(_RATIO * abs(near), self.reach), near))
            if self.departs(rest(near), near):
                return near
        return None

    def departs(self, rest: float, distance: float) -> bool:
        """Whether what a curve leaves at a distance is a change of slope."""
        return abs(rest) > _DEPARTS * self.gap * abs(distance)

    def jump(self, rest: Callable[[float], float], near: float, far: float) -> Jump:
        """Where a loss leaves its curve, by halving, and the size of the jump; 0 if it is none."""
        at_near, at_far = rest(near), rest(far)
        while abs(far - near) > self.ulp:
            if not abs(at_far - at_near) > _EXPLAINS * self.gap * abs(far):
                return far, 0.0
            middle = 0.5 * (near + far)
            at_middle = rest(middle)
            if self.departs(at_middle, middle):
                far, at_far = middle, at_middle
            else:
                near, at_near = middle, at_middle
        return far, abs(at_far - at_near)
