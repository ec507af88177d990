"""What a function computes with beside its parameters, by the names that its author knows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any


def named_values(
    functions: Iterable[Callable[..., Any]], leading: int, args: Iterable[Any]
) -> dict[str, Any]:
    """Arguments by the names that the first function gives them, and the variables of all.

    Parameters
    ----------
    functions : iterable of callable
        They and the functions of their modules that they call are searched for the names of
        variables that they read from outside.
    leading : int
        How many arguments come before `args`.
    args : iterable
    """
    functions = list(functions)
    named: dict[str, Any] = {}
    for function in functions:
        named |= _outside(function)
        if (owner := getattr(function, "__self__", None)) is not None:
            named["self"] = owner
    names = _argument_names(functions[0])[leading:]
    for number, value in enumerate(args):
        named[names[number] if number < len(names) else f"args[{number}]"] = value
    return named


def _argument_names(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # compiled functions may have no signature to show
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _outside(function: Callable[..., Any]) -> dict[str, Any]:
    """Variables from outside that a function and the functions it calls refer to."""
    found: dict[str, Any] = {}
    waiting, seen = [inspect.unwrap(function)], set()
    while waiting:
        function = waiting.pop()
        function = getattr(function, "__func__", function)
        if not isinstance(function, FunctionType) or function in seen:
            continue
        seen.add(function)
        closure = inspect.getclosurevars(function)
        outside = {**closure.globals, **closure.nonlocals}
        found = {n: v for n, v in outside.items() if not callable(v)} | found
        home = function.__module__
        waiting += [v for v in outside.values() if getattr(v, "__module__", None) == home]
    return found
