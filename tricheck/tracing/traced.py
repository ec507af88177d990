"""Arrays that remember how they were computed, for plain NumPy code to run on unchanged.

A `Traced` stands in for an ndarray: it answers NumPy's array protocols and Python's operators,
may be assigned into and looked at through views, and records on the run's tape what depends on the
parameters. It wraps; neither NumPy nor the rules' library is changed.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricheck.errors import TraceError
from tricheck.tracing.numbers import said
from tricheck.tracing.registry import ALWAYS, RULES, SEQUENCES, WRITERS, Rule, name_of, rule_of
from tricheck.tracing.tape import Place, Storage, View, current

_MOST_OBJECTS = 10_000  # scalars that an array may fall apart into
_METADATA = frozenset({"nbytes", "itemsize", "strides", "flags"})
_LEAKS = frozenset({"data", "ctypes", "tobytes", "tofile", "dump", "dumps", "view", "base"})


class Traced:
    """An array or number on its way through the user's loss.

    Parameters
    ----------
    storage : Storage
        Its memory. Memory that does not depend on the parameters acts like a plain array, and
        after the run all of it does.
    view : tuple of callable, optional
        How it is seen from here.
    """

    __slots__ = ("held", "storage", "view")
    __array_priority__ = 1000.0
    __hash__ = object.__hash__

    def __init__(self, storage: Storage, view: View = ()) -> None:
        self.storage = storage
        self.view = view
        self.held: Any = None  # a copy of the value at an earlier time, for a rule to keep

    # --- NumPy's protocols ---

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or "out" in kwargs or "where" in kwargs:
            return RULES[np.ufunc](ufunc, method, *inputs, **kwargs)
        return record(ufunc, *inputs, **kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any
    ) -> Any:
        return record(function, *args, **kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if not self.active:
            array = np.asarray(self.value, dtype=dtype)
            return array.copy() if copy else array
        if sys._getframe(1).f_code.co_name == "as_strided":  # would read memory that is not there
            raise self._cut(
                "as_strided reads memory by strides, which a trace has not: slice instead"
            )
        if dtype in (None, object) and self.size <= _MOST_OBJECTS:
            # Compiled code that handles objects goes on with numbers that remember.
            entries = np.empty(self.shape, dtype=object)
            for index in np.ndindex(self.shape):
                entries[index] = self[index]
            return entries
        if self._may_leave:
            return np.array(self.value, dtype=dtype)
        raise self._cut(
            "a traced array was turned into a plain one, which cuts its path to the parameters"
        )

    def __float__(self) -> float:
        if self._may_leave or _formats_text(sys._getframe(1)):
            return float(self.value)
        raise self._cut(
            "a traced value was turned into a Python number by compiled code, which cuts its path "
            "to the parameters"
        )

    __complex__ = __float__

    def __int__(self) -> int:
        return int(self.value)  # locally constant: no slope

    __index__ = __trunc__ = __int__

    # `isinstance(x, np.ndarray)` and `isinstance(x, float)` are asked in ordinary code
    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return np.ndarray if isinstance(self.value, np.ndarray) else type(self.value)

    def __reduce__(self) -> Any:
        if self.active:
            raise self._cut("a traced array was pickled, which cuts its path to the parameters")
        return _plain_copy, (np.array(self.value)[()],)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    @property
    def _may_leave(self) -> bool:
        """Whether it may be turned into a plain value: a constant, or one in a lenient run."""
        tape = self.storage.tape
        return tape is None or tape.lenient

    def _cut(self, reason: str) -> TraceError:
        tape = self.storage.tape
        return tape.fail(reason) if tape is not None else TraceError(reason)

    # --- what an array is ---

    @property
    def value(self) -> Any:
        """The plain value as it is now."""
        if self.held is not None:
            return self.held
        storage = self.storage
        if storage.shows is not None and storage.stale:
            raise self._cut("a view of an array that was written to since cannot be traced")
        return self.place.look(storage.value) if self.view else storage.value

    @property
    def place(self) -> Place:
        """Where it lies in memory."""
        return Place(self.storage, self.view)

    @property
    def active(self) -> bool:
        """Whether it depends on the parameters."""
        return self.storage.tape is not None

    shape = property(lambda self: np.shape(self.value))
    ndim = property(lambda self: np.ndim(self.value))
    size = property(lambda self: np.size(self.value))
    dtype = property(lambda self: np.result_type(self.value))
    T = property(lambda self: np.transpose(self))
    mT = property(lambda self: np.swapaxes(self, -1, -2))  # noqa: N815  # NumPy's name
    real = property(lambda self: np.real(self), lambda self, value: self._set_real(value))
    imag = property(lambda self: np.imag(self), lambda self, value: self._set_imag(value))

    @property
    def flat(self) -> Any:
        """The entries in a row; a copy of them, which is not written to, where no view serves."""
        row: Any = np.reshape(self, -1)
        if is_traced(row) and row.storage is not self.storage:
            row.storage.show(self.storage)
        return row

    def _set_real(self, value: Any) -> None:
        np.real(self)[...] = value

    def _set_imag(self, value: Any) -> None:
        self[...] = np.real(self) + 1j * value

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, entry: Any) -> bool:
        return plain(entry) in self.value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return said(repr(self.value))

    def __str__(self) -> str:
        return said(str(self.value))

    def __format__(self, spec: str) -> str:
        return said(format(self.value, spec))

    def __getitem__(self, index: Any) -> Any:
        index = plain_index(index)
        value = self.value
        part = value[index]
        tape = self.storage.tape
        if tape is None and current() is None:
            return part
        if isinstance(part, np.ndarray) and part.size and np.may_share_memory(part, value):
            return Traced(self.storage, (*self.view, lambda whole: whole[index]))
        if tape is None:
            return wrap(part)
        number = not isinstance(part, np.ndarray)
        with tape.noting(operator.getitem, (self, index)):
            return Traced(tape.gathered(part, self.place, index, repeats=not number))

    def __setitem__(self, index: Any, value: Any) -> None:
        write(self, plain_index(index), value)

    def __neg__(self) -> Any:
        return record(np.negative, self)

    def __pos__(self) -> Any:
        return record(np.positive, self)

    def __abs__(self) -> Any:
        return record(np.absolute, self)

    def __invert__(self) -> Any:
        return np.invert(self.value)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.value, digits) if digits is not None else round(self.value)

    def __floor__(self) -> Any:
        return int(np.floor(self.value))

    def __ceil__(self) -> Any:
        return int(np.ceil(self.value))

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    # --- methods that are not a NumPy function of the same name ---

    def copy(self, order: Any = "C") -> Any:
        return record(np.copy, self, order=order)

    def conjugate(self) -> Any:
        return record(np.conjugate, self)

    conj = conjugate

    def flatten(self, order: Any = "C") -> Any:
        return np.reshape(self, -1, order=order).copy()

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **kwargs)

    def transpose(self, *axes: Any) -> Any:
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def astype(self, dtype: Any, **kwargs: Any) -> Any:
        if np.dtype(dtype) == self.dtype and not kwargs.get("copy", True):
            return self
        return RULES["astype"](self, np.dtype(dtype))

    def item(self, *index: Any) -> Any:
        place = index[0] if len(index) == 1 and isinstance(index[0], tuple) else index
        if len(place) == 1:
            return self.flat[place[0]]
        return self[place] if place else record(np.copy, np.reshape(self, ()))[()]

    def tolist(self) -> Any:
        return [part.tolist() if np.ndim(part) else part for part in self] if self.ndim else self

    def fill(self, value: Any) -> None:
        self[...] = value

    def sort(self, axis: int = -1, **_: Any) -> None:
        self[...] = np.sort(self, axis=axis)

    def partition(self, kth: Any, axis: int = -1, **_: Any) -> None:
        self[...] = np.partition(self, kth, axis=axis)

    def __getattr__(self, name: str) -> Any:
        if name in _METADATA:
            return getattr(self.value, name)
        if name in _LEAKS and self._may_leave:
            return getattr(self.value, name)
        if name in _LEAKS:
            raise self._cut(f".{name} of a traced array cuts its path to the parameters")
        function = getattr(np, name, None)
        if not name.startswith("_") and isinstance(function, np.ufunc) and self.ndim == 0:
            # NumPy's loops over objects call functions as methods of the entries.
            return lambda *args: record(function, self, *args)
        if not hasattr(np.ndarray, name) or (name.startswith("_") and self.active):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        if function is None and not self.active:
            return getattr(self.value, name)
        if function is None:
            raise self._cut(f".{name} of an array cannot be traced")
        return lambda *args, **kwargs: function(self, *args, **kwargs)


def _plain_copy(value: Any) -> Any:
    return value


def _formats_text(frame: Any) -> bool:
    """Whether a number is asked for by ``"%.3f" % x``, which computes nothing."""
    return frame.f_code.co_code[frame.f_lasti : frame.f_lasti + 2] in _REMAINDERS


def _remainder_codes() -> frozenset[bytes]:
    """The instruction of ``a % b`` in this Python, from a function that holds nothing else."""
    import dis

    def remainder(a: Any, b: Any) -> Any:
        return a % b

    return frozenset(
        remainder.__code__.co_code[i.offset : i.offset + 2]
        for i in dis.get_instructions(remainder)
        if i.opname == "BINARY_OP"
    )


_REMAINDERS = _remainder_codes()


# --- operators ------------------------------------------------------------------------------------


def _operator(ufunc: np.ufunc, reflected: bool = False) -> Callable[[Traced, Any], Any]:
    def operate(self: Traced, other: Any) -> Any:
        return record(ufunc, other, self) if reflected else record(ufunc, self, other)

    return operate


def _in_place(ufunc: np.ufunc) -> Callable[[Traced, Any], Any]:
    def operate(self: Traced, other: Any) -> Any:
        result = record(ufunc, self, other)
        if not isinstance(self.value, np.ndarray):
            return result  # NumPy scalars are immutable: the name is bound anew
        self[...] = result
        return self

    return operate


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "pow": np.power, "matmul": np.matmul, "mod": np.mod, "floordiv": np.floor_divide,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}.items():  # fmt: skip
    setattr(Traced, f"__{_name}__", _operator(_ufunc))
    setattr(Traced, f"__r{_name}__", _operator(_ufunc, reflected=True))
    setattr(Traced, f"__i{_name}__", _in_place(_ufunc))
for _name, _ufunc in {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}.items():  # fmt: skip
    setattr(Traced, f"__{_name}__", _operator(_ufunc))


# --- recording ------------------------------------------------------------------------------------


def record(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply a NumPy function to traced arrays, and keep the way back."""
    out = kwargs.pop("out", None)
    if out is not None:
        followed(out, f"{name_of(function)}(out=...)")[...] = record(function, *args, **kwargs)
        return out
    args = tuple(map(collected if function in SEQUENCES else assembled, args))
    if kwargs:
        kwargs = {name: collected(value) for name, value in kwargs.items()}
    if any(map(holds_trace, args)) or any(map(holds_trace, kwargs.values())):
        if function not in WRITERS:
            args = tuple(map(_kept, args))
            if kwargs:
                kwargs = {name: _kept(value) for name, value in kwargs.items()}
        answer = _applied(function, args, kwargs)
    elif function in ALWAYS:
        answer = _rule_of(function)(*args, **kwargs)
    else:
        plain_kwargs = {name: plain(value) for name, value in kwargs.items()}
        value = function(*map(plain, args), **plain_kwargs)
        answer = wrap(value)
        for arg in args:
            if is_traced(arg):
                _show(answer, value, arg)
    return answer


def _applied(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tape = current()
    if tape is None or not tape.studied:
        return _rule_of(function)(*args, **kwargs)
    with tape.noting(function, args, kwargs):
        return _rule_of(function)(*args, **kwargs)


def _rule_of(function: Any) -> Rule:
    own = rule_of(function)
    if own is None:
        raise failure(f"{name_of(function)} has no derivative rule")
    return own


def _kept(value: Any) -> Any:
    """An argument that a rule may hold until the way back, whatever is written later."""
    if type(value) in (list, tuple):
        return type(value)(map(_kept, value))
    if type(value) is np.ndarray:
        return value.copy()  # nothing tells when the user writes into it
    if type(value) is Traced:
        part_of_it = value.view and value.held is None
        if part_of_it and 2 * value.size <= np.size(value.storage.value):
            kept = Traced(value.storage, value.view)
            kept.held = np.array(value.value)  # cheaper than a copy of all at the next write
            return kept
        value.storage.shared = True
    return value


def _show(answer: Any, value: Any, arg: Traced) -> None:
    """Remember a result that NumPy makes a view of an argument, and that is a copy here."""
    other = type(answer) is Traced and answer.storage is not arg.storage
    if other and isinstance(value, np.ndarray) and np.may_share_memory(value, arg.value):
        answer.storage.show(arg.storage)


def write(target: Traced, index: Any, value: Any, *, adds: bool = False) -> None:
    """Assign (or, with `adds`, ``np.add.at``) into a traced array."""
    value = assembled(value)
    storage = target.storage
    if storage.shows is not None or storage.has_aliases(current()):
        raise failure("a write into an array that other arrays are views of cannot be traced")
    storage.writes += 1
    if storage.shared and isinstance(storage.value, np.ndarray):
        storage.value, storage.shared = storage.value.copy(order="K"), False
    here = target.value
    traced = isinstance(value, Traced) and value.active and here.dtype.kind in "fc"
    written = _as_stored(value, here.dtype) if traced else plain(value)
    if adds:
        np.add.at(here, index, written)
    else:
        here[index] = written
    tape = value.storage.tape if traced else storage.tape
    if tape is None:
        return
    tape.activate(storage)
    with tape.noting(operator.setitem, (target, index, value)):
        tape.written(target.place, index, value.place if traced else None, adds=adds)


def _as_stored(value: Traced, dtype: np.dtype[Any]) -> Any:
    """The value that memory of a type takes: a narrower one rounds it."""
    tape, came = value.storage.tape, value.dtype
    if tape is None or came.kind != dtype.kind or np.can_cast(came, dtype):
        return value.value
    return tape.jittered(np.asarray(value.value).astype(dtype))


def result(
    value: Any,
    parents: list[Traced],
    vjp: Callable[[Any], Any],
    *,
    exact: bool = False,
    new: bool = False,
) -> Any:
    """A result that depends on its parents.

    Parameters
    ----------
    value : ndarray, NumPy scalar, or list or tuple of them
    parents : list of Traced
    vjp : callable
        Each parent's gradient, in order, from the result's.
    exact : bool
        Every number in it is one of the parents', or its negative: nothing was rounded.
    new : bool
        It lies in memory of its own: no view of a parent.
    """
    tape = parents[0].storage.tape
    if tape is None:
        raise TraceError("a traced array was used after its run")
    for parent in parents:
        parent.storage.shared |= parent.held is None
    places = [parent.place for parent in parents]
    if isinstance(value, list | tuple):
        rounded = value if exact else [tape.jittered(part) for part in value]
        storages = tape.computed_many(rounded, places, vjp)
        parts = [Traced(storage) for storage in storages]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    answer = Traced(tape.computed(value if exact else tape.jittered(value), places, vjp))
    for parent in () if new else parents:
        _show(answer, value, parent)
    return answer


def followed(target: Any, function: str) -> Traced:
    """An array that a function writes into, if its writes can be followed."""
    if type(target) is Traced:
        return target
    raise failure(
        f"{function} writes into an array that tricheck does not follow: make it by np.zeros or "
        "np.empty"
    )


def failure(reason: str) -> TraceError:
    """The error to raise where tracing ends; the run fails even if it is swallowed."""
    tape = current()
    return tape.fail(reason) if tape is not None else TraceError(reason)


def constant(value: Any) -> Traced:
    """A stand-in for a plain array, to be assigned into and to lead ``X.dot(W)`` to the trace."""
    return Traced(Storage(value))


def wrap(value: Any) -> Any:
    """Plain arrays of floats, also inside sequences, as stand-ins while a run is under way."""
    if isinstance(value, Traced) or current() is None:
        return value
    if type(value) is np.ndarray and value.dtype.kind in "fc":
        return constant(value)
    if hasattr(value, "_fields"):
        return type(value)(*map(wrap, value))
    if type(value) in (list, tuple):
        return type(value)(map(wrap, value))
    return value


def plain(value: Any) -> Any:
    """The plain value of a traced array, also inside lists and tuples; anything else as it is."""
    if type(value) is Traced:
        return value.value
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return value


def collected(value: Any) -> Any:
    """An array of traced numbers as one traced array."""
    if type(value) is Traced:
        return value
    if type(value) is np.ndarray and value.dtype == object and any(map(is_traced, value.flat)):
        whole = constant(np.zeros(value.shape, np.result_type(*map(plain, value.flat))))
        for index in np.ndindex(value.shape):
            whole[index] = value[index]
        return whole
    return value


def assembled(value: Any) -> Any:
    """A list of traced numbers or arrays, nested too, as one traced array; else as it is."""
    if type(value) in (list, tuple) and holds_trace(value):
        return record(np.stack, [assembled(part) for part in value])
    return collected(value)


def is_traced(value: Any) -> bool:
    """Whether a value is a stand-in; `isinstance` would see an ndarray."""
    return type(value) is Traced


def is_active(value: Any) -> bool:
    """Whether a value depends on the parameters."""
    return type(value) is Traced and value.storage.tape is not None


def holds_trace(value: Any) -> bool:
    """Whether anything in a value depends on the parameters."""
    if type(value) is Traced:
        return value.storage.tape is not None
    return type(value) in (list, tuple) and any(map(holds_trace, value))


def plain_index(index: Any) -> Any:
    """An index may be computed from traced values: only its value counts, as it is now."""
    index = plain(index)
    if isinstance(index, tuple):
        return tuple(map(plain_index, index))
    return index.copy() if isinstance(index, np.ndarray) else index
