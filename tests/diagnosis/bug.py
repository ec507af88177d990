"""What was injected into a model, and what is therefore right to say about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Row(StrEnum):
    """The classes of mistakes, each to be planted at least once."""

    SQUARE = "factor 1/2 or 2 of the squared error"
    BATCH_MEAN = "batch mean for sum, or sum for mean"
    OUTPUT_MEAN = "mean for sum over outputs"
    TIME_MEAN = "averaged over time steps"
    BLOCK_SCALE = "scale on some blocks only"
    SIGN = "sign"
    HALF_DOMAIN = "sign wrong on half the domain"
    REGULARIZER = "regularizer missing, sign or scale"
    BIAS_REGULARIZED = "bias regularized on one side only"
    NOT_REDUCED = "bias not reduced over the batch, or over the wrong axis"
    BIAS_MEAN = "bias mean for sum; also summed over units"
    DERIVATIVE_MISSING = "activation derivative missing"
    DERIVATIVE_ELSEWHERE = "activation derivative at the wrong cache, twice or of another function"
    UPSTREAM_DROPPED = "upstream gradient dropped"
    SOFTMAX_DIAGONAL = "softmax Jacobian: diagonal only"
    EXTRA_DERIVATIVE = "extra s(1 - s) with cross-entropy"
    LEAKY_SLOPE = "slope of leaky ReLU ignored or wrong"
    TRANSPOSED = "transposed"
    PERMUTED = "permuted slots, C/F order"
    CACHED_INPUT = "outer product with another array than the layer's input"
    NOT_TRANSPOSED = "W for Wᵀ going back"
    STALE_WEIGHTS = "backprop through already updated W"
    PATH_LEFT_OUT = "= for += on a reused node"
    ACCUMULATED = "accumulator not zeroed"
    SCATTER = "scatter with repeated indices"
    CARRY = "BPTT carry dropped"
    ONE_GATE = "one gate wrong"
    STATISTICS = "normalization statistics held constant"
    DROPOUT = "dropout mask or factor missing in backward"
    POOLING = "pooling divisor, channel or H/W index"
    CLAMP = "clamp not zeroed"
    APPROXIMATED = "forward approximated, backward exact"
    FEW_ENTRIES = "a few entries' algebra"
    CLIPPED = "gradient clipped inside gradient"
    ZERO = "a block never computed"
    NON_FINITE = "NaN or infinity"


@dataclass(frozen=True, eq=False)
class Mistake:
    """One mistake in one model, with what it does and what it may honestly be called.

    Attributes
    ----------
    model : str
        Name of the correct model it is planted in.
    name : str
        What was done, in a few words.
    row : Row
        Its class.
    parameters : str
        The parameters whose gradient it spoils, separated by blanks; a test derives the same.
    causes : str
        The causes that may be named, separated by blanks; more than one only where each of them
        describes what was injected.
    edits : mapping of str to str
        Replacements in the model's source, each of a text that stands there exactly once.
    change : callable, optional
        What is done to the gradient that was returned.
    reading : str, optional
        A reading of the factor that must be among those listed, such as ``1/N``.
    line : str, optional
        Text of the line of the loss whose derivative is wrong, where that is one line.
    """

    model: str
    name: str
    row: Row
    parameters: str
    causes: str
    edits: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    change: Callable[[Any], Any] | None = None
    reading: str | None = None
    line: str | None = None

    def spoils(self, parameter: str | None) -> bool:
        """Whether a finding about this parameter (None: the model) speaks of this mistake."""
        return parameter is None or parameter in self.parameters.split()


@dataclass(frozen=True, eq=False)
class Bug:
    """The mistakes made together in one model, mostly a single one."""

    mistakes: tuple[Mistake, ...]

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.mistakes[0].model

    @property
    def name(self) -> str:
        """What was done."""
        return " + ".join(mistake.name for mistake in self.mistakes)

    @property
    def row(self) -> str:
        """Its class."""
        return self.mistakes[0].row if len(self.mistakes) == 1 else "several mistakes"

    @property
    def parameters(self) -> set[str]:
        """Every parameter whose gradient is spoiled."""
        return {name for mistake in self.mistakes for name in mistake.parameters.split()}

    def of(self, parameter: str | None) -> list[Mistake]:
        """The mistakes that spoil a parameter."""
        return [mistake for mistake in self.mistakes if mistake.spoils(parameter)]


def bugs_of(mistakes: Sequence[Mistake], together: Sequence[tuple[str, ...]]) -> list[Bug]:
    """Every mistake as a bug of its own, and some of one model made together.

    Parameters
    ----------
    mistakes : sequence of Mistake
    together : sequence of tuple of str
        Names ``model: mistake`` of those made together.
    """
    by_name = {f"{m.model}: {m.name}": m for m in mistakes}
    combined = [Bug(tuple(by_name[name] for name in names)) for names in together]
    return [*(Bug((mistake,)) for mistake in mistakes), *combined]
