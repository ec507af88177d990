"""The calibration table, held to its reach row by row."""

from __future__ import annotations

import pytest

from tests.calibration.__main__ import Row, measure, table

ROWS = table(range(10))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_bounds_are_honest_tight_and_cheap(row: Row) -> None:
    got = measure(row.cases)
    assert got.covered >= row.covered, got.uncovered[:5]
    assert row.ratio is None or got.ratio <= row.ratio
    assert got.evaluations <= row.evaluations
