"""What an object holds, as far as Python's own containers lead: to find it, and to set it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tricheck.adapters.paths import Attribute, Item, Step
from tricheck.calls import same_arrays

_OPAQUE = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType)


Place = tuple[Any, Step]


def places(obj: Any, values: Mapping[str, Any]) -> dict[str, list[Place]]:
    """Every place within an object that holds one of these very values and can be set.

    Examples
    --------
    >>> w = np.ones(2)
    >>> [(_, first), (_, second)] = places({"W": w, "layers": [w]}, {"W": w})["W"]
    >>> first, second
    (Item(key='W'), Item(key=0))
    """
    found: dict[str, list[Place]] = {name: [] for name in values}
    names = {id(value): name for name, value in values.items()}
    for holder in _holders(obj):
        for step, child in _children(holder):
            if id(child) in names and not isinstance(holder, tuple):
                found[names[id(child)]].append((holder, step))
    return found


def named_arrays(holder: Any) -> dict[str, Any]:
    """Arrays of floats, and lists of them, that can be reached from an object, by their place.

    Examples
    --------
    >>> list(named_arrays({"dz": np.ones(2), "layers": [{"dz": np.zeros(1)}], "n": 3}))
    ['dz', "layers[0]['dz']"]
    """
    found: dict[str, Any] = {}
    seen: set[int] = set()

    def search(name: str, value: Any) -> None:
        if _is_array(value) or (isinstance(value, list | tuple) and _are_arrays(value)):
            found[name] = value
        elif _is_holder(value) and id(value) not in seen:
            seen.add(id(value))
            for step, child in _children(value):
                search(_joined(name, step), child)

    search("", holder)
    return found


def changed_arrays(holder: Any, before: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `named_arrays` that are new or hold other numbers than a copy made before."""
    return {
        name: value
        for name, value in named_arrays(holder).items()
        if name not in before or not same_arrays(before[name], value)
    }


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _are_arrays(values: Sequence[Any]) -> bool:
    return bool(values) and all(map(_is_array, values))


def _joined(name: str, step: Step) -> str:
    if not name:
        return str(step.key)
    return f"{name}.{step.key}" if isinstance(step, Attribute) else f"{name}[{step.key!r}]"


@contextmanager
def kept(obj: Any) -> Iterator[None]:
    """Set back, in the end, what has changed in an object: attributes, items, numbers in arrays."""
    reached = [(holder, list(_children(holder))) for holder in _holders(obj)]
    arrays = {
        id(child): (child, child.copy())
        for _, children in reached
        for _, child in children
        if isinstance(child, np.ndarray)
    }
    try:
        yield
    finally:
        for array, numbers in arrays.values():
            if array.flags.writeable:
                array[...] = numbers
        for holder, children in reached:
            _set_back(holder, children)


def _set_back(holder: Any, children: list[tuple[Step, Any]]) -> None:
    if isinstance(holder, list):
        holder[:] = [child for step, child in children if isinstance(step, Item)]
    if isinstance(holder, dict):
        _set_back_dict(holder, {s.key: child for s, child in children if isinstance(s, Item)})
    if hasattr(holder, "__dict__"):
        names = {s.key: child for s, child in children if isinstance(s, Attribute)}
        _set_back_dict(vars(holder), names)


def _set_back_dict(holder: dict[Any, Any], before: dict[Any, Any]) -> None:
    same = list(holder) == list(before)
    if not same or any(holder[key] is not value for key, value in before.items()):
        holder.clear()
        holder.update(before)


def _holders(obj: Any) -> list[Any]:
    """An object, and every object and container that can be reached from it."""
    found: dict[int, Any] = {}
    pending = [obj]
    while pending:
        holder = pending.pop()
        if id(holder) not in found:
            found[id(holder)] = holder
            pending += [child for _, child in _children(holder) if _is_holder(child)]
    return list(found.values())


def _is_holder(value: Any) -> bool:
    if isinstance(value, list | tuple | dict):
        return True
    return hasattr(value, "__dict__") and not isinstance(value, _OPAQUE)


def _children(holder: Any) -> Iterator[tuple[Step, Any]]:
    if isinstance(holder, dict):
        yield from ((Item(key), child) for key, child in holder.items())
    elif isinstance(holder, list | tuple):
        yield from ((Item(index), child) for index, child in enumerate(holder))
    if hasattr(holder, "__dict__"):
        yield from ((Attribute(name), child) for name, child in vars(holder).items())
