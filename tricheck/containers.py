"""The containers that users keep parameters in: dicts, lists and tuples in any nesting, of arrays.

What is in them is walked over, rebuilt, and matched with a gradient of the same structure.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.errors import ModelError


def _children(container: Any, name: str) -> list[tuple[str, Any]] | None:
    """Names and values inside a container; None for a leaf."""
    if isinstance(container, Mapping):
        return [(f"{name}.{key}" if name else str(key), v) for key, v in container.items()]
    if isinstance(container, tuple) and hasattr(container, "_fields"):
        fields = zip(container._fields, container, strict=True)
        return [(f"{name}.{key}" if name else key, value) for key, value in fields]
    if isinstance(container, list | tuple):
        return [(f"{name or 'params'}[{i}]", value) for i, value in enumerate(container)]
    return None


def walk(structure: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Names and values of the leaves, in order."""
    children = _children(structure, name)
    if children is None:
        yield name or "params", structure
    else:
        for child_name, child in children:
            yield from walk(child, child_name)


def rebuild(structure: Any, leaf: Callable[[], Any]) -> Any:
    """The same containers, each leaf replaced by the next that `leaf` gives."""
    if isinstance(structure, Mapping):
        pairs = {key: rebuild(value, leaf) for key, value in structure.items()}
        if not isinstance(structure, MutableMapping) or type(structure) is dict:
            return pairs
        alike = copy.copy(structure)  # keeps what its type carries beside the items
        alike.update(pairs)
        return alike
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*(rebuild(value, leaf) for value in structure))
    if isinstance(structure, list | tuple):
        return type(structure)(rebuild(value, leaf) for value in structure)
    return leaf()


def matched(template: Any, gradient: Any, name: str, origin: str) -> Iterator[Any]:
    """The gradient's leaves in the order of the parameters' leaves."""
    children = _children(template, name)
    if children is None:
        yield gradient
    elif isinstance(template, Mapping):
        if not isinstance(gradient, Mapping):
            raise ModelError(_wrong_container(template, gradient, name, origin))
        _refuse_strangers(template, gradient, name, origin)
        for (child_name, child), key in zip(children, template, strict=True):
            yield from matched(child, gradient[key], child_name, origin)
    else:
        if not isinstance(gradient, list | tuple):
            raise ModelError(_wrong_container(template, gradient, name, origin))
        if len(gradient) != len(template):
            raise ModelError(
                f"{origin} has {len(gradient)} entries for {name or 'params'}, expected "
                f"{len(template)}: give one array per parameter, in the order of params"
            )
        for (child_name, child), value in zip(children, gradient, strict=True):
            yield from matched(child, value, child_name, origin)


def _wrong_container(template: Any, gradient: Any, name: str, origin: str) -> str:
    return (
        f"{origin} has {described(gradient)} for {name or 'params'}, expected a "
        f"{type(template).__name__} like params: give it the structure of params"
    )


def _refuse_strangers(
    template: Mapping[Any, Any], gradient: Mapping[Any, Any], name: str, origin: str
) -> None:
    where = f" of {name}" if name else ""
    if missing := [str(key) for key in template if key not in gradient]:
        raise ModelError(
            f"{origin} has no entry for parameter {_quote(missing)}{where}, it has "
            f"{_quote(str(key) for key in gradient) or 'none'}: give one array for each of "
            f"{_quote(str(key) for key in template)}"
        )
    if extra := [str(key) for key in gradient if key not in template]:
        raise ModelError(
            f"{origin} has an entry for {_quote(extra)}{where}, which is not in params "
            f"({_quote(str(key) for key in template)}): leave it out, or add the parameter"
        )


# --- leaves -------------------------------------------------------------------------------------


def as_parameter(name: str, value: Any) -> npt.NDArray[Any]:
    """A parameter as an array of floats, or a message that says why it is none."""
    if isinstance(value, np.matrix | np.ma.MaskedArray):
        raise ModelError(
            f"parameter {name!r} is a {type(value).__name__}, expected a plain ndarray: pass "
            f"np.asarray({name})"
        )
    if not isinstance(value, np.ndarray | np.generic | float | int):
        raise ModelError(
            f"parameter {name!r} is {described(value)}, expected an ndarray of floats (or a dict, "
            "list or tuple of them)"
        )
    array = np.asarray(value)
    if array.dtype.kind != "f":
        whole = f"pass {name}.astype(float)" if array.ndim else "write it as a float, like 3.0"
        hint = whole if array.dtype.kind in "iub" else "pass real floats"
        raise ModelError(
            f"parameter {name!r} has dtype {array.dtype}, expected a floating-point dtype, for no "
            f"small step exists otherwise: {hint}"
        )
    if array.size == 0:
        raise ModelError(
            f"parameter {name!r} has shape {array.shape}, that is no entries, so there is nothing "
            "to check: leave it out of params"
        )
    if not np.all(np.isfinite(array)):
        raise ModelError(
            f"parameter {name!r} holds NaN or infinity: check the gradient at a finite point"
        )
    return array


def as_gradient(name: str, value: Any, origin: str) -> npt.NDArray[np.floating[Any]]:
    """A gradient block as an array of floats, or a message that says why it is none."""
    block = _array_of_list(value) if isinstance(value, list | tuple) else np.asarray(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if block.dtype.kind == "f" or (number and block.dtype.kind in "iu"):
        return block.astype(np.float64) if block.dtype.kind != "f" else block
    came = "None" if value is None else f"dtype {block.dtype}"
    hint = (
        "an integer array cuts off every fraction: fill a float array instead"
        if block.dtype.kind in "iub"
        else "return an array of floats of the parameter's shape"
    )
    raise ModelError(f"{origin} returned {came} for parameter {name!r}, expected floats: {hint}")


def _array_of_list(value: Any) -> npt.NDArray[Any]:
    """A nested list as an array; object dtype when it is ragged."""
    try:
        array = np.asarray(value)
    except ValueError:
        return np.asarray(None)
    return array.astype(np.float64) if array.dtype.kind in "iu" else array


def refuse_twins(names: list[str]) -> None:
    """Two parameters of one name cannot be told apart."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ModelError(f"two parameters are called {name!r}: give each its own name")
        seen.add(name)


def refuse_aliases(arrays: list[tuple[str, npt.NDArray[Any]]]) -> None:
    """An entry that belongs to two parameters has no derivative in one of them."""
    for i, (name, array) in enumerate(arrays):
        for other_name, other in arrays[:i]:
            # The bounds test is cheap; only arrays interleaved in memory need the exact one.
            if np.may_share_memory(array, other) and np.shares_memory(array, other):
                raise ModelError(
                    f"parameters {other_name!r} and {name!r} share memory, so a change of one "
                    "changes the other: pass each array once, or a copy"
                )


def described(value: Any) -> str:
    """What came, for a message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if value is None:
        return "None"
    kind = type(value).__name__
    size = f" of {len(value)}" if isinstance(value, list | tuple | Mapping) else ""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}{size}"


def _quote(names: Any) -> str:
    return ", ".join(repr(name) for name in names)
