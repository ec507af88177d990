"""Arrays that remember how they were computed, for plain NumPy code to run on unchanged.

A `Traced` wraps one of autograd's boxes and answers NumPy's array protocols, so `np.exp(z)`,
`X @ W` and `z.sum(axis=0)` record themselves. It is a wrapper, not a patch: neither NumPy nor
autograd is changed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

import autograd.numpy as anp
import numpy as np
from autograd.tracer import isbox, trace_primitives_map

from tricheck.errors import TraceError

# NumPy functions that autograd rewrites under the same name instead of wrapping them
_REWRITTEN = {
    getattr(np, name): getattr(anp, name)
    for name in (
        *("concatenate", "vstack", "hstack", "column_stack", "stack"),
        *("append", "select", "mean", "std", "var"),
    )
}


# Every traced array of the run under way, to be turned plain at its end
_alive: ContextVar[list[Traced]] = ContextVar("tricheck_traced")


_jitter: ContextVar[np.random.Generator | None] = ContextVar("tricheck_jitter", default=None)


@contextmanager
def tracing(jitter: np.random.Generator | None = None) -> Iterator[None]:
    """A trace: what it leaves behind, in a model's state say, are plain values.

    Parameters
    ----------
    jitter : numpy.random.Generator, optional
        Round every intermediate result at random, as in Monte Carlo arithmetic (Parker, 1997):
        what that does to the gradient is its rounding error.
    """
    alive, jittered = _alive.set([]), _jitter.set(jitter)
    try:
        yield
    finally:
        for traced in _alive.get():
            traced.box = traced.value
        _alive.reset(alive)
        _jitter.reset(jittered)


class Traced:
    """An array on its way through the user's loss.

    Parameters
    ----------
    box : autograd box
        The value and the node that made it. After the trace only the plain value is left, so one
        that a model has kept as its state acts like the array it stands for.
    """

    __slots__ = ("box",)
    __array_priority__ = 1000.0
    __hash__ = object.__hash__

    def __init__(self, box: Any) -> None:
        self.box = box
        _alive.get().append(self)

    # --- NumPy's protocols ---

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "reduce" and ufunc in _REDUCTIONS:
            return _REDUCTIONS[ufunc](*inputs, **{"axis": 0, **kwargs})
        if method != "__call__":
            raise TraceError(f"np.{ufunc.__name__}.{method} cannot be traced")
        if kwargs.pop("out", None) is not None:
            raise TraceError(f"np.{ufunc.__name__}(..., out=...) cannot be traced")
        return record(ufunc, *inputs, **kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any
    ) -> Any:
        return record(function, *args, **kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if not isbox(self.box):
            return np.asarray(self.box, dtype=dtype)
        raise TraceError(
            "a traced array was turned into a plain one, which cuts its path to the parameters"
        )

    def __float__(self) -> float:
        if not isbox(self.box):
            return float(self.box)
        raise TraceError(
            "a traced value was turned into a Python number, which cuts its path to the parameters"
        )

    __int__ = __index__ = __complex__ = __float__

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TraceError("assignment into a traced array cannot be traced")

    # --- what an array is ---

    @property
    def value(self) -> Any:
        """The plain value."""
        return self.box._value if isbox(self.box) else self.box

    shape = property(lambda self: np.shape(self.value))
    ndim = property(lambda self: np.ndim(self.value))
    size = property(lambda self: np.size(self.value))
    dtype = property(lambda self: np.result_type(self.value))
    T = property(lambda self: np.transpose(self))
    real = property(lambda self: np.real(self))

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return repr(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    def __getitem__(self, index: Any) -> Any:
        return wrap(self.box[_plain_index(index)])

    def __neg__(self) -> Any:
        return record(np.negative, self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return record(np.absolute, self)

    # --- methods that are not a NumPy function of the same name ---

    def copy(self, *_: Any, **__: Any) -> Traced:
        return Traced(self.box * 1.0)

    def flatten(self, order: str = "C") -> Any:
        return self.reshape(-1, order=order)

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **kwargs)

    def transpose(self, *axes: Any) -> Any:
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def astype(self, dtype: Any, **kwargs: Any) -> Any:
        if np.dtype(dtype).kind != "f":
            return np.asarray(self.value).astype(dtype, **kwargs)  # locally constant: no slope
        return wrap(self.box.astype(dtype, **kwargs))

    def item(self) -> Any:
        return np.reshape(self, ())

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name, None)
        if name.startswith("_") or function is None or not hasattr(np.ndarray, name):
            raise AttributeError(f"a traced array has no attribute {name!r}")
        return lambda *args, **kwargs: function(self, *args, **kwargs)


def _operator(ufunc: np.ufunc, reflected: bool = False) -> Callable[[Traced, Any], Any]:
    def operate(self: Traced, other: Any) -> Any:
        return record(ufunc, other, self) if reflected else record(ufunc, self, other)

    return operate


def _in_place(ufunc: np.ufunc) -> Callable[[Traced, Any], Any]:
    def operate(self: Traced, other: Any) -> Any:
        result = record(ufunc, self, other)
        if not isinstance(self.value, np.ndarray):
            return result  # NumPy scalars are immutable: the name is bound anew
        if np.shape(result) != self.shape:
            raise ValueError(f"cannot add shape {np.shape(result)} into shape {self.shape}")
        self.box = unwrap(result)  # every other name of this array sees the change
        return self

    return operate


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "pow": np.power, "matmul": np.matmul, "mod": np.mod, "floordiv": np.floor_divide,
}.items():  # fmt: skip
    setattr(Traced, f"__{_name}__", _operator(_ufunc))
    setattr(Traced, f"__r{_name}__", _operator(_ufunc, reflected=True))
    setattr(Traced, f"__i{_name}__", _in_place(_ufunc))
for _name, _ufunc in {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}.items():  # fmt: skip
    setattr(Traced, f"__{_name}__", _operator(_ufunc))
_REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
}


def record(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Apply a NumPy function to traced arrays, and keep the way back."""
    args, kwargs = _positional(function, args, kwargs)
    if any(_holds_trace(value) for value in kwargs.values()):
        raise TraceError(f"{_name_of(function)} got a traced array as a keyword argument")
    if function in MENDED:
        return MENDED[function](*args, **kwargs)
    rule = _REWRITTEN.get(function)
    if rule is None:
        rule = trace_primitives_map.get(function) or _composed(function)
        if any(_holds_trace(arg) for arg in args if not isinstance(arg, Traced)):
            raise TraceError(f"{_name_of(function)} of a list of traced arrays cannot be traced")
    try:
        result = rule(*map(unwrap, args), **{k: unwrap(v) for k, v in kwargs.items()})
    except NotImplementedError as error:
        raise TraceError(f"{_name_of(function)} has no derivative rule: {error}") from error
    return _jittered(wrap(result))


def _jittered(result: Any) -> Any:
    """The result off by a random share of its last place, where a trace asks for that."""
    rng = _jitter.get()
    if rng is None or not isinstance(result, Traced) or not isbox(result.box):
        return result
    eps = np.finfo(result.dtype).eps
    return Traced(result.box * (1.0 + eps * rng.uniform(-1.0, 1.0, result.shape)))


def unwrap(value: Any) -> Any:
    """Traced arrays, also inside lists and tuples, as autograd's boxes."""
    if isinstance(value, Traced):
        return value.box
    if type(value) in (list, tuple):
        return type(value)(map(unwrap, value))
    return value


def wrap(value: Any) -> Any:
    """Autograd's boxes, also inside sequences, as traced arrays."""
    if isbox(value):
        return Traced(value) if hasattr(value, "shape") else tuple(wrap(part) for part in value)
    if type(value) in (list, tuple):
        return type(value)(map(wrap, value))
    if isinstance(value, np.ndarray) and value.dtype == object:
        raise TraceError("traced values ended up in an array of objects")
    return value


def plain(value: Any) -> Any:
    """The plain value of a traced array; anything else as it is."""
    return value.value if isinstance(value, Traced) else value


def _composed(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy functions written in terms of others, run on traced arrays by their own source."""
    body = getattr(function, "__wrapped__", None)
    if body is None:
        raise TraceError(f"{_name_of(function)} has no derivative rule")

    def rule(*args: Any, **kwargs: Any) -> Any:
        return unwrap(body(*map(wrap, args), **kwargs))

    return rule


def _positional(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Traced keyword arguments moved to their positions: rules only see positions."""
    if not any(_holds_trace(value) for value in kwargs.values()):
        return args, kwargs
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return args, kwargs
    return bound.args, bound.kwargs


def _holds_trace(value: Any) -> bool:
    if type(value) in (list, tuple):
        return any(map(_holds_trace, value))
    return isinstance(value, Traced)


def _plain_index(index: Any) -> Any:
    """An index may be computed from traced values: only its value counts."""
    return tuple(map(plain, index)) if isinstance(index, tuple) else plain(index)


def _name_of(function: Any) -> str:
    return f"np.{getattr(function, '__name__', function)}"


# --- where autograd's own rule is wrong or missing ------------------------------------------------


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    flat = axis is None and (ord is None or (ord == 2 and np.ndim(x) == 1))
    if flat or (isinstance(axis, int) and ord in (None, 2)) or (ord in (None, "fro")):
        return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
    raise TraceError(f"np.linalg.norm(ord={ord!r}, axis={axis!r}) cannot be traced")


def _repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """By indexing, whose rule is right on every axis."""
    size = np.size(x) if axis is None else np.shape(x)[axis]
    index = np.repeat(np.arange(size), repeats)
    if axis is None:
        return np.reshape(x, -1)[index]
    axis = axis % np.ndim(x)
    return x[(slice(None),) * axis + (index,)]


def _tile(x: Any, reps: Any) -> Any:
    """By indexing, axis by axis."""
    counts = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    counts = (1,) * (np.ndim(x) - len(counts)) + counts
    x = np.reshape(x, (1,) * (len(counts) - np.ndim(x)) + np.shape(x))
    for axis, count in enumerate(counts):
        x = x[(slice(None),) * axis + (np.tile(np.arange(np.shape(x)[axis]), count),)]
    return x


def _reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same reduction where no argument is given that autograd's rule leaves out."""
    rule = _REWRITTEN.get(function) or trace_primitives_map[function]

    def reduce(x: Any, *args: Any, **kwargs: Any) -> Any:
        ignored = [name for name in ("where", "initial", "out", "dtype") if name in kwargs]
        if ignored or len(args) > 1:
            raise TraceError(f"{_name_of(function)}({ignored or 'out'}=...) cannot be traced")
        return wrap(rule(unwrap(x), *args, **kwargs))

    return reduce


def _full_like(a: Any, fill_value: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(fill_value, Traced):
        return np.zeros_like(plain(a), *args, **kwargs) + fill_value
    return np.full_like(plain(a), fill_value, *args, **kwargs)


MENDED: dict[Callable[..., Any], Callable[..., Any]] = {
    np.linalg.norm: _norm,
    np.repeat: _repeat,
    np.tile: _tile,
    np.full_like: _full_like,
    **{f: _reduction(f) for f in (np.sum, np.prod, np.max, np.min, np.mean, np.std, np.var)},
}
