"""A full check on two cores beside one, of a loss that is slow and leaves the other core idle."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np

import tricheck
from tests.benchmark.speed import child
from tests.benchmark.speed.clock import fastest, loop, per_call, seconds
from tests.benchmark.speed.section import Section
from tricheck.parameters import FloatArray

_SHAPES, _QUICK = ((200, 2_500), (100, 20_000)), ((30, 2_500),)  # terms and samples
_LIMIT = 300.0
Params = dict[str, FloatArray]


def loss(params: Params, x: FloatArray, y: FloatArray) -> Any:
    """Half the mean squared error of a sum of sigmoidal terms: elementwise, nothing in BLAS."""
    terms = np.tanh(x[:, None] * params["slope"] + params["shift"])
    return 0.5 * np.mean((np.sum(params["height"] * terms, axis=1) - y) ** 2)


def gradient(params: Params, x: FloatArray, y: FloatArray) -> Params:
    """By hand."""
    terms = np.tanh(x[:, None] * params["slope"] + params["shift"])
    error = (np.sum(params["height"] * terms, axis=1) - y)[:, None] / len(x)
    inner = error * params["height"] * (1 - terms**2)
    return {
        "slope": np.sum(inner * x[:, None], axis=0),
        "shift": np.sum(inner, axis=0),
        "height": np.sum(error * terms, axis=0),
    }


@dataclass(frozen=True)
class Row:
    """One model.

    Attributes
    ----------
    entries : int
    loss : float
        Seconds of a call.
    cold, warm : float
        How many times as fast a check is on two cores: the first one, and a later one.
    possible : float
        How many times as fast bare loops are on two cores.
    same : bool
        Whether the finite differences are, to the last bit.
    """

    entries: int
    loss: float
    cold: float
    warm: float
    possible: float
    same: bool


def rows(quick: bool) -> Iterator[Row]:
    """A row for each shape."""
    for terms, samples in _QUICK if quick else _SHAPES:
        yield child.only(measured, terms, samples, 1 if quick else 2, limit=_LIMIT)


def fit(terms: int, samples: int) -> tricheck.Model:
    """A curve to be fitted, at a random point."""
    rng = np.random.default_rng(0)
    params = {name: rng.standard_normal(terms) for name in ("slope", "shift", "height")}
    x = np.linspace(-3.0, 3.0, samples)
    return tricheck.Model(loss, gradient, params, args=(x, np.sin(x)))


def measured(terms: int, samples: int, repeats: int) -> Iterator[Row]:
    """One row."""
    from joblib.externals.loky import get_reusable_executor

    tricheck.check(fit(1, 10), entries="all")  # loads what is loaded on use
    model = fit(terms, samples)
    reports: dict[int, tricheck.Report] = {}

    def check(jobs: int) -> None:
        reports[jobs] = tricheck.check(model, entries="all", jobs=jobs)

    cold = seconds(lambda: check(2))
    one, two = fastest(lambda: check(1), lambda: check(2), repeats=repeats)
    get_reusable_executor().shutdown()  # a process that multiprocessing started waits for it
    single, double = (reports[jobs].gradients["finite-difference"] for jobs in (1, 2))
    yield Row(
        3 * terms,
        per_call(lambda: loss(model.params, *model.args)),
        one / cold,
        one / two,
        _possible(terms, samples, reports[1].evaluations["loss"]),
        all(np.array_equal(single[name], double[name]) for name in single),
    )


def _possible(terms: int, samples: int, count: int) -> float:
    """How many times as fast as one process two are that share calls of the loss."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:

        def shared() -> None:
            halves = [pool.submit(_calls, terms, samples, count // 2) for _ in range(2)]
            for half in halves:
                half.result()

        shared()  # starts them
        alone, both = fastest(lambda: _calls(terms, samples, count), shared, repeats=2)
    return alone / both


def _calls(terms: int, samples: int, count: int) -> None:
    model = fit(terms, samples)
    loop(lambda: loss(model.params, *model.args), count)()


def cells(row: Row) -> list[str]:
    """As the table shows it."""
    return [
        f"{row.entries:,}",
        f"{row.loss * 1e3:.1f} ms",
        f"{row.cold:.2f}×",
        f"{row.warm:.2f}×",
        f"{row.possible:.2f}×",
        "yes" if row.same else "**no**",
    ]


SECTION = Section(
    "Two cores",
    '`tricheck.check(model, entries="all", jobs=2)` beside `jobs=1`, and what two processes make '
    "of bare loops on this machine; aim: 1.8 times as fast.",
    ["entries", "one loss", "first check", "later check", "bare loops", "same numbers"],
    rows,
    cells,
)
