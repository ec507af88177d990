"""Running the user's files and modules, and what is said where they do not run."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tricheck.errors import ModelError
from tricheck.location import is_users

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


def loaded(path: Path) -> ModuleType:
    """Run a model file as Python would import it: inside its package, if it lies in one."""
    root, name = _importable(path.resolve())
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    with _only_neighbours(root), _importing(os.fspath(path), os.fspath(root)):
        sys.modules[name] = module  # dataclasses and pickling look their module up
        spec.loader.exec_module(module)
    return module


@contextmanager
def _only_neighbours(root: Path) -> Iterator[None]:
    """Without modules of the user's that lie elsewhere and are called like one that lies here.

    Two model files may each have a helper.py beside them.
    """
    here = {one.name for one in pkgutil.iter_modules([os.fspath(root)])}
    aside = {
        name: module
        for name, module in sys.modules.items()
        if name.partition(".")[0] in here and _lies_elsewhere(module, root)
    }
    for name in aside:
        del sys.modules[name]
    try:
        yield
    finally:
        sys.modules.update(aside)


def _lies_elsewhere(module: ModuleType, root: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and is_users(file) and not Path(file).resolve().is_relative_to(root)


@contextmanager
def _importing(what: str, root: str) -> Iterator[None]:
    """What goes wrong when a module is run is said of the file or module that was asked for."""
    sys.path.insert(0, root)
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
    finally:
        sys.path.remove(root)


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


def imported(name: str) -> ModuleType:
    """A module by its name, as ``python -m`` would find it: from the working directory too."""
    with _importing(name, os.getcwd()):
        return importlib.import_module(name)


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
