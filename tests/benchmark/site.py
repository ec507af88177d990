"""A place in a model's backward pass where a mistake can be planted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """One way of making one mistake in one model.

    Attributes
    ----------
    operator : str
        Name of the mistake, one of `tests.benchmark.operators.CODE`.
    edits : mapping of str to str
        Replacements in the backward pass, each of a text that stands in the file exactly once.
    also : str
        Causes, separated by blanks, that describe this very edit as well as the operator's own.
    """

    operator: str
    edits: Mapping[str, str]
    also: str = ""
