"""The mistakes: what each is called, its class, and which causes describe it honestly.

`CODE` are made in a model's source, at the sites that the model lists; `RESULT` are made in the
gradient that comes back, and so in every model.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.diagnosis.bug import Row


@dataclass(frozen=True)
class Operator:
    """One kind of mistake.

    Attributes
    ----------
    name : str
    row : Row
        Its class.
    causes : str
        The causes that may be named, separated by blanks: each describes what was done.
    """

    name: str
    row: Row
    causes: str


# The factor of a square is the square's derivative: both names are right.
_CODE = [
    Operator("square-factor-forgotten", Row.SQUARE, "scale activation-derivative"),
    Operator("square-factor-doubled", Row.SQUARE, "scale activation-derivative"),
    Operator("batch-sum-for-mean", Row.BATCH_MEAN, "scale"),
    Operator("batch-mean-for-sum", Row.BATCH_MEAN, "scale"),
    Operator("output-mean", Row.OUTPUT_MEAN, "scale"),
    Operator("time-mean", Row.TIME_MEAN, "scale"),
    Operator("block-averaged", Row.BLOCK_SCALE, "scale"),
    Operator("hidden-scaled", Row.BLOCK_SCALE, "scale upstream"),
    Operator("delta-sign", Row.SIGN, "sign"),
    Operator("hidden-sign", Row.SIGN, "sign upstream"),
    Operator("term-sign", Row.SIGN, "sign upstream"),
    Operator("half-domain-sign", Row.HALF_DOMAIN, "activation-derivative upstream"),
    Operator("regularizer-missing", Row.REGULARIZER, "regularizer"),
    Operator("regularizer-doubled", Row.REGULARIZER, "regularizer"),
    Operator("regularizer-sign", Row.REGULARIZER, "regularizer"),
    Operator("regularizer-averaged", Row.REGULARIZER, "regularizer"),
    Operator("bias-regularized", Row.BIAS_REGULARIZED, "regularizer"),
    Operator("bias-mean", Row.BIAS_MEAN, "bias-reduction scale"),
    Operator("bias-all-units", Row.BIAS_MEAN, "bias-reduction"),
    Operator("bias-not-reduced", Row.NOT_REDUCED, "bias-reduction shape"),
    Operator("bias-wrong-axis", Row.NOT_REDUCED, "bias-reduction shape"),
    Operator("bias-one-sample", Row.NOT_REDUCED, "bias-reduction"),
    Operator("derivative-missing", Row.DERIVATIVE_MISSING, "activation-derivative"),
    Operator("derivative-missing-output", Row.DERIVATIVE_MISSING, "activation-derivative"),
    Operator("derivative-elsewhere", Row.DERIVATIVE_ELSEWHERE, "activation-derivative"),
    Operator("derivative-twice", Row.DERIVATIVE_ELSEWHERE, "activation-derivative"),
    Operator("derivative-of-another", Row.DERIVATIVE_ELSEWHERE, "activation-derivative"),
    Operator("upstream-dropped", Row.UPSTREAM_DROPPED, "upstream"),
    Operator("softmax-diagonal", Row.SOFTMAX_DIAGONAL, "upstream activation-derivative"),
    Operator("extra-derivative", Row.EXTRA_DERIVATIVE, "activation-derivative"),
    Operator("leaky-slope-ignored", Row.LEAKY_SLOPE, "activation-derivative"),
    Operator("leaky-slope-wrong", Row.LEAKY_SLOPE, "activation-derivative"),
    Operator("transposed-product", Row.TRANSPOSED, "transposed shape"),
    Operator("cached-input", Row.CACHED_INPUT, "cached-input"),
    Operator("not-transposed-back", Row.NOT_TRANSPOSED, "upstream transposed"),
    Operator("stale-weights", Row.STALE_WEIGHTS, "stale-weights"),
    Operator("path-left-out", Row.PATH_LEFT_OUT, "upstream"),
    Operator("accumulator-kept", Row.ACCUMULATED, "accumulated"),
    Operator("scatter-overwrites", Row.SCATTER, "entries upstream"),
    Operator("carry-dropped", Row.CARRY, "upstream"),
    Operator("gate-derivative", Row.ONE_GATE, "activation-derivative"),
    Operator("gate-other-state", Row.ONE_GATE, "cached-input"),
    Operator("statistics-constant", Row.STATISTICS, "upstream"),
    Operator("mask-missing", Row.DROPOUT, "upstream"),
    Operator("keep-factor-missing", Row.DROPOUT, "upstream scale"),
    Operator("pooling-divisor", Row.POOLING, "scale upstream"),
    Operator("pooling-index", Row.POOLING, "upstream permuted entries"),
    Operator("kernel-flipped", Row.PERMUTED, "permuted upstream"),
    Operator("clamp-not-zeroed", Row.CLAMP, "activation-derivative upstream entries"),
    Operator("derivative-approximated", Row.APPROXIMATED, "activation-derivative approximate"),
    Operator("block-not-computed", Row.ZERO, "zero"),
    Operator("one-iteration-short", Row.CARRY, "upstream"),
]
CODE = {operator.name: operator for operator in _CODE}
