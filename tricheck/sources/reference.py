"""The reference: which ones there are, and which one a check gets.

A new reference is one new file with a `measure` function, and one line in `_NAMED`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tricheck.calls import Calls
from tricheck.errors import ModelError, TraceError
from tricheck.location import user_line
from tricheck.parameters import LARGE, Blocks, FloatArray, Parameters, largest_of
from tricheck.sources.cut import cut_parameters
from tricheck.sources.estimate import Estimate
from tricheck.sources.noise import Noise
from tricheck.sources.rounding import Gradient, rounding_bound
from tricheck.sources.same_loss import Mismatch
from tricheck.vocabulary import Cause, Finding, Severity, Source

_NAMED = {
    "autograd": "tricheck.sources.autograd",
    "sympy": "tricheck.sources.sympy",
    "complex-step": "tricheck.sources.complex_step",
    "longdouble": "tricheck.sources.extended",
    "jax": "tricheck.sources.jax",
    "torch": "tricheck.sources.torch",
}
_NOISE = 12.0  # a largest deviation is four standard deviations, known to a factor of three
_SAME = 1e-8  # of a parameter's largest entry: what another run may differ by, and be the same
_AUTO = ("autograd", "sympy", "complex-step", "longdouble")
_BY_ENTRY = _AUTO[1:]  # these take the entries one by one


@dataclass(frozen=True)
class ReferenceEstimate(Estimate):
    """A reference gradient.

    Attributes
    ----------
    traced : bool
        Whether it differentiates the user's own loss.
    mismatch : Mismatch or None
        Where its loss has another value than the plain loss, at the point or a displaced one.
    repeatable : bool
        Whether a second run gives the same gradient.
    """

    traced: bool = False
    mismatch: Mismatch | None = None
    repeatable: bool = True

    @property
    def faithful(self) -> bool:
        """Whether its loss was seen to have the plain loss's value."""
        return self.mismatch is None


@runtime_checkable
class Reference(Protocol):
    """What a reference object offers."""

    def measure(self, calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
        """The reference gradient at the point; raises `TraceError` where it cannot be had."""
        ...


def find(
    choice: Any, calls: Calls, noise: Noise, seed: int
) -> tuple[list[ReferenceEstimate], list[Finding]]:
    """The references that `choice` names, or for ``"auto"`` the first that works.

    Raises
    ------
    ModelError
        When `choice` is not a reference, nor several.
    TraceError
        When a named reference cannot be had.
    """
    if choice is None:
        return [], [_none("none was asked for")]
    if isinstance(choice, str) and choice == "auto":
        return _first_that_works(calls, noise, seed)
    several = list(choice) if isinstance(choice, list | tuple) else [choice]
    if not several:
        raise ModelError(f"reference is empty, expected {_EXPECTED}: name one, or pass None")
    for one in several:
        _refuse_stranger(one)
    return [_one(one, calls, noise, seed) for one in several], []


_EXPECTED = (
    f"one of {', '.join(repr(name) for name in _NAMED)}, a function reference(params, *args) "
    "returning the gradient, a reference object such as tricheck.autograd(loss), or a list of these"
)


def _refuse_stranger(choice: Any) -> None:
    if isinstance(choice, str) and choice in _NAMED:
        return
    if not (isinstance(choice, Reference) or callable(choice)):
        raise ModelError(f"reference is {choice!r}, expected 'auto', None, {_EXPECTED}")


def _one(choice: Any, calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
    if isinstance(choice, Reference):
        return within_noise(choice.measure(calls, noise, seed), calls.parameters, noise)
    if isinstance(choice, str):
        return _named(choice, calls, noise, seed)
    return _of_callable(choice, calls, seed)


def _named(name: str, calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
    module = importlib.import_module(_NAMED[name])
    estimate: ReferenceEstimate = module.measure(calls, noise, seed)
    if cut := cut_parameters(estimate, calls, noise, seed):
        raise TraceError(
            f"the path from {', '.join(cut)} to the loss was cut, for its gradient there is 0 and "
            "the loss has a slope: is it turned into text, a plain number or another program's "
            "data on the way?"
        )
    return within_noise(estimate, calls.parameters, noise)


def within_noise(
    estimate: ReferenceEstimate, parameters: Parameters, noise: Noise
) -> ReferenceEstimate:
    """The estimate, no finer than the loss that it differentiates.

    A loss that is reproduced to some digits only, as by an iterative solver, has a derivative that
    means no more digits, however exactly the trace or the symbols give them.
    """
    if not estimate.traced:
        return estimate
    bounds = estimate.bounds.copy()
    for leaf in parameters.leaves:
        bounds[leaf.place] += _NOISE * noise.relative * largest_of(estimate.values[leaf.place])
    return replace(estimate, bounds=bounds)


def others(calls: Calls, noise: Noise, seed: int) -> list[ReferenceEstimate]:
    """What ``"auto"`` also hears when its first choice stands alone against the other sources."""
    return [e for name in _AUTO[1:] for e in _first_that_works(calls, noise, seed, (name,))[0]]


def _first_that_works(
    calls: Calls, noise: Noise, seed: int, names: tuple[str, ...] = _AUTO
) -> tuple[list[ReferenceEstimate], list[Finding]]:
    passed: list[Finding] = []
    reasons = []
    for name in names:
        if name in _BY_ENTRY and calls.parameters.size > LARGE:
            count = f"{calls.parameters.size:,}"
            reasons.append(f"{name}: it takes the entries one by one, and there are {count}")
            continue
        try:
            estimate = _named(name, calls, noise, seed)
        except TraceError as error:
            reasons.append(f"{name}: {error}")
            continue
        if estimate.mismatch is not None and estimate.repeatable:
            # The trace ran other code than the loss did; its gradient speaks of nothing.
            reasons.append(f"{name}: it computes another loss: {estimate.mismatch}")
            continue
        if not np.all(np.isfinite(estimate.values)):
            reasons.append(f"{name}: its gradient is not finite")
            passed.append(_not_finite(name, estimate, calls.parameters))
            continue
        return [estimate], passed + ([_fell_back(name, reasons)] if reasons else [])
    return [], [*passed, _none("; ".join(reasons))]


def _of_callable(function: Callable[..., Any], calls: Calls, seed: int) -> ReferenceEstimate:
    """A function of the parameters that returns their gradient."""
    parameters = calls.parameters

    def gradient(flat: FloatArray) -> Blocks:
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
        blocks, shape_errors = parameters.read_blocks(answer, "reference")
        if shape_errors:
            wrong = shape_errors[0]
            raise ModelError(
                f"reference returned shape {wrong.came} for parameter {wrong.parameter!r}, "
                f"expected {wrong.expected}"
            )
        return blocks

    def beside(flat: FloatArray) -> Blocks:
        try:
            return gradient(flat)
        except Exception:  # beside the point the user's code may leave its domain
            return parameters.nowhere

    values = parameters.joined(gradient(parameters.values))
    name = getattr(function, "__name__", type(function).__name__)
    how = f"function {name}"
    return bounded(beside, values, parameters, seed, how, quick=calls.hurried)


def bounded(
    gradient: Gradient,
    values: FloatArray,
    parameters: Parameters,
    seed: int,
    method: str,
    *,
    quick: bool = False,
    traced: bool = False,
    mismatch: Mismatch | None = None,
) -> ReferenceEstimate:
    """A reference estimate whose bound comes from rerunning it at neighbouring points."""
    eps = np.broadcast_to(float(np.finfo(np.float64).eps), parameters.size)
    again = None if quick else parameters.joined(gradient(parameters.values.copy()))
    bounds = rounding_bound(gradient, parameters, values, eps, seed + 1, quick=quick)
    if quick and not _is_rounding(bounds, values, parameters):
        again = parameters.joined(gradient(parameters.values.copy()))
    return ReferenceEstimate(
        Source.REFERENCE,
        values,
        bounds,
        method,
        traced=traced,
        mismatch=mismatch,
        repeatable=again is None or _within(bounds, again, values),
    )


def _is_rounding(bounds: FloatArray, values: FloatArray, parameters: Parameters) -> bool:
    """Whether runs beside the point gave what one at the point gives, but for rounding."""
    return all(
        np.max(bounds[leaf.place]) <= _SAME * largest_of(values[leaf.place])
        for leaf in parameters.leaves
    )


def _within(bounds: FloatArray, again: FloatArray, values: FloatArray) -> bool:
    """Whether a second run differs from the first within the bounds, where both are finite."""
    again -= values
    difference = np.abs(again, out=again)
    difference[~np.isfinite(difference)] = 0.0
    return bool(np.all(difference <= bounds))


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
        f"The reference is {name}'s, because those before it cannot be had: {'; '.join(reasons)}",
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
