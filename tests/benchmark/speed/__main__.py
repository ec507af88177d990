"""Measure the speed: ``python -m tests.benchmark.speed``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, TextIO

import click

from tests.benchmark.speed import (
    full_check,
    imports,
    many_parameters,
    side_by_side,
    two_cores,
)
from tests.benchmark.strict import strict

SECTIONS = {
    "full-check": full_check.SECTION,
    "many-parameters": many_parameters.SECTION,
    "import": imports.SECTION,
    "two-cores": two_cores.SECTION,
    "side-by-side": side_by_side.SECTION,
}


@click.command()
@click.argument("sections", nargs=-1, type=click.Choice(list(SECTIONS)))
@click.option("--quick", is_flag=True, help="A small slice.")
@click.option("--json", "file", type=click.File("w"), help="Write every row here.")
def main(sections: tuple[str, ...], quick: bool, file: TextIO | None) -> None:
    """How long does tricheck take? All sections, or those that are named."""
    began, done = time.perf_counter(), dict[str, list[Any]]()
    for name in sections or SECTIONS:
        done[name] = []
        rows = _kept(SECTIONS[name].measure(quick), done[name])
        for line in SECTIONS[name].lines(rows):
            click.echo(line)
    if file:
        tables = {name: [asdict(row) for row in rows] for name, rows in done.items()}
        json.dump(strict(tables), file, indent=1, allow_nan=False)
    click.echo(f"{time.perf_counter() - began:.0f} s")


def _kept(rows: Iterable[Any], kept: list[Any]) -> Iterator[Any]:
    for row in rows:
        kept.append(row)
        yield row


if __name__ == "__main__":
    main()
