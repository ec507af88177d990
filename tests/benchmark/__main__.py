"""Run the benchmark: ``python -m tests.benchmark``."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TextIO

import click

from tests.benchmark.run import Outcome, outcomes
from tests.benchmark.strict import strict
from tests.benchmark.tables import fell_short, tables

_SOME, _SEED = click.IntRange(min=1), click.IntRange(min=0)


@click.command()
@click.option("--cases", default=3000, show_default=True, type=_SOME, help="How many cases.")
@click.option("--seed", default=0, show_default=True, type=_SEED, help="What they are drawn from.")
@click.option("--jobs", default=2, show_default=True, type=_SOME, help="Worker processes.")
@click.option("--others/--alone", default=True, help="With the other checkers, or tricheck alone.")
@click.option("--json", "file", type=click.File("w"), help="Write every outcome here.")
@click.option("--failures", is_flag=True, help="Show each case in which tricheck fell short.")
def main(
    cases: int, seed: int, jobs: int, others: bool, file: TextIO | None, failures: bool
) -> None:
    """Labelled gradients, right and wrong: who finds what, and whom do they accuse?"""
    began, done = time.perf_counter(), []
    for outcome in outcomes(seed, range(cases), jobs, others):
        done.append(outcome)
        if failures and fell_short(outcome):
            click.echo(_line(outcome), err=True)
    if file:
        json.dump(strict([asdict(o) for o in done]), file, indent=1, allow_nan=False)
    click.echo(f"{cases} cases of seed {seed}, {time.perf_counter() - began:.0f} s\n")
    click.echo(tables(done), nl=False)


def _line(outcome: Outcome) -> str:
    ours = outcome.tricheck
    return (
        f"{outcome.label}: {', '.join(fell_short(outcome))}; said {ours.verdict} ({ours.said}), "
        f"wanted {'/'.join(outcome.verdicts)} ({'/'.join(outcome.causes)}), "
        f"size {outcome.magnitude:.1e}"
    )


if __name__ == "__main__":
    main()
