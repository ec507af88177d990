"""Finite differences in other processes, through joblib: on this machine's cores, or on a cluster.

Processes are started anew and not forked, so that no lock is inherited that a thread of this one
holds. Each gets the model once, unpickles a copy of its own, and sees first whether the loss has
the same value there.
"""

from __future__ import annotations

import signal
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tricheck.errors import ModelError
from tricheck.imports import Imports, outer_path, would_find
from tricheck.location import user_line
from tricheck.watch import Watch
from tricheck.work import T, Task, one_blas_thread

if TYPE_CHECKING:
    from tricheck.sources.finite_difference import Sweeper

_CHUNK = 0.2  # seconds of work that are worth being sent
_PARTS = 4  # chunks for each process at least, so that all end at about the same time
_SAME = 64.0  # ulps, or noise levels, by which the loss may differ between processes

_here = threading.local()  # what a worker's thread has unpickled: a model may keep state


@dataclass(frozen=True)
class _Failure:
    """Why a worker cannot measure anything."""

    message: str


def spread(
    sweeper: Sweeper,
    task: Task[T],
    positions: Sequence[int],
    jobs: int,
    seconds: float,
    watch: Watch,
) -> Iterator[tuple[Sequence[int], T]]:
    """What a task gives for some positions, chunk by chunk in order, from several processes.

    Parameters
    ----------
    sweeper : Sweeper
        The loss along single entries.
    task : callable
        Of the sweeper and some positions.
    positions : sequence of int
    jobs : int
        Processes, as joblib counts them: -1 is one for each core.
    seconds : float
        What one position takes, about.
    watch : Watch
        Ends it early.

    Raises
    ------
    ModelError
        When the model cannot be sent, a worker dies, or the loss is another there.
    """
    joblib = _joblib()
    workers = min(joblib.effective_n_jobs(jobs), joblib.effective_n_jobs(-1))  # no more than cores
    count = min(int(_CHUNK / max(seconds, 1e-9)) + 1, -(-len(positions) // (_PARTS * workers)))
    chunks = [positions[k : k + count] for k in range(0, len(positions), count)]
    key, payload, path = uuid.uuid4().hex, _packed(sweeper, jobs), list(sys.path)
    failures: list[_Failure] = []

    def tasks() -> Iterator[Any]:
        # What has been sent is waited for: to call it off would leave joblib's workers in disorder.
        for chunk in chunks:
            if failures or not watch.allows():
                return
            yield joblib.delayed(_answer)(key, path, payload, task, chunk)

    processes = joblib.Parallel(min(workers, len(chunks)), return_as="generator", batch_size=1)
    answers = processes(tasks())
    with _explained(jobs), closing(answers):
        for chunk, (answer, losses) in zip(chunks, answers, strict=False):
            sweeper.evaluate.counts["loss"] += losses
            if isinstance(answer, _Failure):
                failures.append(answer)
            else:
                yield chunk, answer
    if failures:
        raise ModelError(f"jobs={jobs}: {failures[0].message}")


def _joblib() -> Any:
    try:
        import cloudpickle
        import joblib
        import threadpoolctl
    except ImportError as error:
        raise ModelError(
            f"jobs needs joblib, cloudpickle and threadpoolctl ({error}): pip install "
            "'tricheck[parallel]', or leave jobs=1"
        ) from error
    del cloudpickle, threadpoolctl
    return joblib


@contextmanager
def _explained(jobs: int) -> Iterator[None]:
    """What goes wrong between processes, as one message."""
    try:
        yield
    except (ModelError, GeneratorExit):
        raise
    except Exception as error:
        if "Terminated" in type(error).__name__ or "Killed" in type(error).__name__:
            raise ModelError(
                f"jobs={jobs}: a worker process died while it evaluated the loss (out of memory, "
                "killed, or a crash in compiled code). With jobs=1 the loss runs in this process"
            ) from error
        raise ModelError(
            f"jobs={jobs}: the workers failed with {type(error).__name__}: {error}. With jobs=1 "
            "the loss runs in this process"
        ) from error


# --- what is sent -------------------------------------------------------------------------------


def _packed(sweeper: Sweeper, jobs: int) -> npt.NDArray[np.uint8]:
    """A sweeper as bytes; in an array, which joblib sends to each process once.

    Raises
    ------
    ModelError
        When it cannot be pickled.
    """
    import cloudpickle

    known = cloudpickle.list_registry_pickle_by_value()
    strangers = [module for module in _unfindable() if module.__name__ not in known]
    for module in strangers:
        cloudpickle.register_pickle_by_value(module)
    try:
        return np.frombuffer(cloudpickle.dumps(sweeper), dtype=np.uint8)
    except Exception as error:  # whatever an object's own pickling may raise
        raise ModelError(
            f"jobs={jobs}: the model cannot be sent to other processes: {type(error).__name__}: "
            f"{error}. Make inside the loss what cannot be copied (locks, open files, generators), "
            "or leave jobs=1"
        ) from error
    finally:
        for module in strangers:
            cloudpickle.unregister_pickle_by_value(module)


def _unfindable() -> list[ModuleType]:
    """Modules that another process would not find by name, as those run from a model file."""
    modules = {
        name: module
        for name, module in list(sys.modules.items())
        if getattr(module, "__file__", None) and module.__name__ == name
    }
    tops = [name for name in modules if "." not in name and name != "__main__"]
    with outer_path():
        lost = {name for name in tops if not would_find(name, modules[name].__file__)}
    return [module for name, module in modules.items() if name.partition(".")[0] in lost]


# --- in the worker ------------------------------------------------------------------------------


def _answer(
    key: str, path: list[str], payload: npt.NDArray[np.uint8], task: Task[T], chunk: Sequence[int]
) -> tuple[T | _Failure, int]:
    """What a task gives for a chunk, and how many losses that took."""
    with _undisturbed():
        if getattr(_here, "key", None) != key:
            own = [folder for folder in sys.path if folder not in path]
            _here.imports = Imports([*path, *own])
            with _among(_here.imports):
                _here.sweeper, _here.key = _unpacked(payload), key
        sweeper = _here.sweeper
        if isinstance(sweeper, _Failure):
            return sweeper, 0
        before = sweeper.evaluate.counts["loss"]
        with _among(_here.imports):
            return task(sweeper, chunk), sweeper.evaluate.counts["loss"] - before


@contextmanager
def _among(imports: Imports) -> Iterator[None]:
    """Where the model's imports are looked up; several threads share what their process has."""
    if threading.current_thread() is threading.main_thread():
        with imports.active():
            yield
    else:
        sys.path += [folder for folder in imports.path if folder not in sys.path]
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Work on one core, and leave a Ctrl-C to the process that has started this one.

    Both are the whole process's, and left alone where this is one of several threads.
    """
    with np.errstate(all="ignore"):
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with one_blas_thread():
                yield
        finally:
            signal.signal(signal.SIGINT, previous)


def _unpacked(payload: npt.NDArray[np.uint8]) -> Sweeper | _Failure:
    """A copy of the sweeper, if its loss is the same in this process."""
    import cloudpickle

    try:
        sweeper: Sweeper = cloudpickle.loads(payload.tobytes())
    except Exception as error:  # whatever an import or an object's own unpickling may raise
        return _Failure(
            f"a worker process cannot load the model: {type(error).__name__}: {error}. Have there "
            "what the loss imports, or leave jobs=1"
        )
    try:
        loss = sweeper.evaluate.here()
    except Exception as error:  # whatever the user's code raises
        where = f" (at {line})" if (line := user_line(error)) else ""
        return _Failure(
            f"in a worker process loss(params, *args) raised {type(error).__name__}: {error}"
            f"{where}. It needs something that is only there in this one (a global set later, an "
            "open file, a folder), or leave jobs=1"
        )
    ulp = float(np.spacing(max(abs(loss), abs(sweeper.base))))
    if not abs(float(loss - sweeper.base)) <= _SAME * max(ulp, sweeper.noise.level):
        return _Failure(
            f"in a worker process the loss is {loss:.10g} at params, here {sweeper.base:.10g}: it "
            "reads something that changes (a global, a file, a random generator). Pass that in "
            "args, or leave jobs=1"
        )
    return sweeper
