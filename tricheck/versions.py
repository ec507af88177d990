"""Which versions the numbers of a report depend on."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("tricheck", "numpy", "autograd", "sympy")


@cache
def versions() -> dict[str, str]:
    """By name: Python, and the packages that compute.

    Examples
    --------
    >>> list(versions())
    ['python', 'tricheck', 'numpy', 'autograd', 'sympy']
    """
    return {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from its source folder
        return "unknown"
