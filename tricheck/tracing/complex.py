"""Complex arrays that refuse what a complex step cannot differentiate, with the user's line.

They see what is done to them and to what comes of them. Code that turns them into plain arrays
first goes unseen here; `tricheck.sources.complex_step` measures whether it is safe.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.errors import TraceError

_UNSAFE = {
    np.absolute: "write np.where(x > 0, x, -x)",
    np.sign: "write np.where(x > 0, 1.0, -1.0)",
    np.conjugate: "leave it out",
    np.linalg.norm: "write np.sqrt(np.sum(x**2))",
    np.vdot: "write np.sum(a * b)",
    np.var: "write np.mean((x - np.mean(x))**2)",
    np.std: "write np.sqrt(np.mean((x - np.mean(x))**2))",
    np.real: "leave it out",
    np.imag: "leave it out",
    np.angle: "leave it out",
}


class Watched(np.ndarray):
    """A complex array on its way through the user's loss."""

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: Any, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        _refuse(ufunc)
        if out is not None:
            kwargs["out"] = tuple(_plain(array) for array in out)
        result = getattr(ufunc, method)(*map(_plain, inputs), **kwargs)
        if isinstance(result, tuple):
            return tuple(map(watched, result))
        return out[0] if out is not None and out[0] is not None else watched(result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        _refuse(function)
        return watched(super().__array_function__(function, types, args, kwargs))

    def __getitem__(self, index: Any) -> Any:
        return watched(super().__getitem__(index))

    @property  # type: ignore[misc]  # refused, so there is nothing to set
    def real(self) -> Any:
        raise TraceError(_told(".real", "leave it out"))

    @property  # type: ignore[misc]  # likewise
    def imag(self) -> Any:
        raise TraceError(_told(".imag", "leave it out"))

    def conj(self) -> Any:
        raise TraceError(_told(".conj()", "leave it out"))

    conjugate = conj


def watched(value: Any) -> Any:
    """Complex numbers as a watched array, of no dimension for a lone one; others as they are."""
    if isinstance(value, np.complexfloating):
        return np.asarray(value).view(Watched)
    if isinstance(value, np.ndarray) and value.dtype.kind == "c":
        return value.view(Watched)
    return _plain(value)


def _plain(value: Any) -> npt.NDArray[Any]:
    return value.view(np.ndarray) if isinstance(value, Watched) else value


def _refuse(function: Any) -> None:
    if function in _UNSAFE:
        raise TraceError(_told(f"np.{function.__name__}", _UNSAFE[function]))


def _told(operation: str, instead: str) -> str:
    return f"{operation} discards the imaginary part that a complex step lives on: {instead}"
