"""The reference by symbols: the loss run on single numbers, its derivatives exact to 50 digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tricheck.calls import Calls
from tricheck.errors import ModelError
from tricheck.parameters import FloatArray, Parameters
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate
from tricheck.sources.rewrite import own_loss
from tricheck.sources.same_loss import differing, mismatch
from tricheck.vocabulary import Source

if TYPE_CHECKING:
    from tricheck.tracing.symbols import Recording

Record = Callable[[FloatArray], "Recording"]


@dataclass(frozen=True)
class Symbolic:
    """A loss as a sympy expression of the parameters; made by `tricheck.sympy`."""

    expression: Any
    symbols: Any

    def measure(self, calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
        """The gradient of this loss, and whether its value is the model's."""
        from tricheck.tracing.expressions import Loss
        from tricheck.tracing.symbols import record

        loss = Loss.read(self.expression, _entries(self.symbols, calls.parameters))
        _refuse_absent(calls.parameters, loss.present)

        def run(flat: FloatArray) -> Recording:
            calls.counts["reference"] += 1
            return record(loss, flat)

        return _estimate(run, calls, noise, seed, "sympy expression, 50 digits", traced=False)


def sympy(expression: Any, symbols: Any) -> Symbolic:
    """A reference: the gradient of a loss written down in sympy.

    Every derivative is the exact one, to 50 digits and then rounded once. The expression's value
    is compared with the model's loss before any gradient is, at the point and beside it.

    Parameters
    ----------
    expression : sympy expression, or a 1 by 1 matrix
        The loss in the parameters' symbols. Data and other arguments enter as numbers: substitute
        them before.
    symbols : Symbol, Matrix, MatrixSymbol, Array, list or tuple, in the structure of `params`
        For each parameter what stands for it in the expression, of its shape: a symbol, a matrix or
        (in more dimensions) an array of symbols, a nested list of them, or a ``MatrixSymbol``. A
        vector of `n` entries may be a matrix of `n` rows or columns.

    Returns
    -------
    Symbolic
        To be passed as `reference`.

    Raises
    ------
    ModelError
        When either is not made of sympy's objects; in the check, when a symbol's shape is not its
        parameter's, a parameter does not occur in the expression, or a symbol of the expression
        stands for no parameter.

    Examples
    --------
    A matrix of weights, and a loss with the data in it:

    >>> import numpy as np
    >>> import sympy
    >>> import tricheck
    >>> X, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([1.0, 0.5])
    >>> w = sympy.MatrixSymbol("w", 2, 1)
    >>> error = sympy.Matrix(X) * w - sympy.Matrix(y)
    >>> report = tricheck.check(
    ...     lambda w: np.sum((X @ w - y) ** 2),
    ...     lambda w: X.T @ (X @ w - y),
    ...     np.array([0.3, -0.2]),
    ...     reference=tricheck.sympy(error.T * error, w),
    ... )
    >>> report.verdict, report.findings[0].evidence["matches"]
    (<Verdict.BACKPROP: 'backprop'>, '1/2')
    """
    from tricheck.tracing.expressions import is_expression

    if not is_expression(expression):
        raise ModelError(
            f"sympy(expression, symbols) got a {type(expression).__name__} as expression, expected "
            "the loss as a sympy expression"
        )
    return Symbolic(expression, symbols)


def measure(calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
    """The gradient of the model's own loss, exact to the last float64 digit.

    Serves losses of up to 100 000 operations on single numbers, whatever the number of parameters.

    Raises
    ------
    TraceError
        When the loss does not run on symbols, or is larger than that.
    """
    return _estimate(
        lambda flat: recorded(calls, flat),
        calls,
        noise,
        seed,
        "sympy through the loss, 50 digits",
        traced=True,
    )


def recorded(calls: Calls, flat: FloatArray) -> Recording:
    """The steps of the model's own loss at a point.

    Raises
    ------
    TraceError
        When the loss does not run on symbols, or takes more steps than they serve.
    """
    from tricheck.tracing.substitution import substituted
    from tricheck.tracing.symbol_names import replaced
    from tricheck.tracing.symbols import left_behind, record

    loss, build = own_loss(calls), calls.parameters.build
    args, kwargs = calls.arguments()
    calls.counts["reference"] += 1
    with substituted((calls.model.loss, args, kwargs), replaced, left_behind):
        return record(lambda numbers: loss(build(numbers), *args, **kwargs), flat)


def _estimate(
    run: Record, calls: Calls, noise: Noise, seed: int, method: str, *, traced: bool
) -> ReferenceEstimate:
    from tricheck.tracing.chain_rule import evaluate

    point = calls.parameters.values
    recording = run(point)
    value, derivatives, errors = evaluate(recording, point, range(point.size))
    gradient = np.array([float(d) for d in derivatives])
    bounds = np.spacing(np.abs(gradient)) + np.array([float(e) for e in errors])
    # What float64 makes of the loss, and what it is: a loss all of rounding is none of these.
    other = differing(calls.loss(point), value, noise) or mismatch(
        recording.value, lambda flat: run(flat).value, calls, noise, seed
    )
    return ReferenceEstimate(
        Source.REFERENCE,
        gradient,
        np.where(np.isfinite(gradient), bounds, np.inf),
        method,
        traced=traced,
        mismatch=other,
    )


def _entries(symbols: Any, parameters: Parameters) -> list[Any]:
    """What stands for each entry of the flat vector."""
    entries: list[Any] = []
    for leaf, block in zip(parameters.leaves, parameters.blocks(symbols, "symbols"), strict=True):
        if _without_ones(block.shape) != _without_ones(leaf.shape):
            raise ModelError(
                f"symbols has shape {block.shape} for parameter {leaf.name!r}, expected "
                f"{leaf.shape}: give a Symbol, Matrix, MatrixSymbol or Array of its shape"
            )
        entries += list(block.reshape(-1))
    return entries


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """sympy has no vectors: a matrix of one row or column is one."""
    return tuple(length for length in shape if length != 1)


def _refuse_absent(parameters: Parameters, present: Sequence[bool]) -> None:
    for leaf in parameters.leaves:
        if not any(present[leaf.place]):
            raise ModelError(
                f"the expression does not depend on parameter {leaf.name!r}: write it in the "
                "symbols handed over, or leave the parameter out of params"
            )
