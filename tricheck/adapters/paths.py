"""Places inside an object: ``"layer1.W"``, ``"layers[0].W"``, ``"params['W1']"``."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tricheck.errors import ModelError


class Attribute(NamedTuple):
    """An attribute of an object."""

    key: str

    def read(self, holder: Any) -> Any:
        return getattr(holder, self.key)

    def write(self, holder: Any, value: Any) -> None:
        setattr(holder, self.key, value)

    def others(self, holder: Any) -> list[str]:
        """What there is beside it."""
        return [name for name in dir(holder) if not name.startswith("__")]


class Item(NamedTuple):
    """An item of a list or a dict."""

    key: Any

    def read(self, holder: Any) -> Any:
        return holder[self.key]

    def write(self, holder: Any, value: Any) -> None:
        holder[self.key] = value

    def others(self, holder: Any) -> list[str]:
        """What there is beside it."""
        if isinstance(holder, Mapping):
            return [str(key) for key in holder]
        return [str(index) for index in range(len(holder))] if hasattr(holder, "__len__") else []


Step = Attribute | Item


@dataclass(frozen=True)
class Path:
    """A place inside an object, step by step.

    Examples
    --------
    >>> Path.parse("layers[0].W").steps
    (Attribute(key='layers'), Item(key=0), Attribute(key='W'))
    """

    text: str
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> Path:
        """Read a path as Python would.

        Raises
        ------
        ModelError
            When it is more than names, indices and keys.
        """
        try:
            return cls(text, tuple(_steps(ast.parse(text, mode="eval").body)))
        except (SyntaxError, TypeError, ValueError) as error:
            raise ModelError(
                f"parameters has the entry {text!r}, expected the name of an attribute, like "
                "'W1', 'layer1.W', 'layers[0].W' or \"params['W1']\""
            ) from error

    @property
    def last(self) -> Any:
        """The name at its end."""
        return self.steps[-1].key

    def holder(self, obj: Any) -> Any:
        """The object or container that holds the place."""
        for step in self.steps[:-1]:
            obj = self._read(step, obj)
        return obj

    def read(self, obj: Any) -> Any:
        """The value there.

        Raises
        ------
        ModelError
            When there is no such place; names those that are near.
        """
        return self._read(self.steps[-1], self.holder(obj))

    def write(self, obj: Any, value: Any) -> None:
        """Put a value there.

        Raises
        ------
        ModelError
            When the place is read-only.
        """
        holder = self.holder(obj)
        try:
            self.steps[-1].write(holder, value)
        except (AttributeError, TypeError) as error:
            raise ModelError(
                f"parameter {self.text!r} cannot be set ({error}), but has to be, to be moved: "
                "name the attribute that it is computed from"
            ) from error

    def _read(self, step: Step, holder: Any) -> Any:
        try:
            return step.read(holder)
        except (AttributeError, LookupError, TypeError) as error:
            others = step.others(holder)
            near = difflib.get_close_matches(str(step.key), others, cutoff=0.5) or sorted(others)
            raise ModelError(
                f"there is no parameter {self.text!r}: a {type(holder).__name__} has no "
                f"{step.key!r}, but {', '.join(near[:8]) or 'nothing by name'}"
            ) from error


def _steps(node: ast.expr) -> list[Step]:
    if isinstance(node, ast.Name):
        return [Attribute(node.id)]
    if isinstance(node, ast.Attribute):
        return [*_steps(node.value), Attribute(node.attr)]
    if isinstance(node, ast.Subscript):
        return [*_steps(node.value), Item(ast.literal_eval(node.slice))]
    raise ValueError(ast.dump(node))
