"""Why backprop is wrong: which relation its gradient has to the right one.

Every explanation is a test of measured arrays against their bounds; the first that accounts for
the whole discrepancy of a parameter is reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from tricheck.diagnosis.mistakes.findings import findings
from tricheck.diagnosis.mistakes.search import Discrepancy
from tricheck.facts import Evidence
from tricheck.parameters import FloatArray, Index, Leaf, ShapeError
from tricheck.tracing.study import Study
from tricheck.vocabulary import Cause, Finding, Severity, Source

_FEW = 0.25  # a block wrong in at most this share of its entries has `entries` wrong
_CLOSE = 1e-3  # a block this close to right is approximate rather than of another formula
_KNOWN = 0.05
_ONE = 1e-6  # a factor this close to 1 is none
_RATIOS = [Fraction(1, 4), Fraction(1, 2), Fraction(2), Fraction(4)]


@dataclass(frozen=True)
class Block:
    """One parameter's gradient: what backprop says, what is right, and the slack between."""

    leaf: Leaf
    backprop: FloatArray
    truth: FloatArray
    slack: FloatArray
    weights: FloatArray

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Entries known well enough to read a relation from, as booleans; all if none is."""
        finite = np.isfinite(self.truth) & np.isfinite(self.slack)
        size = float(np.max(np.abs(self.truth), where=finite, initial=0.0))
        known = finite & (self.slack <= _KNOWN * size)
        return known if known.any() else np.ones(known.shape, dtype=bool)

    @property
    def off(self) -> npt.NDArray[np.bool_]:
        """Entries beyond the slack, as booleans."""
        return np.abs(self.backprop - self.truth) > self.slack

    def explained_by(self, prediction: FloatArray) -> bool:
        """Whether a prediction of backprop's values leaves nothing unexplained."""
        return bool(np.all(np.abs(self.backprop - prediction) <= self.slack))


def diagnose(
    evidence: Evidence, blamed: dict[str, list[Index]], kept: Study | None
) -> list[Finding]:
    """A finding for every parameter whose backprop is blamed.

    Parameters
    ----------
    evidence : Evidence
    blamed : dict of str to list of tuple
        The blamed entries by parameter.
    """
    findings = []
    wrong_shapes = {error.parameter: error for error in evidence.point.shape_errors}
    blocks = {leaf.name: _block(evidence, leaf) for leaf in evidence.parameters.leaves}
    factors = _factors([blocks[name] for name in blamed if name not in wrong_shapes])
    explained = _by_mistakes(kept, blocks, blamed) if kept is not None else {}
    for name, entries in blamed.items():
        block = blocks[name]
        if name in wrong_shapes:
            findings.append(_shape(wrong_shapes[name], block))
        elif evidence.unrepeatable[block.leaf.place].any() and not evidence.point.spread:
            findings.append(_between_calls(evidence, block))
        else:
            relation = next(_explanations(block, factors), None)
            findings.append(relation or explained.get(name) or _explain(block, entries, factors))
    return findings


def _by_mistakes(kept, blocks, blamed):
    g = np.concatenate([b.backprop for b in blocks.values()])
    r = np.concatenate([b.truth for b in blocks.values()])
    sl = np.concatenate([b.slack for b in blocks.values()])
    return findings(kept, Discrepancy(g, r, sl, frozenset(blamed)))


def accepted_by_rtol(evidence: Evidence) -> list[Finding]:
    """Parameters that agree only because the user's `rtol` says so."""
    findings = []
    for leaf in evidence.parameters.leaves:
        parts = [
            (pair.agree & ~pair.within_bounds)[leaf.place]
            for pair in evidence.pairs
            if Source.BACKPROP in (pair.first, pair.second)
        ]
        beyond = np.logical_and.reduce(parts)
        if beyond.any():
            block = _block(evidence, leaf)
            error = np.abs(block.backprop - block.truth) / np.maximum(
                np.abs(block.truth), np.finfo(float).tiny
            )
            worst = float(np.max(error[beyond]))
            findings.append(
                Finding(
                    Cause.APPROXIMATE,
                    f"Backprop is right to {worst:.1e} only, more than rounding explains; "
                    f"rtol={evidence.rtol:g} accepts that.",
                    Source.BACKPROP,
                    leaf.name,
                    [leaf.index(int(i)) for i in np.flatnonzero(beyond)],
                    Severity.WARNING,
                    {"relative_error": worst, "rtol": evidence.rtol},
                )
            )
    return findings


def _block(evidence: Evidence, leaf: Leaf) -> Block:
    trusted = evidence.reference
    use_reference = trusted is not None and bool(np.all(trusted.finite[leaf.place]))
    truth = trusted if use_reference and trusted is not None else evidence.difference
    # A finite difference that contradicts the reference is the loss's own word.
    if truth is trusted and trusted is not None:
        gap = np.abs(trusted.values - evidence.difference.values)[leaf.place]
        allowed = (trusted.bounds + evidence.difference.bounds)[leaf.place]
        if np.any(gap > allowed):
            truth = evidence.difference
    return Block(
        leaf,
        evidence.backprop.values[leaf.place],
        truth.values[leaf.place],
        (evidence.backprop.bounds + truth.bounds)[leaf.place],
        evidence.parameters.values[leaf.place],
    )


# --- explanations -------------------------------------------------------------------------------


def _explain(block: Block, entries: list[Index], factors: dict[str, float]) -> Finding:
    for explanation in _explanations(block, factors):
        return explanation
    few = len(entries) <= max(1, _FEW * block.truth.size)
    if few and block.truth.size > 1:
        return _finding(
            block,
            Cause.ENTRIES,
            f"{len(entries)} of {block.truth.size} entries are wrong, the others right: look at "
            "what sets these apart (a border, a mask, an index).",
            {"wrong": float(len(entries)), "of": float(block.truth.size)},
            entries,
        )
    known = np.isfinite(block.truth)
    error = np.abs(block.backprop - block.truth)[known]
    size = float(np.linalg.norm(error) / (np.linalg.norm(block.truth[known]) or 1.0))
    if size < _CLOSE:
        return _finding(
            block,
            Cause.APPROXIMATE,
            f"Right to {size:.1e} of its norm, which rounding does not explain: look for an "
            "approximated function, a constant with few digits, a cast, or an epsilon or solver "
            "tolerance in the loss that backprop leaves out.",
            {"relative_error": size},
            entries,
        )
    return _finding(
        block,
        Cause.UNKNOWN,
        f"Off by {size:.1e} of the gradient's norm, in no pattern that tricheck knows.",
        {"relative_error": size},
        entries,
    )


def _explanations(block: Block, factors: dict[str, float]) -> Iterator[Finding]:
    """Explanations of the whole block, the simplest first."""
    if not np.all(np.isfinite(block.backprop)):
        bad = np.flatnonzero(~np.isfinite(block.backprop))
        yield _finding(
            block,
            Cause.NON_FINITE,
            f"Backprop holds {block.backprop[bad[0]]} where the other sources are finite: look for "
            "0/0, log(0) or an overflowing exp in the backward pass.",
            {"count": float(len(bad))},
            [block.leaf.index(int(i)) for i in bad],
        )
        return
    if np.all(block.backprop == 0.0):
        yield _finding(
            block,
            Cause.ZERO,
            "Backprop is 0 throughout: this block is never computed, or its path is cut.",
        )
    if block.explained_by(-block.truth):
        yield _finding(
            block, Cause.SIGN, "Backprop is exactly minus the right gradient.", {"factor": -1.0}
        )
    if block.leaf.name in factors:
        yield _scale(block, factors[block.leaf.name])
    yield from _rearranged(block)
    yield from _bias(block)
    yield from _regularizer(block)


def _factors(blocks: list[Block]) -> dict[str, float]:
    """Constant factors that explain whole blocks.

    One entry always has some factor, so it needs a familiar one, or company: another block with
    the same.
    """
    fits = {}
    for block in blocks:
        known = block.known
        g, r, slack = block.backprop[known], block.truth[known], block.slack[known]
        weight = float(np.dot(r, r))
        if weight == 0.0 or not np.all(np.isfinite(block.backprop)):
            continue
        factor = float(np.dot(g, r)) / weight
        drift = np.abs(r) * float(np.linalg.norm(slack) * (1 + abs(factor)) / np.sqrt(weight))
        allowed = slack * (1.0 + abs(factor)) + drift
        if abs(factor - 1.0) > _ONE and factor and np.all(np.abs(g - factor * r) <= allowed):
            fits[block.leaf.name] = factor
    counted = {b.leaf.name: int(np.sum(b.known & (np.abs(b.truth) > b.slack))) for b in blocks}

    def credible(name: str) -> bool:
        if counted[name] > 1 or _familiar(fits[name]):
            return True
        others = (fits[other] for other in fits if other != name)
        return any(abs(other / fits[name] - 1.0) < 1e-6 for other in others)

    return {name: factor for name, factor in fits.items() if credible(name)}


def _familiar(factor: float) -> Fraction | None:
    """The small integer, or one over it, that a factor is to six digits."""
    for candidate in (*_RATIOS, *(Fraction(n) for n in range(2, 1025))):
        for ratio in (candidate, 1 / candidate, -candidate, -1 / candidate):
            if abs(factor / float(ratio) - 1.0) < 1e-6:
                return ratio
    return None


def _scale(block: Block, factor: float) -> Finding:
    ratio = _familiar(factor)
    evidence: dict[str, float | str | list[str]] = {"factor": factor}
    relation, reading = f"{factor:.6g}", ""
    if ratio is not None:
        evidence["matches"] = str(ratio)
        relation += f" ({ratio})" if ratio.denominator > 1 else ""
        reading = ", consistent with a forgotten or doubled average, sum or square"
    message = f"Backprop is {relation} times the right gradient{reading}."
    return _finding(block, Cause.SCALE, message, evidence)


def _rearranged(block: Block) -> Iterator[Finding]:
    shape = block.leaf.shape
    if len(shape) == 2 and min(shape) > 1:
        swapped = block.truth.reshape(shape).T.reshape(-1)
        slack = np.maximum(block.slack, block.slack.reshape(shape).T.reshape(-1))
        if np.all(np.abs(block.backprop - swapped) <= slack):
            square = shape[0] == shape[1]
            yield _finding(
                block,
                Cause.TRANSPOSED,
                "Backprop is the transpose of the right gradient: swap the factors of its outer "
                "product."
                if square
                else "Backprop holds the transpose of the right gradient, reshaped: "
                "transpose instead of reshaping.",
            )
    order, other = np.argsort(block.backprop), np.argsort(block.truth)
    if np.any(order != other):
        slack = np.maximum(block.slack[order], block.slack[other])
        if np.all(np.abs(block.backprop[order] - block.truth[other]) <= slack):
            yield _finding(
                block,
                Cause.PERMUTED,
                "Backprop has the right values at the wrong indices: look at the order of axes, "
                "gates or time steps.",
            )


def _bias(block: Block) -> Iterator[Finding]:
    if len(block.leaf.shape) > 1 or block.truth.size < 2:
        return
    total = float(np.sum(block.truth))
    if np.all(np.abs(block.backprop - total) <= np.sum(block.slack)):
        yield _finding(
            block,
            Cause.BIAS_REDUCTION,
            "Every entry of backprop is the sum of the right entries: it is summed over the units "
            "as well as over the batch.",
        )


def _regularizer(block: Block) -> Iterator[Finding]:
    """Fit backprop = truth + beta * weights."""
    error = block.backprop - block.truth
    weight = float(np.dot(block.weights, block.weights))
    if block.truth.size < 3 or weight == 0.0:
        return
    beta = float(np.dot(error, block.weights)) / weight
    drift = np.abs(block.weights) * float(np.linalg.norm(block.slack) / np.sqrt(weight))
    if beta and np.all(np.abs(error - beta * block.weights) <= 2.0 * block.slack + drift):
        wrong = "lacks" if beta < 0 else "has too much"
        yield _finding(
            block,
            Cause.REGULARIZER,
            f"Backprop {wrong} {abs(beta):.6g} times the parameter itself, consistent with a "
            "regularization term missing, doubled or of the wrong sign or scale.",
            {"alpha": 1.0, "beta": beta},
        )


def _shape(error: ShapeError, block: Block) -> Finding:
    came, expected = error.came, error.expected
    message = f"The gradient has shape {came}, its parameter {expected}"
    evidence: dict[str, float | str | list[str]] = {"came": str(came), "expected": str(expected)}
    hint = ": return an array of the parameter's shape."
    if came == expected[::-1]:
        hint, evidence["hint"] = ": it is transposed.", "transposed"
    elif len(came) > len(expected):
        for axis in range(len(came)):
            if np.sum(error.block, axis=axis).shape == expected:
                hint = f": it is not reduced over axis {axis}; sum over that axis."
                evidence["hint"] = f"not reduced over axis {axis}"
                break
    elif int(np.prod(came)) == int(np.prod(expected)):
        hint, evidence["hint"] = ": reshape it.", "reshape"
    return _finding(block, Cause.SHAPE, message + hint, evidence)


def _between_calls(evidence: Evidence, block: Block) -> Finding:
    place = block.leaf.place
    first, second = evidence.point.gradient[place], evidence.point.second_gradient[place]
    grown = np.abs(second - first - block.truth) <= 4.0 * block.slack + 1e-9 * np.abs(block.truth)
    right = ~block.off
    position = int(np.argmax(np.abs(second - first)))
    numbers = f"{first[position]:.6g}, then {second[position]:.6g}"
    if np.all(grown) or np.all(right):
        return _finding(
            block,
            Cause.ACCUMULATED,
            f"A second call at the same point gives another gradient ({numbers}): a buffer is not "
            "set to zero, or state is kept between calls.",
            {"first": float(first[position]), "second": float(second[position])},
        )
    return _finding(
        block,
        Cause.NONDETERMINISTIC,
        f"Two calls at the same point give different gradients ({numbers}) though the loss stays "
        "the same: look for a random draw or kept state in the backward pass.",
        {"first": float(first[position]), "second": float(second[position])},
    )


def _finding(
    block: Block,
    cause: Cause,
    message: str,
    evidence: dict[str, float | str | list[str]] | None = None,
    entries: list[Index] | None = None,
) -> Finding:
    return Finding(
        cause, message, Source.BACKPROP, block.leaf.name, entries or [], evidence=evidence or {}
    )
