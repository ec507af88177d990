"""A loss that is computed once, however often a checker asks."""

from __future__ import annotations

from tests.benchmark.opponents.opponent import Loss
from tricheck.parameters import FloatArray


class Replay:
    """A loss that answers later runs as it answered the first, call for call.

    The checkers' points follow from the parameters and not from the gradient that they check, so
    that another gradient is checked with the same values.

    Parameters
    ----------
    loss : callable

    Examples
    --------
    >>> import numpy as np
    >>> replay = Replay(lambda x: float(np.sum(x)))
    >>> replay(np.ones(3)), replay.rewound(np.zeros(3)), replay.calls
    (3.0, 3.0, 1)
    """

    def __init__(self, loss: Loss) -> None:
        self._loss = loss
        self._values: list[float] = []
        self._next = 0

    def __call__(self, vector: FloatArray) -> float:
        """The loss, or what it was when as many calls had been made."""
        if self._next == len(self._values):
            self._values.append(self._loss(vector))
        self._next += 1
        return self._values[self._next - 1]

    @property
    def rewound(self) -> Replay:
        """Itself, before its first call."""
        self._next = 0
        return self

    @property
    def calls(self) -> int:
        """How often the loss was computed."""
        return len(self._values)
