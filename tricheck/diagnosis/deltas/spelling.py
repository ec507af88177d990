"""What the name of an intermediate gradient says: of which variable, or of which layer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_PATTERNS = [
    (re.compile(pattern), is_delta)
    for pattern, is_delta in (
        (r"d?(?:delta|δ)s?_?(?P<rest>\w*)", True),
        (r"(?P<rest>\w+?)_?deltas?", True),
        (r"d(?P<rest>\d*)", True),
        (r"d_?(?P<rest>\w+)", False),
        (r"d[A-Za-z]+?_?d_?(?P<rest>\w+)", False),
        (r"(?:grad(?:ient)?|g)_(?P<rest>\w+)", False),
        (r"(?P<rest>\w+)_(?:grad(?:ient)?|bar|d)", False),
    )
]


class Reading(NamedTuple):
    """One way to read a name.

    Attributes
    ----------
    variable : str
        Empty where the name says none.
    number : int or None
        What the variable's name ends in.
    delta : bool
        Whether it is called a delta, which is the gradient before an activation.
    """

    variable: str
    number: int | None
    delta: bool

    @property
    def stem(self) -> str:
        """The variable without its number."""
        return self.variable.rstrip("0123456789").rstrip("_")


def readings(name: str) -> Iterator[Reading]:
    """The ways to read a name, the likeliest first.

    Examples
    --------
    >>> [reading.variable for reading in readings("dL_dz1")]
    ['L_dz1', 'z1']
    >>> next(readings("delta2"))
    Reading(variable='2', number=2, delta=True)
    """
    for pattern, is_delta in _PATTERNS:
        if match := pattern.fullmatch(last_word(name)):
            variable = match["rest"]
            number = re.search(r"\d+$", variable)
            yield Reading(variable, int(number[0]) if number else None, is_delta)


def meanings(name: str) -> set[str]:
    """Whatever a name may say, itself among it.

    Examples
    --------
    >>> sorted(meanings("grads['dW1']"))
    ['W1', 'dW1']
    """
    return {last_word(name), *(reading.variable for reading in readings(name))}


def last_word(place: str) -> str:
    """``dz`` of ``layers[0].dz`` and of ``cache['dz']``.

    Examples
    --------
    >>> last_word("layers[0].dz"), last_word("layers[1]['dz']"), last_word("params[0]")
    ('dz', 'dz', 'params')
    """
    words: list[str] = re.findall(r"[^\W\d]\w*", place)
    return words[-1] if words else place


def number_before(place: str) -> int | None:
    """The index on the way to a place, if there is just one.

    Examples
    --------
    >>> number_before("layers[1].dz"), number_before("dz1")
    (1, None)
    """
    indices = re.findall(r"\[(\d+)\]", place)
    return int(indices[0]) if len(indices) == 1 else None
