"""The speed benchmark measures what it says; no test here depends on how fast anything is."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.benchmark.speed import (
    child,
    full_check,
    many_parameters,
    planted,
    side_by_side,
    two_cores,
)
from tests.benchmark.speed.__main__ import SECTIONS, main
from tests.benchmark.speed.checkers import CHECKERS, Other
from tests.benchmark.speed.network import Network, loss, network
from tests.benchmark.speed.section import Section

OTHERS = [name for name in CHECKERS if "tricheck" not in name]
TRICHECK = [name for name in CHECKERS if "tricheck" in name]
SMALL = network(64, layers=4, samples=4)


def shown(section: Section, row: object) -> list[str]:
    """A row's cells in a section's table."""
    table = [line for line in section.lines([row]) if line.startswith("|")]
    assert {line.count(" | ") for line in table} == {len(section.head) - 1}
    return table[-1].removeprefix("| ").removesuffix(" |").split(" | ")


# --- what is measured -----------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 4, 20])
def test_the_hand_written_gradient_is_the_derivative(layers: int) -> None:
    subject = network(200, layers)
    rng, step = np.random.default_rng(1), 1e-30
    for name, block in subject.differentiate().items():
        way = rng.standard_normal(block.shape)
        moved = subject.params | {name: subject.params[name] + 1j * step * way}
        slope = np.imag(loss(moved, *subject.args)) / step  # a complex step, exact to rounding
        np.testing.assert_allclose(np.sum(block * way), slope, rtol=1e-12)


def test_other_checkers_are_given_the_same_model() -> None:
    task = SMALL.task()
    assert task.loss(task.point) == SMALL.evaluate()
    joined = np.concatenate([block.ravel() for block in SMALL.differentiate().values()])
    np.testing.assert_array_equal(task.gradient(task.point), joined)


def test_an_error_is_planted_where_and_as_large_as_it_is_said() -> None:
    right = SMALL.differentiate()
    largest = max(np.max(np.abs(block)) for block in right.values())
    error = planted.entry(SMALL, 0.5, seed=3)
    ((name, [index]),) = error.wrong.items()
    came = error.gradient(SMALL.params, *SMALL.args)
    changes = {key: np.argwhere(came[key] != right[key]).tolist() for key in right}
    assert changes == {key: [list(index)] if key == name else [] for key in right}
    assert abs(came[name][index] - right[name][index]) == pytest.approx(0.5 * largest)


# --- what it is measured with ---------------------------------------------------------------------


def sleeping() -> Iterator[None]:
    time.sleep(60.0)
    yield None


def failing() -> Iterator[int]:
    yield 1
    yield 2
    raise ValueError("no more")


def greedy() -> Iterator[int]:
    yield np.ones(2 * child.MEMORY // 8).size


def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(child.OutOfTimeError):
        list(child.each(sleeping, limit=0.1))


def test_what_another_process_yields_and_raises_is_received() -> None:
    received = child.each(failing, limit=30.0)
    assert [next(received), next(received)] == [1, 2]
    with pytest.raises(child.FailedError, match="ValueError: no more"):
        next(received)


def test_memory_is_limited() -> None:
    with pytest.raises(child.FailedError, match="out of memory"):
        list(child.each(greedy, limit=30.0))


@pytest.mark.parametrize("last", [-1, 0, 4, 15])
@pytest.mark.parametrize("likely", [-1, 0, 3, 15])
def test_the_smallest_error_is_found_wherever_the_search_begins(last: int, likely: int) -> None:
    *_, found = side_by_side.smallest(lambda decade: decade <= last, likely)
    assert found == (last, True)


@pytest.mark.parametrize("name", OTHERS)
def test_a_checker_answers_to_a_replayed_loss_as_to_the_loss(name: str) -> None:
    if find_spec(CHECKERS[name].package.split(".")[0]) is None:
        pytest.skip(f"{CHECKERS[name].package} is not installed")
    errors = [planted.entry(SMALL, 10.0**-decade) for decade in range(0, 12, 3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as the benchmark does
        session = CHECKERS[name].session(SMALL)
        assert session.right()
        replayed = [session.reports(error) for error in errors]
        anew = [CHECKERS[name].session(SMALL).reports(error) for error in errors]
    assert isinstance(session, Other)
    assert session.calls > 0
    assert replayed == anew


# --- facts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRICHECK)
def test_tricheck_sees_single_errors_as_small_as_it_claims(name: str) -> None:
    *_, row = side_by_side.measured(name, SMALL, 13)
    assert row.passes
    assert row.searched
    assert row.claim is not None
    assert row.decade is not None
    assert 10.0 ** -(row.decade + 1) < row.claim


@pytest.mark.parametrize("size", [10, 100])
@pytest.mark.parametrize("wrong", ["nothing", "one entry", "one layer"])
def test_what_is_wrong_is_named_exactly(size: int, wrong: str) -> None:
    (row,) = many_parameters.measured(size, wrong, None, lasting=0.0)
    assert row.exact
    assert shown(many_parameters.SECTION, row)[:2] == [str(row.entries), wrong]


def test_a_full_check_calls_the_loss_less_than_three_times_for_each_entry() -> None:
    subject: Network = network(200, 4)
    (row,) = full_check.measured(subject, lasting=0.0)
    assert subject.size <= row.evaluations < 3 * subject.size
    assert shown(full_check.SECTION, row)[0] == f"{subject.size}"


def test_two_processes_measure_the_same_as_one() -> None:
    row = child.only(two_cores.measured, 3, 50, 1, limit=60.0)
    assert row.same
    assert shown(two_cores.SECTION, row)[0] == "9"


# --- tables ---------------------------------------------------------------------------------------


def test_a_checker_that_is_not_there_has_a_row_too(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = replace(CHECKERS["tutorial"], package="no_such_package")
    monkeypatch.setitem(CHECKERS, "missing", missing)
    (row,) = side_by_side.measured("missing", SMALL, 6)
    assert shown(side_by_side.SECTION, row) == ["64", "missing", "not installed"] + [""] * 5


def test_the_command_prints_a_table_and_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    result = CliRunner().invoke(main, ["import", "--quick", "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"### {SECTIONS['import'].title}\n")
    rows = json.loads(file.read_text())["import"]
    assert len(rows) == result.output.count("\n| `")
    assert all(row["seconds"] > 0 for row in rows)
