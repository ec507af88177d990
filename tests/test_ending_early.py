"""A check that has to end: what it still says, what it says it left out, and whom it spares."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tricheck
from tricheck import Model, ModelError, Report, Verdict
from tricheck.options import Options
from tricheck.verdict import ACCUSING
from tricheck.watch import Watch

Params = dict[str, Any]


class Clock:
    """Time that passes only where a loss takes it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("watch", "work", "measure"):
        monkeypatch.setattr(f"tricheck.{module}.time", clock)
    return clock


def slow_model(
    clock: Clock, seconds: float = 1.0, shape: tuple[int, int] = (8, 10), wrong: str = ""
) -> Model:
    """A regression whose loss and gradient take some seconds each."""
    rng = np.random.default_rng(2)
    X, Y = rng.standard_normal((9, shape[0])), rng.standard_normal((9, shape[1]))
    params = {"W": rng.standard_normal(shape) / 3, "b": rng.standard_normal(shape[1])}

    def loss(p: Params) -> Any:
        clock.now += seconds
        return np.mean((np.tanh(X @ p["W"] + p["b"]) - Y) ** 2)

    def gradient(p: Params) -> Params:
        clock.now += seconds
        a = np.tanh(X @ p["W"] + p["b"])
        d = 2 * (a - Y) * (1 - a**2) / Y.size
        dW, db = X.T @ d, d.sum(axis=0)
        if wrong == "entry":
            dW[5, 7] *= 1.001
        if wrong == "layer":
            dW *= 2
        if wrong == "bias":
            db *= 0.5
        return {"W": dW, "b": db}

    return Model(loss, gradient, params)


@pytest.mark.parametrize("seconds", [10, 60, 100, 130, 200, 500])
def test_the_budget_is_kept_and_nobody_wrongly_accused(clock: Clock, seconds: float) -> None:
    model = slow_model(clock)
    report = tricheck.check(model, max_seconds=seconds)
    assert report.ok
    assert not any(parameter.wrong for parameter in report.parameters.values())
    # What is always done takes as long as it takes; nothing that is longer was begun after it.
    assert clock.now <= max(seconds, 90.0) + 15.0
    assert bool(report.partial) == bool(report.left_out)
    assert (report.partial == f"max_seconds={seconds}") == (seconds < 500)


def test_without_a_limit_nothing_is_left_out(clock: Clock) -> None:
    report = tricheck.check(slow_model(clock))
    assert (report.partial, report.left_out) == ("", [])
    assert clock.now > 250.0  # so that the limits above are ones


@pytest.mark.parametrize("seconds", [1, 60, 100, 150, 1000])
@pytest.mark.parametrize("wrong", ["entry", "layer", "bias"])
def test_what_backprop_and_reference_differ_in_is_found_all_the_same(
    clock: Clock, wrong: str, seconds: float
) -> None:
    report = tricheck.check(slow_model(clock, wrong=wrong), max_seconds=seconds)
    if seconds <= 60:  # too little for any finite difference, and so for a kink to show
        assert report.verdict in (Verdict.BACKPROP, Verdict.INCONCLUSIVE)
        return
    assert report.verdict is Verdict.BACKPROP
    name = "b" if wrong == "bias" else "W"
    assert report.parameters[name].verdict is Verdict.BACKPROP
    if wrong == "entry":
        assert report.parameters["W"].wrong == [(5, 7)]


@pytest.mark.parametrize("seconds", [1, 40, 60, 80, 100, 150, 1000])
def test_a_shared_error_is_seen_or_said_to_be_open(clock: Clock, seconds: float) -> None:
    """Where the reference has backprop's own mistake, only finite differences tell."""
    model = slow_model(clock, wrong="layer")
    report = tricheck.check(model, reference=model.gradient, max_seconds=seconds)
    if report.verdict is not Verdict.BACKPROP_AND_REFERENCE:
        assert report.verdict in (Verdict.INCONCLUSIVE, Verdict.FINITE_DIFFERENCE)
        assert report.partial
        assert seconds <= 100


@pytest.mark.parametrize("seconds", [1, 40, 60, 80, 100, 150, 200])
def test_without_a_reference_what_was_not_measured_is_not_passed(
    clock: Clock, seconds: float
) -> None:
    for wrong in ("", "entry", "layer"):
        clock.now = 0.0
        report = tricheck.check(slow_model(clock, wrong=wrong), reference=None, max_seconds=seconds)
        if wrong:
            assert not report.ok
        else:
            assert report.verdict in (Verdict.AGREE, Verdict.INCONCLUSIVE)
            assert not any(p.wrong for p in report.parameters.values())


def test_more_time_shows_smaller_shared_errors(clock: Clock) -> None:
    shown = []
    for seconds in (70, 150, 400):
        clock.now = 0.0
        report = tricheck.check(slow_model(clock, shape=(20, 10)), max_seconds=seconds)
        shown.append(max(p.shared_sensitivity for p in report.parameters.values()))
    assert shown[0] > shown[1] > shown[2]


def test_a_fixed_step_is_taken_as_far_as_it_gets(clock: Clock) -> None:
    report = tricheck.check(slow_model(clock), step=1e-6, max_seconds=150)
    assert report.ok
    assert report.partial
    measured = np.isfinite(report.gradients["finite-difference"]["W"])
    assert 0 < measured.sum() < measured.size
    assert f"of {80 + 10} entries" in report.left_out[0]


@pytest.mark.parametrize("limit", [0, -1, float("inf"), float("nan"), "10", True])
def test_the_limit_is_a_positive_number(limit: Any) -> None:
    with pytest.raises(ModelError, match=r"max_seconds is .*, expected a positive number"):
        tricheck.check(np.sum, np.ones_like, np.ones(3), max_seconds=limit)


# --- interrupted --------------------------------------------------------------------------------


def interrupted_after(losses: int, wrong: str = "", reference: Any = "auto") -> Report:
    """A check that is interrupted from outside, as the command line does it."""
    from tricheck.checking import checked

    clock, watch = Clock(), Watch()
    model = slow_model(clock, wrong=wrong)
    calls = 0

    def loss(p: Params) -> Any:
        nonlocal calls
        calls += 1
        watch.interrupted = calls >= losses
        return model.loss(p)

    return checked(Model(loss, model.gradient, model.params), Options(reference), watch)


@pytest.mark.parametrize("losses", range(1, 260, 7))
def test_interrupted_anywhere_it_accuses_nobody_wrongly(losses: int) -> None:
    report = interrupted_after(losses)
    assert report.ok, str(report)
    assert "partial (interrupted)" in str(report)
    assert report.to_dict()["partial"] == "interrupted"


@pytest.mark.parametrize("losses", range(1, 260, 23))
def test_interrupted_anywhere_a_wrong_entry_is_named_or_left_open(losses: int) -> None:
    report = interrupted_after(losses, "entry")
    assert report.parameters["b"].wrong == []
    if losses > 100:  # disputed entries come first
        assert report.parameters["W"].wrong == [(5, 7)]
    assert not report.ok
    assert report.verdict in (Verdict.BACKPROP, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("seconds", [1e-9, 0.3, None])
def test_at_a_kink_a_hurried_check_accuses_nobody(seconds: float | None) -> None:
    """There backprop and the reference may take either side; only a finite difference tells."""
    X = np.abs(np.random.default_rng(0).standard_normal((5, 3)))

    def loss(w: Any) -> Any:
        z = X @ w
        return np.sum(np.where(z >= 0.0, z, 0.01 * z))

    def gradient(w: Any) -> Any:
        return X.T @ np.where(X @ w > 0.0, 1.0, 0.01)

    assert tricheck.check(loss, gradient, np.zeros(3), max_seconds=seconds).verdict not in ACCUSING


@pytest.mark.parametrize("losses", [1, 3, 20, 60, 100, 150])
def test_the_api_raises_and_restores(losses: int) -> None:
    model = slow_model(Clock())
    before = {name: value.copy() for name, value in model.params.items()}
    calls = 0

    def loss(p: Params) -> Any:
        nonlocal calls
        calls += 1
        if calls == losses:
            raise KeyboardInterrupt
        return model.loss(p)

    with pytest.raises(KeyboardInterrupt):
        tricheck.check(loss, model.gradient, model.params)
    for name, value in model.params.items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("losses", range(90, 170, 10))
def test_what_was_not_measured_is_not_claimed_to_be_seen(losses: int) -> None:
    report = interrupted_after(losses)
    for name, parameter in report.parameters.items():
        measured = np.isfinite(report.bounds["finite-difference"][name])
        assert np.isfinite(parameter.shared_sensitivity) == measured.all()


@pytest.mark.parametrize("losses", range(1, 260, 23))
def test_what_was_left_out_is_no_imprecision_of_the_loss(losses: int) -> None:
    report = interrupted_after(losses)
    assert not report.findings
    asked = "Give the check more time" in str(report)
    assert asked == (report.verdict is not Verdict.AGREE)


MODEL_FILE = """
import time
from pathlib import Path
import numpy as np, tricheck

calls = 0
FAR = Path(__file__).with_name("far")

def loss(w):
    global calls
    calls += 1
    if calls == 120:
        FAR.touch()
    time.sleep(0.006)
    return np.sum(np.sin(w) ** 2)

def gradient(w):
    return 2 * np.sin(w) * np.cos(w)

slow = tricheck.Model(loss, gradient, np.linspace(0.1, 2.0, 200))
later = tricheck.Model(np.sum, np.ones_like, np.ones(3))
"""
COMMAND = [sys.executable, "-c", "from tricheck.cli import main; main()", "check"]


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    file = tmp_path / "model.py"
    file.write_text(MODEL_FILE)
    return file


def under_way(file: Path, *options: str) -> subprocess.Popen[str]:
    """A check in a process group of its own, once its loss has been called 120 times."""
    process = subprocess.Popen(
        [*COMMAND, str(file), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=file.parent,
        start_new_session=True,
    )
    while not (file.parent / "far").exists():
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_in_the_terminal_shows_what_is_known(model_file: Path, jobs: str) -> None:
    with under_way(model_file, "--jobs", jobs) as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the workers too
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "slow: agree, partial (interrupted)" in out
    assert "finite differences in" in out
    assert "later" not in out
    assert (
        err.splitlines()[0]
        == "Ending with what is known, once the calls under way return; Ctrl-C again: now."
    )
    assert "Traceback" not in err


def test_a_second_ctrl_c_stops_at_once(model_file: Path) -> None:
    hanging = MODEL_FILE.replace("sleep(0.006)", "sleep(0.006 + 30 * (calls == 120))")
    model_file.write_text(hanging)
    with under_way(model_file) as process:
        for _ in range(2):
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


# --- progress -----------------------------------------------------------------------------------


def in_a_terminal(command: list[str], **environment: str) -> str:
    """What a command shows on a terminal of 80 columns."""
    leader, follower = pty.openpty()
    own = {**os.environ, "COLUMNS": "80", "TERM": "xterm", **environment}
    if "CI" not in environment:
        own.pop("CI", None)
    with subprocess.Popen(command, stdout=follower, stderr=follower, env=own) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            shown += piece
            if not piece:
                break
        process.wait()
    os.close(leader)
    return shown.decode()


@pytest.fixture
def soon_shown(model_file: Path) -> Path:
    """The model file, whose checks show their progress sooner, and take less long after that."""
    sooner = "import tricheck.report.progress as p\np._PATIENCE = 0.25\n"
    model_file.write_text(sooner + MODEL_FILE.replace("sleep(0.006)", "sleep(0.002)"))
    return model_file


def test_progress_is_shown_on_a_terminal(soon_shown: Path) -> None:
    shown = in_a_terminal([*COMMAND, f"{soon_shown}::slow"])
    assert "finite differences of params" in shown
    assert "/200, 0:0" in shown
    assert "left, worst " in shown
    assert shown.index("finite differences of") < shown.index("agree")


def test_progress_is_not_shown_under_ci(soon_shown: Path) -> None:
    assert "finite differences of" not in in_a_terminal([*COMMAND, f"{soon_shown}::slow"], CI="1")


def test_progress_is_not_shown_where_it_is_off_or_piped(soon_shown: Path) -> None:
    script = "import model, tricheck; tricheck.check(model.slow, progress=False)"
    shown = in_a_terminal([sys.executable, "-c", script], PYTHONPATH=str(soon_shown.parent))
    assert shown == ""
    script = script.replace("False", "True")
    piped = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, cwd=soon_shown.parent, check=True
    )
    assert piped.stderr == b""


def test_quick_checks_show_nothing(model_file: Path) -> None:
    assert "\x1b[2K" not in in_a_terminal([*COMMAND, f"{model_file}::later"])
