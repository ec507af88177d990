"""Reverse mode over a traced run: the loss's value and its gradient in every parameter."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tricheck.calls import read_loss
from tricheck.errors import TraceError
from tricheck.location import user_line
from tricheck.parameters import Blocks, FloatArray, Leaf, Parameters
from tricheck.tracing import algebra, fourier, movement, reductions, rules, ufuncs  # noqa: F401  # rule files
from tricheck.tracing.stand_ins import left_behind, stand_in
from tricheck.tracing.substitution import substituted
from tricheck.tracing.tape import Gradients, Jitter, Storage, Tape, recording
from tricheck.tracing.traced import Traced, collected, is_traced, plain


def value_and_gradient(
    loss: Callable[..., Any],
    parameters: Parameters,
    flat: FloatArray,
    arguments: tuple[tuple[Any, ...], dict[str, Any]] = ((), {}),
    **options: Any,
) -> tuple[np.floating[Any], FloatArray]:
    """Run the loss on traced arrays at a point, then go back through what it did.

    Parameters
    ----------
    loss : callable
        Takes the user's containers and the arguments, returns the loss.
    parameters : Parameters
        Their layout.
    flat : ndarray, shape (size,)
        The point.
    arguments : tuple and dict
        What follows the parameters in a call.
    **options
        As for `value_and_blocks`.

    Returns
    -------
    value : numpy scalar
    gradient : ndarray, shape (size,)

    Raises
    ------
    TraceError
        When an operation cannot be traced; names file, line and operation.
    """
    value, blocks = value_and_blocks(loss, parameters, flat, arguments, **options)
    return value, parameters.joined(blocks)


def value_and_blocks(
    loss: Callable[..., Any],
    parameters: Parameters,
    flat: FloatArray,
    arguments: tuple[tuple[Any, ...], dict[str, Any]] = ((), {}),
    *,
    read: Callable[[Any], Any] = lambda answer: answer,
    jitter: Jitter | None = None,
    spare: bool = False,
) -> tuple[np.floating[Any], Blocks]:
    """The same, the gradient in blocks.

    Parameters
    ----------
    loss, parameters, flat, arguments
        As for `value_and_gradient`.
    read : callable, optional
        Finds the loss in what the function returns.
    jitter : callable, optional
        Rounds every intermediate result anew.
    spare : bool
        Whether nobody else needs `flat`, so that no copy has to be made.
    """
    with recording(jitter) as tape:
        end, roots = run(tape, loss, parameters, flat, arguments, read, spare=spare)
        active = is_traced(end) and end.active
        gradients = _back(tape, end) if active else Gradients()
        blocks = [
            _block(gradients.pop(root), leaf)
            for leaf, root in zip(parameters.leaves, roots, strict=True)
        ]
        return read_loss(plain(end)), blocks


def _block(gradient: Any, leaf: Leaf) -> FloatArray:
    """The gradient of a parameter, flat; zeros where none has come back."""
    if gradient is None:
        return np.zeros(leaf.stop - leaf.start)
    flat = np.reshape(gradient, -1)
    # Data of dtype object, as of a table of mixed columns, makes Python's numbers of what it meets.
    return flat.astype(np.float64) if flat.dtype == object else flat


def rerun(
    function: Callable[..., Any],
    parameters: Parameters,
    flat: FloatArray,
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    *,
    read: Callable[[Any], Any],
    jitter: Jitter | None = None,
    native: bool = False,
    spare: bool = False,
) -> Any:
    """What a function returns at a point, run on traced arrays.

    Parameters
    ----------
    function, parameters, flat, arguments, read, jitter, spare
        As for `value_and_gradient`.
    native : bool
        Run it in the dtypes that the user passed.

    Raises
    ------
    TraceError
        When an operation cannot be traced.
    """
    with recording(jitter) as tape:
        end, _ = run(tape, function, parameters, flat, arguments, read, native=native, spare=spare)
        return end


def run(
    tape: Tape,
    function: Callable[..., Any],
    parameters: Parameters,
    flat: FloatArray,
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    read: Callable[[Any], Any],
    *,
    native: bool = False,
    spare: bool = False,
) -> tuple[Any, list[Storage]]:
    """A function on traced arrays: what it returns, and the memory that the parameters lie in.

    Raises
    ------
    TraceError
        When an operation cannot be traced.
    """
    if "scipy" in sys.modules:
        importlib.import_module("tricheck.tracing.scipy")
    roots: list[Storage] = []

    copied = parameters.copies(flat, native=native, spare=spare)

    def start(leaf: Leaf) -> Traced:
        block = copied(leaf)
        roots.append(tape.storage(block[()] if leaf.scalar else block))
        return Traced(roots[-1])

    try:
        with substituted((function, *arguments), stand_in, left_behind):
            args, kwargs = _stood_in(arguments)
            end = _mapped(collected, read(function(parameters.fill(start), *args, **kwargs)))
    except Exception as error:
        raise TraceError(_told(tape.failure, error)) from error
    if tape.failure is not None:  # and something in the user's code has swallowed it
        raise TraceError(_told(tape.failure, tape.failure))
    return end, roots


def _back(tape: Tape, end: Traced) -> Gradients:
    try:
        return tape.back(end.place)
    except Exception as error:  # a rule that does not serve these arguments
        raise TraceError(_told(tape.failure, error)) from error


def _stood_in(value: Any) -> Any:
    """Containers of arrays, as new containers of stand-ins."""
    return _mapped(stand_in, value)


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """A function of everything in containers, as new containers."""
    if type(value) in (list, tuple):
        return type(value)(_mapped(function, part) for part in value)
    if type(value) is dict:
        return {key: _mapped(function, part) for key, part in value.items()}
    return function(value)


def _told(failure: TraceError | None, error: Exception) -> str:
    said = str(failure) if failure is not None else _described(error)
    return (
        f"{said}. Rewrite that line, or pass another reference "
        '(reference="sympy", or a function returning the gradient)'
    )


def _described(error: Exception) -> str:
    line = user_line(error)
    said = str(error) if isinstance(error, TraceError) else f"{type(error).__name__}: {error}"
    return f"{line}: {said}" if line else said
