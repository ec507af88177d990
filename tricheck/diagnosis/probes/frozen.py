"""Arrays and containers like others, but for assignments in place, which have no effect."""

from __future__ import annotations

from typing import Any

import numpy as np


class Frozen(np.ndarray[Any, Any]):
    """An array that in-place operations leave as it is; what is computed from it is plain.

    Views of it are frozen too, copies are not.

    Examples
    --------
    >>> w = np.ones(2).view(Frozen)
    >>> w -= 0.5
    >>> w[0] = 7.0
    >>> np.asarray(w), type(w * 2.0) is np.ndarray
    (array([1., 1.]), True)
    """

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.base is None:
            super().__setitem__(key, value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", ())
        computed = getattr(ufunc, method)(*map(_plain, inputs), **kwargs)
        for target in out:
            if not _is_held(target):
                np.copyto(_plain(target), computed, casting="unsafe")
        return out[0] if out else computed

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        target = kwargs.get("out")
        if _is_held(target):
            return target
        return func(*_plain(args), **{key: _plain(value) for key, value in kwargs.items()})


class FrozenDict(dict[Any, Any]):
    """A dict whose entries stay what they are."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """No effect."""


class FrozenList(list[Any]):
    """A list whose entries stay what they are."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """No effect."""


def frozen(structure: Any) -> Any:
    """A structure of parameters that cannot be changed in place, and does not mind the attempt."""
    if isinstance(structure, np.ndarray):
        return structure.view(Frozen)
    if type(structure) is dict:
        return FrozenDict({key: frozen(child) for key, child in structure.items()})
    if type(structure) is list:
        return FrozenList([frozen(child) for child in structure])
    if type(structure) is tuple:
        return tuple(frozen(child) for child in structure)
    return structure


def _is_held(value: Any) -> bool:
    return isinstance(value, Frozen) and value.base is not None


def _plain(value: Any) -> Any:
    if isinstance(value, Frozen):
        return value.view(np.ndarray)
    if type(value) in (list, tuple):
        return type(value)(_plain(child) for child in value)
    return value
