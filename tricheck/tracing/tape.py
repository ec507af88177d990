"""The record of a run, and the way back through it.

Memory is what the tape speaks of, not values: an array may be written in place and seen through
many views. Steps are undone in exactly the reverse order, so a write returns its region's gradient
to what was written and leaves zero behind, and a fill of n entries costs n, not n².
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from tricheck.errors import TraceError
from tricheck.location import Spot, calling_line, calling_spots

View = tuple[Callable[[Any], Any], ...]
Vjp = Callable[[Any], Iterable[Any]]
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
        if storage not in self._whole:
            return None
        self._mine.discard(storage)
        gradient = self._whole.pop(storage)
        return gradient[()] if isinstance(gradient, np.ndarray) and not gradient.ndim else gradient

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
        if is_complex(gradient) and not is_complex(storage.value):
            gradient = np.real(gradient)
        if place.view or storage in self._mine:
            region = self.region(place)
            _same_shape(region, gradient)
            region += gradient
            return
        _same_shape(storage.value, gradient)
        before = self._whole.get(storage)
        self._whole[storage] = gradient if before is None else before + gradient


def is_complex(value: Any) -> bool:
    """As `np.iscomplexobj`, of which there are too many on the way back to take its time."""
    dtype = getattr(value, "dtype", None)
    return dtype.kind == "c" if dtype is not None else isinstance(value, complex)


def _same_shape(expected: Any, gradient: Any) -> None:
    came = gradient.shape if isinstance(gradient, np.ndarray) else np.shape(gradient)
    shape = expected.shape if isinstance(expected, np.ndarray) else np.shape(expected)
    if came != shape:
        raise TraceError(f"a derivative rule gave shape {came} for an array of shape {shape}")


class Note(NamedTuple):
    """What a step was in the user's code, for those who ask why.

    Attributes
    ----------
    function : callable
    args, kwargs : tuple and dict
        What it was called with.
    call : int
        Steps of one call in the user's code have the same number.
    spots : tuple of Spot
        Where the user's frames stood, the innermost last.
    """

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    call: int
    spots: tuple[Spot, ...]


Parts = Sequence[tuple["Place", Any]]
# What goes back in place of the right parts, from what came, the step, and a way to the right ones
Edit = Callable[[Any, "Step", Callable[[Any], Parts]], Parts]


class Step:
    """One thing that a run did, and how gradients go back through it.

    Attributes
    ----------
    outs : sequence of Storage
        The memory that it made or wrote to.
    places : sequence of Place
        The memory that depends on the parameters and that it read.
    note : Note or None
    value : ndarray or NumPy scalar
        The (first) result, where the step has a note.
    """

    __slots__ = ("note", "outs", "places", "value")

    def __init__(self, outs: Sequence[Storage], places: Sequence[Place]) -> None:
        self.outs = outs
        self.places = places
        self.note: Note | None = None
        self.value: Any = None

    def came(self, gradients: Gradients) -> Any:
        """The gradient of what it made; None where nothing depends on that."""
        raise NotImplementedError

    def parts(self, gradient: Any) -> Parts:
        """What goes back to each place that it read."""
        raise NotImplementedError

    def undo(self, gradients: Gradients, edit: Edit | None = None) -> None:
        """Send the gradient back; an edit says what goes back instead of the right parts."""
        gradient = self.came(gradients)
        if gradient is None:
            return
        parts = self.parts(gradient) if edit is None else edit(gradient, self, self.parts)
        for place, part in parts:
            if part is not None:
                gradients.add(place, part)


class Computed(Step):
    """A result, and how its gradient goes back to where it came from."""

    __slots__ = ("vjp",)

    def __init__(self, out: Storage, places: Sequence[Place], vjp: Vjp) -> None:
        super().__init__((out,), places)
        self.vjp = vjp

    def came(self, gradients: Gradients) -> Any:
        """As above."""
        return gradients.pop(self.outs[0])

    def parts(self, gradient: Any) -> Parts:
        """As above."""
        return list(zip(self.places, self.vjp(gradient), strict=True))


class ComputedMany(Computed):
    """The same for a function of several results."""

    __slots__ = ()

    def __init__(self, outs: Sequence[Storage], places: Sequence[Place], vjp: Vjp) -> None:
        super().__init__(outs[0], places, vjp)
        self.outs = outs

    def came(self, gradients: Gradients) -> Any:
        """As above, one for each result."""
        if not any(gradients.touched(out) for out in self.outs):
            return None
        came = [gradients.pop(out) for out in self.outs]
        return [
            np.zeros_like(out.value) if g is None else g
            for out, g in zip(self.outs, came, strict=True)
        ]


class Gathered(Step):
    """Entries picked by an index; one may be picked more than once."""

    __slots__ = ("index", "repeats")

    def __init__(self, out: Storage, place: Place, index: Any, repeats: bool) -> None:
        super().__init__((out,), (place,))
        self.index = index
        self.repeats = repeats

    def came(self, gradients: Gradients) -> Any:
        """As above."""
        return gradients.pop(self.outs[0])

    def parts(self, gradient: Any) -> Parts:
        """As above; an array as large as what was picked from."""
        [place] = self.places
        whole = np.zeros_like(place.look(place.storage.value))
        np.add.at(whole, self.index, gradient)
        return [(place, whole)]

    def undo(self, gradients: Gradients, edit: Edit | None = None) -> None:
        """As above, but without an array for the whole of what was picked from."""
        if edit is not None:
            super().undo(gradients, edit)
            return
        gradient = self.came(gradients)
        if gradient is None:
            return
        region = gradients.region(self.places[0])
        if self.repeats:
            np.add.at(region, self.index, gradient)
        else:
            region[self.index] += gradient


class Written(Step):
    """A write (or, if it adds, an ``np.add.at``) of a source, or of numbers, into memory."""

    __slots__ = ("adds", "index", "target")

    def __init__(self, target: Place, index: Any, source: Place | None, adds: bool) -> None:
        super().__init__((target.storage,), () if source is None else (source,))
        self.target = target
        self.index = index
        self.adds = adds

    def came(self, gradients: Gradients) -> Any:
        """As above; what was overwritten has no gradient from here on."""
        if not gradients.touched(self.target.storage):
            return None
        region = gradients.region(self.target)
        came = np.array(region[self.index])
        if not self.adds:
            came = came * last_writer(np.shape(region), self.index, came.shape)
            region[self.index] = 0.0
        return came

    def parts(self, gradient: Any) -> Parts:
        """As above."""
        return [
            (source, _unbroadcast(gradient, np.shape(source.look(source.storage.value))))
            for source in self.places
        ]


class Tape:
    """What a run did, in order.

    Parameters
    ----------
    jitter : callable, optional
        Random errors for an array of a shape, in units of the last place: rounds every intermediate
        result anew, as in Monte Carlo arithmetic (Parker, 1997).
    studied : bool
        Note with every step what it was in the user's code.
    most : int, optional
        Steps after which a studied run is given up: a loop that ends at one point may go on for
        ever at another.
    lenient : bool
        Take what leaves the trace, as the bytes that a hash is made of, for a constant.
    """

    def __init__(
        self,
        jitter: Jitter | None = None,
        *,
        studied: bool = False,
        most: int | None = None,
        lenient: bool = False,
    ) -> None:
        self.studied = studied
        self.lenient = lenient
        self._most = most
        self._noting = False
        self._calls = 0
        self._jitter = jitter
        self.steps: list[Step] = []
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
        if self._jitter is None:
            return value
        dtype = np.asarray(value).dtype
        if dtype.kind not in "fc":
            return value
        factor = 1.0 + np.finfo(dtype).eps * self._jitter(np.shape(value))
        return (value * factor).astype(dtype)

    def computed(self, value: Any, places: Sequence[Place], vjp: Vjp) -> Storage:
        """A result, and how its gradient goes back to where it came from."""
        out = self.storage(value)
        self.steps.append(Computed(out, places, vjp))
        return out

    def computed_many(
        self, values: Sequence[Any], places: Sequence[Place], vjp: Vjp
    ) -> list[Storage]:
        """The same for a function of several results."""
        outs = [self.storage(value) for value in values]
        self.steps.append(ComputedMany(outs, places, vjp))
        return outs

    def gathered(self, value: Any, place: Place, index: Any, *, repeats: bool) -> Storage:
        """Entries picked by an index; one may be picked more than once."""
        out = self.storage(value)
        self.steps.append(Gathered(out, place, index, repeats))
        return out

    def written(self, target: Place, index: Any, source: Place | None, *, adds: bool) -> None:
        """A write (or, with `adds`, an ``np.add.at``) of a source, or of numbers, into memory."""
        self.steps.append(Written(target, index, source, adds))

    @contextmanager
    def noting(
        self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> Iterator[None]:
        """Say of the steps that are made meanwhile what they are, where the run asks for that."""
        if not self.studied:
            yield
            return
        if self._most is not None and len(self.steps) >= self._most:
            raise self.fail(f"this run has taken more than {self._most} steps")
        outermost, self._noting = not self._noting, True
        self._calls += outermost
        since = len(self.steps)
        yield
        self._noting = not outermost
        note = Note(function, args, kwargs or {}, self._calls, calling_spots())
        for step in self.steps[since:]:
            step.note = step.note or note  # a function inside has said more
            step.value = step.outs[0].value

    def back(self, end: Place) -> Gradients:
        """Undo everything, starting from a gradient of one at the loss."""
        gradients = Gradients()
        gradients.add(end, np.ones_like(end.look(end.storage.value)))
        while self.steps:
            self.steps.pop().undo(gradients)
        return gradients

    def close(self) -> None:
        """What the run leaves behind, in a model's state say, are plain values."""
        self.steps.clear()
        for storage in self._storages:
            storage.tape = None


def last_writer(shape: tuple[int, ...], index: Any, picked: tuple[int, ...]) -> Any:
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
def recording(
    jitter: Jitter | None = None,
    *,
    studied: bool = False,
    most: int | None = None,
    lenient: bool = False,
) -> Iterator[Tape]:
    """A run on a new tape."""
    tape = Tape(jitter, studied=studied, most=most, lenient=lenient)
    token = _current.set(tape)
    try:
        yield tape
    finally:
        _current.reset(token)
        tape.close()
