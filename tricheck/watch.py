"""How far a check is, and when it has to end.

A check writes here what it is doing, a few times a second at most; a progress display reads it from
a thread of its own, so that nothing of it lies in the way of the loss.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tricheck.parameters import FloatArray, Parameters, per_parameter_max

_TINY = float(np.finfo(np.float64).tiny)


@dataclass
class Watch:
    """The state of one check, as its display and its deadline see it.

    Attributes
    ----------
    max_seconds : float or None
        After so many seconds no more measurements are begun.
    interrupted : bool
        Set from outside, as by Ctrl-C: the same, at once.
    doing : str
        What is being looked at.
    total, done : int
        Entries and directions that the loss is to be differentiated in, and those it has been.
    parameters : Parameters or None
        What these are entries of.
    expected : ndarray or None
        What backprop gave there, to tell the discrepancy by.
    latest : int
        The last of them so far.
    worst : float
        The largest discrepancy so far between backprop and the finite difference, relative to the
        parameter's largest entry.
    omitted : list of str
        What was not looked at, for the check had to end.
    began : float
        By the monotonic clock.
    """

    max_seconds: float | None = None
    interrupted: bool = False
    doing: str = "the loss and backprop at the point"
    total: int = 0
    done: int = 0
    parameters: Parameters | None = None
    expected: FloatArray | None = None
    latest: int = 0
    worst: float = 0.0
    omitted: list[str] = field(default_factory=list)
    began: float = field(default_factory=lambda: time.monotonic())
    _since: float = 0.0
    _sizes: FloatArray = field(default_factory=lambda: np.ones(0))

    @property
    def elapsed(self) -> float:
        """Seconds since the check began."""
        return time.monotonic() - self.began

    def allows(self, seconds: float = 0.0) -> bool:
        """Whether something that takes so long may be begun."""
        if self.interrupted or self.max_seconds is None:
            return not self.interrupted
        return self.elapsed + seconds < self.max_seconds

    def omit(self, what: str) -> None:
        """Note what is not looked at, for the check has to end."""
        if what not in self.omitted:
            self.omitted.append(what)

    @property
    def ended_by(self) -> str:
        """What made a check end early; empty where nothing was omitted."""
        if not self.omitted:
            return ""
        return "interrupted" if self.interrupted else f"max_seconds={self.max_seconds:g}"

    def begin(
        self,
        doing: str,
        parameters: Parameters | None = None,
        total: int = 0,
        expected: FloatArray | None = None,
    ) -> None:
        """Something else is being looked at."""
        self.doing, self.parameters, self.total = doing, parameters, total
        self.expected, self.done, self.latest, self._since = expected, 0, 0, time.monotonic()
        if parameters is not None and expected is not None:
            self._sizes = per_parameter_max(parameters, expected)

    def saw(self, positions: Sequence[int], values: FloatArray) -> None:
        """The loss was differentiated in some more entries."""
        if not len(positions):
            return
        self.done, self.latest = self.done + len(positions), positions[-1]
        if self.expected is not None:
            rows = np.asarray(positions)
            self._compare(self.expected[rows], values, self._sizes[rows])

    def compare(self, parameters: Parameters, expected: FloatArray, values: FloatArray) -> None:
        """Backprop and the finite difference are known in all entries of some parameters."""
        self._compare(expected, values, per_parameter_max(parameters, expected))

    def _compare(self, expected: FloatArray, values: FloatArray, sizes: FloatArray) -> None:
        off = np.abs(values - expected) / np.fmax(sizes, _TINY)
        self.worst = float(np.fmax.reduce(off, initial=self.worst))

    @property
    def parameter(self) -> str:
        """The parameter that is being looked at; empty where it is all of them."""
        leaves = self.parameters.leaves if self.parameters is not None else ()
        # It is read while it is written, so what is read may not fit together.
        return next((leaf.name for leaf in leaves if self.latest < leaf.stop), "")

    @property
    def seconds_left(self) -> float | None:
        """How long the measurements under way will take; None before anything is known."""
        if not self.done or not self.total:
            return None
        pace = (time.monotonic() - self._since) / self.done
        return pace * max(self.total - self.done, 0)
