"""Python's and NumPy's number types during a run: they leave numbers that remember as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from tricheck.errors import TraceError

# What numbers that remember have been written as in this run
_texts: ContextVar[set[str] | None] = ContextVar("tricheck_texts", default=None)


@contextmanager
def watching_texts() -> Iterator[None]:
    """A run in which a number read back from text is noticed."""
    token = _texts.set(set())
    try:
        yield
    finally:
        _texts.reset(token)


def said(text: str) -> str:
    """Text that was made of a number that remembers."""
    texts = _texts.get()
    if texts is not None:
        texts.add(text.strip())
    return text


def number_type(original: type, read: Callable[..., Any]) -> type:
    """What stands for a number type during a run.

    Parameters
    ----------
    original : type
        Such as `float`.
    read : callable
        ``read(original, *args)`` gives what a number that remembers becomes, or NotImplemented.

    Returns
    -------
    type
        Asks, compares and serves as a dtype like the original.
    """

    class Meta(type):
        def __instancecheck__(cls, value: Any) -> bool:
            return isinstance(value, original)

        def __subclasscheck__(cls, kind: type) -> bool:
            return issubclass(kind, original)

        def __eq__(cls, other: object) -> bool:
            return other is original or other is cls

        def __hash__(cls) -> int:
            return hash(original)

    class Number(original, metaclass=Meta):  # type: ignore[misc]
        dtype = np.dtype(original)

        def __new__(cls, *args: Any) -> Any:
            if args and isinstance(args[0], str | bytes):
                _refuse_own_text(args[0])
            number = read(original, *args)
            return original(*args) if number is NotImplemented else number

    Number.__name__ = original.__name__
    return Number


def _refuse_own_text(text: str | bytes) -> None:
    read = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    if read.strip() in (_texts.get() or ()):
        raise TraceError(
            "a traced number was turned into text and read back, which cuts its path to the "
            "parameters"
        )
