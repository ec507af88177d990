"""A mistake: what goes back instead of the right gradient, and how to say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tricheck.tracing.study import Edits
from tricheck.tracing.tape import Edit, Parts, Step
from tricheck.vocabulary import Cause


@dataclass(frozen=True)
class Mistake:
    """A derivation error at one place of the loss.

    Attributes
    ----------
    cause : Cause
    kind : str
        A short, stable name.
    words : str
        What is done wrong, to follow "if": a clause without a full stop.
    advice : str
        What to do about it: a sentence without a full stop, or empty.
    spot : str
        Where in the loss, like ``model.py:12``.
    edits : mapping of Step to Edit
    parameters : frozenset of str
        Those whose gradient it may change.
    scaled : callable or None
        If it is one of a family, the words and the edits of the member with another number.
    start : mapping of Step to Edit, or None
        The member whose number is 0, where the gradient is linear in it; None if that is right.
    factor : float or None
        For another member, its number, or the factor that it makes.
    replaces : mapping of Step to tuple of Step
        The steps that an edit goes back through at once, where that is more than its own.
    parts : tuple of Mistake
        The mistakes that it consists of, where they are two.
    """

    cause: Cause
    kind: str
    words: str
    advice: str
    spot: str
    edits: Edits
    parameters: frozenset[str]
    scaled: Callable[[float], tuple[str, Edits]] | None = None
    start: Edits | None = None
    factor: float | None = None
    replaces: Mapping[Step, tuple[Step, ...]] = field(default_factory=dict)
    parts: tuple[Mistake, ...] = ()

    def on_the_way_to(self, name: str) -> Mistake:
        """What of it changes a parameter's gradient: one of two, or all of it."""
        parts = [part for part in self.parts if name in part.parameters]
        return parts[0] if len(parts) == 1 else self


Right = Callable[[Any], Parts]


def without(number: int) -> Edit:
    """Nothing goes back to one of the places that a step has read."""
    return instead(number, lambda *_: None)


def instead(number: int, part: Callable[[Any, Step, Any], Any]) -> Edit:
    """Something else goes back to one place: of what came, the step, and the right part.

    Where nothing goes back, as after another mistake on the way, nothing does still.
    """

    def edit(gradient: Any, step: Step, right: Right) -> Parts:
        return [
            (place, part(gradient, step, share) if i == number and share is not None else share)
            for i, (place, share) in enumerate(right(gradient))
        ]

    return edit


def after(change: Callable[[Any], Any]) -> Edit:
    """Something else comes to a step; the step itself is right."""

    def edit(gradient: Any, _: Step, right: Right) -> Parts:
        return right(change(gradient))

    return edit


def multiple(
    words: Callable[[float], str], left_out: Edits
) -> Callable[[float], tuple[str, Edits]]:
    """The family of those who take so many times more of what a mistake leaves out."""

    def member(number: float) -> tuple[str, Edits]:
        return words(number), {step: _more_of(edit, number) for step, edit in left_out.items()}

    return member


def _more_of(left_out: Edit, number: float) -> Edit:
    def edit(came: Any, step: Step, right: Right) -> Parts:
        pairs = zip(right(came), left_out(came, step, right), strict=True)
        return [(place, _more(share, less, number)) for (place, share), (_, less) in pairs]

    return edit


def _more(share: Any, less: Any, number: float) -> Any:
    """A part with so many times more of what another version of it leaves out."""
    if less is share or share is None:
        return share
    return share + number * (share - (0.0 if less is None else less))


def times(factor: Any) -> Callable[[Any], Any]:
    """A change of what comes, to be made by `after`."""
    return lambda gradient: gradient * factor


def both(first: Edit | None, second: Edit) -> Edit:
    """Two mistakes at one step."""
    if first is None:
        return second

    def edit(gradient: Any, step: Step, right: Right) -> Parts:
        return second(gradient, step, lambda changed: first(changed, step, right))

    return edit
