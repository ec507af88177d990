"""What another checker is asked, what it answers, and how it is run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from textwrap import shorten
from time import perf_counter
from typing import Any, Literal

import numpy as np

from tricheck.parameters import FloatArray, Parameters

Loss = Callable[[FloatArray], float]
Gradient = Callable[[FloatArray], FloatArray]

BUDGET = 20_000  # calls of the loss that one check may cost


@dataclass(frozen=True)
class Task:
    """A loss and its hand-written gradient as functions of one flat vector, and a point.

    Attributes
    ----------
    loss : callable
    gradient : callable
    point : ndarray, shape (n,)
        In the dtype of the parameters: float32 where all of them are.
    """

    loss: Loss
    gradient: Gradient
    point: FloatArray

    @classmethod
    def of(
        cls,
        loss: Callable[..., Any],
        gradient: Callable[..., Any],
        params: Any,
        args: tuple[Any, ...] = (),
    ) -> Task:
        """The task of a model whose parameters are in any nesting of containers.

        The model computes in the dtype of the vector that the checker hands over.

        Parameters
        ----------
        loss, gradient : callable
            Called as ``loss(params, *args)``; the gradient raises ValueError where it has not
            the shapes of the parameters.
        params : array, or containers of arrays
        args : tuple

        Examples
        --------
        >>> task = Task.of(
        ...     lambda p: np.sum(p["W"] ** 2) + p["b"][0],
        ...     lambda p: {"W": 2 * p["W"], "b": np.ones(1)},
        ...     {"W": np.array([[1.0, 2.0]]), "b": np.zeros(1)},
        ... )
        >>> task.loss(task.point), task.gradient(task.point)
        (5.0, array([2., 4., 1.]))
        """
        parameters = Parameters.read(params)

        def flat_loss(vector: FloatArray) -> float:
            return float(loss(parameters.build(vector), *args))

        def flat_gradient(vector: FloatArray) -> FloatArray:
            flat, errors = parameters.read_gradient(gradient(parameters.build(vector), *args))
            for name, expected, came, _ in errors:
                raise ValueError(f"gradient of {name} has shape {came}, expected {expected}")
            return flat.astype(vector.dtype)

        return cls(flat_loss, flat_gradient, parameters.values.astype(parameters.native_dtype))

    @property
    def doubled(self) -> Task:
        """The same at the point in double precision."""
        return replace(self, point=self.point.astype(np.float64))


@dataclass(frozen=True)
class Answer:
    """What a checker says about a gradient.

    Attributes
    ----------
    passes : bool or None
        None where it could not run.
    reason : str
        In what the gradient fails, or why the checker could not run; empty for a pass.
    evaluations : int
        Calls of the loss.
    seconds : float
    """

    passes: bool | None
    reason: str
    evaluations: int
    seconds: float


Check = Callable[[Task], str | None]  # in what the gradient fails; None for a pass


@dataclass(frozen=True)
class Opponent:
    """A checker with its settings.

    Attributes
    ----------
    name : str
    setting : {"default", "best"}
        As the checker comes, or as `tests.benchmark.opponents.tune` found it to do best.
    check : callable
        Runs it on a task; says in what the gradient fails, None for a pass.
    package : str
        What it needs; imported when it is run.
    """

    name: str
    setting: Literal["default", "best"]
    check: Check
    package: str

    def run(self, task: Task) -> Answer:
        """Ask the checker; whatever keeps it from an answer is told, not raised."""
        try:
            import_module(self.package)
        except ImportError as error:
            return Answer(None, f"{self.package} cannot be imported: {error}", 0, 0.0)
        model = _Watched(task)
        passes, reason = None, ""
        start = perf_counter()
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                failure = self.check(Task(model.loss, model.gradient, task.point))
            passes, reason = failure is None, _short(failure or "")
        except Exception as error:  # a checker may raise anything
            reason = _described(error)
        seconds = perf_counter() - start
        if model.raised:  # however the checker took it, it is not about the gradient
            passes, reason = None, model.raised
        return Answer(passes, reason, model.evaluations, seconds)


def below(reading: Any, tolerance: float) -> str | None:
    """How a checker that returns a number is read: NaN is not below."""
    return None if reading < tolerance else f"{reading:.2g}, not below {tolerance:g}"


class _TooManyEvaluationsError(Exception):
    """The budget is spent."""

    def __str__(self) -> str:
        return "too many evaluations"


class _Watched:
    """The model's functions, the loss counted, and what was raised first kept."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.evaluations = 0
        self.raised = ""

    def loss(self, vector: FloatArray) -> float:
        self.evaluations += 1
        with self._noting():
            if self.evaluations > BUDGET:
                raise _TooManyEvaluationsError
            return self._task.loss(vector)

    def gradient(self, vector: FloatArray) -> FloatArray:
        with self._noting():
            return self._task.gradient(vector)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # described at once: a checker may change what it catches
            self.raised = self.raised or _described(error)
            raise


def _described(error: Exception) -> str:
    if isinstance(error, _TooManyEvaluationsError):
        return str(error)
    return _short(f"{type(error).__name__}: {error}")


def _short(text: str) -> str:
    """On one line, and no longer than a table can show."""
    return shorten(text, 200, placeholder=" ...")
