"""The examples: correct ones agree, every broken twin gets the verdict and cause it states.

What blind spots the correct ones have is tested with the blind spots.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

import pytest

import tricheck
from tricheck.targets import find

EXAMPLES = Path(__file__).parent.parent / "examples"
CORRECT = sorted(EXAMPLES.glob("[!_]*.py"))
BROKEN = sorted((EXAMPLES / "broken").glob("[!_]*.py"))


@pytest.mark.parametrize("path", CORRECT, ids=lambda path: path.stem)
@pytest.mark.parametrize("reference", ["auto", "sympy", None])
def test_correct_models_agree(path: Path, reference: str | None) -> None:
    for target in find(str(path)):
        if reference == "sympy" and path.stem == "gaussian_process":
            with pytest.raises(tricheck.TraceError, match="cholesky"):
                tricheck.check(target.model, reference=reference)
            continue
        report = tricheck.check(target.model, reference=reference)
        assert report.verdict is tricheck.Verdict.AGREE, str(report)


@pytest.mark.parametrize("path", CORRECT, ids=lambda path: path.stem)
def test_correct_models_pass_the_classical_check(path: Path) -> None:
    for target in find(str(path)):
        report = tricheck.check(target.model, step=1e-4)
        assert report.verdict is tricheck.Verdict.AGREE, str(report)


@cache
def on_twin(path: Path) -> tricheck.Report:
    """The report on a broken twin."""
    [target] = find(str(path))
    return tricheck.check(target.model)


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_broken_twins_get_the_verdict_and_cause_they_state(path: Path) -> None:
    expected = importlib.import_module(f"examples.broken.{path.stem}").EXPECTED
    report = on_twin(path)
    assert report.verdict == expected["verdict"], str(report)
    wrong = [p.name for p in report.parameters.values() if p.verdict == expected["verdict"]]
    assert wrong == expected["parameters"], str(report)
    causes = {f.cause for f in report.findings if f.source == "backprop"}
    assert causes == {expected["cause"]}, str(report)


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_no_blind_spot_speaks_of_the_mistake_that_is_seen(path: Path) -> None:
    expected = importlib.import_module(f"examples.broken.{path.stem}").EXPECTED
    # A size of one, or one that two axes have, hides a factor of that size alone.
    spots = (
        spot
        for spot in on_twin(path).blind_spots
        if not spot.name.startswith(("size", "coinciding"))
    )
    assert not [spot for spot in spots if expected["cause"] in spot.hides]


def test_every_correct_example_has_a_broken_twin() -> None:
    for path in CORRECT:
        assert any(twin.stem.startswith(path.stem) for twin in BROKEN), path


def test_the_demystified_network_passes_its_tutorials_own_check() -> None:
    module = importlib.import_module("examples.neural_networks_demystified")
    report = tricheck.check(module.model, step=1e-4)
    pair = report.parameters["params"].pairs["backprop/finite-difference"]
    assert pair.relative_error < 1e-8
