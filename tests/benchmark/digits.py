"""NumPy in 50-digit arithmetic: a stand-in for `np` whose arrays hold mpmath numbers.

The models' own code runs on it unchanged, so truth is the user's function and nothing rewritten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

DIGITS = 60  # ten more than are asked for, lost in the sums of a model

_ELEMENTWISE = [
 "exp", "expm1", "log", "log1p", "log10", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh",
 "arctan", "arcsin", "arccos",
]  # fmt: skip
_MPMATH = {"arctan": "atan", "arcsin": "asin", "arccos": "acos"}
_FILLED = {"zeros": 0, "empty": 0, "ones": 1}


def exact(value: Any) -> Any:
    """The same numbers in 50 digits; integers, names and flags stay as they are."""
    if isinstance(value, dict):
        return {key: exact(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(exact, value))
    if isinstance(value, float | np.floating):
        return mpmath.mpf(float(value))
    if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating):
        return _to_mpf(value)
    return value


def rounded(value: Any) -> Any:
    """The nearest float64 numbers."""
    return np.asarray(value).astype(np.float64)


def _to_mpf(values: Any) -> Any:
    array = np.frompyfunc(lambda x: mpmath.mpf(float(x)), 1, 1)(values)
    return np.asarray(array, dtype=object)


class _Namespace:
    """What a module sees as its own functions, the rest being those of another namespace."""

    def __init__(self, functions: dict[str, Any], rest: Any) -> None:
        self.__dict__.update(functions)
        self._rest = rest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rest, name)


def _elementwise(name: str) -> Any:
    return np.frompyfunc(getattr(mpmath, _MPMATH.get(name, name)), 1, 1)


def _filled(value: int) -> Callable[..., Any]:
    def make(shape: Any, dtype: Any = float) -> Any:
        if dtype in (bool, int) or np.issubdtype(np.dtype(dtype), np.integer):
            return np.full(shape, value, dtype=dtype)
        return _full(shape, value)

    return make


def _full(shape: Any, value: Any, dtype: Any = None) -> Any:
    array = np.empty(shape, dtype=object)
    array[...] = mpmath.mpf(value) if np.ndim(value) == 0 else value
    return array


def _eye(n: int, dtype: Any = None) -> Any:
    return _full((n, n), 0) + np.eye(n, dtype=int)


# --- linear algebra -------------------------------------------------------------------------------


def _matrix(a: Any) -> Any:
    return mpmath.matrix(np.asarray(a).tolist())


def _array(matrix: Any) -> Any:
    return np.array(matrix.tolist(), dtype=object).reshape(matrix.rows, matrix.cols)


def _cholesky(a: Any) -> Any:
    return _array(mpmath.cholesky(_matrix(a)))


def _inverse(a: Any) -> Any:
    return _array(mpmath.inverse(_matrix(a)))


def _solve(a: Any, b: Any) -> Any:
    return _inverse(a) @ np.asarray(b)


def _slogdet(a: Any) -> tuple[Any, Any]:
    determinant = mpmath.det(_matrix(a))
    return mpmath.sign(determinant), mpmath.log(abs(determinant))


def _norm(a: Any) -> Any:
    return mpmath.sqrt(np.sum(np.asarray(a) ** 2))


_LINALG = _Namespace(
    {
        "cholesky": _cholesky,
        "inv": _inverse,
        "solve": _solve,
        "slogdet": _slogdet,
        "det": lambda a: mpmath.det(_matrix(a)),
        "norm": _norm,
    },
    np.linalg,
)

NUMPY = _Namespace(
    {
        **{name: _elementwise(name) for name in _ELEMENTWISE},
        **{name: _filled(value) for name, value in _FILLED.items()},
        "full": _full,
        "eye": _eye,
        "identity": _eye,
        "zeros_like": lambda a, dtype=None: _filled(0)(np.shape(a)),
        "empty_like": lambda a, dtype=None: _filled(0)(np.shape(a)),
        "ones_like": lambda a, dtype=None: _filled(1)(np.shape(a)),
        "full_like": lambda a, value, dtype=None: _full(np.shape(a), value),
        "linalg": _LINALG,
    },
    np,
)
