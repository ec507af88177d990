"""The model: a scalar loss of named parameter arrays, and the hand-written gradient of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tricheck.errors import ModelError

Function = Callable[..., Any]


@dataclass(frozen=True)
class Model:
    """A scalar loss of named parameter arrays, and the hand-written gradient of it.

    Nothing is computed here; `tricheck.check` does. A model at module level is found by
    ``tricheck check FILE``.

    Parameters
    ----------
    loss : callable
        ``loss(params, *args, **kwargs)`` returns a number (an array of one entry will do).
    gradient : callable or True
        ``gradient(params, *args, **kwargs)`` returns the gradient in the structure of `params`.
        True means that `loss` returns ``(loss, gradient)``, as in
        ``scipy.optimize.minimize(jac=True)``.
    params : ndarray, or dict, list or tuple of them (nested too)
        The point. Floating-point arrays, Python floats or NumPy scalars; never changed.
    args : tuple, or a lone argument
        Further arguments of both functions.
    kwargs : mapping
        Further keyword arguments of both functions.
    name : str, optional
        What reports call the model; the loss's own name unless given.

    Raises
    ------
    ModelError
        When `loss` or `gradient` cannot be called, or `kwargs` is not a mapping.

    Examples
    --------
    >>> import numpy as np
    >>> from tricheck import Model, check
    >>> def loss(w, X, y):
    ...     return 0.5 * np.sum((X @ w - y) ** 2)
    >>> def gradient(w, X, y):
    ...     return X.T @ (X @ w - y)
    >>> X = np.array([[1.0, 2.0], [1.0, -1.0], [1.0, 0.5]])
    >>> model = Model(loss, gradient, np.array([0.3, -0.2]), args=(X, np.array([1.0, 0.0, 2.0])))
    >>> check(model).verdict
    <Verdict.AGREE: 'agree'>
    """

    loss: Function
    gradient: Function | Literal[True]
    params: Any
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.loss):
            raise ModelError(
                f"loss is a {type(self.loss).__name__}, expected a function loss(params, *args)"
            )
        if self.gradient is not True and not callable(self.gradient):
            raise ModelError(
                f"gradient is a {type(self.gradient).__name__}, expected a function "
                "gradient(params, *args), or True when loss returns (loss, gradient)"
            )
        if not isinstance(self.args, tuple):
            # As scipy.optimize does; a list is one argument too.
            object.__setattr__(self, "args", (self.args,))
        if not isinstance(self.kwargs, Mapping):
            raise ModelError(
                f"kwargs is a {type(self.kwargs).__name__}, expected a mapping of keyword arguments"
            )

    @property
    def title(self) -> str:
        """The name that reports show."""
        return self.name or str(getattr(self.loss, "__name__", type(self.loss).__name__))
