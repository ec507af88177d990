"""From a target on the command line to the models it names."""

from __future__ import annotations

import re
import shlex
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from tricheck.errors import ModelError
from tricheck.importing import TargetError, attribute, imported, loaded
from tricheck.imports import Imports
from tricheck.model import Model

__all__ = ["Target", "TargetError", "find", "models_in", "triple"]

_IN_MODULE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Target:
    """A model and where it was found.

    Attributes
    ----------
    path : Path
        The file it is defined in.
    model : Model
        With a name: its own, or that of its variable.
    text : str
        A target that names this model alone.
    imports : Imports
        Where its code finds what it imports; to be active while its functions are called.
    """

    path: Path
    model: Model
    text: str
    imports: Imports


def find(
    text: str, *, recursive: bool = False, errors: list[TargetError] | None = None
) -> list[Target]:
    """The models that a target names.

    Parameters
    ----------
    text : str
        A file, a directory, ``file.py::name``, or ``package.module:name``.
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
    if not separator and ".py:" in text:  # a single colon is for modules, and no less clear
        path_text, separator, name = text.rpartition(":")
    path = Path(path_text)
    if not path.exists():
        if _IN_MODULE.fullmatch(text) and not separator:
            return [_in_module(text)]
        raise TargetError(_missing(path))
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


def _missing(path: Path) -> str:
    """What is said where nothing lies, and what lies near."""
    beside = [file.name for file in path.parent.glob("*.py")] if path.parent.is_dir() else []
    near = get_close_matches(path.name, beside, cutoff=0.75) or [
        n for n in beside if Path(n).stem == path.name
    ]
    meant = (
        f"did you mean {' or '.join(str(path.parent / name) for name in near)}? " if near else ""
    )
    return (
        f"{path}: no such file or directory; {meant}a model in a package is named "
        "package.module:name"
    )


def triple(loss: str, gradient: str | None, params: Path) -> Target:
    """A model of functions that are named, at a point that is read from a file.

    Parameters
    ----------
    loss, gradient : str
        ``package.module:function``, or ``file.py:function``. Without `gradient`, the loss returns
        both.
    params : Path
        An ``.npz`` file of named arrays, which the functions get as a dict, or an ``.npy`` file of
        one array.

    Raises
    ------
    TargetError
        When one of them is not there, or is no function.
    """
    fun, file, imports = _function("--loss", loss)
    jac: Any = True
    if gradient is not None:
        jac, _, imports = _function("--gradient", gradient, imports)
    point = _arrays(params)
    try:
        model = Model(fun, jac, point, name=loss.rpartition(":")[2])
    except ModelError as error:
        raise TargetError(str(error)) from error
    said = [
        "--loss",
        loss,
        *(["--gradient", gradient] if gradient else []),
        "--params",
        str(params),
    ]
    return Target(file, model, shlex.join(said), imports)


def _function(
    option: str, text: str, imports: Imports | None = None
) -> tuple[Callable[..., Any], Path, Imports]:
    module_text, _, name = text.rpartition(":")
    module_text = module_text.removesuffix(":")  # as in file.py::name
    if not module_text or not name:
        raise TargetError(
            f"{option} {text}: expected MODULE:FUNCTION, such as package.module:loss or "
            "model.py:loss"
        )
    if module_text.endswith(".py"):
        if not Path(module_text).exists():
            raise TargetError(f"{option} {text}: {_missing(Path(module_text))}")
        module, imports = loaded(Path(module_text), imports)
    else:
        module, imports = imported(module_text, imports)
    found = attribute(module, name, f"{option} {text}")
    if not callable(found):
        raise TargetError(f"{option} {text} is a {type(found).__name__}, expected a function")
    return found, Path(module.__file__ or module_text), imports


def _arrays(path: Path) -> Any:
    if path.suffix not in (".npz", ".npy"):
        raise TargetError(
            f"--params {path}: expected an .npz file of named arrays (numpy.savez), or an .npy "
            "file of one (numpy.save)"
        )
    try:
        with path.open("rb") as stream:
            found = np.load(stream, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found
            return {name: found[name] for name in found.files}
    except FileNotFoundError as error:
        raise TargetError(f"--params {path}: no such file") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise TargetError(f"--params {path} cannot be read: {error}") from error


def _in_module(text: str) -> Target:
    module_name, _, name = text.partition(":")
    module, imports = imported(module_name)
    models = [key for key, value in vars(module).items() if isinstance(value, Model)]
    has = f"its models are {', '.join(models)}" if models else "it has no tricheck.Model"
    if models and not hasattr(module, name.partition(".")[0]):
        raise TargetError(f"{text}: {module_name} has no {name!r}; {has}")
    found = attribute(module, name, text)
    if not isinstance(found, Model):
        raise TargetError(f"{text} is a {type(found).__name__}, expected a model: {has}")
    named = found if found.name else replace(found, name=name.rpartition(".")[2])
    return Target(Path(module.__file__ or module_name), named, text, imports)


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
    module, imports = loaded(path)
    found: dict[int, Target] = {}
    for variable, value in vars(module).items():
        if isinstance(value, Model) and id(value) not in found:
            named = value if value.name else replace(value, name=variable)
            found[id(value)] = Target(path, named, shlex.quote(f"{path}::{named.name}"), imports)
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


def _names(targets: list[Target]) -> str:
    return ", ".join(repr(target.model.name) for target in targets)
