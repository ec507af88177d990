"""Simplification that can be abandoned: sympy's own steps, in a process of their own.

No step of sympy's can be stopped from inside, and any may take for ever. This file is the program
of that process too, and so imports nothing of tricheck.
"""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
from typing import Any

import sympy

SECONDS = 5.0
_STEPS = (
    sympy.factor_terms,
    sympy.powsimp,
    sympy.together,
    sympy.trigsimp,
    sympy.factor,
    sympy.simplify,
)


def simpler(expression: Any, seconds: float = SECONDS) -> list[Any]:
    """Shorter forms of an expression, the shortest found in the time first.

    Parameters
    ----------
    expression : sympy expression
    seconds : float
        When to stop.

    Returns
    -------
    list of sympy expressions
        Empty when there is none, or no process can be started.
    """
    # -P keeps the folder of this file, whose names are not modules, off the path.
    command = [sys.executable, "-P", __file__]
    try:
        done = subprocess.run(
            command,
            input=pickle.dumps(expression),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
        found = done.stdout
    except subprocess.TimeoutExpired as late:
        found = late.stdout or b""
    except (OSError, RecursionError):
        return []
    # A line that was cut short has no end.
    lines = [line for line in found.splitlines(keepends=True) if line.endswith(b"\n")]
    return [pickle.loads(base64.b64decode(line)) for line in reversed(lines)]


def main() -> None:
    """Read an expression, write each shorter form as it is found."""
    best = pickle.load(sys.stdin.buffer)
    for simplify in _STEPS:
        try:
            form = simplify(best)
        except Exception:  # a step may fail on what it does not know
            continue
        if sympy.count_ops(form) < sympy.count_ops(best):
            best = form
            print(base64.b64encode(pickle.dumps(best)).decode(), flush=True)


if __name__ == "__main__":
    main()
