"""The models: where each lies, its source with a mistake in it, and problems drawn from it."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tests.benchmark.site import Site

_FOLDER = Path(__file__).parent / "models"
_TABLE = "\nMISTAKES = ["
POINTS = ("random", "zero", "tiny", "saturated")
_FACTORS = {"random": 1.0, "zero": 0.0, "tiny": 1e-6, "saturated": 30.0}
_NEAREST = 1e-2  # of a hundred units and samples, one is that near its kink
_numbers = count()


@dataclass(frozen=True)
class Problem:
    """A point of a model, and the data it is at.

    Attributes
    ----------
    params : structure of arrays
    args : tuple
    kink : float
        About how far the next kink is, where that is known; else infinite.
    """

    params: Any
    args: tuple[Any, ...]
    kink: float = math.inf


def names() -> list[str]:
    """Every model."""
    return sorted(file.stem for file in _FOLDER.glob("[!_]*.py"))


@cache
def family(name: str) -> ModuleType:
    """The correct model's module."""
    return loaded(_FOLDER / f"{name}.py", f"tests.benchmark.models.{name}")


def planted(name: str, site: Site, folder: Path) -> ModuleType:
    """The model with a mistake in its source, which is written to the folder."""
    file = folder / f"{name}_{next(_numbers)}.py"
    file.write_text(edited(name, site.edits), encoding="utf-8")
    return loaded(file, file.stem)


def edited(name: str, edits: Mapping[str, str]) -> str:
    """The source with replacements in it.

    Raises
    ------
    ValueError
        When what is to be replaced does not stand there exactly once.
    """
    text, table, mistakes = (_FOLDER / f"{name}.py").read_text(encoding="utf-8").partition(_TABLE)
    for old, new in edits.items():
        if text.count(old) != 1:
            raise ValueError(f"{name}: {old!r} stands there {text.count(old)} times")
        text = text.replace(old, new)
    return text + table + mistakes


def drawn(name: str, size: str, point: str, dtype: Any, seed: int) -> Problem:
    """A problem of a size, at a kind of point, in a precision."""
    module = family(name)
    params, args = module.problem(np.random.default_rng(seed), **module.SIZES[size])
    moved = mapped(params, lambda _, array: array * _FACTORS[point])
    kinky = point == "tiny" and hasattr(module, "near_kink")
    nearest = _NEAREST * _FACTORS[point] if kinky else math.inf
    return Problem(cast(moved, dtype), cast(args, dtype), nearest)


def cast(tree: Any, dtype: Any) -> Any:
    """The structure with its floating-point arrays in a precision."""
    return mapped(tree, lambda _, leaf: _cast(leaf, dtype))


def mapped(tree: Any, function: Any, name: str = "") -> Any:
    """The structure with ``function(name, leaf)`` for every leaf; names are those of reports."""
    if isinstance(tree, Mapping):
        return {
            key: mapped(child, function, f"{name}.{key}" if name else key)
            for key, child in tree.items()
        }
    if isinstance(tree, list | tuple):
        children = enumerate(tree)
        return type(tree)(mapped(c, function, f"{name or 'params'}[{n}]") for n, c in children)
    return function(name or "params", tree)


def _cast(leaf: Any, dtype: Any) -> Any:
    floating = isinstance(leaf, np.ndarray | np.floating) and leaf.dtype.kind == "f"
    return leaf.astype(dtype) if floating else leaf


def loaded(file: Path, name: str) -> ModuleType:
    """The file as a module of its own."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
