"""A relation that predicts backprop's values, and how much that is worth.

An explanation counts in digits: those of the error that it accounts for, entry by entry, less
those spent on it, on numbers fitted to the data and on choosing it among others. What is left is
how improbable the agreement would be by chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from tricheck.diagnosis.relations.block import Block, Bools, Facts
from tricheck.parameters import FloatArray, Index
from tricheck.vocabulary import Cause, Finding

ENOUGH = 3.0  # digits: by chance once in a thousand
_MOST = 16.0  # digits that one entry can be worth
_SHOWN = 12  # digits, at most
_ALSO = 2  # other relations in a message


@dataclass(frozen=True)
class Explanation:
    """A relation between backprop's values and the right ones.

    Attributes
    ----------
    cause : Cause
    relation : str
        The relation in a few words, like "transposed".
    statement : str
        What holds, a clause that can be followed by "to 12 digits".
    reading : str
        What that is consistent with, and where to look.
    prediction, tolerance : ndarray, in the block's shape
        What backprop's values would be, and how far they may be from that.
    cost : float
        Digits spent on choosing among candidates.
    free : int
        How many numbers were fitted to the data.
    evidence : mapping
    entries : tuple of index tuples
        Those it speaks of; none for the whole block.
    also : tuple of str
        Other relations that explain as much.
    bare : bool
        Whether it rests on a number that nothing is known to be: a description, which whatever
        explains that number outranks.
    """

    cause: Cause
    relation: str
    statement: str
    reading: str
    prediction: FloatArray
    tolerance: FloatArray
    cost: float = 0.0
    free: int = 0
    evidence: Facts = field(default_factory=dict)
    entries: tuple[Index, ...] = ()
    also: tuple[str, ...] = ()
    bare: bool = False

    def gap(self, block: Block) -> FloatArray:
        """How far backprop is from the prediction; 0 where nothing can be compared."""
        return np.where(block.known, np.abs(block.backprop - self.prediction), 0.0)

    def holds(self, block: Block) -> bool:
        """Whether nothing is left unexplained."""
        known = block.known
        return bool(np.all(self.gap(block)[known] <= self.tolerance[known]))

    def credit(self, block: Block) -> float:
        """How improbable it is by chance, in digits; -inf if it does not hold."""
        if not self.holds(block):
            return -math.inf
        return explained_digits(block, self.tolerance, self.free) - self.cost

    def digits(self, block: Block) -> int:
        """To how many digits it holds, as far as these are shown."""
        both = np.maximum(np.abs(block.backprop), np.abs(block.truth))
        largest = float(np.max(both, where=block.known, initial=0.0))
        left = float(np.max(self.gap(block), initial=0.0))
        most = min(_SHOWN, math.floor(-math.log10(block.eps)))
        if not (left and largest):
            return most
        return max(0, min(most, math.floor(-math.log10(left / largest))))

    def message(self, digits: int) -> str:
        """The sentence for a person."""
        sure = f", to {digits} digits" if digits else ", as far as can be told"
        also = f" Equally well: {'; '.join(self.also[:_ALSO])}." if self.also else ""
        return f"{self.statement}{sure}{self.reading}.{also}"

    def finding(self, block: Block, digits: int) -> Finding:
        """The finding that states it, with what is left beside what may be."""
        gap, tolerance = self.gap(block)[block.known], self.tolerance[block.known]
        worst = int(np.argmax(gap / tolerance))
        evidence: dict[str, float | str | list[str]] = {
            "relation": self.relation,
            **self.evidence,
            "residual": float(gap[worst]),
            "bound": float(tolerance[worst]),
        }
        if self.also:
            evidence["also"] = list(self.also)
        return block.finding(self.cause, self.message(digits), evidence, list(self.entries))


def explained_digits(block: Block, tolerance: FloatArray, free: int) -> float:
    """Digits of the error that lie above the tolerance, without the entries it was fitted to."""
    error = np.abs(block.error[block.known])
    worth = np.log10(np.clip(error / tolerance[block.known], 1.0, 10.0**_MOST))
    return float(np.sum(np.sort(worth)[: max(worth.size - free, 0)]))


def credible(block: Block, found: list[Explanation]) -> list[Explanation]:
    """The explanations that chance does not explain, the least probable by chance first."""
    ranked = [(explanation.credit(block), explanation) for explanation in found]
    ranked = [(credit, e) for credit, e in ranked if credit >= ENOUGH]
    return [e for _, e in sorted(ranked, key=lambda pair: -pair[0])]


def of_whole(part: Explanation, block: Block, inside: Bools) -> Explanation:
    """An explanation of a part, as one of the whole block that is right elsewhere."""
    prediction, tolerance = np.array(block.truth), np.array(block.slack)
    prediction[inside] = np.reshape(part.prediction, -1)
    tolerance[inside] = np.reshape(part.tolerance, -1)
    return replace(part, prediction=prediction, tolerance=tolerance)
