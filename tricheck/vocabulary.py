"""The public words: verdicts, sources, causes, and the finding that carries a cause.

Each verdict has its sentence here, once, so that no two renderers can word it differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """Which source is wrong.

    Examples
    --------
    >>> Verdict("backprop") is Verdict.BACKPROP
    True
    >>> Verdict.FINITE_DIFFERENCE.ok
    True
    """

    AGREE = "agree"
    BACKPROP = "backprop"
    FINITE_DIFFERENCE = "finite-difference"
    REFERENCE = "reference"
    BACKPROP_AND_REFERENCE = "backprop-and-reference"
    NONDIFFERENTIABLE = "nondifferentiable"
    INCONCLUSIVE = "inconclusive"

    @property
    def ok(self) -> bool:
        """Whether no derivation error was found."""
        return self in _OK

    @property
    def sentence(self) -> str:
        """The verdict, said to a person."""
        return _SENTENCES[self]

    @property
    def severity_rank(self) -> int:
        """Position from worst (0) to best, the order that picks a model's verdict."""
        return _WORST_FIRST.index(self)


_OK = frozenset({Verdict.AGREE, Verdict.FINITE_DIFFERENCE, Verdict.NONDIFFERENTIABLE})

_WORST_FIRST = (
    Verdict.BACKPROP,
    Verdict.BACKPROP_AND_REFERENCE,
    Verdict.REFERENCE,
    Verdict.INCONCLUSIVE,
    Verdict.NONDIFFERENTIABLE,
    Verdict.FINITE_DIFFERENCE,
    Verdict.AGREE,
)

_SENTENCES = {
    Verdict.AGREE: "All sources agree within their bounds.",
    Verdict.BACKPROP: "The hand-written backprop is wrong.",
    Verdict.FINITE_DIFFERENCE: "Backprop is not at fault: the finite difference is too imprecise.",
    Verdict.REFERENCE: "The reference is wrong; backprop and the finite difference agree.",
    Verdict.BACKPROP_AND_REFERENCE: (
        "Backprop and the reference agree, but the loss itself changes differently."
    ),
    Verdict.NONDIFFERENTIABLE: "The point sits on a kink, where the loss has no gradient.",
    Verdict.INCONCLUSIVE: "This run cannot say who is wrong.",
}


class Source(StrEnum):
    """Something that produces a gradient."""

    BACKPROP = "backprop"
    FINITE_DIFFERENCE = "finite-difference"
    REFERENCE = "reference"


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Cause(StrEnum):
    """Why a source disagrees; public and stable names."""

    # backprop
    SCALE = "scale"
    SIGN = "sign"
    REGULARIZER = "regularizer"
    TRANSPOSED = "transposed"
    PERMUTED = "permuted"
    SHAPE = "shape"
    BIAS_REDUCTION = "bias-reduction"
    ACTIVATION_DERIVATIVE = "activation-derivative"
    CACHED_INPUT = "cached-input"
    UPSTREAM = "upstream"
    ZERO = "zero"
    ENTRIES = "entries"
    ACCUMULATED = "accumulated"
    STALE_WEIGHTS = "stale-weights"
    NON_FINITE = "non-finite"
    NONLINEAR = "nonlinear"
    APPROXIMATE = "approximate"
    UNKNOWN = "unknown"
    # finite difference
    ROUND_OFF = "round-off"
    TRUNCATION = "truncation"
    STEP_BELOW_ULP = "step-below-ulp"
    KINK = "kink"
    JUMP = "jump"
    NOISE = "noise"
    LOW_PRECISION = "low-precision"
    DOMAIN = "domain"
    # reference
    DIFFERENT_LOSS = "different-loss"
    SUBGRADIENT = "subgradient"
    BLOCKED = "blocked"
    SETTLED = "settled"
    # the model itself
    NONDETERMINISTIC = "nondeterministic"
    STATEFUL = "stateful"
    MUTATES_PARAMETERS = "mutates-parameters"
    NO_REFERENCE = "no-reference"
    SKIPPED_OUTPUT = "skipped-output"


@dataclass(frozen=True)
class Finding:
    """One cause with its evidence.

    Attributes
    ----------
    cause : Cause
        A public, stable name.
    source : Source or None
        The source it speaks of; None for the model itself.
    parameter : str or None
        The parameter's name; None for the whole model.
    entries : list of tuple of int
        Indices of the entries concerned; empty for the whole parameter.
    severity : Severity
        `error`, `warning` or `note`.
    message : str
        A sentence for a person.
    evidence : mapping of str to float, str or list
        The numbers behind the sentence.
    """

    cause: Cause
    message: str
    source: Source | None = None
    parameter: str | None = None
    entries: list[tuple[int, ...]] = field(default_factory=list)
    severity: Severity = Severity.ERROR
    evidence: Mapping[str, float | str | list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class BlindSpot:
    """A class of bug that this point cannot reveal.

    Attributes
    ----------
    name : str
        What hides it.
    parameter : str or None
        Where; None for the whole model.
    message : str
        What cannot be seen, and what to change so that it can.
    hides : list of Cause
        The causes that a mistake of this class would have.
    remedy : str
        What opens it: ``"displace"`` (check at a displaced point), ``"inputs"`` (use others),
        ``"sizes"`` (use more than one entry along an axis, or other sizes); empty if nothing is
        known to.
    """

    name: str
    message: str
    parameter: str | None = None
    hides: list[Cause] = field(default_factory=list)
    remedy: str = ""
