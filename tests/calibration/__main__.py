"""Print the table: coverage, tightness and cost of the finite difference, class by class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

import tricheck
from tests.calibration import losses
from tests.calibration.hard import CASES
from tests.calibration.losses import Case
from tricheck.calls import Calls, Evaluator
from tricheck.model import Model
from tricheck.parameters import Parameters
from tricheck.sources.finite_difference import Sweeper
from tricheck.sources.noise import measure_noise


@dataclass(frozen=True)
class Row:
    """A class of losses, and what is asked of its finite differences."""

    name: str
    cases: Iterable[Case]
    covered: float
    ratio: float | None
    evaluations: float


@dataclass(frozen=True)
class Measured:
    """Entries of one class: whether covered (or flagged), how wide, how dear."""

    entries: int
    covered: float
    flagged: float
    ratio: float
    evaluations: float
    uncovered: list[str]


def table(seeds: range) -> list[Row]:
    """Every class with its reach; more seeds, more cases."""
    few = range(max(1, len(seeds) // 2))
    return [
        Row("smooth, float64", losses.smooth64(seeds), 0.999, 20, 4.5),
        Row("smooth, float32 promoted", losses.promoted32(seeds), 0.995, 30, 6.5),
        Row("smooth, float32 cast", losses.cast32(seeds), 0.995, 50, 8),
        Row("kinked, float64", losses.kinked(seeds), 0.995, 50, 8),
        Row("kinked, float32 cast", losses.kinked(few, losses.single), 0.995, 50, 8),
        Row("bent, float64", losses.bent(few), 0.99, 50, 25),
        *(
            Row(f"{kind} noise {level:g}", losses.noisy(few, level, kind == "random"), 0.995, 30, 8)
            for kind in ("hashed", "random")
            for level in (1e-12, 1e-9, 1e-6)
        ),
        Row("entries over 12 decades", losses.decades(), 0.995, None, 8),
        *(
            Row(f"offset {size:g}", losses.offset(size), 0.995, None, 8)
            for size in (1e4, 1e8, 1e12)
        ),
        Row("linear, constant, quadratic", losses.polynomials(), 0.995, None, 8),
        Row("extreme points", losses.extremes(), 0.995, None, 40),
        Row("domain ends near", losses.domains(), 0.995, None, 40),
    ]


@np.errstate(all="ignore")  # stencils leave domains, and some entries are denormal
def measure(cases: Iterable[Case]) -> Measured:
    """Differentiate every case and hold it against the truth."""
    ratios, covered, flagged, evaluations, uncovered = [], [], [], 0, []
    for number, case in enumerate(cases):
        parameters = Parameters.read(case.params)
        calls = Calls(Model(case.loss, lambda p: p, case.params), parameters)
        evaluate = Evaluator(calls, parameters.values.dtype)
        base = np.asarray(evaluate()).reshape(-1)[0]
        noise = measure_noise(evaluate, parameters, base, seed=number)
        result = Sweeper(evaluate, base, noise, None).measure()
        error = np.abs(result.values - case.truth)
        signs = result.kinks | result.troubles
        ok = (error <= result.bounds) | signs
        covered.append(ok)
        flagged.append(signs)
        ratios.append(result.bounds / np.maximum(error, np.spacing(np.abs(case.truth))))
        evaluations += calls.counts["loss"]
        uncovered += [
            f"{case.name}[{i}]: {error[i] / result.bounds[i]:.1f} bounds off"
            for i in np.flatnonzero(~ok)
        ]
    entries = sum(map(len, covered))
    return Measured(
        entries,
        float(np.mean(np.concatenate(covered))),
        float(np.mean(np.concatenate(flagged))),
        float(np.nanmedian(np.concatenate(ratios))),
        evaluations / entries,
        uncovered,
    )


def hard() -> tuple[int, float]:
    """How many of the known-hard losses come out right, and their evaluations per entry."""
    right, evaluations, entries = 0, 0, 0
    for loss, gradient, point, verdict, cause in CASES.values():
        report = tricheck.check(loss, gradient, np.array(point))
        error = np.abs(report.gradients["finite-difference"] - gradient(np.array(point)))
        covered = bool(np.all(error <= report.bounds["finite-difference"] + 1e-16))
        flagged = cause in {f.cause for f in report.findings if f.source == "finite-difference"}
        right += report.verdict is verdict and (covered or flagged)
        evaluations += report.evaluations["loss"]
        entries += len(point)
    return right, evaluations / entries


def main() -> None:
    """Print the table, and the first uncovered entries of each class under its row."""
    print("| class | entries | covered | flagged | bound / error | evaluations per entry |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in table(range(10)):
        got = measure(row.cases)
        reach = f" (≤ {row.ratio:g})" if row.ratio else ""
        print(
            f"| {row.name} | {got.entries} | {got.covered:.4f} (≥ {row.covered}) | "
            f"{got.flagged:.3f} | {got.ratio:.1f}{reach} | "
            f"{got.evaluations:.2f} (≤ {row.evaluations:g}) |",
            flush=True,
        )
        for line in got.uncovered[:3]:
            print(f"    {line}")
    right, evaluations = hard()
    print(f"| known hard | {len(CASES)} losses | {right} right | | | {evaluations:.2f} (≤ 40) |")


if __name__ == "__main__":
    main()
