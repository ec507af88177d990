"""The package seen from outside: its names, what importing it costs, what it must not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tricheck

HEAVY = ("sympy", "matplotlib", "rich", "click", "autograd", "mpmath", "jax", "torch")


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_public_names_are_exactly_these() -> None:
    assert sorted(tricheck.__all__) == [
        "GradientMismatch",
        "Model",
        "ModelError",
        "Report",
        "TraceError",
        "Verdict",
        "assert_gradients",
        "autograd",
        "check",
        "jax",
        "sweep",
        "sympy",
        "torch",
    ]
    assert all(hasattr(tricheck, name) for name in tricheck.__all__)


def test_every_public_name_is_documented_with_an_example() -> None:
    for name in tricheck.__all__:
        item = getattr(tricheck, name)
        assert item.__doc__, name
        errors = isinstance(item, type) and issubclass(item, Exception)
        assert errors or ">>>" in item.__doc__, name


def test_import_is_light() -> None:
    assert not loaded_by("import tricheck").intersection(HEAVY)


@pytest.mark.parametrize("name", ["sympy", "rich", "click"])
def test_the_light_import_test_can_fail(name: str) -> None:
    assert name in loaded_by(f"import tricheck, {name}")


def test_assert_gradients_fails_with_the_report_as_its_message(
    tmp_path: pytest.TempPathFactory,
) -> None:
    test = tmp_path / "test_model.py"  # type: ignore[operator]
    test.write_text(
        "import numpy as np, tricheck\n"
        "def test_gradient():\n"
        "    tricheck.assert_gradients(lambda w: np.sum(w**2), lambda w: w, np.array([1.0, 2.0]))\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "<lambda>: backprop" in done.stdout
    assert "scale: params: Backprop is 0.5 (1/2) times the right gradient" in done.stdout
    assert "check.py" not in done.stdout.partition("short test summary")[0]
