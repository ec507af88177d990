"""Sites: the steps of a run that one operation in the user's code has made.

A loop makes one operation many times, and a mistake in the backward pass of its body is made as
often. So a mistake is tried at all steps of one call's way down to an operation; where several ways
lead to it, at all of these; in a loop inside another, as over the layers for every sample, at each
turn of the inner one every time; and in a short loop at each turn alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from tricheck.location import Spot
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Place, Step, Storage
from tricheck.tracing.traced import is_traced

_MOST_TURNS = 16
_MODULES = ("np", "numpy", "math", "scipy")
_WIDE = 44  # characters of an expression that a message shows


@dataclass(frozen=True)
class Site:
    """Steps of one operation.

    Attributes
    ----------
    steps : tuple of Step
        In the order of the run.
    spots : tuple of Spot
        The call's way down to it; empty for what tricheck itself adds to a loss.
    turn : str
        Which turn of a loop it is, as words to follow the operation; empty for all.
    alone : bool
        Whether it is a single step of several.
    """

    steps: tuple[Step, ...]
    spots: tuple[Spot, ...]
    turn: str = ""
    alone: bool = False

    @property
    def function(self) -> Any:
        """The function called."""
        note = self.steps[0].note
        return note.function if note is not None else None

    @property
    def spot(self) -> str:
        """Where it stands, like ``model.py:12``."""
        return self.spots[-1].name if self.spots else ""

    @property
    def words(self) -> str:
        """The operation and where it stands, like ```a @ W` (model.py:12)``."""
        if not self.spots:
            return "the sum over the outputs"
        source = self.spots[-1].expression
        where = self.spot + self.turn
        return f"`{shortened(source)}` ({where})" if source else where

    def operands(self) -> list[int]:
        """Positions of the arguments that depend on the parameters, in any step."""
        return sorted({position for step in self.steps for position in positions(step)})

    def places(self, position: int) -> Iterator[tuple[Step, int]]:
        """Steps that read this argument, and its number among the places that they read."""
        for step in self.steps:
            for number, found in enumerate(positions(step)):
                if found == position:
                    yield step, number

    def operand(self, position: int) -> str:
        """The argument's own source text, or which one it is."""
        text = self.spots[-1].expression if self.spots else None
        note = self.steps[0].note
        count = len(note.args) if note is not None else 0
        found = _argument(text, position, count) if text else None
        return f"`{shortened(found)}`" if found else f"argument {position + 1}"


def shortened(source: str) -> str:
    """Source text that fits in a line."""
    return source if len(source) <= _WIDE else source[: _WIDE - 3] + "..."


def sites(study: Study) -> list[Site]:
    """All sites of a run: each way down to an operation, shared operations, and turns of loops."""
    found = [Site(tuple(steps), spots) for spots, steps in _grouped(study, whole=True)]
    by_way = {site.steps for site in found}
    shared = [
        Site(tuple(steps), spots[-1:])
        for spots, steps in _grouped(study, whole=False)
        if spots and tuple(steps) not in by_way
    ]
    turns = [
        Site((step,), site.spots, f", iteration {number}", alone=True)
        for site in found
        if 1 < len(site.steps) <= _MOST_TURNS
        for number, step in enumerate(site.steps)
    ]
    inner = [
        Site(steps, site.spots, every_time(number))
        for site, depths in zip(found, chained(study, [site.steps for site in found]), strict=True)
        for number, steps in enumerate(depths)
    ]
    return found + shared + inner + turns


def every_time(number: int) -> str:
    """Which turn of an inner loop, as words to follow an operation."""
    return f", iteration {number} every time"


def chained(study: Study, groups: Sequence[tuple[Step, ...]]) -> list[list[tuple[Step, ...]]]:
    """Each group's steps by the turns of an inner loop; none where there is no other around it."""
    return [
        turns if 1 < len(turns) <= min(_MOST_TURNS, len(steps) - 1) else []
        for steps, turns in zip(groups, depths(study, groups), strict=True)
    ]


def depths(study: Study, groups: Sequence[tuple[Step, ...]]) -> list[list[tuple[Step, ...]]]:
    """Each group's steps by how many of the group lie behind them: the turns of a loop."""
    many = [k for k, steps in enumerate(groups) if len(steps) > 1]
    column = {step: c for c, k in enumerate(many) for step in groups[k]}
    none = np.zeros(len(many), dtype=np.int32)
    behind: dict[Storage, Any] = {}
    turns: list[dict[int, list[Step]]] = [{} for _ in groups]
    for step in study.steps if many else ():
        read = (*(place.storage for place in step.places), *step.outs)
        depth = none
        for known in {id(d): d for s in read if (d := behind.get(s)) is not None}.values():
            depth = np.maximum(depth, known)
        if (here := column.get(step)) is not None:
            turns[many[here]].setdefault(int(depth[here]), []).append(step)
            depth = depth.copy()
            depth[here] += 1
        behind.update(dict.fromkeys(step.outs, depth))
    return [[tuple(by_depth[k]) for k in sorted(by_depth)] for by_depth in turns]


def _grouped(study: Study, *, whole: bool) -> list[tuple[tuple[Spot, ...], list[Step]]]:
    """Steps by their way down, or by their innermost spot alone; and by number within a call.

    NumPy functions that are written in terms of others make several steps in one call.
    """
    groups: dict[tuple[Any, ...], list[Step]] = {}
    ways: dict[tuple[Any, ...], tuple[Spot, ...]] = {}
    call, number = 0, 0
    for step in study.steps:
        made_in = step.note.call if step.note is not None else 0
        call, number = made_in, number + 1 if made_in == call else 0
        spots = study.spots(step) if whole else study.spots(step)[-1:]
        function = step.note.function if step.note is not None else None
        # What tricheck's own adapters compute has no spot, and is never one operation.
        key = (spots, number, function) if spots else (call, number)
        ways[key] = spots
        groups.setdefault(key, []).append(step)
    return [(ways[key], steps) for key, steps in groups.items()]


def positions(step: Step) -> list[int]:
    """For each place that a step has read, which argument of its function that was."""
    args: Sequence[Any] = step.note.args if step.note is not None else ()
    free = [i for i, arg in enumerate(args) if is_traced(arg)]
    found = []
    for number, place in enumerate(step.places):
        match = next((i for i in free if _same(args[i].place, place)), None)
        if match is None:  # inside a list of arrays, say
            found.append(number)
        else:
            free.remove(match)
            found.append(match)
    return found


def _same(first: Place, second: Place) -> bool:
    return first.storage is second.storage and first.view == second.view


@lru_cache(maxsize=4096)
def _argument(source: str, position: int, count: int) -> str | None:
    """The source text of one argument of an operation."""
    try:
        node = ast.parse(source, mode="eval").body
    except SyntaxError:
        return None
    parts = _arguments(node, count)
    return ast.get_source_segment(source, parts[position]) if position < len(parts) else None


def _arguments(node: ast.expr, count: int) -> list[ast.expr]:
    match node:
        case ast.BinOp():
            return [node.left, node.right]
        case ast.UnaryOp():
            return [node.operand]
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))) if name in _MODULES:
            return node.args
        case ast.Call(func=ast.Attribute() as method) if len(node.args) < count:
            return [method.value, *node.args]  # x.mean(axis=0): x comes first
        case ast.Call():
            return node.args
        case ast.Subscript():
            return [node.value]
    return []
