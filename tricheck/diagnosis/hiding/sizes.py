"""Sizes of axes that hide mistakes: one, over which a mean is a sum, and two that are the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from tricheck.diagnosis.hiding.elsewhere import Elsewhere, axes_in_words, listed
from tricheck.diagnosis.mistakes.sites import Site, positions
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Step
from tricheck.tracing.traced import is_traced, plain

_SUMS = (np.sum, np.mean, np.average)
_MEANS = (np.mean, np.average)
_PRODUCTS = (np.matmul, np.dot)
_MOST_NAMED = 2  # axes


def single(study: Study, elsewhere: Elsewhere) -> str | None:
    """Axes of one entry that the loss sums over, or a gradient on its way back.

    Returns
    -------
    str or None
        Like ``axis 0 of X``.
    """
    step = next((s for s in study.steps if study.spots(s) and _sums_one(study, s)), None)
    if step is None:
        return None
    where = axes_in_words(elsewhere.shapes, lambda _, size: size == 1)
    if 0 < where.count("axis") <= _MOST_NAMED:
        return where
    return f"an axis that is summed over at {Site((step,), study.spots(step)).words}"


def _sums_one(study: Study, step: Step) -> bool:
    function = step.note.function if step.note is not None else None
    if function in _SUMS:
        return not _of_parameter(study, step) and 1 in _reduced(step)
    for number, place in enumerate(step.places):
        if place.storage not in study.roots:
            continue
        shape = np.shape(place.look(place.storage.value))
        if isinstance(function, np.ufunc) and function.signature is None:
            added = np.shape(step.value)[: np.ndim(step.value) - len(shape)]
            if 1 in added and shape:
                return True
        if function in _PRODUCTS and positions(step)[number] == 1:
            rows = np.shape(plain(step.note.args[0]) if step.note else ())[:-1]
            if 1 in rows:
                return True
    return False


def _of_parameter(study: Study, step: Step) -> bool:
    """Whether nothing is summed but a function of one parameter: a term of its own."""
    [shape] = (np.shape(place.look(place.storage.value)) for place in step.places[:1])
    [names] = study.reach[step][:1]
    leaves = {leaf.name: leaf.shape for leaf in study.parameters.leaves}
    return len(names) == 1 and leaves[next(iter(names))] == shape


def _reduced(step: Step) -> tuple[int, ...]:
    """The sizes of the axes that a sum is taken over."""
    assert step.note is not None
    place = step.places[0]
    shape = np.shape(place.look(place.storage.value))
    axis = step.note.kwargs.get("axis", step.note.args[1] if len(step.note.args) > 1 else None)
    axes = range(len(shape)) if axis is None else np.atleast_1d(axis)
    return tuple(shape[k] for k in axes)


def coinciding(study: Study, elsewhere: Elsewhere) -> Iterator[tuple[str, int]]:
    """Sizes that the loss divides by, of which it cannot be told which axis' they are.

    Yields
    ------
    str, int
        Axes that have it, like ``axes 0 and 1 of X``, and the size.
    """
    sizes = {size for shape in elsewhere.shapes.values() for size in shape}
    for size in sorted({n for step in study.steps for n in _divided_by(step, sizes)}):
        alike = ((name, s) for name, s in elsewhere.shapes.items() if s.count(size) > 1)
        for name, shape in islice(alike, 1):
            axes = [str(axis) for axis, length in enumerate(shape) if length == size]
            yield f"axes {listed(axes)} of {name}", size


def _divided_by(step: Step, sizes: set[int]) -> Iterator[int]:
    """Sizes that a step divides by: of an axis that it averages over, or as a number."""
    function = step.note.function if step.note is not None else None
    if function in _MEANS:
        reduced = _reduced(step)
        yield from reduced if len(reduced) == 1 and reduced[0] > 1 else ()
    elif step.note is not None and function in (np.true_divide, np.multiply):
        for number in (plain(arg) for arg in step.note.args if not is_traced(arg)):
            if np.ndim(number) == 0 and number:
                count = float(abs(number if function is np.true_divide else 1.0 / number))
                # 2 alone is the square's; 2N holds it too
                readings = (n for n in (count, count / 2) if count > 2 and n in sizes)
                yield from islice(map(round, readings), 1)
