"""The sources on known-hard losses: covered by their bounds, or flagged with the right cause."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

import tricheck
from tests.calibration.hard import CASES
from tricheck import Verdict
from tricheck.calls import Calls
from tricheck.measure import evaluator
from tricheck.parameters import Parameters
from tricheck.sources.noise import measure_noise

Array = Any
rng = np.random.default_rng(0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_correct_gradients_of_hard_losses(case: str) -> None:
    loss, gradient, point, verdict, cause = CASES[case]
    report = tricheck.check(loss, gradient, np.array(point))
    assert report.verdict is verdict, str(report)
    flagged = {f.cause for f in report.findings if f.source == "finite-difference"}
    assert flagged == ({cause} if cause else set()), str(report)
    error = np.abs(report.gradients["finite-difference"] - gradient(np.array(point)))
    settled = verdict is Verdict.AGREE
    assert not settled or np.all(error <= report.bounds["finite-difference"] + 1e-16), str(report)


@pytest.mark.parametrize(
    "case",
    ["relu 1e-7 from its kink", "oscillation", "cos far out", "log beside its domain",
     "offset 1e8 swallows small slopes", "gradient 1e-12 beside a loss of 1", "linear"],
)  # fmt: skip
@pytest.mark.parametrize("factor", [-1.0, 2.0, 1.01])
def test_wrong_gradients_of_hard_losses(case: str, factor: float) -> None:
    loss, gradient, point, *_ = CASES[case]
    report = tricheck.check(loss, lambda w: factor * gradient(w), np.array(point))
    assert report.verdict is Verdict.BACKPROP, str(report)


STEEP_AT_ONE = np.where(np.arange(200) == 5, 1e3, 1.0)  # an entry that no sample holds


def odd(w: Array) -> Any:
    return np.sum(np.tanh(STEEP_AT_ONE * w))


def odd_gradient(w: Array) -> Any:
    return STEEP_AT_ONE / np.cosh(STEEP_AT_ONE * w) ** 2


def odd_gradient_gone_wrong(w: Array) -> Any:
    return odd_gradient(w) * np.where(STEEP_AT_ONE > 1.0, 1.0001, 1.0)


def test_a_loss_that_bends_unseen_in_one_entry_is_measured_again_there() -> None:
    """It is odd about the point, so its one-sided gap vanishes, and the sample is straight."""
    point = np.zeros(200)
    report = tricheck.check(odd, odd_gradient, point)
    assert report.verdict is Verdict.AGREE, str(report)
    off = np.abs(report.gradients["finite-difference"] - odd_gradient(point))
    assert np.all(off <= report.bounds["finite-difference"])
    report = tricheck.check(odd, odd_gradient, point, reference=odd_gradient_gone_wrong)
    assert report.verdict is Verdict.REFERENCE, str(report)
    assert report.parameters["params"].wrong == [(5,)]


@pytest.mark.parametrize("large", [1.0, 1e3, 1e6])
def test_an_entry_that_goes_far_does_not_hide_the_others_of_its_direction(large: float) -> None:
    point = np.linspace(0.01, 1.0, 3000)
    point[-1] = large

    def wrong(w: Array) -> Any:
        return np.cos(w) + 0.5 * (np.arange(w.size) == 7)

    def loss(w: Array) -> Any:
        return np.sum(np.sin(w))

    report = tricheck.check(loss, wrong, point, reference=None)
    assert report.verdict is Verdict.BACKPROP, str(report)
    assert report.parameters["params"].wrong == [(7,)]
    assert tricheck.check(loss, np.cos, point, reference=None).verdict is Verdict.AGREE


def steep(w: Array) -> Any:
    return np.sum(np.exp(300 * w))


@pytest.mark.parametrize("distance", [1e-4, 1e-6, 3e-8, -1e-5])
def test_a_kink_beside_the_point_is_found_with_its_distance(distance: float) -> None:
    report = tricheck.check(
        lambda w: np.sum(np.maximum(w, 0.0) + w**2),
        lambda w: (w > 0) + 2 * w,
        np.array([0.7, distance]),
    )
    assert report.verdict is Verdict.AGREE, str(report)
    [kink] = [f for f in report.findings if f.cause == "kink"]
    assert kink.severity == "note"
    assert kink.entries == [(1,)]
    assert 0.3 < float(str(kink.evidence["distance"])) / abs(distance) < 3.0


@pytest.mark.parametrize(
    ("step", "cause"), [(1e-4, "truncation"), (1e-16, "round-off"), (1e-30, "step-below-ulp")]
)
def test_a_bad_fixed_step_is_blamed_itself(step: float, cause: str) -> None:
    point = np.array([0.01, 0.02])
    report = tricheck.check(steep, lambda w: 300 * np.exp(300 * w), point, step=step)
    assert report.verdict is Verdict.FINITE_DIFFERENCE, str(report)
    assert {f.cause for f in report.findings} == {cause}
    better = float(str(report.findings[0].evidence["better_step"]))
    again = tricheck.check(steep, lambda w: 300 * np.exp(300 * w), point, step=better)
    assert again.verdict is Verdict.AGREE, str(again)


@pytest.mark.parametrize("step", [1e-9, 1e-10, 1e-11, 1e-12, 1e-13])
def test_a_small_fixed_step_is_not_called_too_large(step: float) -> None:
    rng = np.random.default_rng(0)
    A, y = rng.normal(size=(30, 20)), rng.normal(size=30)
    report = tricheck.check(
        lambda w: np.sum((np.tanh(A @ w) - y) ** 2),
        lambda w: 2 * A.T @ ((np.tanh(A @ w) - y) / np.cosh(A @ w) ** 2),
        rng.normal(size=20),
        step=step,
    )
    assert [f.cause for f in report.findings] == ["round-off"]
    assert report.findings[0].evidence["truncation"] == 0.0


@pytest.mark.parametrize("step", [1e-4, 1e-16])
def test_a_bad_fixed_step_does_not_hide_a_bug(step: float) -> None:
    report = tricheck.check(
        steep, lambda w: 150 * np.exp(300 * w), np.array([0.01, 0.02]), step=step
    )
    assert report.verdict is Verdict.BACKPROP


def test_an_unseeded_loss_blames_nobody() -> None:
    draws = np.random.default_rng(3)

    def loss(w: Array) -> Any:
        return np.sum((w * (draws.random(w.shape) < 0.5)) ** 2)

    def gradient(w: Array) -> Any:
        return 2 * w * (draws.random(w.shape) < 0.5)

    report = tricheck.check(loss, gradient, rng.standard_normal(8))
    assert report.verdict is Verdict.INCONCLUSIVE
    [finding] = [f for f in report.findings if f.cause == "nondeterministic"]
    assert "Seed" in finding.message


def test_a_little_random_noise_convicts_nobody_and_hides_no_bug() -> None:
    draws = np.random.default_rng(3)

    def loss(w: Array) -> Any:
        return np.sum(w**2) * (1 + 1e-9 * draws.standard_normal())

    w = rng.standard_normal(6)
    assert tricheck.check(loss, lambda w: 2 * w, w).ok
    assert tricheck.check(loss, lambda w: 2.02 * w, w).verdict is Verdict.BACKPROP


def single(w: Array) -> Array:
    """A loss that casts to float32, whatever it gets."""
    return np.tanh(X32 @ w.astype(np.float32))


X32 = rng.standard_normal((6, 4)).astype(np.float32)


def single_loss(w: Array) -> Any:
    return np.sum(single(w) ** 2)


def single_gradient(w: Array) -> Any:
    a = single(w)
    return (X32.T @ (2 * a * (1 - a**2))).astype(w.dtype)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_inside_accuses_nobody_and_hides_no_percent(seed: int, dtype: Any) -> None:
    w = np.random.default_rng(seed).standard_normal((4, 3)).astype(dtype)
    report = tricheck.check(single_loss, single_gradient, w)
    assert report.ok, str(report)
    wrong = tricheck.check(single_loss, lambda w: 1.01 * single_gradient(w), w)
    assert wrong.verdict is Verdict.BACKPROP, str(wrong)


def test_a_gradient_that_accumulates_is_caught_at_the_second_call() -> None:
    total = np.zeros(3)

    def accumulating(w: Array) -> Any:
        total[:] += 2 * w
        return total

    report = tricheck.check(lambda w: np.sum(w**2), accumulating, np.array([1.0, -2.0, 3.0]))
    assert report.verdict is Verdict.BACKPROP
    assert [f.cause for f in report.findings] == ["accumulated"]


def test_calls_that_add_up_leave_no_wider_bound() -> None:
    """More calls, as to see what rounding does, move it further: that is no rounding."""
    total = np.zeros(3)

    def accumulating(w: Array) -> Any:
        total[:] += 2 * w
        return total.copy()

    w = np.array([1.0, -2.0, 3.0])
    report = tricheck.check(lambda w: 1e9 + np.sum(w**2), accumulating, w)
    assert [f.cause for f in report.findings if f.source == "backprop"] == ["accumulated"]
    assert np.all(report.bounds["backprop"] < 1e-12)


def test_a_rise_within_the_noise_is_no_slope() -> None:
    def noisy(w: Array) -> Any:
        digest = zlib.crc32(np.ascontiguousarray(w).tobytes()) / 2.0**31 - 1.0
        return (1.0 + 1e-8 * digest) * np.sum(np.cosh(w))

    w = np.linspace(-1.0, 2.0, 12)
    calls = Calls(tricheck.Model(noisy, np.sinh, w), Parameters.read(w))
    for seed in range(20):
        evaluate, base = evaluator(calls)
        noise = measure_noise(evaluate, calls.parameters, base, seed)
        assert 1e-9 < noise.relative < 3e-8


def test_a_gradient_that_spoils_the_loss_is_stateful_and_unaccused() -> None:
    class Net:
        shift = 0.0

    def loss(w: Array) -> Any:
        return np.sum((w - Net.shift) ** 2)

    def gradient(w: Array) -> Any:
        answer = 2 * (w - Net.shift)
        Net.shift += 0.5
        return answer

    report = tricheck.check(loss, gradient, np.array([1.0, -2.0, 3.0]))
    assert "stateful" in [f.cause for f in report.findings]
    assert report.verdict is not Verdict.AGREE


# --- references ---------------------------------------------------------------------------------


def cubic(w: Array) -> Any:
    """Through compiled code that only takes plain numbers."""
    return sum(x**3 for x in struct.unpack("3d", struct.pack("3d", *w)))


def cubic_gradient(w: Array) -> Any:
    return 3 * w**2


POINT = np.array([1.0, -2.0, 0.5])


@pytest.mark.parametrize(
    ("reference", "used"),
    [
        (lambda w: 3 * w**2, "function <lambda>"),
        (tricheck.autograd(lambda w: np.sum(w**3)), "autograd through another loss"),
        (None, None),
    ],
)
def test_references_handed_over(reference: Any, used: str | None) -> None:
    report = tricheck.check(cubic, cubic_gradient, POINT, reference=reference)
    assert report.verdict is Verdict.AGREE
    assert report.reference == used


def test_without_a_reference_the_report_says_so_and_still_convicts() -> None:
    report = tricheck.check(cubic, cubic_gradient, POINT)
    assert report.reference is None
    [finding] = report.findings
    assert (finding.cause, finding.severity) == ("no-reference", "warning")
    wrong = tricheck.check(cubic, lambda w: 3.001 * w**2, POINT)
    assert wrong.verdict is Verdict.BACKPROP


def test_the_symbolic_reference_steps_in_where_the_trace_fails() -> None:
    def loss(w: Array) -> Any:
        z = w**2
        return np.sum(np.array(z if z.dtype == object else z.data) ** 2)  # a trace has no buffer

    report = tricheck.check(loss, lambda w: 4 * w**3, np.array([0.3, -0.4]))
    assert report.verdict is Verdict.AGREE
    assert report.reference is not None
    assert report.reference.startswith("sympy")
    [note] = report.findings
    assert (note.cause, note.severity) == ("blocked", "note")
    assert "z.data" in note.message


@pytest.mark.parametrize(
    ("rewritten", "expected"),
    [
        (lambda w: np.sum(w**3) + w[0], Verdict.REFERENCE),
        (lambda w: np.sum(w**3) + 1.0, Verdict.AGREE),
    ],
)
def test_a_rewrite_of_another_loss_is_said_first(rewritten: Any, expected: Verdict) -> None:
    report = tricheck.check(cubic, cubic_gradient, POINT, reference=tricheck.autograd(rewritten))
    assert report.verdict is expected
    assert report.findings[0].cause == "different-loss"


def test_a_reference_that_is_not_finite_is_passed_over() -> None:
    def loss(w: Array) -> Any:
        # The dead branch of where has an infinite slope, which autodiff multiplies by zero.
        return np.sum(np.where(w > 0, np.sqrt(np.maximum(w, 0.0)), w))

    def gradient(w: Array) -> Any:
        return np.where(w > 0, 0.5 / np.sqrt(np.where(w > 0, w, 1.0)), 1.0)

    report = tricheck.check(loss, gradient, np.array([4.0, -1.0]))
    assert report.verdict is Verdict.AGREE, str(report)
    assert "non-finite" in [f.cause for f in report.findings]


# --- traced idioms ------------------------------------------------------------------------------

M = rng.standard_normal((3, 4))
W = rng.standard_normal((4, 3))

ON_SYMBOLS: dict[str, Callable[[Any], Any]] = {
    "matmul": lambda w: np.sum((M @ w) ** 2),
    "builtin sum": lambda w: sum(sum(w**2)),
    "reflected": lambda w: np.sum(M.T + w - (1.0 - w) * 2.0 / (3.0 + w**2)),
    "where": lambda w: np.sum(np.where(w > 0, w**2, 0.1 * w)),
    "indexing": lambda w: np.sum(w[1:, ::2] ** 2) + w[0, -1] ** 3 + np.sum(w[[0, 0, 2]] ** 2),
}


def test_nothing_traced_is_left_in_a_models_state() -> None:
    class Net:
        running: Any = np.zeros(3)
        history: ClassVar[list[Any]] = []

    def loss(w: Array) -> Any:
        Net.running = 0.9 * Net.running + 0.1 * w
        Net.history.append(Net.running)
        return np.sum(w**2)

    assert tricheck.check(loss, lambda w: 2 * w, POINT).ok
    assert type(Net.running) is np.ndarray
    for kept in Net.history:
        np.testing.assert_array_equal(np.asarray(kept) + 0.0, np.asarray(kept))


def test_arguments_of_any_kind_are_left_alone() -> None:
    class Data(NamedTuple):
        X: Any

    class Box:
        def __init__(self) -> None:
            self.X = np.ones(3)

    def loss(w: Array, data: Any, box: Any) -> Any:
        data.X[:] *= 2.0
        box.X *= 2.0
        return np.sum(w**2)

    data, box = Data(np.ones(3)), Box()
    report = tricheck.check(loss, lambda w, *_: 2 * w, POINT, args=(data, box))
    assert report.ok
    assert any("args[0]" in f.message for f in report.findings)
    np.testing.assert_array_equal(data.X, np.ones(3))
    np.testing.assert_array_equal(box.X, np.ones(3))


@pytest.mark.parametrize("idiom", ON_SYMBOLS)
def test_plain_numpy_runs_on_symbols(idiom: str) -> None:
    loss = ON_SYMBOLS[idiom]
    traced = tricheck.check(loss, np.zeros_like, W, reference="autograd").gradients["reference"]
    report = tricheck.check(loss, np.zeros_like, W, reference="sympy")
    np.testing.assert_allclose(report.gradients["reference"], traced, rtol=1e-13, atol=1e-14)
