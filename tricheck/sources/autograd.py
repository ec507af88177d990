"""The reference by reverse mode, through the user's own plain-NumPy loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tricheck.calls import Calls
from tricheck.errors import ModelError, TraceError
from tricheck.parameters import FloatArray
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate, bounded

_DISPLACED = 2
_JITTERED = 2
_VALUE_ULPS = 1024.0


@dataclass(frozen=True)
class Autograd:
    """A loss to differentiate in place of the model's own; made by `tricheck.autograd`."""

    loss: Callable[..., Any]

    def measure(self, calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
        """The gradient of this loss, and whether its value is the model's."""
        return _measure(self.loss, calls, noise, seed, traced=False)


def autograd(loss: Callable[..., Any]) -> Autograd:
    """A reference: the gradient of `loss` by automatic differentiation.

    For a loss that tricheck cannot trace as it stands: write the same function in NumPy operations
    that it can, and hand it over. Its value is compared with the model's before any gradient is.

    Parameters
    ----------
    loss : callable
        ``loss(params, *args, **kwargs)``, plain NumPy.

    Returns
    -------
    Autograd
        To be passed as `reference`.

    Raises
    ------
    ModelError
        When `loss` cannot be called.

    Examples
    --------
    >>> import numpy as np
    >>> import tricheck
    >>> report = tricheck.check(
    ...     lambda x: float(np.sum(x**3)),
    ...     lambda x: 3 * x**2,
    ...     np.array([1.0, -2.0]),
    ...     reference=tricheck.autograd(lambda x: np.sum(x**3)),
    ... )
    >>> report.verdict
    <Verdict.AGREE: 'agree'>
    """
    if not callable(loss):
        raise ModelError(f"autograd(loss) got a {type(loss).__name__}, expected a function")
    return Autograd(loss)


def measure(calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
    """The gradient of the model's own loss."""
    return _measure(calls.model.loss, calls, noise, seed, traced=True)


def _measure(
    loss: Callable[..., Any], calls: Calls, noise: Noise, seed: int, *, traced: bool
) -> ReferenceEstimate:
    # autograd is imported with the first trace, to keep `import tricheck` light
    from tricheck.tracing.reverse import value_and_gradient

    parameters = calls.parameters
    pair = traced and calls.model.gradient is True

    def loss_of(answer: Any) -> Any:
        return answer[0] if pair else answer

    def run(
        flat: FloatArray, jitter: np.random.Generator | None = None
    ) -> tuple[np.floating[Any], FloatArray]:
        calls.counts["reference"] += 1
        return value_and_gradient(
            loss, parameters, flat, calls.arguments(), read=loss_of, jitter=jitter
        )

    def beside(flat: FloatArray) -> FloatArray:
        try:
            return run(flat)[1]
        except TraceError:  # beside the point the user's code may leave its domain
            return np.full(parameters.size, np.nan)

    value, gradient = run(parameters.values)
    if traced:
        _refuse_cut_paths(run, gradient, calls, noise, seed)
    estimate = bounded(
        beside,
        gradient,
        calls,
        seed,
        "autograd through the loss" if traced else "autograd through another loss",
        traced=traced,
        faithful=_same_loss(run, value, calls, noise, seed),
    )
    if not estimate.repeatable:
        return estimate
    rng = np.random.default_rng(seed)
    moved = [np.abs(run(parameters.values, rng)[1] - gradient) for _ in range(_JITTERED)]
    return replace(estimate, bounds=estimate.bounds + 4.0 * np.fmax.reduce(moved))


def _refuse_cut_paths(
    run: Callable[[FloatArray], tuple[np.floating[Any], FloatArray]],
    gradient: FloatArray,
    calls: Calls,
    noise: Noise,
    seed: int,
) -> None:
    """A parameter that moves the loss but never the trace has lost its path: not a zero gradient.

    Raises
    ------
    TraceError
        Names the parameter.
    """
    parameters = calls.parameters
    point = parameters.values
    rng = np.random.default_rng(seed)
    step = 1e-3 * np.maximum(np.abs(point), 0.1) * rng.choice([-1.0, 1.0], point.size)
    flat = gradient == 0.0
    for _ in range(_DISPLACED):  # a slope that is zero here by chance is not so beside the point
        if not flat.any():
            return
        displaced = np.where(flat, point + step, point)
        try:
            plain = calls.loss(displaced)
            still = flat & (run(displaced)[1] == 0.0)
        except Exception:  # outside the domain there is nothing to compare
            return
        if np.array_equal(still, flat):
            break
        flat = still
    else:
        return
    if np.isfinite(plain) and not _close(plain, calls.loss(point), noise):
        name = parameters.locate(int(np.flatnonzero(flat)[0]))[0].name
        raise TraceError(
            f"the trace lost the path from {name} to the loss, which depends on it: is it turned "
            "into text, a plain number or another program's data on the way?"
        )


def _same_loss(
    run: Callable[[FloatArray], tuple[np.floating[Any], FloatArray]],
    value: np.floating[Any],
    calls: Calls,
    noise: Noise,
    seed: int,
) -> bool:
    """Whether the differentiated loss has the plain loss's value, here and a little away."""
    point = calls.parameters.values
    if not _close(value, calls.loss(point), noise):
        return False
    rng = np.random.default_rng(seed)
    for _ in range(_DISPLACED):
        displaced = point + 0.1 * np.maximum(np.abs(point), 0.1) * rng.standard_normal(point.size)
        try:
            plain = calls.loss(displaced)
        except Exception:  # outside the domain there is nothing to compare
            continue
        if np.isfinite(plain) and not _close(run(displaced)[0], plain, noise):
            return False
    return True


def _close(first: np.floating[Any], second: np.floating[Any], noise: Noise) -> bool:
    size = max(abs(float(first)), abs(float(second)))
    allowed = _VALUE_ULPS * float(np.spacing(size)) + 16.0 * noise.relative * size
    return abs(float(first) - float(second)) <= allowed
