"""What this point cannot reveal: classes of mistakes, made on its own arrays, that change nothing.

Nothing here goes by names or shapes alone. A class is reported if a mistake of it leads, at this
point, to a gradient that the run could not have told from the right one, and would show elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np

from tricheck.diagnosis.hiding import hidden
from tricheck.diagnosis.hiding.elsewhere import Elsewhere, Way, axes_in_words
from tricheck.diagnosis.hiding.sizes import coinciding, single
from tricheck.diagnosis.hiding.unseen import Kind, Trial, Unseen, unseen
from tricheck.diagnosis.mistakes import scatter
from tricheck.diagnosis.mistakes.activations import activations
from tricheck.diagnosis.mistakes.sites import sites
from tricheck.diagnosis.sensitivity import limits
from tricheck.measured import Measured
from tricheck.parameters import LARGE, FloatArray, Leaf
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Gathered, Step
from tricheck.vocabulary import BlindSpot, Cause, Verdict

_VANISHES = 1e-9  # of the largest gradient entry: as good as 0 at a point elsewhere
_DEAD = float(np.finfo(np.float64).eps)
NOT_FOLLOWED = (
    "The loss could not be followed operation by operation, so mistakes that this point hides were "
    "not looked for."
)
TOO_LARGE = (
    "There is too much to look through in a model of this size to say what else this point hides: "
    "check a smaller one too."
)
NO_TIME = "There was no time to look for mistakes that this point hides."


def blind_spots(
    measured: Measured,
    verdicts: dict[str, Verdict],
    study: Study | None,
    elsewhere: Elsewhere,
    displaced: bool,
) -> list[BlindSpot]:
    """What this point cannot reveal.

    Parameters
    ----------
    measured, verdicts
    study : Study or None
        A kept run of the loss at the point, where it can be traced.
    elsewhere : Elsewhere
        Runs at other points.
    displaced : bool
        Whether the point is a displaced one already, so that the advice is another.
    """
    leaves = measured.evidence.parameters.leaves
    look = _Look(measured, study, elsewhere, displaced)
    agreed = [leaf for leaf in leaves if verdicts[leaf.name] is Verdict.AGREE]
    vanished = {leaf.name for leaf in agreed if measured.vanished(leaf)}
    return [*look.vanished(vanished), *look.of_blocks(), *look.of_trace()]


class _Look:
    """The point, and where to look beside it."""

    def __init__(
        self,
        measured: Measured,
        study: Study | None,
        elsewhere: Elsewhere,
        displaced: bool,
    ) -> None:
        self._measured = measured
        self._evidence = measured.evidence
        self._study = study
        self._elsewhere = elsewhere
        self._displaced = displaced

    # --- the gradient, and the parameters themselves ---

    def vanished(self, names: set[str]) -> Iterator[BlindSpot]:
        """Parameters whose gradient is 0."""
        for leaf in self._evidence.parameters.leaves:
            if leaf.name in names:
                way = self._first(partial(_has_gradient, leaf))
                advice = "at displaced points too, like that of a bias before a normalization"
                if way is not None or self._study is None:
                    advice = self._advice(way or Way.PARAMETERS)
                yield BlindSpot(
                    "vanishing-gradient",
                    "The gradient vanishes at this point, or is too small for the loss to show, "
                    f"and so does any error that scales with it{self._dead(leaf)}: {advice}.",
                    leaf.name,
                    [Cause.SCALE, Cause.SIGN, Cause.UPSTREAM, Cause.ACTIVATION_DERIVATIVE],
                    self._remedy(way),
                )

    def _dead(self, leaf: Leaf) -> str:
        """How many units on the way from a parameter hand nothing back for any sample."""
        if self._study is None:
            return ""
        slopes = [
            self._study.slope(list(a.steps), a.last.outs[0], a.place)
            for a in activations(self._study)
            if any(leaf.name in names for names in self._study.reach[a.steps[0]])
        ]
        dead = [np.all(np.abs(slope) <= _DEAD, axis=0) for slope in slopes if np.ndim(slope) > 1]
        share = max((float(np.mean(units)) for units in dead), default=0.0)
        return f" ({share:.0%} of a layer's units are dead)" if share else ""

    def of_blocks(self) -> Iterator[BlindSpot]:
        """What a parameter's own values hide."""
        best = self._evidence.reference or self._evidence.difference
        for leaf in self._evidence.parameters.leaves:
            seen = limits(self._measured, leaf)
            if not np.isfinite(seen).any():
                continue
            if leaf.name in self._zero:
                yield BlindSpot(
                    "zero-weights",
                    "All entries are 0, where a forgotten regularization term is 0 as well: "
                    f"{self._advice(Way.PARAMETERS)}.",
                    leaf.name,
                    [Cause.REGULARIZER],
                    self._remedy(Way.PARAMETERS),
                )
            if _symmetric(best.values, leaf, seen):
                way = self._first(partial(_is_asymmetric, leaf))
                if way is not None or self._study is None:
                    way = way or Way.PARAMETERS
                    yield BlindSpot(
                        "symmetric-gradient",
                        "The gradient is a symmetric matrix at this point, so its transpose would "
                        f"pass: {self._advice(way)}.",
                        leaf.name,
                        [Cause.TRANSPOSED],
                        self._remedy(way),
                    )

    @cached_property
    def _zero(self) -> set[str]:
        """Weights of 0. Biases, of fewer axes, start at 0 and are seldom regularized."""
        parameters = self._evidence.parameters
        axes = max(1, *(len(leaf.shape) for leaf in parameters.leaves))
        weights = (leaf for leaf in parameters.leaves if len(leaf.shape) == axes)
        return {leaf.name for leaf in weights if not np.any(parameters.values[leaf.place])}

    def _first(self, shows: Callable[[Study], bool]) -> Way | None:
        """The least change that makes something show."""
        return next((way for way in Way if any(map(shows, self._elsewhere.of(way)))), None)

    # --- the way back through the loss ---

    def of_trace(self) -> Iterator[BlindSpot]:
        """What a mistake on the way back would not change."""
        point = self._evidence.point
        if self._study is None:
            if not (point.spread or point.stateful):
                yield BlindSpot("not-looked-for", self._reason)
            return
        leaves = self._evidence.parameters.leaves
        seen = np.concatenate([limits(self._measured, leaf) for leaf in leaves])
        found = unseen(self._study, seen, self._elsewhere)
        if (output := _summed_output(self._study)) is not None:
            yield BlindSpot(
                "upstream-of-one",
                "The outputs are just summed, so a backward pass that drops the gradient coming "
                "back to them, all 1, would pass: sum them times numbers of both signs.",
                hides=[Cause.UPSTREAM],
                remedy=Way.INPUTS.value,
            )
            later = set(self._study.steps[self._study.steps.index(output) + 1 :])
            found = [one for one in found if not later.intersection(one.trial.site.steps)]
        yield from self._unseen(found)
        yield from self._sizes(self._study)
        yield from _unrepeated(self._study)
        if self._elsewhere.cut:
            yield BlindSpot(
                "not-looked-for",
                TOO_LARGE,
            )

    @property
    def _reason(self) -> str:
        """Why nothing was looked for."""
        if self._evidence.parameters.size > LARGE:
            return TOO_LARGE
        return NO_TIME if self._elsewhere.hurried else NOT_FOLLOWED

    def _unseen(self, found: list[Unseen]) -> Iterator[BlindSpot]:
        """One spot for all mistakes at one place, and for all of a kind that have one reason."""
        groups: dict[Any, list[Trial]] = {}
        idle = {way for trial, way in found if trial.kind in (Kind.BRANCH, Kind.FACTOR)}
        for trial, way in found:
            if trial.kind is Kind.OTHER_ARRAY and way in idle:
                continue  # what an idle operation returns equals what it takes
            if way is Way.PARAMETERS and trial.parameters <= self._zero:
                continue  # that they are 0 has been said
            together = way is Way.SIZES or trial.kind in (Kind.NOT_RUN, Kind.OTHER_ARRAY)
            place = trial.kind if together else trial.site.spot
            groups.setdefault((way, place), []).append(trial)
        for (way, _), group in groups.items():
            told = min(group, key=lambda trial: trial.telling)
            yield BlindSpot(
                "size-one-axis" if way is Way.SIZES else hidden.NAMES[told.kind],
                f"{hidden.words(told)}: {self._advice(way)}.",
                hides=hidden.CAUSES[told.kind],
                remedy=self._remedy(way),
            )

    def _sizes(self, study: Study) -> Iterator[BlindSpot]:
        """Axes of one, over which a mean is a sum, and of equal size, that a factor may mean."""
        if (where := single(study, self._elsewhere)) is not None:
            yield BlindSpot(
                "size-one-axis",
                f"There is one entry along {where}, so a mean over it is a sum, and a wrong factor "
                "of that size would pass: use two or more.",
                hides=[Cause.SCALE, Cause.BIAS_REDUCTION],
                remedy=Way.SIZES.value,
            )
        for where, size in coinciding(study, self._elsewhere):
            yield BlindSpot(
                "coinciding-sizes",
                f"The loss divides by a size of {size}, which is that of {where}: dividing by the "
                "wrong one would pass. Use sizes that differ.",
                hides=[Cause.SCALE],
                remedy=Way.SIZES.value,
            )

    # --- what to do ---

    def _advice(self, way: Way) -> str:
        if way is Way.SIZES:
            single = axes_in_words(self._elsewhere.shapes, lambda _, size: size == 1)
            return f"use two or more entries along {single or 'axes of size 1'}"
        if way is Way.PARAMETERS and not self._displaced:
            return "check at a displaced point"
        return "use other inputs, of both signs"

    def _remedy(self, way: Way | None) -> str:
        if way is Way.PARAMETERS:
            return "inputs" if self._displaced else "displace"
        return way.value if way is not None else ""


def _has_gradient(leaf: Leaf, run: Study) -> bool:
    gradient = np.abs(run.gradient())
    return bool(np.max(gradient[leaf.place]) > _VANISHES * np.max(gradient))


def _symmetric(values: FloatArray, leaf: Leaf, seen: FloatArray) -> bool:
    """Whether a square matrix and its transpose are closer than what can be seen."""
    if len(leaf.shape) != 2 or leaf.shape[0] != leaf.shape[1] or leaf.shape[0] == 1:
        return False
    block = values[leaf.place].reshape(leaf.shape)
    return bool(np.all(np.abs(block.T - block).reshape(-1) <= seen))


def _is_asymmetric(leaf: Leaf, run: Study) -> bool:
    gradient = run.gradient()
    slack = np.full(leaf.stop - leaf.start, _VANISHES * np.max(np.abs(gradient)))
    return not _symmetric(gradient, leaf, slack)


def _unrepeated(study: Study) -> Iterator[BlindSpot]:
    if not any(isinstance(step, Gathered) and step.repeats for step in study.steps):
        return
    for site in sites(study):
        if not site.turn and scatter.unrepeated(site):
            yield BlindSpot(
                "no-repeated-index",
                f"No index occurs twice in {site.words}, so `=` in place of `+=` on the way back "
                "would not show: use inputs that repeat one.",
                hides=[Cause.ENTRIES],
                remedy=Way.INPUTS.value,
            )


def _summed_output(study: Study) -> Step | None:
    """The last step of a linear layer, where all entries of what it makes are just summed up."""
    used = [s for s in study.steps if any(p.storage in study.roots for p in s.places)]
    if not any(s.note is not None and s.note.function in _PRODUCTS for s in used):
        return None
    came = study.came.get(used[-1])
    ones = isinstance(came, np.ndarray) and came.size > 1 and np.all(came == 1.0)
    return used[-1] if ones else None


_PRODUCTS = (np.matmul, np.dot, np.einsum, np.tensordot, np.inner)
