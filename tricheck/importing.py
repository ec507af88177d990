"""Running the user's files and modules, and what is said where they do not run."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tricheck.errors import ModelError
from tricheck.imports import Imports, is_taken

_MOST_NAMES = 12


class TargetError(ValueError):
    """A target that names no model; the message says what was looked for and what to do.

    Attributes
    ----------
    file : str
        The file that does not run; empty where it is not about one.
    """

    def __init__(self, message: str, file: str = "") -> None:
        super().__init__(message)
        self.file = file


def loaded(path: Path, imports: Imports | None = None) -> tuple[ModuleType, Imports]:
    """Run a model file as Python would import it: inside its package, if it lies in one.

    Returns
    -------
    module, Imports
        Its own: `imports`, by default those of the process, with the file's folder before them.
    """
    root, name = _importable(path.resolve())
    if is_taken(name):
        name = f"{name}_"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    imports = (imports or Imports()).beside(root)
    with imports.active(), _importing(os.fspath(path)):
        sys.modules[name] = module  # dataclasses and pickling look their module up
        spec.loader.exec_module(module)
    return module, imports


def imported(name: str, imports: Imports | None = None) -> tuple[ModuleType, Imports]:
    """A module by its name, as ``python -m`` would find it: from the working directory too."""
    imports = (imports or Imports()).beside(os.getcwd())
    with imports.active(), _importing(name):
        return importlib.import_module(name), imports


@contextmanager
def _importing(what: str) -> Iterator[None]:
    """What goes wrong when a module is run is said of the file or module that was asked for."""
    try:
        yield
    except ModelError as error:
        raise TargetError(f"{what}: {error}") from error
    except SystemExit as error:
        raise TargetError(
            f"{what}{_line(error, what)} calls sys.exit when it is imported: put that under "
            'if __name__ == "__main__":',
            what,
        ) from error
    except Exception as error:
        hint = ""
        if isinstance(error, ModuleNotFoundError) and error.name == what.partition(".")[0]:
            hint = "; run tricheck from the folder that holds it, or install it"
        raise TargetError(
            f"{what}{_line(error, what)} does not import: {type(error).__name__}: {error}{hint}",
            what,
        ) from error


def _importable(path: Path) -> tuple[Path, str]:
    """The folder to import from, and the module's dotted name there."""
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _line(error: BaseException, what: str) -> str:
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    return next(reversed(list(_lines(error, Path(what).name))), "")


def _lines(error: BaseException, name: str) -> Iterator[str]:
    trace: Any = error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == name:
            yield f":{trace.tb_lineno}"
        trace = trace.tb_next


def attribute(module: ModuleType, name: str, text: str) -> Any:
    """What a module has under a dotted name; `text` is what asked for it."""
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [key for key in vars(module) if not key.startswith("_")]
            has = ", ".join(public[:_MOST_NAMES]) + (", ..." if len(public) > _MOST_NAMES else "")
            raise TargetError(
                f"{text}: {module.__name__} has no {name!r}; it has {has or 'nothing'}"
            )
        found = getattr(found, part)
    return found
