"""What stands for the arrays that the user's code holds, and what a run leaves in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tricheck.tracing.names import replaced
from tricheck.tracing.tape import Storage, Tape, current
from tricheck.tracing.traced import Traced


def stand_in(value: Any) -> Any:
    """What user code sees in place of a value during a run; views of one memory stay so."""
    tape = current()
    if tape is None or type(value) is not np.ndarray or value.dtype.kind not in "fciub":
        return replaced(value)
    root = value if value.base is None else value.base
    if not (type(root) is np.ndarray and root.flags.forc and root.dtype == value.dtype):
        root = value
    view = () if root is value else (_placed(value, root),)
    return Traced(_storage(tape, root), view)


def _storage(tape: Tape, root: Any) -> Storage:
    """The memory that stands for an array which owns its own, the same throughout a run."""
    if id(root) not in tape.stand_ins:
        tape.stand_ins[id(root)] = Storage(root)
        tape.stand_ins[id(root)].origin = root
    return tape.stand_ins[id(root)]


def _placed(value: Any, root: Any) -> Callable[[Any], Any]:
    """The same view of other memory that is laid out like the root."""
    start = value.__array_interface__["data"][0] - root.__array_interface__["data"][0]

    def look(whole: Any) -> Any:
        return np.ndarray(value.shape, whole.dtype, whole, start, value.strides)

    return look


def left_behind(value: Any) -> Any:
    """What a run leaves in the user's objects: their own array back, or the plain value."""
    if type(value) is not Traced:
        return value
    mine = value.storage
    if mine.tape is not None and mine.tape is not current():
        return value  # another thread's run still needs it
    # A stand-in that was never written to stands for the very array it was made of.
    if mine.origin is not None and not value.view and mine.value is mine.origin:
        return mine.origin
    return np.array(value.value)[()] if np.ndim(value.value) else value.value
