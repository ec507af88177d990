"""What can be said of a block that no relation explains: where it is wrong, or how little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tricheck.diagnosis.probes.curl import Curl
from tricheck.diagnosis.relations.block import Block
from tricheck.diagnosis.relations.explanation import Explanation, credible
from tricheck.diagnosis.relations.rearranged import rearranged
from tricheck.diagnosis.relations.regions import Region, filled, largely, regions
from tricheck.diagnosis.relations.regularizer import regularizer
from tricheck.diagnosis.relations.scaling import scaling
from tricheck.diagnosis.relations.slices import factored
from tricheck.diagnosis.relations.surroundings import Surroundings
from tricheck.vocabulary import Cause, Finding

_FEW = 0.25  # a block wrong in at most this share of its entries has `entries` wrong
_SOME = 0.5  # ... or in this share, if it is close to right there
_CLOSE = 1e-3  # a block this close to right is approximate rather than of another formula
_PARTLY = 0.1  # of the error is what a relation may leave that explains it partly
_VISIBLE = 10.0  # times its slack: an entry that a factor can be read from


def fallback(block: Block, around: Surroundings, curl: Curl | None, remark: str = "") -> Finding:
    """The finding on a block that nothing explains as a whole.

    Parameters
    ----------
    block : Block
    around : Surroundings
    curl : Curl or None
        Whether what is not explained is the gradient of any function, if that was measured.
    remark : str
        A sentence on what else was seen of backprop, for blocks of which nothing is known.
    """
    for finding in (*_mostly(block, around), *_entries(block, around)):
        return finding
    if not block.off.any():
        message = "There is nothing to compare backprop with, entry by entry."
        return block.finding(Cause.UNKNOWN, message, {})
    if block.relative_error < _CLOSE:
        return _approximate(block)
    return _unknown(block, around, curl, remark)


def _approximate(block: Block) -> Finding:
    size = block.relative_error
    message = (
        f"Right to {size:.1e} of its norm, which rounding does not explain: consistent with an "
        "approximated function, a constant with few digits, a cast, or an epsilon or solver "
        "tolerance in the loss that backprop leaves out."
    )
    entries = list(block.blamed)
    return block.finding(Cause.APPROXIMATE, message, {"relative_error": size}, entries)


def _unknown(block: Block, around: Surroundings, curl: Curl | None, remark: str) -> Finding:
    for found in credible(block, list(factored(block))):
        return found.finding(block, found.digits(block))
    size = block.relative_error
    evidence: dict[str, float | str | list[str]] = {"relative_error": size}
    message = f"Off by {size:.1e} of the gradient's norm, in no pattern that tricheck knows."
    if (near := _nearly(block, around)) is not None:
        evidence["partly"] = near.relation
        left = float(np.linalg.norm(near.gap(block)) / np.linalg.norm(block.error[block.known]))
        statement = near.statement[0].lower() + near.statement[1:]
        message = f"Explained in part only: {statement}, but for {left:.0%} of the error."
    if curl is not None:
        evidence |= curl.evidence
    for sentence in (remark, curl.sentence if curl and not remark else ""):
        message += f" {sentence}" if sentence else ""
    return block.finding(Cause.UNKNOWN, message, evidence, list(block.blamed))


# --- all but a few entries ----------------------------------------------------------------------


def _mostly(block: Block, around: Surroundings) -> Iterator[Finding]:
    """A factor that explains all but a few entries."""
    if block.mostly_right:  # the factor of these is one
        return
    visible = block.known & (np.abs(block.truth) > _VISIBLE * block.slack)
    if not visible.any():
        return
    ratios = block.backprop[visible] / block.truth[visible]
    factor = float(np.quantile(ratios, 0.5, method="nearest"))
    error = float((block.slack[visible] / np.abs(block.truth[visible])).max())
    allowed = max(1.0, abs(factor)) * (block.slack + error * np.abs(block.truth))
    held = block.known & (np.abs(block.backprop - factor * block.truth) <= allowed)
    left = int(np.sum(block.known & ~held))
    # Where the right gradient is zero, any factor holds: that says nothing for this one.
    if not 0 < left <= _FEW * int(np.sum(visible)):
        return
    part = block.part(held)
    for explanation in credible(part, list(scaling(part, around))):
        if explanation.bare or explanation.cause is Cause.ZERO:
            return
        names = _listed(block, ~held)
        yield block.finding(
            explanation.cause,
            f"{explanation.statement} in {int(np.sum(held))} of {held.size} entries, to "
            f"{explanation.digits(part)} digits{explanation.reading}. That explains it in part: "
            f"{names} {'is' if left == 1 else 'are'} wrong otherwise.",
            {
                **explanation.evidence,
                "relation": explanation.relation,
                "explained": float(np.sum(held)),
                "of": float(held.size),
            },
            list(block.blamed),
        )


def _listed(block: Block, where: npt.NDArray[np.bool_], most: int = 3) -> str:
    """Entries by name, the first few."""
    indices = [", ".join(map(str, map(int, index))) for index in np.argwhere(where)]
    more = ", ..." if len(indices) > most else ""
    return ", ".join(f"{block.name}[{index}]" for index in indices[:most]) + more


# --- where --------------------------------------------------------------------------------------


def _entries(block: Block, around: Surroundings) -> Iterator[Finding]:
    """What sets the wrong entries apart, if they are few, or lie in a part that can be named."""
    size, wrong = block.truth.size, len(block.blamed)
    region = next(iter(_telling(block)), None)
    # What is approximated is off throughout, so a small error in some entries is in these alone.
    most = _SOME if block.relative_error < _CLOSE else _FEW
    few = size > 1 and wrong <= max(1, most * size)
    if not few and region is None:
        return
    evidence: dict[str, float | str | list[str]] = {"wrong": float(wrong), "of": float(size)}
    are = "is" if wrong == 1 else "are"
    message = f"{wrong} of {size} entries {are} wrong, the others right: "
    if region is None:
        message += (
            "consistent with a mistake in what these alone go through (a border, a mask, an index)."
        )
    else:
        throughout = filled(block, region)
        message += f"{'exactly those' if throughout else 'all'} {region.text}"
        message += _repeated(block, region, around) or (
            ", consistent with a mistake in what these alone go through."
        )
        evidence["where"] = region.text
    yield block.finding(Cause.ENTRIES, message, evidence, list(block.blamed))


def _telling(block: Block) -> Iterator[Region]:
    """Regions that say more than where the entries happen to lie."""
    for region in regions(block):
        slices = region.gate or region.rows is not None
        if slices or (largely(block, region) and (not region.half or filled(block, region))):
            yield region


def _repeated(block: Block, region: Region, around: Surroundings) -> str | None:
    """Whether the wrong slices are those whose index occurs more than once."""
    if region.rows is None:
        return None
    axis, rows = region.rows
    for name, indices in around.indices.items():
        flat = indices.reshape(-1)
        if flat.min() < 0 or flat.max() >= block.shape[axis]:
            continue
        counts = np.bincount(flat, minlength=block.shape[axis])
        if np.array_equal(np.flatnonzero(counts > 1), rows):
            return (
                f", the indices that occur more than once in {name}: consistent with = or an "
                "indexed += where np.add.at adds up."
            )
    return None


# --- nearly -------------------------------------------------------------------------------------


def _nearly(block: Block, around: Surroundings) -> Explanation | None:
    """A relation that leaves a tenth of the error or less."""
    allowed = _PARTLY * float(np.sqrt(np.mean(block.error[block.known] ** 2)))
    coarse = replace(block, slack=np.maximum(block.slack, allowed))
    kinds = (scaling, rearranged, regularizer)
    found = credible(coarse, [e for kind in kinds for e in kind(coarse, around)])
    return found[0] if found else None
