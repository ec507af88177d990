"""tricheck and the other checkers, asked about one network in the same terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

import tricheck
from tests.benchmark.opponents import scipy_check_grad
from tests.benchmark.opponents.opponent import Check, Task
from tests.benchmark.opponents.registry import OPPONENTS
from tests.benchmark.speed.network import Network
from tests.benchmark.speed.planted import Planted, nothing
from tests.benchmark.speed.replay import Replay
from tricheck.options import Entries


class Session(Protocol):
    """A checker at work on one network."""

    def right(self) -> bool:
        """Run on the right gradient: does it pass?"""

    def reports(self, error: Planted) -> bool:
        """Whether it says of a wrong gradient that it is wrong."""

    @property
    def calls(self) -> int:
        """Of the loss, by the right gradient's check."""

    @property
    def claim(self) -> float | None:
        """The smallest error of one entry that it claims to see, over the largest entry."""


@dataclass(frozen=True)
class Checker:
    """A checker with its default settings.

    Attributes
    ----------
    package : str
        What it needs.
    session : callable
        Puts it to work on a network.
    """

    package: str
    session: Callable[[Network], Session]


class Tricheck:
    """tricheck, which reports what it names: the parameter and exactly the entries."""

    def __init__(self, entries: Entries, network: Network) -> None:
        self._entries = entries
        self._network = network
        self._report: tricheck.Report | None = None

    def right(self) -> bool:
        """Run on the right gradient: does it pass?"""
        self._report = self._checked(nothing(self._network))
        return self._report.verdict is tricheck.Verdict.AGREE

    def reports(self, error: Planted) -> bool:
        """Whether it blames backprop for the entries that are wrong, and for no others."""
        return error.is_named_by(self._checked(error))

    @property
    def calls(self) -> int:
        """Of the loss, by the right gradient's check."""
        assert self._report is not None
        return self._report.evaluations["loss"]

    @property
    def claim(self) -> float | None:
        """The sensitivity of its report, of the parameter where it is worst."""
        assert self._report is not None
        sizes = {
            name: float(np.max(np.abs(block)))
            for name, block in self._network.differentiate().items()
        }
        parameters = self._report.parameters.items()
        least = max(each.sensitivity * sizes[name] for name, each in parameters)
        return least / max(sizes.values())

    def _checked(self, error: Planted) -> tricheck.Report:
        return tricheck.check(self._network.model(error.gradient), entries=self._entries)


class Other:
    """Another checker, which reports no more than that something is wrong."""

    def __init__(self, check: Check, network: Network) -> None:
        self._check = check
        self._network = network
        self._loss = Replay(network.task().loss)
        self.calls = 0
        self.claim = None

    def right(self) -> bool:
        """Run on the right gradient: does it pass?"""
        self._loss = Replay(self._network.task().loss)
        passes = not self.reports(nothing(self._network))
        self.calls = self._loss.calls
        return passes

    def reports(self, error: Planted) -> bool:
        """Whether it says that the gradient is wrong, of what the loss was the first time."""
        task = self._network.task(error.gradient)
        with np.errstate(all="ignore"):
            return self._check(Task(self._loss.rewound, task.gradient, task.point)) is not None


def _others() -> dict[str, Checker]:
    checks = {each.name: each for each in OPPONENTS if each.setting == "default"}
    checkers = {
        name: Checker(each.package, partial(Other, each.check)) for name, each in checks.items()
    }
    random = partial(scipy_check_grad.check, direction="random", rng=0)
    checkers["scipy check_grad, random"] = Checker("scipy.optimize", partial(Other, random))
    return dict(sorted(checkers.items()))


CHECKERS = {
    "**tricheck**": Checker("tricheck", partial(Tricheck, "auto")),
    "**tricheck**, all": Checker("tricheck", partial(Tricheck, "all")),
    **_others(),
}
