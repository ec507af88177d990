"""Work in a process of its own: fresh, of one thread, limited in time and memory."""

from __future__ import annotations

import os
import resource
import warnings
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from textwrap import shorten
from typing import Any

from tests.benchmark.run import THREADS

_LEAVE = 10.0  # seconds
MEMORY = 6 * 2**30  # bytes of data that it may hold


class OutOfTimeError(Exception):
    """What was waited for did not come in time."""


class FailedError(Exception):
    """What was raised in the other process, in words."""


def each(work: Callable[..., Iterator[Any]], *args: Any, limit: float) -> Iterator[Any]:
    """What a generator yields that runs in another process.

    Parameters
    ----------
    work : callable
        The generator function; can be pickled, as its arguments and what it yields.
    *args
    limit : float
        Seconds within which each of its values must come.

    Raises
    ------
    OutOfTimeError
    FailedError
    """
    os.environ.update(dict.fromkeys(THREADS, "1"))
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(there, work, args))
    process.start()
    there.close()
    try:
        yield from _received(here, limit)
        process.join(_LEAVE)  # it may have processes of its own to end
    finally:
        process.kill()
        process.join()
        here.close()


def only(work: Callable[..., Iterator[Any]], *args: Any, limit: float) -> Any:
    """The one value of a generator that runs in another process."""
    (value,) = each(work, *args, limit=limit)
    return value


def _received(here: Connection, limit: float) -> Iterator[Any]:
    while here.poll(limit):
        try:
            kind, value = here.recv()
        except EOFError:
            raise FailedError("the process died") from None
        if kind == "end":
            return
        if kind == "error":
            raise FailedError(value)
        yield value
    raise OutOfTimeError


def _serve(there: Connection, work: Callable[..., Iterator[Any]], args: tuple[Any, ...]) -> None:
    warnings.simplefilter("ignore")  # the output is tables
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    try:
        for value in work(*args):
            there.send(("value", value))
        there.send(("end", None))
    except MemoryError:
        there.send(("error", "out of memory"))
    except Exception as error:  # whatever it is, it is told and not lost
        said = shorten(f"{type(error).__name__}: {error}", 100, placeholder=" ...")
        there.send(("error", said))
