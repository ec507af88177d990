"""What is installed with an extra, and what is said where it is not."""

from __future__ import annotations

from importlib import import_module


def require(what: str, *modules: str) -> None:
    """Refuse what needs modules of the extra `report` that are not there.

    Raises
    ------
    ImportError
        With what to install.

    Examples
    --------
    >>> require("a page", "json")
    """
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            message = f'{what} needs {module} ({error}): pip install "tricheck[report]"'
            raise ImportError(message) from error
