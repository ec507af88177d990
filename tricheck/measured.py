"""All that was measured in one check, as the diagnosis and the report read it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tricheck.comparison import BoolArray
from tricheck.coordinates import Coordinates
from tricheck.facts import Evidence, cancelled
from tricheck.parameters import FloatArray, Index, Leaf, largest_of
from tricheck.vocabulary import Finding

_PLAIN = 8.0  # errors of a plain difference, or bounds of a good one, that an accusation needs


@dataclass(frozen=True)
class Measured:
    """The evidence in every entry, and what of it was judged.

    Attributes
    ----------
    evidence : Evidence
        Entry by entry; the finite difference is NaN where none was taken.
    judged : Evidence
        What the verdict rests on: the same, or the sources along groups of entries.
    coordinates : Coordinates or None
        These groups.
    notes : list of Finding
        What was found on the way.
    """

    evidence: Evidence
    judged: Evidence
    coordinates: Coordinates | None
    notes: list[Finding]

    @property
    def directions(self) -> int:
        """Along how many random directions the loss was differentiated."""
        groups = self.coordinates.groups if self.coordinates is not None else ()
        left_out = self.judged.difference.left_out
        return sum(not (group.alone or left_out[row]) for row, group in enumerate(groups))

    def moved(self, leaf: Leaf) -> Leaf:
        """Where a parameter lies in what was judged."""
        return self._leaves[leaf.name]

    def skipped(self, leaf: Leaf) -> BoolArray:
        """Entries of which no finite difference was taken by themselves, in the leaf's order."""
        if self.coordinates is None:
            return np.zeros(leaf.stop - leaf.start, dtype=bool)
        return np.isinf(self.evidence.difference.bounds[leaf.place])

    def along(self, leaf: Leaf) -> tuple[FloatArray, FloatArray]:
        """A parameter's slopes by the finite difference, and how far backprop may be off in each.

        Within all bounds, that is, or within the user's `rtol` where groups were moved.
        """
        judged, place = self.judged, self.moved(leaf).place
        others = [source for source in (judged.backprop, judged.reference) if source is not None]
        own = np.maximum.reduce([source.bounds[place] for source in others])
        slopes, found = judged.difference.values[place], judged.difference.bounds[place]
        if self.coordinates is None:
            return slopes, own + found
        # Before anybody is accused it is measured again, thoroughly, by what sees less.
        plain = np.cbrt(judged.difference.noise.level**2 * np.abs(slopes))
        bounds: FloatArray = own + _PLAIN * np.fmax(found, plain)
        return slopes, np.fmax(bounds, judged.rtol * np.abs(slopes))

    def unseen(self, leaf: Leaf) -> FloatArray:
        """How far backprop may be off in each entry; in any one where groups were moved.

        As far as you like where some entries were not moved at all, for there was no time.
        """
        _, bounds = self.along(leaf)
        if self.coordinates is None:
            return bounds
        groups = self.coordinates.groups[self.moved(leaf).place]
        if sum(group.count for group in groups) < leaf.stop - leaf.start:
            return np.asarray(np.inf)
        point = self.evidence.parameters.values
        return np.asarray(np.max(bounds / [group.slowest(point) for group in groups]))

    def largest(self, leaf: Leaf) -> float:
        """A parameter's largest gradient entry, by the most precise source beside backprop."""
        found = self.evidence.largest_of(leaf)
        if found or self.coordinates is None:
            return found
        return largest_of(self.evidence.backprop.values[leaf.place])

    def vanished(self, leaf: Leaf) -> bool:
        """Whether a parameter's gradient is zero as far as anybody can tell, and seen to be."""
        return bool(np.all(self._vanished[self.moved(leaf).place]))

    def cancels(self, leaf: Leaf) -> bool:
        """Whether no source can tell a parameter's gradient from zero."""
        return bool(np.all(self._cancelled[self.moved(leaf).place]))

    def indices(self, leaf: Leaf, rows: npt.NDArray[np.intp]) -> list[Index]:
        """The entries that some of what was judged of a parameter stands for."""
        if self.coordinates is None:
            return [leaf.index(int(row)) for row in rows]
        groups = self.coordinates.groups[self.moved(leaf).place]
        if not leaf.shape:
            return [()]
        blamed = np.zeros(leaf.stop - leaf.start, dtype=bool)
        for row in rows:
            blamed[groups[row].offsets] = True
        offsets = np.flatnonzero(blamed)
        return list(
            zip(*(axis.tolist() for axis in np.unravel_index(offsets, leaf.shape)), strict=True)
        )

    # Each takes a pass over all, and is asked for once for every parameter.

    @cached_property
    def _leaves(self) -> dict[str, Leaf]:
        return {leaf.name: leaf for leaf in self.judged.parameters.leaves}

    @cached_property
    def _vanished(self) -> BoolArray:
        return self.judged.facts.vanished

    @cached_property
    def _cancelled(self) -> BoolArray:
        return cancelled(self.judged)
