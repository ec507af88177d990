"""What a function computes with beside its parameters, by the names that its author knows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

_CODE = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type)


def named_values(
    functions: Iterable[Callable[..., Any]], leading: int, args: Iterable[Any]
) -> dict[str, Any]:
    """Arguments by the names that the first function gives them, and the variables of all.

    Parameters
    ----------
    functions : iterable of callable
        They, and the functions of their modules that they call, are searched for the variables
        that they read from outside.
    leading : int
        How many arguments come before `args`.
    args : iterable

    Examples
    --------
    >>> def make(rate):
    ...     return lambda w, X: rate * X @ w
    >>> named_values([make(0.5)], 1, ["the inputs"])
    {'X': 'the inputs', 'rate': 0.5}
    """
    functions = list(functions)
    names = _argument_names(functions[0])[leading:]
    named = {
        names[number] if number < len(names) else f"args[{number}]": value
        for number, value in enumerate(args)
    }
    for function in functions:
        named = {**named, **{n: v for n, v in _outside(function).items() if n not in named}}
    return named


def is_code(value: Any) -> bool:
    """Whether a value is a function, a class or a module, which holds no data of the user's."""
    return isinstance(value, _CODE)


def _argument_names(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # compiled functions may have no signature to show
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _outside(function: Callable[..., Any]) -> dict[str, Any]:
    """Variables from outside that a function and the functions it calls refer to."""
    found: dict[str, Any] = {}
    waiting: list[Any] = [function]
    seen = set()
    while waiting:
        plain, given = _unwrapped(waiting.pop())
        found = given | found
        if isinstance(plain, FunctionType) and plain not in seen:
            seen.add(plain)
            outside = dict(_variables(plain))
            found = {name: value for name, value in outside.items() if not is_code(value)} | found
            home = plain.__module__
            waiting += [v for v in outside.values() if getattr(v, "__module__", None) == home]
    return found


def _unwrapped(function: Any) -> tuple[Any, dict[str, Any]]:
    """The plain function of a method or a partial, and what these bind to it."""
    given: dict[str, Any] = {}
    while isinstance(function, partial | MethodType):
        if isinstance(function, partial):
            given |= function.keywords
            function = function.func
        else:
            given["self"] = function.__self__
            function = function.__func__
    return function, given


def _variables(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Global and enclosing variables by name."""
    code = function.__code__
    for name in code.co_names:
        if name in function.__globals__:
            yield name, function.__globals__[name]
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # a variable that has no value yet
            continue
