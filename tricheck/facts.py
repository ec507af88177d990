"""From measured gradients to the facts that a verdict is decided on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tricheck.comparison import BoolArray, Pair, compare
from tricheck.contract import Point
from tricheck.parameters import FloatArray, Leaf, Parameters, largest_of, per_parameter_max
from tricheck.sources.estimate import Estimate
from tricheck.sources.finite_difference import FiniteDifference
from tricheck.sources.jumps import Jump
from tricheck.sources.ladder import Kink
from tricheck.sources.pieces import Pieces
from tricheck.sources.reference import ReferenceEstimate
from tricheck.verdict import SHARP, Facts

_VAGUE = 0.1  # of a parameter's largest entry: a bound that tells no sign from the other
_EXCEPTION = 4.0  # times its bound: as far as a finite difference is ever seen to be off
_BESIDE = 1e-2  # a distance that is nothing beside another
SLIGHT = 1e-3  # of a parameter's largest entry: more is no matter of a solver's tolerance
# Two gradients that both vanish may differ by the rounding of the terms that cancel in them.
_CANCELLED = 2.0**10 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Evidence:
    """Everything measured in one check.

    Attributes
    ----------
    parameters : Parameters
    point : Point
        What the contract's calls have shown.
    backprop, difference, reference : Estimate
        The three gradients; the reference may be None.
    unrepeatable : ndarray of bool, shape (size,)
        Where two calls of backprop at the same point differ.
    rtol : float
        Relative differences that the user accepts.
    jumpy : ndarray of bool, shape (size,), or None
        Where jumps of the loss explain what would be an accusation.
    jump : Jump or None
        One met on a line through the point.
    pieces : dict of int to Pieces
        What is known of the jumps along single entries, by position.
    unexamined : ndarray of bool, shape (size,), or None
        Where there was no time to measure again what only the finite difference tells.
    """

    parameters: Parameters
    point: Point
    backprop: Estimate
    difference: FiniteDifference
    reference: ReferenceEstimate | None
    unrepeatable: BoolArray
    rtol: float
    jumpy: BoolArray | None = None
    jump: Jump | None = None
    pieces: dict[int, Pieces] = field(default_factory=dict)
    unexamined: BoolArray | None = None

    @cached_property
    def pairs(self) -> list[Pair]:
        """The pairs that exist: three, or one without a reference."""
        pairs = [compare(self.backprop, self.difference, self.rtol)]
        if self.reference is not None:
            pairs.insert(0, compare(self.backprop, self.reference, self.rtol))
            pairs.append(compare(self.difference, self.reference, self.rtol))
        return pairs

    @cached_property
    def facts(self) -> Facts[BoolArray]:
        """What the verdict is decided on, as arrays of shape (size,); not to be changed."""
        return _facts(self)

    @cached_property
    def apart(self) -> FloatArray:
        """The largest difference of any pair, shape (size,)."""
        apart: FloatArray = np.fmax.reduce([pair.differences for pair in self.pairs])
        return apart

    @cached_property
    def largest(self) -> FloatArray:
        """Each parameter's largest gradient entry, for each of its entries; shape (size,)."""
        largest = np.empty(self.parameters.size)
        for leaf in self.parameters.leaves:
            largest[leaf.place] = self.largest_of(leaf)
        return largest

    def largest_of(self, leaf: Leaf) -> float:
        """A parameter's largest gradient entry, by the most precise source beside backprop."""
        difference = self.difference.part(leaf.place)
        values = difference.values
        if self.reference is not None:
            reference = self.reference.part(leaf.place)
            known = reference.finite & ~(reference.bounds > difference.bounds)
            values = np.where(known | ~difference.finite, reference.values, values)
        return largest_of(values)


def _facts(evidence: Evidence) -> Facts[BoolArray]:
    backprop, difference, reference = evidence.backprop, evidence.difference, evidence.reference
    size = evidence.parameters.size
    agree = {pair.name: pair.agree for pair in evidence.pairs}
    nowhere = np.zeros(size, dtype=bool)
    measured = difference.finite & np.isfinite(difference.bounds)
    vanishing = cancelled(evidence)
    # Zeros of the others do not make a finite difference coarse that says something else.
    own = per_parameter_max(evidence.parameters, difference.values)
    sharp = difference.bounds <= SHARP * np.fmax(evidence.largest, own)
    sharp = measured & (sharp | _decisive(evidence))
    trusted = reference is not None and reference.traced and reference.faithful
    fr = agree.get("finite-difference/reference", nowhere)
    if reference is not None and not reference.faithful:
        fr = fr & sharp  # of another loss, it may lie inside a coarse bound by chance
    fr = fr | (_all_but_reference(evidence) & (sharp | trusted))
    return Facts(
        shaped=_shaped(evidence),
        backprop=backprop.finite,
        reference=reference.finite if reference is not None else nowhere,
        difference=measured,
        third=nowhere if reference is None else ~nowhere,
        br=agree.get("backprop/reference", nowhere) | (vanishing & (reference is not None)),
        bf=agree["backprop/finite-difference"] | _all_but_backprop(evidence),
        fr=fr,
        sharp=sharp,
        trouble=difference.troubles,
        kink=difference.kinks,
        admissible=_admissible(evidence),
        blunt=nowhere if reference is None else reference.bounds > difference.bounds,
        sided=_sided(evidence),
        slight=_slight(evidence),
        trusted=np.full(size, trusted),
        elsewhere=np.full(size, bool(difference.kinks.any())),
        jumpy=nowhere if evidence.jumpy is None else evidence.jumpy,
        unsettled=_unsettled(evidence, sharp) | _unexamined(evidence),
        vague=_vague(evidence),
        vanished=vanishing & _seen_flat(evidence),
    )


def _slight(evidence: Evidence) -> BoolArray:
    return np.array(evidence.apart <= SLIGHT * evidence.largest, dtype=bool)


def _shaped(evidence: Evidence) -> BoolArray:
    wrong = {error.parameter for error in evidence.point.shape_errors}
    shaped = np.ones(evidence.parameters.size, dtype=bool)
    for leaf in evidence.parameters.leaves:
        shaped[leaf.place] = leaf.name not in wrong
    return shaped


def _unsettled(evidence: Evidence, sharp: BoolArray) -> BoolArray:
    """Where a random or stateful loss leaves nothing to conclude."""
    reference = evidence.reference
    if evidence.point.spread:
        varies = bool(evidence.unrepeatable.any()) or (
            reference is not None and not reference.repeatable
        )
        return np.logical_or(~sharp, varies)
    if evidence.point.stateful:
        agree = np.logical_and.reduce([pair.agree for pair in evidence.pairs])
        return np.array(~agree, dtype=bool)
    return np.zeros(evidence.parameters.size, dtype=bool)


def _unexamined(evidence: Evidence) -> BoolArray:
    nowhere = np.zeros(evidence.parameters.size, dtype=bool)
    return nowhere if evidence.unexamined is None else evidence.unexamined


def _admissible(evidence: Evidence) -> BoolArray:
    """Where every source lies between the one-sided slopes.

    A backprop's own bound is no measure here: one ulp beside a kink it takes the other branch.
    """
    admissible = np.ones(evidence.parameters.size, dtype=bool)
    sources = [s for s in (evidence.backprop, evidence.reference) if s is not None]
    for position in np.flatnonzero(evidence.difference.kinks):
        kink = evidence.difference.entry(position).kink
        values = [float(source.values[position]) for source in sources]
        admissible[position] = all(admits(kink, value) for value in values if np.isfinite(value))
    return admissible


def admits(kink: Kink | None, value: float) -> bool:
    """Whether a value lies between the one-sided slopes, given their error."""
    if kink is None:
        return False
    low, high = sorted((kink.backward, kink.forward))
    slack = kink.error + SHARP * max(abs(low), abs(high))
    return low - slack <= value <= high + slack


def rounding_floor(evidence: Evidence) -> float:
    """What a saturated unit can lose to rounding unseen, beside the largest gradient of all."""
    return _CANCELLED * _overall(evidence)


def _overall(evidence: Evidence) -> float:
    sources = [evidence.backprop, *([evidence.reference] if evidence.reference else [])]
    finite = [np.abs(source.values[source.finite]) for source in sources]
    return max((float(block.max()) for block in finite if block.size), default=0.0)


def _decisive(evidence: Evidence) -> BoolArray:
    """Where a coarse finite difference tells: its bound is small beside the distance."""
    backprop, difference = evidence.backprop, evidence.difference
    apart = np.abs(backprop.values - difference.values)
    return np.array(backprop.bounds + difference.bounds <= _BESIDE * apart, dtype=bool)


def _all_but_reference(evidence: Evidence) -> BoolArray:
    """Where the finite difference misses the reference, but by next to nothing beside backprop."""
    if evidence.reference is None:
        return np.zeros(evidence.parameters.size, dtype=bool)
    values = evidence.difference.values
    to_reference = np.abs(values - evidence.reference.values)
    return np.array(to_reference <= _BESIDE * np.abs(values - evidence.backprop.values), dtype=bool)


def _all_but_backprop(evidence: Evidence) -> BoolArray:
    """The same of backprop beside the reference, where the bounds are missed by little.

    A bound has its exceptions; a small error of backprop beside a large one of the reference is
    seen once that is mended.
    """
    if evidence.reference is None:
        return np.zeros(evidence.parameters.size, dtype=bool)
    backprop, difference = evidence.backprop, evidence.difference
    to_backprop = np.abs(difference.values - backprop.values)
    near = to_backprop <= _EXCEPTION * (difference.bounds + backprop.bounds)
    to_reference = np.abs(difference.values - evidence.reference.values)
    return np.array(near & (to_backprop <= _BESIDE * to_reference), dtype=bool)


def _sided(evidence: Evidence) -> BoolArray:
    if evidence.reference is None:
        return np.zeros(evidence.parameters.size, dtype=bool)
    to_difference = np.abs(evidence.reference.values - evidence.difference.values)
    to_backprop = np.abs(evidence.reference.values - evidence.backprop.values)
    return np.array(to_difference < to_backprop, dtype=bool)


def _vague(evidence: Evidence) -> BoolArray:
    """Where backprop agrees with the others by its own bound alone, and that says nothing.

    Where it steps from one value to another, as beside a kink of the loss that nothing reaches.
    """
    backprop = evidence.backprop
    if np.finfo(evidence.parameters.native_dtype).eps > np.finfo(np.float64).eps:
        return np.zeros(evidence.parameters.size, dtype=bool)  # what cancels is as wide
    others = [evidence.difference, *([evidence.reference] if evidence.reference else [])]
    apart = [np.abs(backprop.values - other.values) > other.bounds for other in others]
    size = np.fmax(evidence.largest, per_parameter_max(evidence.parameters, backprop.values))
    wide = backprop.bounds > np.maximum(_VAGUE * size, rounding_floor(evidence))
    return np.array(np.logical_and.reduce([wide, *apart]), dtype=bool)


def cancelled(evidence: Evidence) -> BoolArray:
    """Parameters whose whole gradient no source can tell from zero."""
    difference, reference = evidence.difference, evidence.reference
    sources = [evidence.backprop] + ([reference] if reference is not None else [])
    # So small that a parameter changed by its own size would not be seen in the loss.
    scale = np.maximum(np.abs(evidence.parameters.values), 1.0)
    floor = np.maximum(rounding_floor(evidence), 4.0 * difference.noise.level / scale)
    tiny = np.abs(difference.values) <= 2.0 * difference.bounds
    for source in sources:
        tiny &= np.abs(source.values) <= source.bounds + floor
    vanishing = np.zeros(evidence.parameters.size, dtype=bool)
    for leaf in evidence.parameters.leaves:
        vanishing[leaf.place] = bool(np.all(tiny[leaf.place]))
    return vanishing


def _seen_flat(evidence: Evidence) -> BoolArray:
    """Where a finite difference of zero means something: it would have seen the others' size."""
    quiet = evidence.difference.noise.is_rounding
    return quiet | (evidence.difference.bounds <= SHARP * _overall(evidence))
