"""The reference by reverse mode, through the user's own plain-NumPy loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from tricheck.calls import Calls, read_loss
from tricheck.errors import ModelError
from tricheck.parameters import Blocks, FloatArray
from tricheck.sources.monte_carlo import gradient_bound, random_jitter
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate
from tricheck.sources.rewrite import of_loss
from tricheck.tracing.tape import Jitter


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
    from tricheck.tracing.reverse import rerun, value_and_blocks

    parameters = calls.parameters
    pair = traced and calls.model.gradient is True

    def loss_of(answer: Any) -> Any:
        return answer[0] if pair else answer

    def run(flat: FloatArray, jitter: Jitter | None = None) -> tuple[np.floating[Any], Blocks]:
        calls.counts["reference"] += 1
        return value_and_blocks(
            loss, parameters, flat, calls.arguments(), read=loss_of, jitter=jitter, spare=True
        )

    def value(flat: FloatArray) -> np.floating[Any]:
        calls.counts["reference"] += 1
        arguments = calls.arguments()
        return read_loss(rerun(loss, parameters, flat, arguments, read=loss_of, spare=True))

    quick = calls.hurried  # then the runs beside the point show both roundings
    estimate = of_loss(
        run,
        calls,
        noise,
        seed,
        "autograd",
        traced=traced,
        value=value,
        beside=partial(run, jitter=random_jitter(seed)) if quick else run,
    )
    if quick or not estimate.repeatable:
        return estimate
    scattered = gradient_bound(
        lambda jitter: run(parameters.values, jitter)[1],
        parameters.leaves,
        estimate.values,
        seed,
    )
    return replace(estimate, bounds=estimate.bounds + scattered)
