"""Where in the user's code did it happen?"""

from __future__ import annotations

import inspect
import os
import traceback
from typing import Any

import numpy as np

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
# Frames in these packages are machinery; the deepest frame outside them is the user's line.
_LIBRARIES = os.path.dirname(os.path.dirname(os.path.abspath(np.__file__)))
_STANDARD = os.path.dirname(os.path.abspath(os.__file__))
_NAMES = ("numpy", "autograd", "scipy", "sympy", "mpmath", "jax", "torch")
_MACHINERY = tuple(
    folder + os.sep
    for folder in (
        _PACKAGE,
        *(
            os.path.join(_LIBRARIES, name)
            for name in ("numpy", "autograd", "scipy", "sympy", "mpmath", "jax", "torch")
        ),
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


def defined_at(function: Any) -> str:
    """A function by name, with the place it is defined where Python knows it.

    Returns
    -------
    str
        Like ``loss (model.py:12)``.
    """
    name = str(getattr(function, "__name__", type(function).__name__))
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return name
    return f"{name} ({os.path.basename(code.co_filename)}:{code.co_firstlineno})"
