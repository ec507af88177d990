"""The record of a run, and the way back through it.

Memory is what the tape speaks of, not values: an array may be written in place and seen through
many views. Steps are undone in exactly the reverse order, so a write returns its region's gradient
to what was written and leaves zero behind, and a fill of n entries costs n, not n².
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from tricheck.errors import TraceError
from tricheck.location import calling_line

View = tuple[Callable[[Any], Any], ...]
Vjp = Callable[[Any], Sequence[Any]]
Jitter = Callable[[tuple[int, ...]], Any]

_current: ContextVar[Tape | None] = ContextVar("tricheck_tape", default=None)


class Storage:
    """The memory of an array or a number.

    Attributes
    ----------
    value : ndarray or NumPy scalar
    tape : Tape or None
        The run in which it depends on the parameters.
    shared : bool
        Whether somebody may hold the value, so that a write has to copy it first.
    origin : ndarray or None
        The user's array that it stands for.
    writes : int
        How often it has been written to.
    shows : tuple of Storage and int, or None
        Memory that NumPy would make this a view of, and its writes when this was copied from it.
    """

    __slots__ = ("origin", "shared", "shows", "tape", "value", "writes")

    def __init__(self, value: Any, tape: Tape | None = None) -> None:
        if isinstance(value, np.ndarray) and not value.flags.forc:
            value = np.ascontiguousarray(value)  # so that views of a gradient are views too
        self.value = value
        self.tape = tape
        self.shared = True
        self.origin: Any = None
        self.writes = 0
        self.shows: tuple[Storage, int] | None = None

    @property
    def stale(self) -> bool:
        """Whether what it shows has been written to since."""
        return self.shows is not None and self.shows[0].writes != self.shows[1]

    def has_aliases(self, tape: Tape | None) -> bool:
        """Whether the user's code holds the same memory under another name in a run."""
        return (
            self.origin is not None
            and tape is not None
            and any(
                other is not self and np.may_share_memory(other.origin, self.origin)
                for other in tape.stand_ins.values()
            )
        )

    def show(self, other: Storage) -> None:
        """Remember that NumPy would make this a view of other memory."""
        self.shows = (other, other.writes)


class Place(NamedTuple):
    """Some memory seen through views of it."""

    storage: Storage
    view: View = ()

    def look(self, whole: Any) -> Any:
        """What `whole`, the storage's value or its gradient, looks like from here."""
        for step in self.view:
            whole = step(whole)
        return whole


class Gradients:
    """What has come back so far, for each piece of memory."""

    def __init__(self) -> None:
        self._whole: dict[Storage, Any] = {}
        self._mine: set[Storage] = set()  # arrays that nobody else holds

    def pop(self, storage: Storage) -> Any:
        """The gradient of a result, once all that used it has been undone; None for zero."""
        self._mine.discard(storage)
        gradient = self._whole.pop(storage, None)
        return gradient[()] if gradient is not None and np.ndim(gradient) == 0 else gradient

    def region(self, place: Place) -> Any:
        """The gradient of a place as an array to be written to."""
        storage = place.storage
        if storage not in self._whole:
            self._whole[storage] = np.zeros_like(storage.value)
        elif storage not in self._mine:
            copy = np.empty_like(storage.value)
            copy[...] = self._whole[storage]
            self._whole[storage] = copy
        self._mine.add(storage)
        return place.look(np.asarray(self._whole[storage]))

    def touched(self, storage: Storage) -> bool:
        """Whether any gradient has come back to this memory."""
        return storage in self._whole

    def add(self, place: Place, gradient: Any) -> None:
        """More of the gradient of a place."""
        storage = place.storage
        if np.iscomplexobj(gradient) and not np.iscomplexobj(storage.value):
            gradient = np.real(gradient)
        if place.view or storage in self._mine:
            region = self.region(place)
            _same_shape(np.shape(region), gradient)
            region += gradient
            return
        _same_shape(np.shape(storage.value), gradient)
        if storage in self._whole:
            gradient = self._whole[storage] + gradient
        self._whole[storage] = gradient


def _same_shape(expected: tuple[int, ...], gradient: Any) -> None:
    if np.shape(gradient) != expected:
        raise TraceError(
            f"a derivative rule gave shape {np.shape(gradient)} for an array of shape {expected}"
        )


Step = Callable[[Gradients], None]


class Tape:
    """What a run did, in order.

    Parameters
    ----------
    jitter : callable, optional
        Random errors for an array of a shape, in units of the last place: rounds every intermediate
        result anew, as in Monte Carlo arithmetic (Parker, 1997).
    """

    def __init__(self, jitter: Jitter | None = None) -> None:
        self._jitter = jitter
        self._steps: list[Step] = []
        self._storages: list[Storage] = []
        self.stand_ins: dict[int, Storage] = {}  # of the user's arrays, by their memory's owner
        self.failure: TraceError | None = None

    def fail(self, reason: str) -> TraceError:
        """An error to raise; kept, in case the user's code swallows it."""
        line = calling_line()
        error = TraceError(f"{line}: {reason}" if line else reason)
        self.failure = self.failure or error
        return error

    def storage(self, value: Any) -> Storage:
        """Memory that depends on the parameters."""
        storage = Storage(value, self)
        self._storages.append(storage)
        return storage

    def activate(self, storage: Storage) -> None:
        """From now on this memory depends on the parameters."""
        if storage.tape is None:
            storage.tape = self
            self._storages.append(storage)

    def jittered(self, value: Any) -> Any:
        """The value rounded anew, where the run asks for that."""
        dtype = np.asarray(value).dtype
        if self._jitter is None or dtype.kind not in "fc":
            return value
        factor = 1.0 + np.finfo(dtype).eps * self._jitter(np.shape(value))
        return (value * factor).astype(dtype)

    def computed(self, value: Any, places: Sequence[Place], vjp: Vjp) -> Storage:
        """A result, and how its gradient goes back to where it came from."""
        out = self.storage(value)

        def undo(gradients: Gradients) -> None:
            gradient = gradients.pop(out)
            if gradient is not None:
                for place, part in zip(places, vjp(gradient), strict=True):
                    gradients.add(place, part)

        self._steps.append(undo)
        return out

    def computed_many(
        self, values: Sequence[Any], places: Sequence[Place], vjp: Vjp
    ) -> list[Storage]:
        """The same for a function of several results."""
        outs = [self.storage(value) for value in values]

        def undo(gradients: Gradients) -> None:
            if any(gradients.touched(out) for out in outs):
                came = [gradients.pop(out) for out in outs]
                whole = [
                    np.zeros_like(out.value) if g is None else g
                    for out, g in zip(outs, came, strict=True)
                ]
                for place, part in zip(places, vjp(whole), strict=True):
                    gradients.add(place, part)

        self._steps.append(undo)
        return outs

    def gathered(self, value: Any, place: Place, index: Any, *, repeats: bool) -> Storage:
        """Entries picked by an index; one may be picked more than once."""
        out = self.storage(value)

        def undo(gradients: Gradients) -> None:
            gradient = gradients.pop(out)
            if gradient is None:
                return
            region = gradients.region(place)
            if repeats:
                np.add.at(region, index, gradient)
            else:
                region[index] += gradient

        self._steps.append(undo)
        return out

    def written(self, target: Place, index: Any, source: Place | None, *, adds: bool) -> None:
        """A write (or, with `adds`, an ``np.add.at``) of a source, or of numbers, into memory."""

        def undo(gradients: Gradients) -> None:
            if not gradients.touched(target.storage):
                return
            region = gradients.region(target)
            came = np.array(region[index])
            if not adds:
                came = came * _last_writer(np.shape(region), index, came.shape)
                region[index] = 0.0
            if source is not None:
                shape = np.shape(source.look(source.storage.value))
                gradients.add(source, _unbroadcast(came, shape))

        self._steps.append(undo)

    def back(self, end: Place) -> Gradients:
        """Undo everything, starting from a gradient of one at the loss."""
        gradients = Gradients()
        gradients.add(end, np.ones_like(end.look(end.storage.value)))
        while self._steps:
            self._steps.pop()(gradients)
        return gradients

    def close(self) -> None:
        """What the run leaves behind, in a model's state say, are plain values."""
        self._steps.clear()
        for storage in self._storages:
            storage.tape = None


def _last_writer(shape: tuple[int, ...], index: Any, picked: tuple[int, ...]) -> Any:
    """1 where a written entry stayed, 0 where a later one of the same assignment replaced it."""
    parts = index if isinstance(index, tuple) else (index,)
    if not any(isinstance(part, np.ndarray | list) for part in parts):
        return 1.0
    order = np.arange(1, int(np.prod(picked)) + 1).reshape(picked)
    owner = np.zeros(shape, dtype=np.int64)
    owner[index] = order
    return (owner[index] == order).astype(np.float64)


def _unbroadcast(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Summed over the axes along which an assignment repeated its source."""
    while np.ndim(gradient) < len(shape):  # a source may have leading axes of size 1
        gradient = gradient[np.newaxis]
    extra = np.ndim(gradient) - len(shape)
    gradient = gradient.sum(axis=tuple(range(extra)))
    stretched = tuple(
        axis for axis, size in enumerate(shape) if size == 1 and gradient.shape[axis] != 1
    )
    return gradient.sum(axis=stretched, keepdims=True) if stretched else gradient


def current() -> Tape | None:
    """The tape of the run under way in this thread, if there is one."""
    return _current.get()


@contextmanager
def recording(jitter: Jitter | None = None) -> Iterator[Tape]:
    """A run on a new tape."""
    tape = Tape(jitter)
    token = _current.set(tape)
    try:
        yield tape
    finally:
        _current.reset(token)
        tape.close()
