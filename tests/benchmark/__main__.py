"""Run the benchmark: ``python -m tests.benchmark``."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from tests.benchmark.run import Outcome, outcomes
from tests.benchmark.tables import fell_short, tables


@click.command()
@click.option("--cases", default=3000, show_default=True, help="How many cases.")
@click.option("--seed", default=0, show_default=True, help="Seed that all of them are drawn from.")
@click.option("--jobs", default=2, show_default=True, help="Worker processes.")
@click.option("--others/--alone", default=True, help="With the other checkers, or tricheck alone.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write every outcome here.")
@click.option("--failures", is_flag=True, help="Show each case in which tricheck fell short.")
def main(cases: int, seed: int, jobs: int, others: bool, file: Path | None, failures: bool) -> None:
    """Labelled gradients, right and wrong: who finds what, and whom do they accuse?"""
    began, done = time.perf_counter(), []
    for outcome in outcomes(seed, range(cases), jobs, others):
        done.append(outcome)
        if failures and fell_short(outcome):
            click.echo(_line(outcome), err=True)
    if file:
        file.write_text(json.dumps([asdict(o) for o in done], indent=1), encoding="utf-8")
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
