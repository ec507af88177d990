"""Arrays that the code has at hand at each turn of an operation, to be taken for another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.sites import Site
from tricheck.tracing.traced import plain

_MOST = 24


def at_hand(right: list[Any], every: list[Site]) -> Iterator[tuple[str, list[Any]]]:
    """Arrays of the same kinds as the right ones, one for each turn, with words for them."""
    kinds = [_kind(value) for value in right]
    seen = [right]
    for words, values in _of_operations(len(right), every):
        if [_kind(value) for value in values] != kinds or any(_same(values, s) for s in seen):
            continue
        if len(seen) > _MOST:
            break
        seen.append(values)
        yield words, values
    if len(right) > 1 and len(set(kinds)) == 1:
        yield "that of the next turn", [*right[1:], right[-1]]
        yield "that of the turn before", [right[0], *right[:-1]]


def _kind(value: Any) -> tuple[tuple[int, ...], bool]:
    """Shape, and whether it is complex."""
    return np.shape(value), np.iscomplexobj(value)


def _of_operations(turns: int, every: list[Site]) -> Iterator[tuple[str, list[Any]]]:
    """What operations make, and what they take."""
    for site in every:
        if site.alone or len(site.steps) != turns:
            continue
        yield site.words, [step.value for step in site.steps]
        arguments = [step.note.args if step.note else () for step in site.steps]
        for position in range(min(map(len, arguments), default=0)):
            values = [plain(args[position]) for args in arguments]
            if all(isinstance(value, np.ndarray) for value in values):
                yield f"{site.operand(position)} of {site.words}", values


def _same(first: list[Any], second: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
