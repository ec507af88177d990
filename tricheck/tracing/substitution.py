"""Other names for the length of a run: what the user's functions see is swapped, and put back.

From the loss on, its globals, closures, objects and the functions it calls are followed. Only the
user's own modules, cells and attributes are changed, each remembered under a lock that all
threads share, and restored by assignment when the last run that needs it ends.
"""

from __future__ import annotations

import builtins
import contextlib
import dis
import functools
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tricheck.tracing.numbers import watching_texts
from tricheck.tracing.tape import current

_MACHINERY = sys.stdlib_module_names | {
    *("numpy", "scipy", "autograd", "sympy", "mpmath", "tricheck", "builtins", "jax", "torch"),
    *("pytest", "_pytest", "hypothesis", "matplotlib", "pandas", "rich", "click"),
}
_MOST_ENTRIES = 1_000  # of a list or dict that is searched for arrays
_OWN_NAMES = frozenset({"__main__", "__mp_main__"})

Key = tuple[int, Any]


class _Swaps:
    """What is swapped at present, by all threads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._held: dict[Key, _Swap] = {}

    def original(self, key: Key, value: Any) -> Any:
        """What stood at a place before another run swapped it."""
        return self._held[key].old if key in self._held else value

    def swap(self, key: Key, swap: _Swap) -> None:
        """Put something else in a place, or join those who have."""
        if key in self._held:
            self._held[key].users += 1
            return
        self._held[key] = swap
        swap.put(swap.new)

    def restore(self, key: Key) -> None:
        """Put back what stood there, when nobody needs the other any more."""
        swap = self._held[key]
        swap.users -= 1
        if swap.users == 0:
            del self._held[key]
            with contextlib.suppress(KeyError, IndexError):  # the run has emptied the place
                if swap.get() is swap.new:  # else the run has assigned something there
                    swap.put(swap.old)


@dataclass
class _Swap:
    """A place whose content is swapped; `owner` keeps the place, and so its key, alive."""

    owner: Any
    get: Callable[[], Any]
    put: Callable[[Any], None]
    old: Any
    new: Any
    users: int = 1


_swaps = _Swaps()
_MISSING = object()


@contextmanager
def substituted(
    function: Any, replace: Callable[[Any], Any], restore: Callable[[Any], Any]
) -> Iterator[None]:
    """Run with everything that `function` can reach replaced.

    Parameters
    ----------
    function : callable
        The user's; or a container of what to follow.
    replace : callable
        What stands for a value during the run; returns the value itself to leave it.
    restore : callable
        What a value that the run has left in the user's objects becomes; the value itself for most.
    """
    walk = _Walk(replace)
    try:
        with _swaps.lock:
            walk.visit(function)
        with watching_texts():
            yield
    finally:
        with _swaps.lock:
            for key in reversed(walk.keys):
                _swaps.restore(key)
            for holder, names in walk.holders:
                _tidy(holder, names, restore, _DEPTH)


class _Walk:
    def __init__(self, replace: Callable[[Any], Any]) -> None:
        self._replace = replace
        self._seen: set[int] = set()
        self.keys: list[Key] = []
        # Where a run may leave what it has computed: containers, and which of their names
        self.holders: list[tuple[Any, Iterable[Any] | None]] = []

    def visit(self, value: Any) -> None:
        """Follow a value to all that it can reach."""
        if id(value) in self._seen or isinstance(value, _PLAIN):
            return
        self._seen.add(id(value))
        if isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self.visit(value.__func__)
            self.visit(value.__self__)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                self.visit(part)
        elif isinstance(value, list | tuple | dict):
            self._container(value)
        elif isinstance(value, type):
            self._class(value)
        elif not isinstance(value, types.ModuleType) and _is_users(type(value)):
            self._object(value)
        elif hasattr(value, "__wrapped__"):
            self.visit(value.__wrapped__)

    def _function(self, function: types.FunctionType) -> None:
        if not _is_users(function):
            self._cells(function)  # a decorator of a library, around the user's function
            return
        names, mentioned = function.__globals__, _names_in(function.__code__)
        self.holders.append((names, mentioned))
        for name in mentioned:
            if name in names:
                self._slot(names, name)
            elif hasattr(builtins, name):
                self._builtin(names, name)
        modules = _modules_among(names, mentioned)
        for name in mentioned:
            self._module_attribute(modules, name)
        if _imports(function.__code__):
            self._import()
        self._cells(function)
        self.visit(function.__defaults__)
        self.visit(function.__kwdefaults__)
        self.visit(getattr(function, "__wrapped__", None))

    def _module_attribute(self, modules: list[types.ModuleType], name: str) -> None:
        """``helpers.act``: functions of the user's other modules, imported here or inside."""
        for module in modules:
            if name in vars(module):
                self.visit(vars(module)[name])

    def _cells(self, function: types.FunctionType) -> None:
        for cell in function.__closure__ or ():
            self.holders.append((cell, None))
            try:
                content = cell.cell_contents
            except ValueError:  # empty: a name that is bound later
                continue
            self._swap(
                (id(cell), "cell"),
                cell,
                content,
                lambda cell=cell: cell.cell_contents,
                lambda new, cell=cell: setattr(cell, "cell_contents", new),
            )

    def _class(self, kind: type) -> None:
        for base in kind.__mro__:
            if not _is_users(base):
                continue
            self.holders.append((base, None))
            for value in list(vars(base).values()):
                if isinstance(value, staticmethod | classmethod):
                    value = value.__func__
                if isinstance(value, property):
                    self.visit(value.fget)
                elif isinstance(value, types.FunctionType | functools.partialmethod):
                    self.visit(value)

    def _object(self, value: Any) -> None:
        self.visit(type(value))
        if hasattr(value, "__dict__"):
            self.holders.append((vars(value), None))
        for name in list(getattr(value, "__dict__", ())):
            self._slot(vars(value), name)

    def _container(self, values: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> None:
        if len(values) > _MOST_ENTRIES:
            return
        if isinstance(values, tuple):
            for part in values:
                self.visit(part)
            return
        self.holders.append((values, None))
        for key in list(values) if isinstance(values, dict) else range(len(values)):
            self._slot(values, key)

    def _slot(self, holder: Any, key: Any) -> None:
        """An entry of a dict or list."""
        self._swap(
            (id(holder), key),
            holder,
            holder[key],
            lambda: holder[key],
            lambda new: holder.__setitem__(key, new),
        )

    def _builtin(self, names: dict[str, Any], name: str) -> None:
        """A builtin such as `float`, hidden by a global of the same name."""
        new = self._replace(getattr(builtins, name))
        if new is getattr(builtins, name):
            return

        def put(value: Any) -> None:
            if value is _MISSING:
                names.pop(name, None)
            else:
                names[name] = value

        self._hold(
            (id(names), name),
            _Swap(names, lambda: names.get(name, _MISSING), put, _MISSING, new),
        )

    def _import(self) -> None:
        """An import inside a function binds no name that could be swapped beforehand."""
        plain = _swaps.original((id(builtins), "__import__"), builtins.__import__)

        def replacing(name: str, *args: Any, **kwargs: Any) -> Any:
            module = plain(name, *args, **kwargs)
            return self._replace(module) if current() is not None else module

        self._hold(
            (id(builtins), "__import__"),
            _Swap(
                builtins,
                lambda: builtins.__import__,
                lambda new: setattr(builtins, "__import__", new),
                plain,
                replacing,
            ),
        )

    def _swap(self, key: Key, owner: Any, value: Any, get: Any, put: Any) -> None:
        value = _swaps.original(key, value)
        if value is _MISSING:  # another run's builtin
            value = get()
            self._hold(key, _Swap(owner, get, put, _MISSING, value))
            return
        new = self._of_tuple(value) if type(value) is tuple else self._replace(value)
        if new is not value:
            self._hold(key, _Swap(owner, get, put, value, new))
        else:
            self.visit(value)

    def _hold(self, key: Key, swap: _Swap) -> None:
        _swaps.swap(key, swap)
        self.keys.append(key)

    def _of_tuple(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        parts = tuple(self._replace(part) for part in value)
        return parts if any(a is not b for a, b in zip(parts, value, strict=True)) else value


_DEPTH = 4  # of containers that a run has made in the user's objects


def _tidy(
    holder: Any, names: Iterable[Any] | None, restore: Callable[[Any], Any], depth: int
) -> None:
    """Turn what a run has left in a container, a class or a cell into plain values."""
    contents: Any = vars(holder) if isinstance(holder, type) else holder
    if isinstance(contents, types.CellType):
        contents = _filled([contents])
    if names is None:
        names = list(contents) if isinstance(contents, Mapping) else range(len(contents))
    for key in names:
        if isinstance(contents, Mapping) and key not in contents:
            continue
        value = contents[key]
        plain = _restored(value, restore)
        if plain is not value:
            _assign(holder, key, plain)
        elif type(value) in (dict, list) and depth and len(value) <= _MOST_ENTRIES:
            _tidy(value, None, restore, depth - 1)


def _restored(value: Any, restore: Callable[[Any], Any]) -> Any:
    if type(value) is not tuple:
        return restore(value)
    parts = tuple(_restored(part, restore) for part in value)
    return parts if any(a is not b for a, b in zip(parts, value, strict=True)) else value


def _assign(holder: Any, key: Any, value: Any) -> None:
    if isinstance(holder, type):
        setattr(holder, key, value)
    elif isinstance(holder, types.CellType):
        holder.cell_contents = value
    else:
        holder[key] = value


def _filled(cells: Iterable[types.CellType]) -> list[Any]:
    """The contents of cells; an empty one belongs to a name that is bound later."""
    contents = []
    for cell in cells:
        with contextlib.suppress(ValueError):
            contents.append(cell.cell_contents)
    return contents


_PLAIN = (str, bytes, int, float, complex, type(None), np.ndarray, np.generic)


def _is_users(value: Any) -> bool:
    module = str(getattr(value, "__module__", None) or "__main__")
    # An adapter is a shell around the user's functions.
    theirs = module in _OWN_NAMES or module.startswith("tricheck.adapters.")
    return theirs or module.partition(".")[0] not in _MACHINERY


def _names_in(code: types.CodeType) -> set[str]:
    """Global names and attributes that a function's code, and code inside it, mentions."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return names


@functools.cache
def _imports(code: types.CodeType) -> bool:
    """Whether a function's code, or code inside it, imports something."""
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    return any(i.opname == "IMPORT_NAME" for i in dis.get_instructions(code)) or any(
        map(_imports, inner)
    )


def _modules_among(names: dict[str, Any], mentioned: set[str]) -> list[types.ModuleType]:
    found = []
    for name in mentioned:
        module = names.get(name, sys.modules.get(name))
        if isinstance(module, types.ModuleType) and not _is_machinery(module):
            found.append(module)
    return found


def _is_machinery(module: types.ModuleType) -> bool:
    return module.__name__.partition(".")[0] in _MACHINERY
