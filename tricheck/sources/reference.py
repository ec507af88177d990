"""The reference: which ones there are, and which one a check gets.

A new reference is one new file with a `measure` function, and one line in `_NAMED`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tricheck.calls import Calls
from tricheck.errors import ModelError, TraceError
from tricheck.location import user_line
from tricheck.parameters import FloatArray, Parameters
from tricheck.sources.estimate import Estimate
from tricheck.sources.noise import Noise
from tricheck.sources.rounding import rounding_bound
from tricheck.vocabulary import Cause, Finding, Severity, Source

_NAMED = {
    "autograd": "tricheck.sources.autograd",
    "sympy": "tricheck.sources.sympy",
}
_AUTO = ("autograd", "sympy")


@dataclass(frozen=True)
class ReferenceEstimate(Estimate):
    """A reference gradient.

    Attributes
    ----------
    traced : bool
        Whether it differentiates the user's own loss.
    faithful : bool
        Whether its loss has the plain loss's value, at the point and at displaced points.
    repeatable : bool
        Whether a second run gives the same gradient.
    """

    traced: bool = False
    faithful: bool = True
    repeatable: bool = True


@runtime_checkable
class Reference(Protocol):
    """What a reference object offers."""

    def measure(self, calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
        """The reference gradient at the point; raises `TraceError` where it cannot be had."""
        ...


def find(
    choice: Any, calls: Calls, noise: Noise, seed: int
) -> tuple[ReferenceEstimate | None, list[Finding]]:
    """The reference that `choice` names, or for ``"auto"`` the first that works.

    Raises
    ------
    ModelError
        When `choice` is not a reference.
    TraceError
        When a named reference cannot be had.
    """
    if choice is None:
        return None, [_none("none was asked for")]
    if isinstance(choice, Reference):
        return choice.measure(calls, noise, seed), []
    if choice == "auto":
        return _first_that_works(calls, noise, seed)
    if isinstance(choice, str) and choice in _NAMED:
        return _named(choice, calls, noise, seed), []
    if callable(choice):
        return _of_callable(choice, calls, seed), []
    names = ", ".join(repr(name) for name in ("auto", *_NAMED))
    raise ModelError(
        f"reference is {choice!r}, expected one of {names}, None, a function "
        "reference(params, *args) returning the gradient, or tricheck.autograd(loss)"
    )


def _named(name: str, calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
    module = importlib.import_module(_NAMED[name])
    estimate: ReferenceEstimate = module.measure(calls, noise, seed)
    return estimate


def _first_that_works(
    calls: Calls, noise: Noise, seed: int
) -> tuple[ReferenceEstimate | None, list[Finding]]:
    passed: list[Finding] = []
    reasons = []
    for name in _AUTO:
        try:
            estimate = _named(name, calls, noise, seed)
        except TraceError as error:
            reasons.append(f"{name}: {error}")
            continue
        if not estimate.faithful and estimate.repeatable:
            # The trace ran other code than the loss did; its gradient speaks of nothing.
            reasons.append(f"{name}: its loss differs from the plain one")
            continue
        if not np.all(np.isfinite(estimate.values)):
            reasons.append(f"{name}: its gradient is not finite")
            passed.append(_not_finite(name, estimate, calls.parameters))
            continue
        return estimate, passed + ([_fell_back(name, reasons)] if reasons else [])
    return None, [*passed, _none("; ".join(reasons))]


def _of_callable(function: Callable[..., Any], calls: Calls, seed: int) -> ReferenceEstimate:
    """A function of the parameters that returns their gradient."""
    parameters = calls.parameters

    def gradient(flat: FloatArray) -> FloatArray:
        calls.counts["reference"] += 1
        args, kwargs = calls.arguments()
        try:
            answer = function(parameters.build(flat.copy()), *args, **kwargs)
        except Exception as error:
            line = user_line(error)
            raise ModelError(
                f"reference(params, *args) raised {type(error).__name__}: {error}"
                + (f" (at {line})" if line else "")
            ) from error
        values, shape_errors = parameters.read_gradient(answer, "reference")
        if shape_errors:
            wrong = shape_errors[0]
            raise ModelError(
                f"reference returned shape {wrong.came} for parameter {wrong.parameter!r}, "
                f"expected {wrong.expected}"
            )
        return values

    def beside(flat: FloatArray) -> FloatArray:
        try:
            return gradient(flat)
        except Exception:  # beside the point the user's code may leave its domain
            return np.full(parameters.size, np.nan)

    values = gradient(parameters.values)
    name = getattr(function, "__name__", type(function).__name__)
    return bounded(beside, values, calls, seed, f"function {name}")


def bounded(
    gradient: Callable[[FloatArray], FloatArray],
    values: FloatArray,
    calls: Calls,
    seed: int,
    method: str,
    *,
    traced: bool = False,
    faithful: bool = True,
) -> ReferenceEstimate:
    """A reference estimate whose bound comes from rerunning it at neighbouring points."""
    eps = np.full(calls.parameters.size, float(np.finfo(np.float64).eps))
    again = gradient(calls.parameters.values)
    bounds = rounding_bound(gradient, calls.parameters, values, eps, seed + 1)
    difference = np.abs(np.where(np.isfinite(again - values), again - values, 0.0))
    return ReferenceEstimate(
        Source.REFERENCE,
        values,
        bounds,
        method,
        traced=traced,
        faithful=faithful,
        repeatable=bool(np.all(difference <= bounds)),
    )


def _none(reason: str) -> Finding:
    return Finding(
        Cause.NO_REFERENCE,
        f"There is no third source ({reason}). The verdict rests on backprop and the finite "
        "difference alone.",
        source=Source.REFERENCE,
        severity=Severity.WARNING,
        evidence={"reason": reason},
    )


def _fell_back(name: str, reasons: list[str]) -> Finding:
    return Finding(
        Cause.BLOCKED,
        f"The reference is {name}'s, because the first choice cannot be had: {reasons[0]}",
        source=Source.REFERENCE,
        severity=Severity.NOTE,
        evidence={"reasons": reasons},
    )


def _not_finite(name: str, estimate: Estimate, parameters: Parameters) -> Finding:
    position = int(np.flatnonzero(~np.isfinite(estimate.values))[0])
    leaf, index = parameters.locate(position)
    return Finding(
        Cause.NON_FINITE,
        f"The {name} reference is {estimate.values[position]} at {leaf.name}{list(index)}, where "
        "the loss is finite: a rule of automatic differentiation fails there (norm(0), sqrt(0), "
        "a dead branch of where).",
        source=Source.REFERENCE,
        parameter=leaf.name,
        entries=[index],
        severity=Severity.WARNING,
    )
