"""The slopes of + - * / and of products of matrices, which most steps of a loss are.

They are those of autograd's rule book, in the same order of operations, without what its own
arrays cost there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from autograd.core import primitive_vjps
from autograd.tracer import trace_primitives_map

from tricheck.tracing.tape import Vjp, is_complex

Slope = Callable[[Any, Any, Any], Any]  # of the result's gradient and both operands
Slopes = Callable[[Sequence[int], Any, Sequence[Any], dict[str, Any]], Vjp]


def _of_both(*slopes: Slope) -> Slopes:
    def made(places: Sequence[int], _: Any, values: Sequence[Any], __: dict[str, Any]) -> Vjp:
        a, b = values
        if len(places) == 2:
            of_a, of_b = slopes
            return lambda g: (_fitted(of_a(g, a, b), a), _fitted(of_b(g, a, b), b))
        slope, operand = slopes[places[0]], values[places[0]]
        return lambda g: (_fitted(slope(g, a, b), operand),)

    return made


def _fitted(gradient: Any, operand: Any) -> Any:
    """Summed over the axes along which the operand was repeated, and real where that is."""
    shape = getattr(operand, "shape", ())
    if getattr(gradient, "shape", ()) != shape:
        while gradient.ndim > len(shape):
            gradient = np.add.reduce(gradient, axis=0)
        for axis, size in enumerate(shape):
            if size == 1:
                gradient = np.add.reduce(gradient, axis=axis, keepdims=True)
    return np.real(gradient) if is_complex(gradient) and not is_complex(operand) else gradient


def _matmul(
    places: Sequence[int], value: Any, values: Sequence[Any], kwargs: dict[str, Any]
) -> Vjp:
    """Of two matrices; of stacks of them and of vectors the rule book has it."""
    if all(np.ndim(factor) == 2 for factor in values):
        return _OF_MATRICES(places, value, values, kwargs)
    of_any: Slopes = primitive_vjps[trace_primitives_map[np.matmul]]
    return of_any(places, value, values, kwargs)


_OF_MATRICES = _of_both(lambda g, _, b: np.matmul(g, b.T), lambda g, a, _: np.matmul(a.T, g))
SLOPES: dict[Any, Slopes] = {
    np.add: _of_both(lambda g, *_: g, lambda g, *_: g),
    np.subtract: _of_both(lambda g, *_: g, lambda g, *_: -g),
    np.multiply: _of_both(lambda g, _, b: b * g, lambda g, a, _: a * g),
    np.divide: _of_both(lambda g, _, b: g / b, lambda g, a, b: -g * a / b**2),
    np.matmul: _matmul,
}
