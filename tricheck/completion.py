"""Completion in a shell: its script, and the models of a file, which must not be run for it."""

from __future__ import annotations

import ast
from importlib import resources
from pathlib import Path

import click
from click.shell_completion import FishComplete, ZshComplete

_MAKERS = ("Model", "from_layer", "from_object")


def script(shell: str, command: click.Command) -> str:
    """What makes a shell complete: of ``"bash"``, ``"zsh"`` or ``"fish"``."""
    if shell == "bash":
        return (resources.files("tricheck") / "completion.bash").read_text(encoding="utf-8")
    kind = {"zsh": ZshComplete, "fish": FishComplete}[shell]
    return kind(command, {}, "tricheck", "_TRICHECK_COMPLETE").source()


def models_in_text(file: Path) -> list[str]:
    """Names at module level that a model is assigned to; none where the file cannot be read.

    Where a model has a name of its own, that is what it goes by.
    """
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    found: list[str] = []
    for node in tree.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        value = getattr(node, "value", None)
        if isinstance(value, ast.Call) and _called(value.func) in _MAKERS:
            own = [k.value.value for k in value.keywords
                   if k.arg == "name" and isinstance(k.value, ast.Constant)]  # fmt: skip
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            found += [str(name) for name in own or names]
    return found


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
