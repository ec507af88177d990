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
        If all it does is to leave a contribution out: the words for adding that contribution so
        many times more, so that any multiple of it can be tried.
    replaces : mapping of Step to tuple of Step
        The steps that an edit goes back through at once, where that is more than its own.
    """

    cause: Cause
    kind: str
    words: str
    advice: str
    spot: str
    edits: Edits
    parameters: frozenset[str]
    scaled: Callable[[float], str] | None = None
    replaces: Mapping[Step, tuple[Step, ...]] = field(default_factory=dict)


Right = Callable[[Any], Parts]


def without(number: int) -> Edit:
    """Nothing goes back to one of the places that a step has read."""
    return instead(number, lambda *_: None)


def instead(number: int, part: Callable[[Any, Step, Any], Any]) -> Edit:
    """Something else goes back to one place: of what came, the step, and the right part."""

    def edit(gradient: Any, step: Step, right: Right) -> Parts:
        return [
            (place, part(gradient, step, share) if i == number else share)
            for i, (place, share) in enumerate(right(gradient))
        ]

    return edit


def after(change: Callable[[Any], Any]) -> Edit:
    """Something else comes to a step; the step itself is right."""

    def edit(gradient: Any, _: Step, right: Right) -> Parts:
        return right(change(gradient))

    return edit


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
