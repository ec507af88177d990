"""A loss that a framework differentiates: the model's own, or a rewrite of it handed over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tricheck.calls import Calls
from tricheck.errors import ModelError, TraceError
from tricheck.location import user_line
from tricheck.parameters import Blocks, FloatArray
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate, bounded
from tricheck.sources.same_loss import mismatch

Loss = Callable[..., Any]


class Framework(Protocol):
    """What differentiates a loss written in its own arrays."""

    name: str

    def value_and_gradient(
        self, loss: Loss, calls: Calls, flat: FloatArray
    ) -> tuple[float, FloatArray]:
        """The loss and its gradient at a point, in float64."""
        ...


@dataclass(frozen=True)
class Rewrite:
    """A loss to differentiate in place of the model's own; made by `tricheck.jax` and the like."""

    loss: Loss
    framework: Framework

    def measure(self, calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
        """The gradient of this loss, and whether its value is the model's."""
        return through(self.framework, self.loss, calls, noise, seed, traced=False)


def rewrite(loss: Any, framework: Framework) -> Rewrite:
    """A reference object of a loss handed over.

    Raises
    ------
    ModelError
        When `loss` cannot be called.
    """
    if not callable(loss):
        raise ModelError(
            f"{framework.name}(loss) got a {type(loss).__name__}, expected a function "
            "loss(params, *args)"
        )
    return Rewrite(loss, framework)


def own_loss(calls: Calls) -> Loss:
    """The model's loss, without the gradient it may return beside it."""

    def loss(structure: Any, *args: Any, **kwargs: Any) -> Any:
        answer = calls.model.loss(structure, *args, **kwargs)
        return answer[0] if calls.model.gradient is True else answer

    return loss


def through(
    framework: Framework, loss: Loss, calls: Calls, noise: Noise, seed: int, *, traced: bool
) -> ReferenceEstimate:
    """The gradient of a loss by a framework's own reverse mode.

    Raises
    ------
    TraceError
        When the loss does not run on the framework's arrays; names the user's line.
    """

    def run(flat: FloatArray) -> tuple[float, Blocks]:
        calls.counts["reference"] += 1
        try:
            value, gradient = framework.value_and_gradient(loss, calls, flat)
            return value, calls.parameters.parts(gradient)
        except TraceError:
            raise
        except Exception as error:
            line, reason = user_line(error), str(error).partition("\n")[0]
            raise TraceError(
                f"{line + ': ' if line else ''}the loss does not run on {framework.name} arrays "
                f"({type(error).__name__}: {reason}). Write it in {framework.name}'s operations, "
                f"and hand it over as tricheck.{framework.name}(loss)"
            ) from error

    return of_loss(run, calls, noise, seed, framework.name, traced=traced)


def of_loss(
    run: Callable[[FloatArray], tuple[Any, Blocks]],
    calls: Calls,
    noise: Noise,
    seed: int,
    name: str,
    *,
    traced: bool,
    value: Callable[[FloatArray], Any] | None = None,
    beside: Callable[[FloatArray], tuple[Any, Blocks]] | None = None,
) -> ReferenceEstimate:
    """A reference estimate of something that gives a loss's value and gradient at a point.

    What gives its value alone may cost less, and what is run beside the point may show more of its
    rounding. None of them is ever called at a point that is needed.
    """
    parameters = calls.parameters

    def gradient_beside(flat: FloatArray) -> Blocks:
        try:
            return (beside or run)(flat)[1]
        except TraceError:  # beside the point the user's code may leave its domain
            return parameters.nowhere

    at_point, blocks = run(parameters.values.copy())
    gradient = parameters.joined(blocks)
    del blocks  # of a large model they take much memory
    return bounded(
        gradient_beside,
        gradient,
        parameters,
        seed,
        f"{name} through {'the' if traced else 'another'} loss",
        quick=calls.hurried,
        traced=traced,
        mismatch=mismatch(at_point, value or (lambda flat: run(flat)[0]), calls, noise, seed),
    )


def private_arguments(
    calls: Calls, convert: Callable[[Any], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What follows `params` in a call, every array in it converted."""
    args, kwargs = calls.arguments()
    return _converted(args, convert), _converted(kwargs, convert)


def _converted(value: Any, convert: Callable[[Any], Any]) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_converted(child, convert) for child in value))
    if type(value) in (list, tuple):
        return type(value)(_converted(child, convert) for child in value)
    if type(value) is dict:
        return {key: _converted(child, convert) for key, child in value.items()}
    return convert(value)
