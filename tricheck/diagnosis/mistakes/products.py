"""Mistakes in the two gradients of a product: another factor than the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.at_hand import at_hand
from tricheck.diagnosis.mistakes.mistake import Mistake, instead, multiple
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.diagnosis.mistakes.terms import Around
from tricheck.parameters import Leaf
from tricheck.tracing.study import PRODUCTS, Study, back
from tricheck.tracing.tape import Edit, Place, Step, recording
from tricheck.tracing.traced import Traced, plain, record
from tricheck.vocabulary import Cause

_LINEAR = (np.matmul, np.dot, np.einsum, np.tensordot, np.inner, np.linalg.solve)


def untransposed(study: Study, site: Site) -> list[Mistake]:
    """A square matrix goes back as it came: W for its transpose."""
    if site.function not in _LINEAR:
        return []
    found = []
    for position in site.operands():
        for other in _others(site, position):
            factors = [plain(step.note.args[other]) for step in site.steps if step.note]
            if not all(_square(factor) for factor in factors):
                continue
            edits = {
                step: _with_factor(number, position, other, np.swapaxes(factor, -1, -2))
                for (step, number), factor in zip(site.places(position), factors, strict=False)
            }
            name = site.operand(other)
            found.append(
                Mistake(
                    Cause.UPSTREAM,
                    "untransposed",
                    f"the way back through {site.words} takes {name} for its transpose",
                    f"transpose {name} there",
                    site.spot,
                    edits,
                    _reach(study, site, position),
                )
            )
    return found


def turned(study: Study, site: Site) -> Iterator[Mistake]:
    """The gradient of a matrix is added up as its transpose, in the order of its memory."""
    if site.function not in PRODUCTS:
        return
    for position in site.operands():
        places = list(site.places(position))
        shapes = [np.shape(step.places[number].storage.value) for step, number in places]
        if not _is_parameter(study, site, position) or any(
            s.count(1) or len(s) != 2 for s in shapes
        ):
            continue
        name = site.operand(position)
        square = all(rows == columns for rows, columns in shapes)
        yield Mistake(
            Cause.TRANSPOSED if square else Cause.PERMUTED,
            "turned",
            f"the gradient of {name} in {site.words} is transposed"
            + (" and reshaped" * (not square)),
            "check the order of the factors of that product",
            site.spot,
            {step: instead(number, _turned) for step, number in places},
            _reach(study, site, position),
        )


def _turned(_came: Any, _step: Step, share: Any) -> Any:
    return np.reshape(np.transpose(share), np.shape(share))


def wrong_factor(study: Study, site: Site, every: list[Site], around: Around) -> list[Mistake]:
    """The gradient of one factor is taken with another array than the one it multiplies."""
    if site.function not in PRODUCTS:
        return []
    of_function = around.cause(site) is Cause.ACTIVATION_DERIVATIVE
    cause = Cause.ACTIVATION_DERIVATIVE if of_function else Cause.CACHED_INPUT
    found = []
    for position in site.operands():
        reached = _reach(study, site, position)
        for other in _others(site, position):
            right = [plain(step.note.args[other]) for step in site.steps if step.note]
            for words, values in at_hand(right, every):
                edits = {
                    step: _with_factor(number, position, other, value)
                    for (step, number), value in zip(site.places(position), values, strict=False)
                }
                found.append(
                    Mistake(
                        cause,
                        "wrong-factor",
                        f"the gradient of {site.operand(position)} in {site.words} is taken with "
                        f"{words} for {site.operand(other)}",
                        "use the array that the forward pass multiplied by",
                        site.spot,
                        edits,
                        reached,
                    )
                )
    return found


def updated(study: Study, site: Site, gradients: dict[str, Any]) -> list[Mistake]:
    """A weight was already updated when the gradient went back through it.

    Only what an update along `gradients` adds is handed back, so that any learning rate can be
    tried.
    """
    if site.function not in _LINEAR:
        return []
    found = []
    for position in site.operands():
        for other in _others(site, position):
            if not _is_parameter(study, site, other):
                continue
            weights = {step: step.places[number] for step, number in site.places(other)}
            names = dict.fromkeys(_leaf(study, place).name for place in weights.values())
            name = ", ".join(names)
            edits = {
                step: _less(number, position, other, _change(study, weights[step], gradients))
                for step, number in site.places(position)
                if step in weights
            }
            found.append(
                Mistake(
                    Cause.STALE_WEIGHTS,
                    "updated",
                    f"the way back through {site.words} takes {name} changed by its own gradient",
                    "go back through all layers before any weight is updated",
                    site.spot,
                    edits,
                    _reach(study, site, position),
                    scaled=multiple(_changed(site, name), edits),
                )
            )
    return found


def _changed(site: Site, name: str) -> Callable[[float], str]:
    return lambda times: (
        f"the way back through {site.words} takes {name} changed by {times:.6g} times its gradient"
    )


def _others(site: Site, position: int) -> Iterator[int]:
    """The other factors of a product."""
    note = site.steps[0].note
    assert note is not None  # every step of a study has one
    for other, arg in enumerate(note.args):
        if other != position and isinstance(plain(arg), np.ndarray):
            yield other


def _square(factor: Any) -> bool:
    shape = np.shape(factor)
    return len(shape) >= 2 and shape[-1] == shape[-2] > 1


def _is_parameter(study: Study, site: Site, position: int) -> bool:
    """Whether an argument is a parameter itself, not something computed from one."""
    places = list(site.places(position))
    return bool(places) and all(s.places[number].storage in study.roots for s, number in places)


def _leaf(study: Study, place: Place) -> Leaf:
    """The parameter that a place is part of."""
    return study.parameters.leaves[study.roots.index(place.storage)]


def _change(study: Study, place: Place, gradients: dict[str, Any]) -> Any:
    """A parameter's gradient, seen as the operation sees the parameter."""
    leaf = _leaf(study, place)
    return place.look(gradients[leaf.name].reshape(leaf.shape))


def _reach(study: Study, site: Site, position: int) -> frozenset[str]:
    return study.reached(site.places(position))


def _with_factor(number: int, position: int, other: int, factor: Any) -> Edit:
    """Back to one argument as if another had had this value."""
    return instead(number, lambda came, step, _: _gone_back(step, position, other, factor, came))


def _less(number: int, position: int, other: int, change: Any) -> Edit:
    """Back to one argument without the part that a change of another would add."""

    def part(came: Any, step: Step, share: Any) -> Any:
        added = _gone_back(step, position, other, change, came)
        return share if added is None or share is None else share - added

    return instead(number, part)


def _gone_back(step: Step, position: int, other: int, factor: Any, came: Any) -> Any:
    """What an operation's rule sends to one argument when another has a different value."""
    note = step.note
    assert note is not None
    with recording() as tape:
        args = [plain(arg) for arg in note.args]
        args[other] = factor
        storage = tape.storage(np.asarray(args[position]) + 0.0)  # floats, complex ones too
        args[position] = Traced(storage)
        answer = record(note.function, *args, **{k: plain(v) for k, v in note.kwargs.items()})
        return back(tape.steps, answer.place, came).pop(storage)
