"""Functions that only move numbers around: run on the positions, they tell where each came from.

One rule serves them all, for every axis, negative axis, mode and repeated index, because NumPy
itself does the moving. Where the result is a view of its argument, it stays one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tricheck.tracing.registry import ALWAYS, RULES, SEQUENCES, rule
from tricheck.tracing.traced import Traced, failure, is_active, is_traced, plain, result, wrap

# Which arguments hold the numbers that are moved
_FIRST: tuple[int | str, ...] = (0,)
_MOVED: dict[str, tuple[int | str, ...]] = {
    **dict.fromkeys(
        (
            *("reshape", "transpose", "swapaxes", "moveaxis", "rollaxis", "expand_dims"),
            *("squeeze", "ravel", "broadcast_to", "atleast_1d", "atleast_2d", "atleast_3d"),
            *("roll", "flip", "fliplr", "flipud", "rot90", "take", "take_along_axis", "repeat"),
            *("tile", "diagonal", "diag", "diagflat", "tril", "triu", "split", "array_split"),
            *("hsplit", "vsplit", "dsplit", "delete", "resize", "copy", "unstack"),
            *("concatenate", "stack", "vstack", "hstack", "dstack", "column_stack", "block"),
            *("real", "matrix_transpose", "permute_dims", "concat", "broadcast_arrays", "meshgrid"),
        ),
        _FIRST,
    ),
    "append": (0, 1, "values"),
    "insert": (0, 2, "values"),
    "where": (1, 2),
    "choose": (1, "choices"),
    "select": (1, 2, "choicelist", "default"),
    "compress": (1, "a"),
    "extract": (1, "arr"),
    "broadcast_arrays": (*range(32),),
    "meshgrid": (*range(32),),
}
_LISTS = ("concatenate", "stack", "vstack", "hstack", "dstack", "column_stack", "block", "concat",
          "choose", "select", "meshgrid", "broadcast_arrays")  # fmt: skip
_PADS = ("constant", "edge", "reflect", "symmetric", "wrap")


def move(
    function: Callable[..., Any], moved: tuple[int | str, ...], *args: Any, **kwargs: Any
) -> Any:
    """The rule of a function that moves numbers.

    Parameters
    ----------
    function : callable
    moved : tuple of int or str
        Positions and names of the arguments that hold the numbers.
    *args, **kwargs
        Its arguments.
    """
    plain_kwargs = {name: plain(value) for name, value in kwargs.items()}
    value = function(*map(plain, args), **plain_kwargs)
    if moved == _FIRST and is_traced(args[0]):
        view = _as_view(value, function, args, kwargs)
        if view is not None:
            return view
    numbering = _Numbering()
    numbered = [numbering(a) if i in moved else plain(a) for i, a in enumerate(args)]
    named = {n: numbering(v) if n in moved else plain(v) for n, v in kwargs.items()}
    origin = function(*numbered, **named)
    if isinstance(value, list | tuple):
        parts = [numbering.gathered(v, o) for v, o in zip(value, origin, strict=True)]
        return type(value)(parts)
    answer = numbering.gathered(value, origin)
    both = moved == _FIRST and is_traced(args[0]) and is_traced(answer)
    if both and np.may_share_memory(value, args[0].value):  # read-only, or overlapping itself
        answer.storage.show(args[0].storage)
    return answer


def _as_view(value: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The result as views of the first argument; None where it is a copy, or overlaps itself."""
    source, rest = args[0], tuple(map(plain, args[1:]))

    def again(whole: Any) -> Any:
        return function(whole, *rest, **{name: plain(v) for name, v in kwargs.items()})

    def is_view(part: Any) -> bool:
        mine = isinstance(part, np.ndarray) and part.size > 0 and part.flags.writeable
        return mine and np.may_share_memory(part, source.value)

    if isinstance(value, list | tuple):
        if not value or not all(map(is_view, value)):
            return None
        steps = [lambda whole, i=i: again(whole)[i] for i in range(len(value))]
        return type(value)(Traced(source.storage, (*source.view, step)) for step in steps)
    return Traced(source.storage, (*source.view, again)) if is_view(value) else None


class _Numbering:
    """Gives every traced number a position of its own, from 1; other numbers are 0."""

    def __init__(self) -> None:
        self.parents: list[Traced] = []
        self._starts = [1]

    def __call__(self, value: Any) -> Any:
        if type(value) in (list, tuple):
            return type(value)(map(self, value))
        if not is_active(value):
            return np.zeros(np.shape(plain(value)), dtype=np.int64)
        start, size = self._starts[-1], value.size
        self.parents.append(value)
        self._starts.append(start + size)
        return np.arange(start, start + size).reshape(value.shape)

    def gathered(self, value: Any, origin: Any) -> Any:
        """The moved numbers, which return their gradients to their origins."""
        if not np.any(origin):
            return wrap(value)
        shapes = [parent.shape for parent in self.parents]
        # An empty list among the arguments makes positions floats.
        flat, total = np.reshape(origin, -1).astype(np.int64), self._starts[-1]

        def scatter(gradient: Any) -> Any:
            weights = np.reshape(gradient, -1)
            if np.can_cast(weights.dtype, np.float64):
                return np.bincount(flat, weights, minlength=total)
            whole = np.zeros(total, weights.dtype)  # complex, or of more digits
            np.add.at(whole, flat, weights)
            return whole

        def vjp(gradient: Any) -> list[Any]:
            whole = scatter(gradient)
            return [
                whole[start : start + int(np.prod(shape))].reshape(shape)
                for start, shape in zip(self._starts, shapes, strict=False)
            ]

        return result(value, self.parents, vjp, exact=True)


for _name, _moved in _MOVED.items():
    if hasattr(np, _name):
        RULES[getattr(np, _name)] = partial(move, getattr(np, _name), _moved)
        ALWAYS.add(getattr(np, _name))
SEQUENCES.update(getattr(np, name) for name in _LISTS if hasattr(np, name))
ALWAYS.add(np.lib.stride_tricks.sliding_window_view)
RULES[np.lib.stride_tricks.sliding_window_view] = partial(
    move, np.lib.stride_tricks.sliding_window_view, _FIRST
)
for _name in ("fftshift", "ifftshift"):
    RULES[getattr(np.fft, _name)] = partial(move, getattr(np.fft, _name), _FIRST)


@rule(np.pad)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    if mode not in _PADS or "reflect_type" in kwargs:
        raise failure(f"np.pad(mode={mode!r}) cannot be traced")
    return move(np.pad, (0, "constant_values"), array, plain(pad_width), mode, **kwargs)


@rule("astype", np.astype if hasattr(np, "astype") else "astype")
def _astype(x: Any, dtype: Any, **_: Any) -> Any:
    if np.dtype(dtype) == object:
        return np.asarray(x, dtype=object)
    value, kind = x.value, x.dtype
    if np.dtype(dtype).kind not in "fc" or not x.active:
        return wrap(np.asarray(value).astype(dtype)[()])  # integers are locally constant
    return result(np.asarray(value).astype(dtype)[()], [x], lambda g: [_cast(g, kind)])


def _cast(gradient: Any, dtype: Any) -> Any:
    return (np.real(gradient) if dtype.kind == "f" else np.asarray(gradient)).astype(dtype)


@rule(np.sort)
def _sort(a: Any, axis: int | None = -1, **_: Any) -> Any:
    if axis is None:
        a, axis = np.reshape(a, -1), -1
    return np.take_along_axis(a, np.argsort(a.value, axis=axis, kind="stable"), axis)


@rule(np.partition)
def _partition(a: Any, kth: Any, axis: int | None = -1, **_: Any) -> Any:
    if axis is None:
        a, axis = np.reshape(a, -1), -1
    return np.take_along_axis(a, np.argpartition(a.value, kth, axis=axis), axis)


@rule(np.unique)
def _unique(ar: Any, **kwargs: Any) -> Any:
    if kwargs.get("axis") is not None:
        raise failure("np.unique(axis=...) cannot be traced")
    _, first = np.unique(plain(ar), return_index=True)
    values = np.reshape(ar, -1)[first]
    answer = np.unique(plain(ar), **kwargs)
    return (values, *answer[1:]) if isinstance(answer, tuple) else values
