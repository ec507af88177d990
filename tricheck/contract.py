"""The contract, before any number is compared: a scalar finite loss, repeatable, changing nothing.

`inspect` raises `ModelError` where nothing sensible can follow, and returns findings where the
check can go on, on copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tricheck.calls import Calls, private_copy, read_loss, same_arrays
from tricheck.errors import ModelError
from tricheck.location import user_line
from tricheck.parameters import FloatArray, Parameters, ShapeError, largest_of
from tricheck.vocabulary import Cause, Finding, Severity, Source

# Repeated calls may differ by summation order alone: memory alignment picks the SIMD path.
_REPEAT_ULPS = 64
_REPEATS = 8
_BESIDE = 1e-3  # how far away the loss is run to see whether the gradient notices
_KEPT = 1e-8  # of the largest entry: less is another order of summation


@dataclass(frozen=True)
class Point:
    """What a few calls at the point have shown.

    Attributes
    ----------
    loss : numpy scalar
        The loss, in its own precision.
    spread : float
        Largest difference between repeated calls at the same point, beyond summation order; 0
        for a deterministic loss.
    gradient, second_gradient : ndarray, shape (size,)
        Backprop's first and second answer; NaN where the shape is wrong.
    stateful : bool
        Whether calling the gradient changes the loss.
    intermediates : mapping of str to object
        The intermediate gradients that backprop's first answer has shown.
    """

    loss: np.floating[Any]
    spread: float
    gradient: FloatArray
    second_gradient: FloatArray
    gradient_eps: FloatArray
    shape_errors: list[ShapeError]
    stateful: bool
    findings: list[Finding]
    intermediates: Mapping[str, Any]


def refuse_bad_seed(seed: Any, name: str = "seed", otherwise: str = "") -> None:
    """Raise `ModelError` unless a seed is a natural number."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ModelError(f"{name} is {seed!r}, expected an integer of 0 or more{otherwise}")


def inspect(calls: Calls) -> Point:
    """Call loss and gradient a few times at the point.

    Raises
    ------
    ModelError
        When the loss is no finite number there, or a function raises, or the gradient does not
        have the structure of the parameters.
    """
    findings: list[Finding] = []
    loss = _loss_at_point(calls, findings)
    repeats = [_loss_at_point(calls, findings)]
    gradient, shape_errors, eps, intermediates = _gradient_at_point(calls, findings)
    repeats.append(_loss_at_point(calls, findings))
    second_gradient, calls.in_pairs = _called_again(calls, gradient, findings)
    repeats.append(_loss_at_point(calls, findings))
    if calls.in_pairs:
        findings.append(_in_pairs())
    changed = any(_differ(loss, other) for other in repeats)
    spread = repeated_spread(calls) if changed else 0.0
    if spread:
        findings.append(_random(spread))
    elif changed:
        after = next(other for other in repeats if _differ(loss, other))
        findings.append(_stateful(loss, after))
    return Point(
        loss,
        spread,
        gradient,
        second_gradient,
        eps,
        shape_errors,
        changed and not spread,
        _distinct(findings),
        intermediates,
    )


def _called_again(
    calls: Calls, first: FloatArray, findings: list[Finding]
) -> tuple[FloatArray, bool]:
    """Backprop's second answer, and whether it depends on where the loss was run last.

    As of a cache that the loss leaves. Mostly one call shows that neither this nor an earlier call
    of its own changes anything.
    """
    after = None if calls.model.gradient is True else _after_loss_beside(calls, first)
    if after is first:
        return first, False
    second, *_ = _gradient_at_point(calls, findings)
    if after is None:
        return (first if same_arrays(first, second) else second), False
    return (second, not _near(first, after)) if _near(first, second) else (after, False)


def _near(first: FloatArray, second: FloatArray) -> bool:
    """Whether two gradients differ by the order of summation at the most."""
    with np.errstate(invalid="ignore"):  # infinite entries have no difference
        return largest_of(second - first) <= _KEPT * largest_of(first)


def _after_loss_beside(calls: Calls, first: FloatArray) -> FloatArray | None:
    """Backprop at the point after the loss was run beside it; None where either fails.

    The first answer itself where they are equal.
    """
    parameters = calls.parameters
    try:
        with np.errstate(all="ignore"):
            calls.loss(_beside(parameters), native=True, spare=True)
            blocks = calls.gradient_blocks(parameters.values)
            same = all(map(same_arrays, parameters.parts(first), blocks))
            after = first if same else parameters.joined(blocks)
            calls.loss(parameters.values, native=True)
            return after
    except Exception:  # beside the point, and with what is kept there, anything may fail
        return None


def _beside(parameters: Parameters) -> FloatArray:
    """A point at some distance, in every parameter."""
    beside: FloatArray = np.abs(parameters.values)
    np.maximum(beside, 1.0, out=beside)
    beside *= _BESIDE
    beside += parameters.values
    return beside


def _in_pairs() -> Finding:
    return Finding(
        Cause.STATEFUL,
        "The gradient reads what the last call of the loss has kept, so tricheck runs the loss "
        "right before it: whoever calls the gradient at a new point must do so too.",
        Source.BACKPROP,
        severity=Severity.NOTE,
    )


def repeated_spread(calls: Calls) -> float:
    """How far calls in a row at the same point lie apart; 0 for a deterministic loss."""
    values = [calls.loss(calls.parameters.values, native=True) for _ in range(_REPEATS)]
    if not any(_differ(values[0], other) for other in values):
        return 0.0
    return float(max(values) - min(values))


def with_spread(point: Point, spread: float) -> Point:
    """The same point, its loss found to be random after all if the spread is not 0."""
    if not spread:
        return point
    return replace(point, spread=spread, findings=[*point.findings, _random(spread)])


def _loss_at_point(calls: Calls, findings: list[Finding]) -> np.floating[Any]:
    answer = _watched(calls, "loss", calls.raw_loss, findings)
    loss = read_loss(answer)
    if not np.isfinite(loss):
        raise ModelError(
            f"loss is {loss} at params, expected a finite number: check the gradient at a point "
            "inside the domain of the loss"
        )
    return loss


def _gradient_at_point(
    calls: Calls, findings: list[Finding]
) -> tuple[FloatArray, list[ShapeError], FloatArray, Mapping[str, Any]]:
    answer = _watched(calls, "gradient", calls.raw_gradient, findings)
    parameters = calls.parameters
    values, shape_errors = parameters.read_gradient(answer)
    kinds = [block.dtype for block in parameters.blocks(answer, "gradient")]
    eps = _precision(parameters, kinds)
    intermediates = private_copy(dict(parameters.split(answer)[1]))  # later calls may write there
    return values, shape_errors, eps, intermediates


def _precision(parameters: Parameters, kinds: Iterable[np.dtype[Any]]) -> FloatArray:
    """Machine epsilon of each entry's arithmetic, shape (size,); read-only where all have one."""
    coarsest = []
    for leaf, kind in zip(parameters.leaves, kinds, strict=True):
        floating = [dtype for dtype in (leaf.dtype, kind) if dtype.kind == "f"]
        coarsest.append(max(float(np.finfo(dtype).eps) for dtype in floating))
    if len(set(coarsest)) == 1:
        return np.broadcast_to(coarsest[0], parameters.size)
    return np.repeat(coarsest, [leaf.stop - leaf.start for leaf in parameters.leaves])


def _watched(
    calls: Calls, who: str, function: Callable[[Any], Any], findings: list[Finding]
) -> Any:
    """Call a function at the point, and note what it changed that was not its own."""
    structure = calls.parameters.build(calls.parameters.values, native=True)
    try:
        answer = function(structure)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(_raised(who, calls, error)) from error
    if not same_arrays(structure, calls.parameters.build(calls.parameters.values)):
        calls.careful = True
        findings.append(_moved(who))
    if changed := calls.arguments_changed():
        calls.careful = True
        findings.append(_changed_arguments(who, changed))
    return answer


def _raised(who: str, calls: Calls, error: Exception) -> str:
    line = user_line(error)
    message = f"{who}(params, *args) raised {type(error).__name__}: {error}"
    message += f" (at {line})" if line else ""
    if len(calls.model.args) == 1 and isinstance(error, TypeError):
        message += "; args has one entry: pass a tuple with one entry per argument"
    if isinstance(error, IndexError | TypeError) and _is_number(calls.model.params):
        message += "; params is a number, so a number was handed over: pass np.array([params])"
    return message


def _is_number(params: Any) -> bool:
    return isinstance(params, float | np.floating)


def _differ(first: np.floating[Any], second: np.floating[Any]) -> bool:
    if first == second:
        return False
    ulp = float(np.spacing(max(abs(first), abs(second))))
    return abs(float(first - second)) > _REPEAT_ULPS * ulp


def _distinct(findings: list[Finding]) -> list[Finding]:
    return list({(f.cause, f.source, f.message): f for f in findings}.values())


def _random(spread: float) -> Finding:
    return Finding(
        Cause.NONDETERMINISTIC,
        f"The loss gives different values at the same point, {spread:.1e} apart. Seed its random "
        "generator inside the loss.",
        severity=Severity.WARNING,
        evidence={"spread": spread},
    )


def _stateful(loss: np.floating[Any], after: np.floating[Any]) -> Finding:
    return Finding(
        Cause.STATEFUL,
        f"Calling the gradient changes the loss at the same point, from {loss:.10g} to "
        f"{after:.10g}: it overwrites state that the loss reads. Keep the two apart.",
        severity=Severity.WARNING,
        evidence={"before": float(loss), "after": float(after)},
    )


def _moved(who: str) -> Finding:
    return Finding(
        Cause.MUTATES_PARAMETERS,
        f"{who} changes its parameters in place. The numbers here come from copies, but in your "
        "own loop the point moves at every call: work on a copy inside it.",
        source=Source.BACKPROP if who == "gradient" else None,
        severity=Severity.WARNING,
    )


def _changed_arguments(who: str, changed: list[str]) -> Finding:
    return Finding(
        Cause.STATEFUL,
        f"{who} changes {', '.join(changed)} in place. The numbers here come from copies, but in "
        "your own loop the next call sees other data: work on a copy inside it.",
        source=Source.BACKPROP if who == "gradient" else None,
        severity=Severity.WARNING,
        evidence={"changed": changed},
    )
