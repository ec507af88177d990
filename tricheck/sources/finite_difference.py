"""Central finite differences of the loss as it is implemented, each with its measured bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.calls import Movable
from tricheck.parameters import FloatArray, Leaf
from tricheck.sources.economical import Columns, Law, columns, law, sample
from tricheck.sources.estimate import Estimate
from tricheck.sources.ladder import Derivative, Stencil, differentiate, first_step
from tricheck.sources.noise import Noise
from tricheck.vocabulary import Cause, Source
from tricheck.work import T, Task, Work

_FINE_ENOUGH = 1e-8  # of a parameter's largest entry: what one stencil may round off
LEFT_OUT = Derivative(np.nan, np.inf, 0.0, np.inf, np.inf)


@dataclass(frozen=True)
class FiniteDifference(Estimate):
    """A finite-difference gradient with what its bound is made of.

    Attributes
    ----------
    measured : dict of int to Derivative
        The measurements behind the values that took several stencils, by position.
    single : Columns or None
        Those behind the others.
    noise : Noise
        Noise of the loss.
    fixed_step : float or None
        The step the user asked for.
    """

    measured: Mapping[int, Derivative]
    single: Columns | None
    noise: Noise
    fixed_step: float | None

    @cached_property
    def kinks(self) -> npt.NDArray[np.bool_]:
        """Entries along which the point itself sits on a kink, shape (size,)."""
        return self._where(lambda one: one.kink is not None and not one.kink.distance)

    @cached_property
    def troubles(self) -> npt.NDArray[np.bool_]:
        """Entries with any other sign of failure, shape (size,)."""
        return self._where(lambda one: one.trouble is not None)

    def _where(self, holds: Callable[[Derivative], bool]) -> npt.NDArray[np.bool_]:
        found = np.zeros(self.values.size, dtype=bool)
        found[[position for position, one in self.measured.items() if holds(one)]] = True
        return found

    def entry(self, position: int | np.integer[Any]) -> Derivative:
        """The measurement behind one value; `LEFT_OUT` if there was none."""
        if (one := self.measured.get(int(position))) is not None:
            return one
        if self.single is not None and position in self.single.positions:
            return self.single.row(int(position))
        return LEFT_OUT

    @property
    def left_out(self) -> npt.NDArray[np.bool_]:
        """Entries that were not measured, shape (size,)."""
        left_out = np.ones(self.values.size, dtype=bool)
        left_out[list(self.measured)] = False
        if self.single is not None:
            left_out[self.single.positions] = False
        return left_out

    @property
    def with_one_stencil(self) -> npt.NDArray[np.bool_]:
        """Entries whose truncation is told by a sample of others, shape (size,)."""
        single = ~self.left_out
        single[list(self.measured)] = False
        return single

    def kinked(self, leaf: Leaf) -> list[int]:
        """Positions of a parameter whose stencils met a kink."""
        return [i for i, one in self.measured.items() if one.kink and leaf.start <= i < leaf.stop]

    def opened(self, margins: Mapping[int, float], jump: float = 0.0) -> FiniteDifference:
        """The same with wider bounds at some positions; with a jump, that is their trouble."""
        entries = {}
        for position, margin in margins.items():
            entry = self.entry(position)
            entry = replace(entry, bound=entry.bound + margin)
            entries[position] = replace(entry, trouble=Cause.JUMP, jump=jump) if jump else entry
        return self.with_entries(entries)

    def with_entries(self, entries: Mapping[int, Derivative]) -> FiniteDifference:
        """The same with other measurements at some positions."""
        return self._of({**self.measured, **entries}, self.single, self.noise)

    def under(self, noise: Noise) -> FiniteDifference:
        """The same under a noise that was found to be higher."""
        extra = noise.level - self.noise.level
        single = self.single.noisier(extra) if self.single is not None else None
        return self._of({i: e.noisier(extra) for i, e in self.measured.items()}, single, noise)

    def _of(
        self, measured: Mapping[int, Derivative], single: Columns | None, noise: Noise
    ) -> FiniteDifference:
        values, bounds = merged(self.values.size, measured, single)
        return replace(
            self, values=values, bounds=bounds, measured=measured, single=single, noise=noise
        )


def merged(
    size: int, measured: Mapping[int, Derivative], single: Columns | None
) -> tuple[FloatArray, FloatArray]:
    """Values and bounds of all entries, each from its own measurement; several stencils win."""
    values, bounds = np.full(size, np.nan), np.full(size, np.inf)
    if single is not None:
        values[single.positions], bounds[single.positions] = single.values, single.bounds
    for position, one in measured.items():
        values[position], bounds[position] = one.value, one.bound
    return values, bounds


@dataclass(frozen=True)
class Sweeper:
    """The loss along single entries, its value and noise at the point known.

    Attributes
    ----------
    evaluate : Movable
        The loss over a flat vector; left as it was found, also on an exception.
    base : numpy scalar
        The loss at the point.
    noise : Noise
        Its noise there.
    step : float or None
        A fixed absolute step, or None to choose and certify one per entry.
    work : Work
        Who does it, and for how long: where time is up, entries are left out.
    """

    evaluate: Movable
    base: Any
    noise: Noise
    step: float | None
    work: Work = field(default_factory=Work)

    def __reduce__(self) -> tuple[Any, ...]:
        # In another process there is one chunk to do.
        return Sweeper, (self.evaluate, self.base, self.noise, self.step)

    def measure(self, first: Sequence[int] = ()) -> FiniteDifference:
        """Differentiate the loss in every entry, with one stencil where a sample allows it.

        Some entries may come first, as it may have to end before it gets to all.
        """
        early = self.entries(first)
        if self.step is not None or not self.noise.is_rounding:
            rest = [i for i in range(self.evaluate.flat.size) if i not in early]
            return self.gradient(early | self.entries(rest))
        leaves = self.evaluate.leaves
        chosen = sample(leaves)
        sampled, stencils = self._sample(chosen)
        known = None
        if len(sampled) == len(chosen):
            known = law(stencils, self._scales(chosen), self.noise.level)
        sampled |= early
        plain = [] if known is None else self._plain(leaves, sampled, known)
        single = None if known is None else self._single(plain, known)
        found = sampled.keys() | ([] if single is None else single.positions[single.lawful])
        rest = [i for i in range(self.evaluate.flat.size) if i not in found]
        return self.gradient(sampled | self.entries(rest), single)

    def certify_all(self) -> FiniteDifference:
        """Differentiate the loss in every entry, as precisely as its noise allows."""
        return self.gradient(self.entries(range(self.evaluate.flat.size)))

    def entries(self, positions: Iterable[int], *, thorough: bool = False) -> dict[int, Derivative]:
        """Single entries, each with as many stencils as it takes; fewer where time is up."""
        found: dict[int, Derivative] = {}
        task = partial(Sweeper._entries, thorough=thorough)
        for chunk, derivatives in self._chunks(task, list(positions)):
            found.update(zip(chunk, derivatives, strict=True))
            self.work.watch.saw(chunk, np.array([one.value for one in derivatives]))
        return found

    def _entries(self, positions: Sequence[int], thorough: bool) -> list[Derivative]:
        return [self._entry(position, thorough) for position in positions]

    def _chunks(self, task: Task[T], positions: Sequence[int]) -> Iterator[tuple[Sequence[int], T]]:
        """What a task gives; the loss is left at its point, also on an exception or interrupt."""
        try:
            yield from self.work.chunks(self, task, positions)
        finally:
            self.evaluate.restore()

    # --- one stencil --------------------------------------------------------------------------

    def _sample(self, positions: list[int]) -> tuple[dict[int, Derivative], list[list[Stencil]]]:
        """Derivatives of a sample of the entries, and all the stencils that they took."""
        measured: dict[int, Derivative] = {}
        stencils: list[list[Stencil]] = []
        for chunk, found in self._chunks(Sweeper._sampled, positions):
            measured.update((i, one) for i, (one, _) in zip(chunk, found, strict=True))
            stencils += [seen for _, seen in found]
            self.work.watch.saw(chunk, np.array([one.value for one, _ in found]))
        return measured, stencils

    def _sampled(self, positions: Sequence[int]) -> list[tuple[Derivative, list[Stencil]]]:
        found = []
        for position in positions:
            seen: list[Stencil] = []
            found.append((self.certify(position, seen=seen), seen))
        return found

    def _plain(
        self, leaves: Iterable[Leaf], sampled: Mapping[int, Derivative], known: Law
    ) -> list[int]:
        """The entries of parameters whose gradient is large beside what one stencil rounds off."""
        positions: list[int] = []
        for leaf in leaves:
            inside = range(leaf.start, leaf.stop)
            largest = max(abs(sampled[i].value) for i in inside if i in sampled)
            if self.noise.level <= _FINE_ENOUGH * largest * known.step and known.step:
                positions += [i for i in inside if i not in sampled]
        return positions

    def _single(self, positions: list[int], known: Law) -> Columns:
        """One stencil at each of some entries; of fewer where time is up."""
        parts = []
        for chunk, part in self._chunks(partial(Sweeper._columns, known=known), positions):
            parts.append(part)
            self.work.watch.saw(chunk, part.values)
        return Columns.joined(parts)

    def _columns(self, positions: Sequence[int], known: Law) -> Columns:
        """One stencil at each of some entries; the loop that most of a check is spent in."""
        evaluate, flat = self.evaluate, self.evaluate.flat
        here = flat[positions]
        scales = self._scales(positions)
        ahead = here + known.step * scales
        behind = here - (ahead - here)  # where the steps truly lead, in the parameters' precision
        right, left = [], []
        for position, x, up, down in zip(positions, here, ahead, behind, strict=True):
            flat[position] = up
            right.append(evaluate())
            flat[position] = down
            left.append(evaluate())
            flat[position] = x
        return columns(
            positions,
            self._beyond_base(right),
            self._beyond_base(left),
            (ahead - here).astype(np.float64),
            (here - behind).astype(np.float64),
            scales,
            known,
            self.noise.level,
        )

    def _beyond_base(self, values: list[Any]) -> FloatArray:
        """Losses less that at the point, subtracted in the loss's own precision."""
        own = np.array(values, np.asarray(self.base).dtype)
        beyond: FloatArray = (own - self.base).astype(np.float64)
        return beyond

    def _scales(self, positions: Sequence[int]) -> FloatArray:
        """The length on which the loss is expected to vary with each of some entries."""
        sizes = np.abs(self.evaluate.flat[positions]).astype(np.float64)
        return np.asarray(np.maximum(sizes, 1.0))

    # --- several stencils ---------------------------------------------------------------------

    def certify(
        self, position: int, *, thorough: bool = False, seen: list[Stencil] | None = None
    ) -> Derivative:
        """The derivative in one entry, its step chosen by what is measured; `seen` is filled."""
        x = self.evaluate.flat[position]
        finest = 4.0 * float(np.spacing(abs(x))) if x else 0.0
        scale = max(1.0, abs(float(x)))
        first = scale * first_step(self.noise.level, self.noise.slope)
        probe = self._probe(position)
        if seen is not None:
            probe = _recorded(probe, seen)
        return differentiate(probe, first, scale, finest, thorough=thorough)

    def across(self, position: int, jumps: float) -> Derivative:
        """The derivative in one entry of a loss whose jumps of a size are taken for noise."""
        return replace(self, noise=self.noise.at_least(jumps), step=None).certify(position)

    def stencil(self, position: int, step: float) -> Stencil:
        """The stencil of one entry at a given step."""
        return self._probe(position)(step)

    def _entry(self, position: int, thorough: bool) -> Derivative:
        """What is reported of one entry."""
        certified = self.certify(position, thorough=thorough)
        if self.step is None:
            return certified
        return _at_fixed_step(self.stencil(position, self.step), certified)

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

    def gradient(
        self, measured: Mapping[int, Derivative], single: Columns | None = None
    ) -> FiniteDifference:
        """All entries, from their measurements."""
        values, bounds = merged(self.evaluate.flat.size, measured, single)
        return FiniteDifference(
            Source.FINITE_DIFFERENCE,
            values,
            bounds,
            "central differences" + (f" at step {self.step:g}" if self.step is not None else ""),
            measured,
            single,
            self.noise,
            self.step,
        )


def _recorded(probe: Callable[[float], Stencil], seen: list[Stencil]) -> Callable[[float], Stencil]:
    """The same probe, its stencils kept."""

    def recorded(step: float) -> Stencil:
        seen.append(probe(step))
        return seen[-1]

    return recorded


def _at_fixed_step(classical: Stencil, certified: Derivative) -> Derivative:
    """The classical check's value, with its true error measured against the certified one."""
    better = certified.step
    if not classical.step:
        trouble = Cause.STEP_BELOW_ULP
        return Derivative(np.nan, np.inf, 0.0, np.inf, np.inf, trouble, best_step=better)
    if not classical.finite:
        trouble, step = Cause.DOMAIN, classical.step
        return Derivative(np.nan, np.inf, step, np.inf, np.inf, trouble, best_step=better)
    error = abs(classical.central - certified.value)
    # Below the better step truncation is less than there; what is more than expected is rounding.
    rounding = error if classical.step < better else min(error, classical.rounding)
    return replace(
        certified,
        value=classical.central,
        bound=error + certified.bound,
        step=classical.step,
        truncation=error - rounding,
        rounding=rounding,
        best_step=better,
    )
