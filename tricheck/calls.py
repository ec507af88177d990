"""Calling the user's functions: on private copies, counted, their answers read strictly.

Nothing of the user's is ever handed over: parameters and arrays in `args` are copies, so neither
an exception nor an interrupt can leave a change behind.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tricheck.errors import ModelError
from tricheck.model import Model
from tricheck.parameters import LARGE, Blocks, FloatArray, Leaf, Parameters
from tricheck.watch import Watch


class Calls:
    """The model's functions, ready to be called at any point of the flat vector.

    Attributes
    ----------
    counts : Counter
        Calls so far of `loss`, `gradient` and `reference`.
    careful : bool
        Hand over fresh copies at every call, for functions that change what they are given.
    in_pairs : bool
        Run the loss right before the gradient, for a gradient that reads what that has kept.
    watch : Watch
        How far the check is, and when it has to end.
    """

    def __init__(self, model: Model, parameters: Parameters, watch: Watch | None = None) -> None:
        self.model = model
        self.parameters = parameters
        self.watch = watch or Watch()
        self.counts: Counter[str] = Counter()
        self.careful = False
        self.in_pairs = False
        self._args, self._kwargs = self._copy_arguments()

    def _copy_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return private_copy(tuple(self.model.args)), private_copy(dict(self.model.kwargs))

    @property
    def hurried(self) -> bool:
        """Whether the model is not to be run more often than the verdict needs.

        As it is large, or the check has to end.
        """
        return self.parameters.size > LARGE or not self.watch.allows()

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What follows `params` in a call."""
        if self.careful:
            self._args, self._kwargs = self._copy_arguments()
        return self._args, self._kwargs

    def arguments_changed(self) -> list[str]:
        """Names of the arguments that a call has changed in place."""
        names = [f"args[{i}]" for i in range(len(self._args))] + list(self._kwargs)
        mine = [*self._args, *self._kwargs.values()]
        theirs = [*self.model.args, *self.model.kwargs.values()]
        return [n for n, a, b in zip(names, mine, theirs, strict=True) if not same_arrays(a, b)]

    def raw_loss(self, structure: Any) -> Any:
        """The loss of a ready-made structure of parameters, unread."""
        self.counts["loss"] += 1
        args, kwargs = self.arguments()
        answer = self.model.loss(structure, *args, **kwargs)
        return answer if self.model.gradient is not True else _pair(answer)[0]

    def loss(
        self, flat: FloatArray, *, native: bool = False, spare: bool = False
    ) -> np.floating[Any]:
        """The loss at a point, as a NumPy scalar that keeps its precision.

        A point that is spare, which nobody needs but to be called there, need not be copied.
        """
        spare = spare and not self.careful
        own = flat if native or spare else flat.copy()  # in the user's dtypes blocks are copied
        return read_loss(self.raw_loss(self.parameters.build(own, native=native, spare=spare)))

    def raw_gradient(self, structure: Any) -> Any:
        """The hand-written gradient of a ready-made structure of parameters, unread."""
        if self.in_pairs:
            self.raw_loss(private_copy(structure))
        self.counts["gradient"] += 1
        args, kwargs = self.arguments()
        if self.model.gradient is True:
            self.counts["loss"] += 1
            return _pair(self.model.loss(structure, *args, **kwargs))[1]
        return self.model.backward(structure, *args, **kwargs)

    def gradient_blocks(self, flat: FloatArray, *, spare: bool = False) -> Blocks:
        """The hand-written gradient at a point, run in the dtypes that the user passed.

        The next call may write to what it returns. A point that is spare, which nobody needs but to
        be called there, need not be copied.
        """
        spare = spare and not self.careful
        structure = self.parameters.build(flat, native=True, spare=spare)
        return self.parameters.read_blocks(self.raw_gradient(structure))[0]

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process gets the functions and their arguments, and counts for itself.
        return _restored, (self.model, self.parameters, self.careful, self.in_pairs)

    def gradient(self, flat: FloatArray) -> FloatArray:
        """The same as a flat vector of its own."""
        return self.parameters.joined(self.gradient_blocks(flat))

    def leave_state_at_point(self) -> None:
        """One last plain call: a model that keeps state is left at its point, free of traces."""
        try:
            with np.errstate(all="ignore"):
                self.loss(self.parameters.values, native=True)
        except Exception:  # whatever is wrong with the loss has been said already
            return


def _restored(model: Model, parameters: Parameters, careful: bool, in_pairs: bool) -> Calls:
    calls = Calls(model, parameters)
    calls.careful, calls.in_pairs = careful, in_pairs
    return calls


class Movable(Protocol):
    """A loss at a flat vector that is changed in place; `start` is the point."""

    start: FloatArray

    @property
    def flat(self) -> FloatArray:
        """Where the loss is taken."""
        ...

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """What the vector is divided into."""
        ...

    @property
    def counts(self) -> Counter[str]:
        """Calls so far."""
        ...

    def __call__(self) -> Any:
        """The loss at `flat`."""
        ...

    def here(self) -> np.floating[Any]:
        """The loss at the point; raises what the user's code raises."""
        ...

    def restore(self) -> None:
        """Back to the point."""
        ...

    def rest(self) -> None:
        """The same, and hold no memory until it is used again."""
        ...


class Evaluator:
    """The loss along changes of single entries: the hot loop of the finite difference.

    The user's containers are views of `flat`; assign to `flat`, then call. One evaluation costs
    one call of the loss and nothing that grows with the number of entries.
    """

    def __init__(self, calls: Calls, dtype: npt.DTypeLike) -> None:
        self._calls = calls
        self.start = calls.parameters.values.astype(dtype, copy=False)
        self._args, self._kwargs = calls.arguments()
        # A number cannot be a view, and a function that changes its parameters spoils the views.
        self._rebuild = calls.careful or calls.parameters.has_scalars

    @cached_property
    def flat(self) -> FloatArray:
        """Where the loss is taken; the point until it is changed."""
        return self.start.copy()

    @cached_property
    def _structure(self) -> Any:
        return self._calls.parameters.build(self.flat)

    def __reduce__(self) -> tuple[Any, ...]:
        return Evaluator, (self._calls, self.start.dtype)  # views do not outlive a copy

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The parameters that `flat` holds."""
        return self._calls.parameters.leaves

    @property
    def counts(self) -> Counter[str]:
        """Calls so far of the model's functions."""
        return self._calls.counts

    def here(self) -> np.floating[Any]:
        """The loss at the point; raises what the user's code raises."""
        return self._calls.loss(self.start)

    def __call__(self) -> Any:
        """The loss at `flat`, unread beyond its scalar; NaN when it raises."""
        calls = self._calls
        if self._rebuild:
            flat = self.flat.copy() if calls.careful else self.flat
            self._structure = calls.parameters.build(flat)
            self._args, self._kwargs = calls.arguments()
        calls.counts["loss"] += 1
        try:
            answer = calls.model.loss(self._structure, *self._args, **self._kwargs)
        except Exception:  # outside the domain the user's code may raise anything
            return np.nan
        if isinstance(answer, float):  # NumPy's float64 is one: the usual case, kept short
            return answer
        return self._number(answer)

    def _number(self, answer: Any) -> Any:
        """A loss that is not a plain float, in its own precision; NaN where it is no number."""
        try:
            if self._calls.model.gradient is True:
                answer = _pair(answer)[0]
            return read_loss(answer)
        except ModelError:
            return np.nan

    def restore(self) -> None:
        """Back to the point, by assignment: adding and subtracting a step is not exact."""
        self.flat[:] = self.start

    def rest(self) -> None:
        """The same, and hold no memory until it is used again."""
        for name in ("flat", "_structure"):
            self.__dict__.pop(name, None)


def read_loss(answer: Any) -> np.floating[Any]:
    """The loss as a NumPy scalar, in its own precision.

    Raises
    ------
    ModelError
        When it is not a real number.
    """
    array = np.asarray(None if isinstance(answer, list | tuple | dict) else answer)
    if array.dtype.kind in "iu":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise ModelError(
            f"loss returned {_kind(answer)}, expected a real number: return the scalar loss"
            + (
                ", and pass gradient=True if it returns (loss, gradient)"
                * isinstance(answer, tuple)
            )
        )
    if array.size != 1:
        raise ModelError(
            f"loss returned an array of shape {array.shape}, expected one number: sum or average "
            "over the samples and outputs, or multiply by fixed random weights and sum"
        )
    return array.reshape(-1)[0]  # type: ignore[no-any-return]


def private_copy(value: Any) -> Any:
    """A deep copy, or the object itself where none can be made (a module, an open file)."""
    if type(value) in (list, tuple):
        return type(value)(private_copy(child) for child in value)
    if type(value) is dict:
        return {key: private_copy(child) for key, child in value.items()}
    try:
        return copy.deepcopy(value)
    except Exception:  # whatever an object's own copying may raise
        return value


def same_arrays(first: Any, second: Any) -> bool:
    """Whether all arrays inside an object and its copy hold the same numbers."""
    if first is second:
        return True
    if isinstance(first, np.ndarray):
        if not isinstance(second, np.ndarray) or first.shape != second.shape:
            return False
        if first.dtype.kind == "O":
            return all(map(same_arrays, first.reshape(-1), second.reshape(-1)))
        floats = first.dtype.kind in "fc"  # most hold no NaN, which takes long to tell
        same = np.array_equal(first, second)
        return same or (floats and np.array_equal(first, second, equal_nan=True))
    if isinstance(first, Mapping):
        return (
            isinstance(second, Mapping)
            and first.keys() == second.keys()
            and all(same_arrays(first[key], second[key]) for key in first)
        )
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same_arrays, first, second))
    return True  # an object's own state is its own affair, and this copy's alone


def _pair(answer: Any) -> Any:
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        raise ModelError(
            f"gradient=True, but loss returned {_kind(answer)}, expected the pair (loss, gradient)"
        )
    return answer


def _kind(answer: Any) -> str:
    if answer is None:
        return "None (does it end without return?)"
    if isinstance(answer, np.ndarray):
        return f"an array of dtype {answer.dtype}"
    return f"a {type(answer).__name__}"
