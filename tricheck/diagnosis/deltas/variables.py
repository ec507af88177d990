"""Which variables of the loss hold a step's result, read off the source."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from tricheck.location import Position, Spot
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Step, Storage, Written

Spots = tuple[Spot, ...]
Part = int | None  # of a tuple; None for a value that is no part of one

_PRODUCTS = (np.matmul, np.dot, np.einsum, np.tensordot, np.inner)
_COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Module)


def results(study: Study) -> list[Step]:
    """The steps that have made what a call returned, in the order of the run; not the loss itself.

    NumPy functions that are written in terms of others make several steps in one call.
    """
    last: dict[tuple[int, Spots], Step] = {}
    for step, came in reversed(study.came.items()):  # found on the way back
        real = not isinstance(came, list) and not np.iscomplexobj(came)
        memory = isinstance(step, Written) or study.end.storage in step.outs
        if step.note is not None and real and not memory:
            last[step.note.call, study.spots(step)] = step
    return list(last.values())


def variables(study: Study) -> dict[str, list[list[Step]]]:
    """The steps whose results each variable has held, in the order of the run.

    One list for each operation that was bound to it: a loop binds one many times.
    """
    found: dict[str, dict[Spots, list[Step]]] = {}
    names: dict[Spots, set[str]] = {}
    for step in results(study):
        spots = study.spots(step)
        if spots not in names:
            names[spots] = _names(spots)
        for name in names[spots]:
            found.setdefault(name, {}).setdefault(spots, []).append(step)
    return {name: list(by_spots.values()) for name, by_spots in found.items()}


def layers(study: Study) -> list[Step]:
    """What each product with a parameter comes to before an activation, in the order of the run."""
    readers: dict[Storage, list[Step]] = {}
    for step in study.steps:
        for place in step.places:
            readers.setdefault(place.storage, []).append(step)

    def summed(step: Step) -> Step:
        """With the bias, or another product, that is added."""
        after = readers.get(step.outs[0], [])
        alone = len(after) == 1 and _function(after[0]) is np.add
        return summed(after[0]) if alone else step

    roots = set(study.roots)
    found = {
        summed(step)
        for step in results(study)
        if _function(step) in _PRODUCTS and any(place.storage in roots for place in step.places)
    }
    return [step for step in study.steps if step in found]


def _function(step: Step) -> Any:
    return step.note.function if step.note is not None else None


def functions(spots: Spots) -> Spots:
    """The way down through functions alone: a comprehension counts as part of its function."""
    inside = [spot.function.rpartition(".")[2] in _COMPREHENSIONS for spot in spots[1:]]
    return tuple(spot for spot, skip in zip(spots, [*inside, False], strict=False) if not skip)


def _names(spots: Spots) -> set[str]:
    """Variables that an operation's result is bound to, in its own frame and those that called."""
    own = functions(spots)
    names: set[str] = set()
    pending: list[tuple[int, Part]] = [(len(own) - 1, None)]
    while pending:
        depth, part = pending.pop()
        source = _source(own[depth]) if depth >= 0 else None
        if source is not None and (node := source.at(own[depth])) is not None:
            bound, returned = source.follow(node, part)
            names |= bound
            pending += [(depth - 1, part) for part in returned]
    return names


def _source(spot: Spot) -> Source | None:
    return _parsed("".join(linecache.getlines(spot.file)))


@lru_cache(maxsize=64)
def _parsed(text: str) -> Source | None:
    try:
        tree = ast.parse(text)
    except SyntaxError:  # the file is no longer what was run
        return None
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    positions: dict[Position, ast.AST] = {}
    for node in parents:
        if isinstance(node, ast.expr | ast.AugAssign):
            positions[_position(node)] = node
    return Source(positions, parents)


@dataclass(frozen=True)
class Source:
    """A source file as a tree."""

    positions: Mapping[Position, ast.AST]
    parents: Mapping[ast.AST, ast.AST]

    def at(self, spot: Spot) -> ast.AST | None:
        """The operation at a spot."""
        return self.positions.get(spot.position)

    def follow(self, node: ast.AST, part: Part) -> tuple[set[str], list[Part]]:
        """The variables of a function that hold an operation's result, and how it is returned.

        Parameters
        ----------
        node : ast.AST
        part : int or None
            Which part of the operation's result is meant.

        Returns
        -------
        names : set of str
        returned : list of int or None
            As which part of what the function returns.
        """
        names: set[str] = set()
        returned: list[Part] = []
        pending = [(node, part)]
        for node, part in pending:  # which grows meanwhile
            targets: list[ast.expr] = []
            match self.parents.get(node):
                case _ if isinstance(node, ast.AugAssign):
                    targets = [node.target]
                case ast.Assign(value=value) as parent if value is node:
                    targets = [t for target in parent.targets for t in _taken(target, part)]
                case ast.AnnAssign(target=only, value=value) if value is node:
                    targets = _taken(only, part)
                case ast.NamedExpr(target=only) as parent:
                    targets = _taken(only, part)
                    pending.append((parent, part))
                case ast.Tuple(elts=elts) as parent if part is None:
                    pending += [(parent, i) for i, other in enumerate(elts) if other is node]
                case ast.Return() | ast.Lambda():
                    returned.append(part)
                case ast.IfExp(test=test) as parent if test is not node:
                    pending.append((parent, part))
                case ast.ListComp(elt=value) as parent if value is node:
                    pending.append((parent, part))
                case ast.Call(func=ast.Attribute(attr="append", value=holder)) if part is None:
                    names |= _name(holder)
                case ast.Dict() as parent if part is None:
                    names |= _keys_of(parent, node)
            for target in targets:
                names |= _name(target)
                pending += [(load, None) for load in self._loads(target)]
        return names, returned

    def _loads(self, target: ast.expr) -> Iterator[ast.AST]:
        """Where a variable is read that still holds what it was bound to here."""
        text = ast.unparse(target)
        scope, blocks = self._around(target)
        same = [
            node
            for node in ast.walk(scope)
            if isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
            and ast.unparse(node) == text
            and _start(node) > _start(target)
        ]
        rebound = [
            _start(node)
            for node in same
            if not isinstance(node.ctx, ast.Load) and set(self._around(node)[1][:1]) <= set(blocks)
        ]
        for node in same:
            if isinstance(node.ctx, ast.Load) and not any(end < _start(node) for end in rebound):
                yield node

    def _around(self, node: ast.AST) -> tuple[ast.AST, list[tuple[ast.AST, str]]]:
        """The function that a node is in, and the blocks within it, the innermost first."""
        blocks = []
        while not isinstance(node, _SCOPES):
            parent = self.parents[node]
            if isinstance(node, ast.stmt):
                block = next(
                    f for f, v in ast.iter_fields(parent) if isinstance(v, list) and node in v
                )
                blocks.append((parent, block))
            node = parent
        return node, blocks


def _taken(target: ast.expr, part: Part) -> list[ast.expr]:
    """What takes a value, or one part of it, in an assignment."""
    if not isinstance(target, ast.Tuple | ast.List):
        return [target] if part is None else []
    if (
        part is None
        or part >= len(target.elts)
        or any(isinstance(t, ast.Starred) for t in target.elts)
    ):
        return []
    return [target.elts[part]]


def _name(target: ast.expr) -> set[str]:
    """``z``, ``self.z``, ``cache["z"]`` and ``cache[f"z{i}"]`` are all z; ``z[t]`` is too."""
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return {name}
        case ast.Subscript(value=value, slice=index):
            return _key(index) or _name(value)
    return set()


def _keys_of(parent: ast.Dict, value: ast.AST) -> set[str]:
    pairs = zip(parent.keys, parent.values, strict=True)
    return {name for key, other in pairs if other is value for name in _key(key)}


def _key(node: ast.expr | None) -> set[str]:
    """The first text in a key."""
    texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)] if node else []
    return set([text for text in texts if isinstance(text, str) and text][:1])


def _position(node: ast.expr | ast.AugAssign) -> Position:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset
