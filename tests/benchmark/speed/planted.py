"""Gradients with an error that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.benchmark.speed.network import Gradient, Network, Params, gradient
from tricheck import Report, Verdict
from tricheck.parameters import FloatArray, Index


@dataclass(frozen=True)
class Planted:
    """A wrong gradient, and where it is wrong.

    Attributes
    ----------
    gradient : callable
    wrong : dict of str to list of tuple of int
        Wrong entries by parameter.
    """

    gradient: Gradient
    wrong: dict[str, list[Index]]

    def is_named_by(self, report: Report) -> bool:
        """Whether backprop is blamed for these entries, all of them and no others."""
        blamed = {name: sorted(each.wrong) for name, each in report.parameters.items()}
        named = {name: wrong for name, wrong in blamed.items() if wrong}
        expected = Verdict.BACKPROP if self.wrong else Verdict.AGREE
        return report.verdict is expected and named == self.wrong


def nothing(network: Network) -> Planted:
    """The right gradient."""
    return Planted(gradient, {})


def entry(network: Network, relative: float = 0.01, seed: int = 0) -> Planted:
    """One entry off by a share of the gradient's largest."""
    rng = np.random.default_rng(seed)
    name = str(rng.choice(list(network.params)))
    index = tuple(int(rng.integers(length)) for length in network.params[name].shape)
    error = relative * max(
        float(np.max(np.abs(block))) for block in network.differentiate().values()
    )

    def change(block: FloatArray) -> None:
        block[index] += error

    return Planted(_changed(name, change), {name: [index]})


def layer(network: Network, relative: float = 0.01, seed: int = 0) -> Planted:
    """Every entry of one layer off by a share of itself."""
    name = str(np.random.default_rng(seed).choice(list(network.params)))

    def change(block: FloatArray) -> None:
        block *= 1.0 + relative

    return Planted(_changed(name, change), {name: list(np.ndindex(network.params[name].shape))})


def _changed(name: str, change: Callable[[FloatArray], None]) -> Gradient:
    def wrong(params: Params, *args: FloatArray) -> Params:
        gradients = gradient(params, *args)
        change(gradients[name])
        return gradients

    return wrong
