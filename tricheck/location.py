"""Where in the user's code did it happen?"""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import traceback
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType
from typing import Any

import numpy as np

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
# Frames in these packages are machinery; the deepest frame outside them is the user's line.
_LIBRARIES = os.path.dirname(os.path.dirname(os.path.abspath(np.__file__)))
_STANDARD = os.path.dirname(os.path.abspath(os.__file__))
_INSTALLED = ("site-packages", "dist-packages")
_NAMES = ("numpy", "autograd", "scipy", "sympy", "mpmath", "jax", "torch")
_MACHINERY = tuple(
    folder + os.sep
    for folder in (
        _PACKAGE,
        *(os.path.join(_LIBRARIES, name) for name in _NAMES),
    )
)


def user_line(error: BaseException) -> str | None:
    """File, line and source text of the user's frame nearest to the error.

    Returns
    -------
    str or None
        Like ``model.py:12 (loss): z = np.linalg.expm(W)``; None when no frame is the user's.
    """
    return _innermost(traceback.extract_tb(error.__traceback__))


def calling_line() -> str | None:
    """The same for the frames that are running now."""
    return _innermost(traceback.extract_stack())


Position = tuple[int | None, int | None, int | None, int | None]


@dataclass(frozen=True)
class Spot:
    """An operation in somebody's code.

    Attributes
    ----------
    file, function : str
        Where it stands, and the function's name; a code object would be equal to a copy's in
        another file.
    position : tuple
        First and last line, first and last column, as Python keeps them for each instruction.
        They tell operations of one line apart; offsets do not, as Python changes its instructions
        while it runs.
    """

    file: str
    function: str
    position: Position

    @property
    def line(self) -> int:
        """The first line."""
        return self.position[0] or 0

    @property
    def name(self) -> str:
        """Like ``model.py:12``."""
        return f"{os.path.basename(self.file)}:{self.line}"

    @property
    def expression(self) -> str | None:
        """The operation's own source text; None where there is no source."""
        first, last, start, stop = self.position
        if first is None or last is None:
            return None
        lines = linecache.getlines(self.file)[first - 1 : last]
        if not lines or start is None or stop is None:
            return None
        # columns count bytes; the last line is cut first, for it may be the first too
        encoded = [line.encode() for line in lines]
        encoded[-1] = encoded[-1][:stop]
        encoded[0] = encoded[0][start:]
        return " ".join(b" ".join(encoded).decode().split())


def calling_spots() -> tuple[Spot, ...]:
    """Where each of the user's frames stands that is running now, the innermost last."""
    spots = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if _is_theirs(code.co_filename):
            spots.append(_spot(code.co_filename, code, frame.f_lasti))
        frame = frame.f_back
    return tuple(reversed(spots))


@lru_cache(maxsize=4096)
def _spot(file: str, code: CodeType, offset: int) -> Spot:
    position = next(islice(code.co_positions(), offset // 2, None))
    return Spot(file, code.co_qualname, position)


@lru_cache(maxsize=1024)
def _is_theirs(filename: str) -> bool:
    return not _is_machinery(os.path.abspath(filename))


def is_users(file: str) -> bool:
    """Whether a file is neither tricheck's, nor Python's, nor of an installed package."""
    return _is_theirs(file) and not any(folder in file for folder in _INSTALLED)


def _innermost(frames: traceback.StackSummary) -> str | None:
    theirs = [f for f in frames if not _is_machinery(os.path.abspath(f.filename))]
    if not theirs:
        return None
    frame = theirs[-1]
    return f"{os.path.basename(frame.filename)}:{frame.lineno} ({frame.name}): {frame.line}"


def _is_machinery(path: str) -> bool:
    installed = path.startswith((_LIBRARIES + os.sep, _STANDARD + os.sep))
    standard = installed and "site-packages" not in path
    return standard or path.startswith(_MACHINERY)


def definition(function: Any) -> tuple[str, int] | None:
    """File and first line of a function; None where Python does not know them."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return None if code is None else (code.co_filename, code.co_firstlineno)


def defined_at(function: Any) -> str:
    """A function by name, with the place it is defined where Python knows it.

    Returns
    -------
    str
        Like ``loss (model.py:12)``.
    """
    name = str(getattr(function, "__name__", type(function).__name__))
    place = definition(function)
    return name if place is None else f"{name} ({os.path.basename(place[0])}:{place[1]})"
