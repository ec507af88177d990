"""What a target's code finds when it imports something: its path, and modules of its own.

Several targets of one run may each have a ``helper.py`` beside them. So each is loaded, and later
checked, among the modules that it would find if it were alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from tricheck.location import is_users

_OWN_NAMES = frozenset({"__main__", "__mp_main__"})
Modules = dict[str, ModuleType]

_targets: set[str] = set()  # the folders that targets were loaded from
_outer: list[list[str]] = []  # the paths that the active imports have taken the place of


@dataclass
class Imports:
    """Where a target's imports are looked up.

    Attributes
    ----------
    path : list of str
        As `sys.path`; what the target's code adds to that is kept.
    modules : dict
        The user's modules that were loaded there, by name.
    """

    path: list[str] = field(default_factory=lambda: list(sys.path))
    modules: Modules = field(default_factory=dict)

    def beside(self, folder: str | os.PathLike[str]) -> Imports:
        """The same for a script in a folder, which is looked into first."""
        _targets.add(os.fspath(folder))
        return Imports([os.fspath(folder), *self.path])

    @contextmanager
    def active(self) -> Iterator[None]:
        """For as long, `sys.path` and the user's modules in `sys.modules` are these."""
        outside, path = _users_modules(), sys.path[:]
        _outer.append(path)
        sys.path[:] = self.path
        _remove(outside)
        sys.modules.update(_found_here(outside) | self.modules)
        try:
            yield
        finally:
            self.path, self.modules = sys.path[:], _users_modules()
            sys.path[:] = _outer.pop()
            # What is new stays, for whoever looks a class or a function up by its module.
            sys.modules.update(outside)


def is_taken(name: str) -> bool:
    """Whether a module's name is that of Python's own or of a loaded package's."""
    loaded = sys.modules.get(name)
    return name in sys.stdlib_module_names or (loaded is not None and not _is_users(loaded))


def would_find(name: str, file: str | None) -> bool:
    """Whether an import of a top-level module would run this file, now."""
    return _runs(_spec(name), file)


@contextmanager
def outer_path() -> Iterator[None]:
    """With the `sys.path` of the process, whatever imports are active."""
    path = sys.path[:]
    sys.path[:] = _outer[0] if _outer else path
    try:
        yield
    finally:
        sys.path[:] = path


def _found_here(modules: Modules) -> Modules:
    """Those that an import would load from the same files, now."""
    tops: dict[str, Modules] = {}
    for name, module in modules.items():
        tops.setdefault(name.partition(".")[0], {})[name] = module
    found: Modules = {}
    for top, members in tops.items():
        if _is_found(top, members):
            found |= members
    return found


def _is_found(top: str, members: Modules) -> bool:
    folder = _folder(members.get(top))
    if folder in _targets and folder not in sys.path:
        return False  # known without a search, which the many models of a run make dear
    spec = _spec(top)
    if spec is not None and spec.origin is None:  # a namespace, whose own path follows sys.path
        folders = spec.submodule_search_locations or ()
        return all(_lies_in(module, folders) for module in members.values())
    return top in members and _runs(spec, members[top].__file__)


def _folder(module: ModuleType | None) -> str:
    """What would have to be on the path for a module to be found."""
    file = getattr(module, "__file__", None) or ""
    folder, name = os.path.split(file)
    return os.path.dirname(folder) if name == "__init__.py" else folder


def _runs(spec: ModuleSpec | None, file: str | None) -> bool:
    if spec is None or not spec.has_location:
        return spec is not None
    return os.path.abspath(str(spec.origin)) == os.path.abspath(str(file))


def _lies_in(module: ModuleType, folders: Iterable[str]) -> bool:
    file = getattr(module, "__file__", None)
    return file is None or any(Path(file).is_relative_to(folder) for folder in folders)


def _spec(name: str) -> ModuleSpec | None:
    found = (finder.find_spec(name, None) for finder in sys.meta_path)
    return next((spec for spec in found if spec is not None), None)


def _users_modules() -> Modules:
    return {
        name: module
        for name, module in list(sys.modules.items())
        if name not in _OWN_NAMES and _is_users(module)
    }


def _is_users(module: ModuleType) -> bool:
    said = getattr(module, "__dict__", {})  # some modules answer to any name, or import then
    file, path = said.get("__file__"), said.get("__path__")
    if isinstance(file, str):
        return is_users(file)
    return isinstance(path, Iterable) and any(map(is_users, map(str, path)))  # a namespace


def _remove(modules: Modules) -> None:
    for name in modules:
        del sys.modules[name]
