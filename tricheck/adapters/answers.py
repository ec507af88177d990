"""What a backward pass returns, by parameter name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tricheck.errors import ModelError


def by_name(answer: Any, names: Sequence[str], who: str, what: str) -> dict[str, Any]:
    """Gradients by name, from a dict, a sequence in the order of `names`, or a lone gradient.

    Parameters
    ----------
    answer : dict, tuple, list or ndarray
    names : sequence of str
    who, what : str
        The function that answered and what it was asked for, in messages.

    Raises
    ------
    ModelError
        When there are not as many gradients as names.

    Examples
    --------
    >>> by_name((1.0, 2.0), ["w", "b"], "backward", "inputs")
    {'w': 1.0, 'b': 2.0}
    >>> by_name(1.0, ["w"], "backward", "inputs")
    {'w': 1.0}
    """
    if isinstance(answer, Mapping):
        return dict(answer)
    if not isinstance(answer, tuple | list):
        answer = (answer,)
    if len(answer) != len(names):
        few = f"{len(answer)} gradient{'s' if len(answer) != 1 else ''}{_of_shape(answer)}"
        raise ModelError(
            f"{who} returned {few} for {len(names)} {what} ({', '.join(names)}): return one for "
            "each, in this order, or a dict by name"
        )
    return dict(zip(names, answer, strict=True))


def _of_shape(answer: Sequence[Any]) -> str:
    return f" (of shape {np.shape(answer[0])})" if len(answer) == 1 else ""
