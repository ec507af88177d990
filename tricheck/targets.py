"""From a target on the command line to the models it names."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from tricheck.errors import ModelError
from tricheck.model import Model


class TargetError(ValueError):
    """A target that names no model; the message says what was looked for and what to do."""


@dataclass(frozen=True)
class Target:
    """A model and where it was found.

    Attributes
    ----------
    path : Path
        The file it is defined in.
    model : Model
        With a name: its own, or that of its variable.
    """

    path: Path
    model: Model


def find(
    text: str, *, recursive: bool = False, errors: list[TargetError] | None = None
) -> list[Target]:
    """The models that a target names: a file, a directory, or ``file.py::name``.

    Parameters
    ----------
    text : str
    recursive : bool
        Look into the folders of a directory too.
    errors : list, optional
        Takes what is wrong with single files of a directory, so that the others are still found.

    Raises
    ------
    TargetError
        When there is no such file, it does not import, or it holds no such model.
    """
    path_text, separator, name = text.partition("::")
    path = Path(path_text)
    if not path.exists():
        raise TargetError(f"{path_text}: no such file or directory")
    if path.is_dir():
        if separator:
            raise TargetError(f"{text}: {path_text} is a directory; name a file before '::'")
        broken: list[TargetError] = []
        targets = _in_directory(path, recursive, broken)
        if broken and errors is None:
            raise broken[0]
        if errors is not None:
            errors += broken
        return targets
    models = models_in(path)
    if not separator:
        return models
    chosen = [target for target in models if target.model.name == name]
    if not chosen:
        raise TargetError(f"{path_text} holds no model {name!r}: it has {_names(models)}")
    return chosen


def _in_directory(path: Path, recursive: bool, errors: list[TargetError]) -> list[Target]:
    files = sorted(path.rglob("*.py") if recursive else path.glob("*.py"))
    targets: list[Target] = []
    for file in filter(_mentions_tricheck, files):
        try:
            targets += models_in(file, some=False)
        except TargetError as error:
            errors.append(error)
    if not targets and not errors:
        deeper = "" if recursive else "; -r looks into its folders too"
        raise TargetError(f"{path}: no file in this directory holds a tricheck.Model{deeper}")
    return targets


def _mentions_tricheck(file: Path) -> bool:
    """Whether a file can hold a model at all: files that cannot are not run."""
    return b"tricheck" in file.read_bytes()


def models_in(path: Path, *, some: bool = True) -> list[Target]:
    """Every `tricheck.Model` at module level of a file.

    Raises
    ------
    TargetError
        When the file does not import, two models have one name, or (`some`) there is none.
    """
    module = _load(path)
    found: dict[int, Target] = {}
    for variable, value in vars(module).items():
        if isinstance(value, Model) and id(value) not in found:
            named = value if value.name else replace(value, name=variable)
            found[id(value)] = Target(path, named)
    targets = list(found.values())
    if some and not targets:
        raise TargetError(
            f"{path} holds no model: define one at module level, as in "
            "model = tricheck.Model(loss, gradient, params)"
        )
    names = [target.model.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise TargetError(f"{path} holds two models named {name!r}: give each its own name")
    return targets


def _load(path: Path) -> ModuleType:
    """Run a model file as Python would import it: inside its package, if it lies in one."""
    root, name = _importable(path.resolve())
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    previous = sys.modules.get(name)
    sys.path.insert(0, os.fspath(root))
    try:
        sys.modules[name] = module  # dataclasses and pickling look their module up
        spec.loader.exec_module(module)
    except ModelError as error:
        raise TargetError(f"{path}: {error}") from error
    except SystemExit as error:
        raise TargetError(
            f"{path}{_line(error, path)} calls sys.exit when it is imported: put that under "
            'if __name__ == "__main__":'
        ) from error
    except Exception as error:
        raise TargetError(
            f"{path}{_line(error, path)} does not import: {type(error).__name__}: {error}"
        ) from error
    finally:
        sys.path.remove(os.fspath(root))
        if previous is not None:
            sys.modules[name] = previous
    return module


def _importable(path: Path) -> tuple[Path, str]:
    """The folder to import from, and the module's dotted name there."""
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _line(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    return next(reversed(list(_lines(error, path))), "")


def _lines(error: BaseException, path: Path) -> Iterator[str]:
    trace: Any = error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == path.name:
            yield f":{trace.tb_lineno}"
        trace = trace.tb_next


def _names(targets: list[Target]) -> str:
    return ", ".join(repr(target.model.name) for target in targets)
