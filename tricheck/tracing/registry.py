"""Which NumPy function has which derivative rule; the rule files fill it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

Rule = Callable[..., Any]

# NumPy functions with a rule of tricheck's own
RULES: dict[Any, Rule] = {}
# Those that take lists of arrays; lists elsewhere are arrays written out
SEQUENCES: set[Any] = set()
# Those that write into an argument
WRITERS: set[Any] = set()
# Those whose rule is wanted for constant arrays too: they write into one, or make a view of it
ALWAYS: set[Any] = set()
# Asked in order for a function without one: a rule, or None
FINDERS: list[Callable[[Any], Rule | None]] = []


def rule(*functions: Any) -> Callable[[Rule], Rule]:
    """Register the decorated function as the rule of some NumPy functions."""

    def register(own: Rule) -> Rule:
        RULES.update(dict.fromkeys(functions, own))
        return own

    return register


def rule_of(function: Any) -> Rule | None:
    """The rule of a function: tricheck's own, or the first that can be found."""
    try:
        return RULES.get(function) or _found(function)
    except LookupError:
        return None


@lru_cache(maxsize=512)
def _found(function: Any) -> Rule:
    """The first rule that can be found; an error, which is not kept, where there is none yet."""
    for finder in FINDERS:
        if (found := finder(function)) is not None:
            return found
    raise LookupError


def name_of(function: Any) -> str:
    """A function as users write it."""
    name = getattr(function, "__name__", str(function))
    module = str(getattr(function, "__module__", "") or "")
    return f"{module}.{name}" if module.partition(".")[0] in ("scipy", "math") else f"np.{name}"
