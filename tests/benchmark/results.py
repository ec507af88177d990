"""Mistakes made in the gradient that comes back: such can be planted in every model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmark.operators import Operator
from tests.diagnosis.bug import Row

Array = Any  # an ndarray
Change = Callable[[Array, Array], Array]  # of a block's gradient and its parameter


@dataclass(frozen=True)
class Result(Operator):
    """A mistake made in a block of the gradient.

    Attributes
    ----------
    make : callable
        ``make(rng, shape, magnitude)`` returns ``change(gradient, parameter)``, or None where the
        mistake cannot be made in a block of that shape.
    sized : bool
        Whether it comes in magnitudes, relative to the block's largest entry.
    everywhere : bool
        Whether it is made in every block.
    rounds : bool
        Whether it is one of precision alone.
    """

    make: Callable[[np.random.Generator, tuple[int, ...], float], Change | None]
    sized: bool = False
    everywhere: bool = False
    rounds: bool = False


def _scaled(rng: Any, shape: Any, magnitude: float) -> Change:
    factor = 1.0 + rng.choice([-1, 1]) * magnitude
    return lambda g, w: g * g.dtype.type(factor)


def _negated(rng: Any, shape: Any, magnitude: float) -> Change:
    return lambda g, w: -g


def _zero(rng: Any, shape: Any, magnitude: float) -> Change:
    return lambda g, w: np.zeros_like(g)


def _transposed(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return (lambda g, w: g.T.copy()) if _matrix(shape) else None


def _permuted(rng: Any, shape: Any, magnitude: float) -> Change | None:
    if not shape or shape[0] < 3:
        return None
    order = rng.permutation(shape[0])
    return lambda g, w: g[order]


def _fortran(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return (lambda g, w: g.ravel(order="F").reshape(g.shape)) if _matrix(shape) else None


def _reversed(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return (lambda g, w: g[::-1].copy()) if shape and shape[0] > 1 else None


def _rolled(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return (lambda g, w: np.roll(g, 1, axis=0)) if shape and shape[0] > 2 else None


def _entries_exchanged(rng: Any, shape: Any, magnitude: float) -> Change | None:
    if np.prod(shape) < 3:
        return None
    one, other = rng.choice(int(np.prod(shape)), 2, replace=False)

    def change(g: Array, w: Array) -> Array:
        flat = g.ravel().copy()
        flat[[one, other]] = flat[[other, one]]
        return flat.reshape(g.shape)

    return change


def _some_off(number: int) -> Callable[..., Change | None]:
    def make(rng: Any, shape: Any, magnitude: float) -> Change | None:
        size = int(np.prod(shape))
        if size <= 2 * number:
            return None
        which, signs = rng.choice(size, number, replace=False), rng.choice([-1, 1], number)

        def change(g: Array, w: Array) -> Array:
            flat = g.ravel().copy()
            flat[which] += (signs * magnitude * np.max(np.abs(g))).astype(g.dtype)
            return flat.reshape(g.shape)

        return change

    return make


def _entry_negated(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return _at_one(rng, shape, lambda x: -x)


def _entry_nan(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return _at_one(rng, shape, lambda x: np.nan)


def _entry_infinite(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return _at_one(rng, shape, lambda x: np.inf)


def _at_one(rng: Any, shape: Any, becomes: Callable[[Any], Any]) -> Change | None:
    if np.prod(shape) < 3:
        return None
    which = int(rng.integers(np.prod(shape)))

    def change(g: Array, w: Array) -> Array:
        flat = g.ravel().copy()
        flat[which] = becomes(flat[which])
        return flat.reshape(g.shape)

    return change


def _row_scaled(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return _in_row(rng, shape, 1.0 + magnitude)


def _row_zero(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return _in_row(rng, shape, 0.0)


def _in_row(rng: Any, shape: Any, factor: float) -> Change | None:
    if not _matrix(shape) or shape[0] < 3:
        return None
    row = int(rng.integers(shape[0]))

    def change(g: Array, w: Array) -> Array:
        g = g.copy()
        g[row] *= g.dtype.type(factor)
        return g

    return change


def _clipped(rng: Any, shape: Any, magnitude: float) -> Change | None:
    if np.prod(shape) < 5:
        return None

    def change(g: Array, w: Array) -> Array:
        limit = np.quantile(np.abs(g), 0.7).astype(g.dtype)
        return np.clip(g, -limit, limit)

    return change


def _extra_axis(rng: Any, shape: Any, magnitude: float) -> Change:
    return lambda g, w: np.stack([g, g])


def _flattened(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return (lambda g, w: g.ravel()) if _matrix(shape) else None


def _decayed(rng: Any, shape: Any, magnitude: float) -> Change:
    sign = rng.choice([-1, 1])

    def change(g: Array, w: Array) -> Array:
        largest = np.max(np.abs(w))
        # The coefficient must not depend on the gradient of a call: a decade of the right size.
        size = np.max(np.abs(g)) / largest if largest else 0.0
        rate = sign * magnitude * (10.0 ** np.round(np.log10(size)) if size else 0.0)
        return (g + rate * w).astype(g.dtype)

    return change


def _smooth_error(rng: Any, shape: Any, magnitude: float) -> Change | None:
    if np.prod(shape) < 5:
        return None
    wave = np.sin(1.0 + np.arange(np.prod(shape)) * rng.uniform(0.5, 1.5)).reshape(shape)
    return lambda g, w: (g * (1.0 + magnitude * wave)).astype(g.dtype)


def _constant_added(rng: Any, shape: Any, magnitude: float) -> Change | None:
    if np.prod(shape) < 3:
        return None
    return lambda g, w: (g + magnitude * np.max(np.abs(g))).astype(g.dtype)


def _centred(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return (lambda g, w: g - np.mean(g)) if np.prod(shape) >= 3 else None


def _half_precision(rng: Any, shape: Any, magnitude: float) -> Change:
    return lambda g, w: g.astype(np.float16).astype(g.dtype)


def _half_left_out(rng: Any, shape: Any, magnitude: float) -> Change | None:
    if not shape or shape[0] < 2:
        return None

    def change(g: Array, w: Array) -> Array:
        g = g.copy()
        g[shape[0] // 2 :] = 0.0
        return g

    return change


def _absolute(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return (lambda g, w: np.abs(g)) if np.prod(shape) >= 3 else None


def _wrong_where_negative(rng: Any, shape: Any, magnitude: float) -> Change | None:
    return (lambda g, w: np.where(w < 0, -g, g)) if np.prod(shape) >= 3 else None


def _accumulated(rng: Any, shape: Any, magnitude: float) -> Change:
    kept: list[Array] = []

    def change(g: Array, w: Array) -> Array:
        kept.append(g)
        return np.sum(kept, axis=0)

    return change


def _matrix(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and min(shape) > 1


_RESULT = [
    Result("block-scaled", Row.BLOCK_SCALE, "scale", _scaled, sized=True),
    Result("all-scaled", Row.SQUARE, "scale", _scaled, sized=True, everywhere=True),
    Result("block-negated", Row.SIGN, "sign", _negated),
    Result("all-negated", Row.SIGN, "sign", _negated, everywhere=True),
    Result("block-zero", Row.ZERO, "zero", _zero),
    Result("block-transposed", Row.TRANSPOSED, "transposed shape", _transposed),
    Result("rows-permuted", Row.PERMUTED, "permuted", _permuted),
    Result("fortran-order", Row.PERMUTED, "permuted transposed", _fortran),
    Result("axis-reversed", Row.PERMUTED, "permuted", _reversed),
    Result("rolled-by-one", Row.PERMUTED, "permuted", _rolled),
    Result("entries-exchanged", Row.PERMUTED, "permuted entries", _entries_exchanged),
    Result("entry-off", Row.FEW_ENTRIES, "entries", _some_off(1), sized=True),
    Result("three-entries-off", Row.FEW_ENTRIES, "entries", _some_off(3), sized=True),
    Result("entry-negated", Row.FEW_ENTRIES, "entries sign", _entry_negated),
    Result("row-scaled", Row.FEW_ENTRIES, "entries scale", _row_scaled, sized=True),
    Result("row-zero", Row.FEW_ENTRIES, "entries zero", _row_zero),
    Result("half-left-out", Row.FEW_ENTRIES, "entries zero", _half_left_out),
    Result("clipped", Row.CLIPPED, "entries", _clipped),
    Result("entry-nan", Row.NON_FINITE, "non-finite", _entry_nan),
    Result("entry-infinite", Row.NON_FINITE, "non-finite", _entry_infinite),
    Result("extra-axis", Row.NOT_REDUCED, "shape bias-reduction", _extra_axis),
    Result("flattened", Row.PERMUTED, "shape", _flattened),
    Result("decay-added", Row.REGULARIZER, "regularizer", _decayed, sized=True),
    Result("smooth-error", Row.APPROXIMATED, "", _smooth_error, sized=True),
    Result("constant-added", Row.FEW_ENTRIES, "", _constant_added, sized=True),
    Result("centred", Row.STATISTICS, "", _centred),
    Result("half-precision", Row.APPROXIMATED, "", _half_precision, rounds=True),
    Result("absolute-value", Row.SIGN, "sign entries", _absolute),
    Result("wrong-where-negative", Row.HALF_DOMAIN, "sign entries", _wrong_where_negative),
    Result("accumulated", Row.ACCUMULATED, "accumulated", _accumulated, everywhere=True),
]
RESULT = {operator.name: operator for operator in _RESULT}
