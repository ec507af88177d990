"""What a number can be: a small integer, a size of some array, a number the user has named."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import permutations

from tricheck.diagnosis.relations.surroundings import Surroundings

_LARGEST = 1024  # of the plain integers that are tried where nothing else fits


@dataclass(frozen=True)
class Reading:
    """What a factor can be.

    Attributes
    ----------
    value : float
    text : str
        Like "1/N with N = 6 (axis 0 of X)".
    hint : str
        The mistake that it is consistent with.
    size : int
        The size that it is, or is one over; 0 if neither.
    """

    value: float
    text: str
    hint: str
    size: int = 0

    @property
    def plain(self) -> str:
        """The value as a fraction, like "1/6", or by its name."""
        fraction = Fraction(self.value).limit_denominator(_LARGEST)
        if math.isclose(fraction, self.value, rel_tol=1e-12):
            return str(fraction)
        return self.text.partition(" with ")[0]


@dataclass(frozen=True)
class Readings:
    """All readings of a factor, the simplest first, and how many candidates were tried."""

    found: tuple[Reading, ...]
    tried: int

    def that(self, hold: Callable[[float], bool]) -> Readings:
        """Those whose value passes a stricter test."""
        return replace(self, found=tuple(r for r in self.found if hold(r.value)))

    @property
    def cost(self) -> float:
        """Digits spent on the choice."""
        return math.log10(self.tried)

    @property
    def texts(self) -> list[str]:
        """How they read."""
        return [reading.text for reading in self.found]

    @property
    def hints(self) -> list[str]:
        """Different mistakes, in the order of the readings."""
        return list(dict.fromkeys(reading.hint for reading in self.found))


def readings_of(value: float, error: float, around: Surroundings) -> Readings:
    """What a positive factor, known to within an error, can be.

    Examples
    --------
    >>> around = Surroundings(sizes={2: "axis 0 of X", 5: "axis 1 of X"})
    >>> readings_of(2.0, 1e-9, around).texts
    ['2', 'N with N = 2 (axis 0 of X)']
    >>> readings_of(0.4, 1e-9, around).texts[0]
    '2/N with N = 5 (axis 1 of X)'
    """
    groups = [
        [*_TWOS, *_of_sizes(around), *_of_numbers(around.numbers)],
        list(_doubled_sizes(around.sizes)),
        list(_ratios(around.sizes)),
        list(_roots(around.sizes)),
        _INTEGERS,
    ]
    found: list[Reading] = []
    tried = 0
    for rank, group in enumerate(groups):
        tried += len(group)
        found += [reading for reading in group if abs(reading.value - value) <= error]
        # What is far-fetched is no reading where a simple one fits; beside a bare 2, 2/N is.
        if found and (rank > 0 or any(reading not in _TWOS for reading in found)):
            break
    return Readings(tuple(found), tried)


_FORGOTTEN = "a forgotten 2"
_DOUBLED = "a 2 too many or a forgotten ½"
_MEAN = "a mean for a sum"
_SUM = "a sum for a mean"

_TWOS = [
    Reading(2.0, "2", _DOUBLED),
    Reading(0.5, "1/2", _FORGOTTEN),
    Reading(4.0, "4", "two 2s too many"),
    Reading(0.25, "1/4", "two forgotten 2s"),
]
_INTEGERS = [
    Reading(float(ratio), str(ratio), hint)
    for n in range(3, _LARGEST + 1)
    for ratio, hint in ((Fraction(n), _SUM), (Fraction(1, n), _MEAN))
]


def _of_sizes(around: Surroundings) -> Iterator[Reading]:
    for n, where in around.sizes.items():
        letters = around.letters.get(n, "N")
        over = " or ".join(f"1/{letter}" for letter in letters.split(" or "))
        yield Reading(float(n), f"{letters} with {letters} = {n} ({where})", _SUM, n)
        yield Reading(1.0 / n, f"{over} with {letters} = {n} ({where})", _MEAN, n)


def _doubled_sizes(sizes: Mapping[int, str]) -> Iterator[Reading]:
    for n, where in sizes.items():
        yield Reading(2.0 * n, f"2N with N = {n} ({where})", f"{_SUM}, and double")
        yield Reading(0.5 * n, f"N/2 with N = {n} ({where})", "a 2/N left out")
        yield Reading(2.0 / n, f"2/N with N = {n} ({where})", "a 2/N too many")
        yield Reading(0.5 / n, f"1/(2N) with N = {n} ({where})", f"{_MEAN}, and half")


def _ratios(sizes: Mapping[int, str]) -> Iterator[Reading]:
    for (m, here), (n, there) in permutations(sizes.items(), 2):
        text = f"M/N with M = {m} ({here}), N = {n} ({there})"
        yield Reading(m / n, text, "a mean over the wrong axis")


def _roots(sizes: Mapping[int, str]) -> Iterator[Reading]:
    for n, where in sizes.items():
        told = f"with N = {n} ({where})"
        yield Reading(n**0.5, f"√N {told}", "a 1/√N left out, as of attention scores")
        yield Reading(n**-0.5, f"1/√N {told}", "a 1/√N applied twice, as of attention scores")


def _of_numbers(numbers: Mapping[str, float]) -> Iterator[Reading]:
    for name, number in numbers.items():
        if not math.isfinite(number) or number in (0.0, 1.0):
            continue
        hint = f"{name} left out or applied twice"
        yield Reading(number, name, hint)
        yield Reading(1.0 / number, f"1/{name}", hint)
        if 0.0 < number < 1.0:
            yield Reading(1.0 - number, f"1 − {name}", hint)
            yield Reading(1.0 / (1.0 - number), f"1/(1 − {name})", hint)
