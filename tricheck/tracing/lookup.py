"""What stands for a name's value during a run: tables of replacements, and modules seen through."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any


class Replacements:
    """What a kind of run puts in place of functions, types and modules.

    Parameters
    ----------
    modules : iterable of str
        Names of the modules whose contents are replaced too.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        self.modules = set(modules)
        self._table: dict[int, tuple[Any, Any]] = {}  # by id, the original kept alive beside
        self._namespaces: dict[str, types.ModuleType] = {}

    def register(self, *originals: Any) -> Callable[[Any], Any]:
        """Register the decorated object as what stands for some originals."""

        def put(mine: Any) -> Any:
            for original in originals:
                self._table[id(original)] = (original, mine)
            return mine

        return put

    def __call__(self, value: Any) -> Any:
        """What stands for a value: the value itself for most."""
        if id(value) in self._table:
            return self._table[id(value)][1]
        if isinstance(value, types.ModuleType) and value.__name__ in self.modules:
            return self._namespace(value)
        return value

    def _namespace(self, module: types.ModuleType) -> types.ModuleType:
        if module.__name__ not in self._namespaces:
            self._namespaces[module.__name__] = _Namespace(module, self)
        return self._namespaces[module.__name__]


class _Namespace(types.ModuleType):
    """A module as user code sees it during a run."""

    def __init__(self, module: types.ModuleType, replacements: Replacements) -> None:
        super().__init__(module.__name__, module.__doc__)
        self.__dict__.update(_module=module, _replacements=replacements)

    def __getattr__(self, name: str) -> Any:
        value = self.__dict__["_replacements"](getattr(self.__dict__["_module"], name))
        self.__dict__[name] = value  # looked up once
        return value

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["_module"])
