"""Losses on symbols: 50 digits against mpmath's own derivatives, formulas, and their errors."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from click.testing import CliRunner, Result

import tricheck
from tests.test_package import loaded_by
from tricheck import Model, ModelError, TraceError, Verdict
from tricheck.cli import main
from tricheck.formula import Formula, formula
from tricheck.tracing.chain_rule import evaluate
from tricheck.tracing.simplify import simpler
from tricheck.tracing.symbols import record

Array = Any
EXAMPLES = Path(__file__).parent.parent / "examples"


def derivatives(loss: Callable[[Array], Any], point: list[float]) -> list[Any]:
    flat = np.array(point)
    return evaluate(record(loss, flat), flat, range(flat.size))[1]


def nothing(params: Any) -> Any:
    """A gradient that is not looked at."""
    return np.zeros_like(params) if isinstance(params, np.ndarray) else params


def agree(first: Any, second: Any, digits: int = 50) -> bool:
    with mpmath.workdps(2 * digits):
        error = abs(mpmath.mpmathify(first) - mpmath.mpmathify(second))
        return bool(error <= mpmath.mpf(10) ** (1 - digits) * abs(mpmath.mpmathify(second)))


# --- 50 digits ----------------------------------------------------------------------------------

ELEMENTARY: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], float]] = {
    "exp": (np.exp, mpmath.exp, 0.7),
    "log": (np.log, mpmath.log, 0.7),
    "sqrt": (np.sqrt, mpmath.sqrt, 0.7),
    "sin": (np.sin, mpmath.sin, 0.7),
    "cos": (np.cos, mpmath.cos, 0.7),
    "tan": (np.tan, mpmath.tan, 0.7),
    "sinh": (np.sinh, mpmath.sinh, 0.7),
    "cosh": (np.cosh, mpmath.cosh, 0.7),
    "tanh": (np.tanh, mpmath.tanh, 0.7),
    "arcsin": (np.arcsin, mpmath.asin, 0.7),
    "arccos": (np.arccos, mpmath.acos, 0.7),
    "arctan": (np.arctan, mpmath.atan, 0.7),
    "arcsinh": (np.arcsinh, mpmath.asinh, 0.7),
    "arccosh": (np.arccosh, mpmath.acosh, 1.7),
    "arctanh": (np.arctanh, mpmath.atanh, 0.7),
    "log1p": (np.log1p, lambda x: mpmath.log(1 + x), 1e-9),
    "expm1": (np.expm1, lambda x: mpmath.exp(x) - 1, 1e-9),
    "exp2": (np.exp2, lambda x: mpmath.mpf(2) ** x, 0.7),
    "log2": (np.log2, lambda x: mpmath.log(x, 2), 0.7),
    "log10": (np.log10, mpmath.log10, 0.7),
    "cbrt": (np.cbrt, mpmath.cbrt, 0.7),
    "cbrt of a negative": (np.cbrt, lambda x: -mpmath.cbrt(-x), -0.7),
    "deg2rad": (np.deg2rad, lambda x: x * mpmath.pi / 180, 0.7),
    "square": (np.square, lambda x: x**2, 0.7),
    "abs": (np.abs, abs, -0.7),
    "reciprocal": (np.reciprocal, lambda x: 1 / x, 0.7),
    "power": (lambda x: np.power(x, 2.5), lambda x: x ** mpmath.mpf("2.5"), 0.7),
    "whole power of a negative": (lambda x: x**3, lambda x: x**3, -0.7),
    "power of a number": (lambda x: 3.0**x, lambda x: mpmath.mpf(3) ** x, 0.7),
    "power of itself": (lambda x: x**x, lambda x: x**x, 0.7),
    "arctan2": (lambda x: np.arctan2(x, 0.5), lambda x: mpmath.atan2(x, 0.5), -0.7),
    "hypot": (lambda x: np.hypot(x, 0.5), lambda x: mpmath.hypot(x, 0.5), 0.7),
    "sign": (lambda x: np.sign(x) * x**2, lambda x: -(x**2), -0.7),
    "floor": (lambda x: np.floor(x) * x, lambda x: -2 * x, -1.3),
    "ceil": (lambda x: np.ceil(x) * x, lambda x: -1 * x, -1.3),
    "rint": (lambda x: np.rint(x) * x, lambda x: -1 * x, -1.3),
    "maximum": (lambda x: np.maximum(x, 0.5) ** 2, lambda x: x**2, 0.7),
    "minimum": (lambda x: np.minimum(x, 0.5) * x, lambda x: x / 2, 0.7),
    "clip": (lambda x: np.clip(x, -1.0, 1.0) * x, lambda x: x**2, 0.7),
    "division": (lambda x: (1 - x) / (2 + x), lambda x: (1 - x) / (2 + x), 0.7),
}


@pytest.mark.parametrize("name", ELEMENTARY, ids=str)
def test_every_elementary_function_to_50_digits(name: str) -> None:
    of_numpy, of_mpmath, at = ELEMENTARY[name]
    [value] = derivatives(lambda w: np.sum(of_numpy(w)), [at])
    with mpmath.workdps(120):
        truth = mpmath.diff(of_mpmath, mpmath.mpf(at), h=mpmath.mpf(10) ** -55)
    assert agree(value, truth)


def network(size: tuple[int, int, int, int]) -> tuple[Callable[..., Any], dict[str, Array]]:
    samples, inputs, hidden, outputs = size
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((samples, inputs)), rng.standard_normal((samples, outputs))
    params = {
        "W1": rng.standard_normal((inputs, hidden)),
        "b1": rng.standard_normal(hidden),
        "W2": rng.standard_normal((hidden, outputs)),
    }

    def loss(p: Any, tanh: Any = np.tanh) -> Any:
        return ((tanh(X @ p["W1"] + p["b1"]) @ p["W2"] - Y) ** 2).sum() / samples

    return loss, params


def test_a_network_against_mpmaths_own_derivative() -> None:
    loss, params = network((3, 2, 2, 2))
    report = tricheck.check(Model(loss, nothing, params), reference="sympy")
    tanh = np.frompyfunc(mpmath.tanh, 1, 1)

    def along(name: str, index: tuple[int, ...]) -> Any:
        def moved(x: Any) -> Any:
            p = {k: np.vectorize(mpmath.mpf, otypes=[object])(v) for k, v in params.items()}
            p[name][index] = x
            return loss(p, tanh)

        with mpmath.workdps(120):
            at = mpmath.mpf(params[name][index])
            return float(mpmath.diff(moved, at, h=mpmath.mpf(10) ** -40))

    for name, block in params.items():
        truth = [along(name, index) for index in np.ndindex(block.shape)]
        np.testing.assert_allclose(
            report.gradients["reference"][name].reshape(-1), truth, rtol=3e-16
        )


def test_a_hundred_parameters_on_ten_samples_take_less_than_five_seconds() -> None:
    loss, params = network((10, 8, 9, 3))
    assert sum(block.size for block in params.values()) >= 100
    start = time.perf_counter()
    report = tricheck.check(Model(loss, nothing, params), reference="sympy")
    assert time.perf_counter() - start < 5.0
    assert report.reference == "sympy through the loss, 50 digits"


def test_what_cancels_is_known_to_50_digits_all_the_same() -> None:
    # 1 - tanh(80)**2 is 1e-69: of the first 60 digits none is left.
    [slope] = derivatives(lambda w: np.tanh(w[0]), [80.0])
    with mpmath.workdps(200):
        assert agree(slope, 1 / mpmath.cosh(80) ** 2)
    x = 1e-6
    [slope] = derivatives(lambda w: (1 - np.cos(w[0])) / w[0] ** 2, [x])
    with mpmath.workdps(200):
        x = mpmath.mpf(x)
        assert agree(slope, mpmath.sin(x) / x**2 - 2 * (1 - mpmath.cos(x)) / x**3)


def test_zero_is_zero() -> None:
    assert derivatives(lambda w: np.sum(np.exp(w) / np.sum(np.exp(w))), [0.3, -0.2]) == [0, 0]
    assert derivatives(lambda w: w[0] + 0.0 * w[1], [0.3, -0.2]) == [1, 0]
    assert derivatives(lambda w: 3.0, [0.3]) == [0]


def test_where_float64_overflows_the_digits_are_right() -> None:
    [slope] = derivatives(lambda w: 1 / (1 + np.exp(-w[0])), [-800.0])
    with mpmath.workdps(800):
        assert agree(slope, mpmath.exp(-800) / (1 + mpmath.exp(-800)) ** 2)


def test_towers_of_exponentials_do_not_hang() -> None:
    start = time.perf_counter()
    derivatives(lambda w: 1 / (1 + np.exp(np.exp(np.exp(w[0])))), [10.0])
    assert time.perf_counter() - start < 5.0


# --- branches and ties --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "point"),
    [
        (lambda w: abs(w[0]), 0.0),
        (lambda w: np.sqrt(w[0] ** 2), 0.0),
        (lambda w: np.sqrt(w[0]), 0.0),
        (lambda w: np.floor(w[0]), 2.0),
        (lambda w: np.rint(w[0]), 2.5),
        (lambda w: np.cbrt(w[0]), 0.0),
    ],
)
def test_without_a_slope_there_is_no_number(loss: Any, point: float) -> None:
    [slope] = derivatives(loss, [point])
    assert mpmath.isnan(slope)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda w: np.maximum(w[0], 0.0), 1),  # the first of equals, as the code has it
        (lambda w: np.maximum(0.0, w[0]), 0),
        (lambda w: np.where(w > 0, np.log(w), 2 * w)[0], 2),  # the dead branch has no say
        (lambda w: 3 * w[0] if w[0] >= 0 else w[0], 3),
        (lambda w: w[0] ** 2, 0),
        (lambda w: w[0] ** 1, 1),
    ],
)
def test_a_tie_goes_where_the_code_goes(loss: Any, expected: int) -> None:
    assert derivatives(loss, [0.0]) == [expected]


def test_a_kink_at_the_point_is_nobodys_fault() -> None:
    report = tricheck.check(
        lambda w: np.sum(np.abs(w)), np.sign, np.array([0.0, 2.0]), reference="sympy"
    )
    assert report.verdict is Verdict.NONDIFFERENTIABLE, str(report)
    assert np.isnan(report.gradients["reference"][0])
    assert report.gradients["reference"][1] == 1.0


# --- code that runs -----------------------------------------------------------------------------


def _filled(w: Array) -> Any:
    out = np.zeros((2, 3))
    for i in range(2):
        for j in range(3):
            out[i, j] = w[i] * w[j]
    out[0] += np.ones(3)
    return np.sum(np.tanh(out) ** 2)


IDIOMS: dict[str, Callable[[Array], Any]] = {
    "buffer": _filled,
    "like": lambda w: np.sum(np.exp(np.zeros_like(w) + w)),
    "array of entries": lambda w: np.sum(np.array([w[0], w[1] ** 2], dtype=float) ** 2),
    "mixed with numbers": lambda w: np.sum(np.sqrt(np.where(w > 0, w, 0.25))),
    "logaddexp": lambda w: np.sum(np.logaddexp(w, 0.3)) + np.logaddexp(w[0], w[1]),
    "method": lambda w: np.ones((2, 3)).dot(w).sum() ** 2,
    "std": lambda w: np.std(w) + np.var(w) + w.mean(),
    "deep copy": lambda w: np.sum(copy.deepcopy(w) ** 2),
    "formatted": lambda w: np.sum(w**2) + 0 * len(f"{w[0]:.3f} {w}"),
    "einsum": lambda w: np.einsum("i,j->ij", w, w).sum(),
    "numpy integers": lambda w: np.sum(w * np.arange(3)) ** np.int64(2),
}


@pytest.mark.parametrize("idiom", IDIOMS, ids=str)
def test_plain_numpy_runs_on_symbols(idiom: str) -> None:
    loss, point = IDIOMS[idiom], np.array([0.3, -0.7, 1.2])
    report = tricheck.check(loss, np.zeros_like, point, reference="sympy")
    pair = report.parameters["params"].pairs["finite-difference/reference"]
    assert pair.agree, str(report)
    assert report.verdict is Verdict.BACKPROP


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda w: np.linalg.det(np.outer(w, w) + np.eye(3)), ["test_symbols.py", "det"]),
        (lambda w: math.sqrt(complex(w[0]).real), ["test_symbols.py", "turned into a number"]),
        (lambda w: pickle.loads(pickle.dumps(w)).sum(), ["test_symbols.py", "pickled"]),
        (lambda w: np.sum(w) * int(w[2]), ["test_symbols.py", "turned into a number"]),
        (lambda w: sum(w[0] * i for i in range(60_000)), ["100000 operations", "smaller version"]),
    ],
)
def test_what_does_not_run_is_said(loss: Any, said: list[str]) -> None:
    with pytest.raises(TraceError) as caught:
        tricheck.check(loss, np.zeros_like, np.array([0.3, -0.7, 1.2]), reference="sympy")
    for words in said:
        assert words in str(caught.value)


def test_what_a_model_keeps_acts_like_a_number_afterwards() -> None:
    class Net:
        running: Any = 0.0
        history: list[Any] = []  # noqa: RUF012  # shared on purpose

        def loss(self, w: Array) -> Any:
            Net.running = 0.9 * Net.running + w
            Net.history.append(w)
            return np.sum(w**2)

    report = tricheck.check(Net().loss, lambda w: 2 * w, np.array([1.0, 2.0]), reference="sympy")
    assert report.verdict is Verdict.AGREE, str(report)
    for kept in Net.history:
        plain = np.asarray(kept, dtype=float)
        np.testing.assert_array_equal(np.asarray(kept * 2 + 1, dtype=float), plain * 2 + 1)
        np.testing.assert_array_equal(np.asarray(np.exp(kept), dtype=float), np.exp(plain))
        assert [int(number) for number in kept] == [int(number) for number in plain]


# --- formulas -----------------------------------------------------------------------------------


def line() -> Model:
    X, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([1.0, 0.5])

    def loss(p: Any) -> Any:
        return 0.5 * np.sum((X @ p["w"] + p["b"] - y) ** 2)

    def gradient(p: Any) -> Any:
        error = X @ p["w"] + p["b"] - y
        return {"w": X.T @ error, "b": np.sum(error)}

    return Model(loss, gradient, {"w": np.array([0.3, -0.2]), "b": 0.25}, name="line")


def test_the_formula_of_a_line() -> None:
    report = tricheck.check(line())
    found = report.formula("w", (0,))
    w0, w1, b = sympy.symbols("w[0] w[1] b", real=True)
    # X.T @ (X @ w + b - y), by hand
    assert sympy.expand(found.expression - (10 * w0 - w1 + 4 * b - sympy.Rational(5, 2))) == 0
    assert (found.model, found.parameter, found.index) == ("line", "w", (0,))
    assert "10*w[0]" in found.text
    assert "10 w_{0}" in found.latex
    assert found.value == pytest.approx(10 * 0.3 + 0.2 + 1.0 - 2.5, rel=1e-15)
    assert float(found.digits) == found.value
    assert report.formula("w", 0) == found
    assert report.formula("b").index == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.value = 0.0  # type: ignore[misc]


def test_a_formula_of_a_network_has_the_derivatives_value(monkeypatch: pytest.MonkeyPatch) -> None:
    # sympy finds a shorter form at once, and would take minutes over the next
    monkeypatch.setattr("tricheck.tracing.simplify.simpler", partial(simpler, seconds=2.0))
    loss, params = network((3, 2, 2, 2))
    model = Model(loss, nothing, params)
    found = formula(model, "W1", (1, 0))
    numbers = {
        sympy.Symbol(f"{name}[{','.join(map(str, i))}]", real=True): sympy.Float(block[i], 60)
        for name, block in params.items()
        for i in np.ndindex(block.shape)
    }
    assert found.expression.free_symbols <= set(numbers)
    value = found.expression.evalf(50, subs=numbers)
    assert abs(value - sympy.Float(found.digits, 50)) <= 1e-40 * abs(value)
    digits = tricheck.check(model, reference="sympy").gradients["reference"]["W1"][1, 0]
    assert found.value == digits
    printed = str(found)
    assert "where" in printed
    assert all(len(text) <= 80 for text in printed.splitlines())


def test_the_numbers_of_a_formula_are_short_in_print_and_exact_in_the_expression() -> None:
    model = Model(lambda w: 0.1 * w[0] * w[1] + 1e-9 * w[0], nothing, np.array([1.0, 2.0]))
    found = formula(model, "params", 0)
    assert found.text == "0.1*params[1] + 1e-09"
    assert found.latex == r"0.1 \mathrm{params}_{1} + 1 \cdot 10^{-9}"
    constant = found.expression.as_coefficients_dict()[sympy.Integer(1)]
    assert sympy.Rational(constant) == sympy.Rational(*(1e-9).as_integer_ratio())


def test_a_formula_where_there_is_no_slope() -> None:
    found = formula(Model(lambda w: np.sum(np.abs(w)), nothing, np.zeros(1)), "params", 0)
    assert found.digits == "nan"
    assert np.isnan(found.value)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (("V", 0), ["'V'", "w, b"]),
        (("w", 2), ["2", "'w'", "(2,)"]),
        (("w", (0, 0)), ["(0, 0)", "(2,)"]),
        (("w",), ["()", "(2,)"]),
    ],
)
def test_an_unknown_entry_is_said(entry: Any, said: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        tricheck.check(line()).formula(*entry)
    for words in said:
        assert words in str(caught.value)


def test_a_loss_too_large_for_a_formula_is_refused_with_the_size() -> None:
    loss, params = network((100, 8, 9, 3))
    report = tricheck.check(Model(loss, nothing, params))
    with pytest.raises(TraceError, match="operations, and formulas are shown up to 20000"):
        report.formula("W1", (0, 0))


def test_a_formula_that_nests_too_deep_is_refused() -> None:
    def loss(w: Array) -> Any:
        x = w[0]
        for _ in range(5000):
            x = np.sin(x)
        return x

    with pytest.raises(TraceError, match="deeper"):
        formula(Model(loss, nothing, np.array([0.5])), "params", 0)


def test_the_formula_is_that_of_the_point_checked() -> None:
    w = np.array([0.5])
    report = tricheck.check(lambda w: np.sum(w**3), lambda w: 3 * w**2, w)
    w[:] = 2.0
    assert report.formula("params", 0).value == 0.75


def test_the_formula_of_an_object_leaves_it_alone() -> None:
    class Net:
        def __init__(self) -> None:
            self.W = np.array([0.5, -1.0])

    net = Net()
    model = Model.from_object(
        net, ["W"], loss=lambda n: np.sum(n.W**3), gradient=lambda n: {"W": 3 * n.W**2}
    )
    found = tricheck.check(model).formula("W", 1)
    assert (found.text, found.value) == ("3*W[1]**2", 3.0)
    assert type(net.W) is np.ndarray
    assert net.W.dtype == np.float64


def test_a_report_is_its_facts_still() -> None:
    report = tricheck.check(line())
    assert "_live" not in report.to_dict()
    assert "_live" not in json.loads(report.to_json())
    assert "_live" not in repr(report)
    module_level = dataclasses.replace(report)
    assert module_level.formula("b").parameter == "b"
    copied = pickle.loads(pickle.dumps(report))
    assert copied.verdict is report.verdict
    with pytest.raises(ModelError, match="without its model"):
        copied.formula("b")


# --- simplification -----------------------------------------------------------------------------


def test_simplification_finds_shorter_forms_and_can_be_abandoned() -> None:
    x = sympy.Symbol("x[0]", real=True)
    [best, *_] = simpler(sympy.sin(x) ** 2 + sympy.cos(x) ** 2 + x, seconds=60.0)
    assert best == x + 1
    hard = sum(sympy.sqrt(sympy.sin(k * x) + x**k) for k in range(60)) ** 3
    start = time.perf_counter()
    simpler(hard, seconds=0.3)
    assert time.perf_counter() - start < 3.0


def test_a_form_of_another_value_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tricheck.tracing.simplify.simpler", lambda _: [sympy.Integer(7)])
    assert formula(line(), "b").text != "7"


# --- the command line ---------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["formula", *arguments])


def test_the_command_line_shows_a_formula() -> None:
    done = run(f"{EXAMPLES / 'linear_regression.py'}::linear_regression", "params[1]")
    assert done.exit_code == 0, done.output
    assert "linear_regression: dloss/dparams[1]" in done.output
    assert "at the point 2.947054016926446" in done.output
    assert all(len(text) <= 80 for text in done.output.splitlines())
    assert done.output.isascii()
    assert "\x1b" not in done.output


def test_the_command_line_prints_latex_alone() -> None:
    done = run(f"{EXAMPLES / 'linear_regression.py'}", "params[1]", "--latex")
    assert done.exit_code == 0, done.output
    assert done.output.count("\n") == 1
    assert r"\mathrm{params}_{0}" in done.output


def test_names_that_end_like_an_entry_are_names_first(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "import numpy as np, tricheck\n"
        "m = tricheck.Model(lambda p: p[0] ** 2 * np.sum(p[1]), lambda p: p,"
        " [3.0, np.array([1.0, 2.0])])\n"
    )
    assert "= 6*" not in run(f"{tmp_path / 'model.py'}", "params[0]").output
    assert "at the point 18.0" in run(f"{tmp_path / 'model.py'}", "params[0]").output
    assert "at the point 9.0" in run(f"{tmp_path / 'model.py'}", "params[1][0]").output


@pytest.mark.parametrize(
    ("target", "entry", "said"),
    [
        ("two_layer_mse.py", "W9[0]", ["there is no parameter 'W9'", "W1, b1, W2, b2"]),
        ("two_layer_mse.py", "W1[9,9]", ["(9, 9)", "(3, 4)"]),
        ("two_layer_mse.py", "W1", ["()", "(3, 4)"]),
        ("two_layer_mse.py", "W1[a]", ["there is no parameter 'W1[a]'"]),
        ("two_layer_mse.py::nobody", "W1[0,0]", ["holds no model 'nobody'"]),
        ("gaussian_process.py", "log_noise", ["gaussian_process.py:", "cholesky"]),
        ("", "W1[0,0]", ["models", "FILE.py::NAME"]),
    ],
)
def test_a_bad_entry_is_a_usage_error(target: str, entry: str, said: list[str]) -> None:
    done = run(str(EXAMPLES / target) if target else str(EXAMPLES), entry)
    assert done.exit_code == 2
    for words in said:
        assert words in " ".join(done.output.split())


# --- the arbiter --------------------------------------------------------------------------------


def cancelling(w: Array) -> Any:
    return np.sum((1 - np.cos(w)) / w**2)


def series(w: Array) -> Array:
    """The derivative of `cancelling`, from its series: exact to rounding for small w."""
    return -w / 12 + w**3 / 180


TINY = np.array([1e-4, 2e-4])


def test_fifty_digits_settle_what_float64_cannot() -> None:
    right = tricheck.check(cancelling, series, TINY)
    assert right.ok, str(right)
    assert "settled" in [f.cause for f in right.findings]
    # The truth, with 200 digits to cancel
    with mpmath.workdps(200):
        slope = [mpmath.diff(lambda x: (1 - mpmath.cos(x)) / x**2, mpmath.mpf(x)) for x in TINY]
    np.testing.assert_allclose(right.gradients["reference"], [float(s) for s in slope], rtol=3e-16)
    wrong = tricheck.check(cancelling, lambda w: 1.2 * series(w), TINY)
    assert wrong.verdict is Verdict.BACKPROP, str(wrong)
    assert wrong.reference == "sympy through the loss, 50 digits"
    [note] = [f for f in wrong.findings if f.cause == "settled"]
    assert (note.severity, note.evidence["entries"]) == ("note", 2.0)


@pytest.mark.parametrize("reference", [None, series, tricheck.autograd(cancelling)])
def test_the_arbiter_speaks_for_no_other_reference(reference: Any) -> None:
    report = tricheck.check(cancelling, lambda w: 1.2 * series(w), TINY, reference=reference)
    assert "settled" not in [f.cause for f in report.findings]


def test_an_ordinary_check_does_not_load_sympy() -> None:
    code = (
        "import numpy as np, tricheck; "
        "r = tricheck.check(lambda w: np.sum(np.tanh(w)**2), "
        "lambda w: 2*np.tanh(w)*(1-np.tanh(w)**2), np.array([.1,.2])); assert r.verdict == 'agree'"
    )
    assert "sympy" not in loaded_by(code)


# --- a loss written down in sympy ---------------------------------------------------------------

A, B, C = sympy.symbols("a b c")
DATA, TARGET = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]]), np.array([[1.0], [0.5], [-1.0]])


def least_squares(W: Array) -> Any:
    return np.sum((DATA @ W - TARGET) ** 2)


def right(W: Array) -> Array:
    return 2 * DATA.T @ (DATA @ W - TARGET)


def _expression(W: Any) -> Any:
    error = sympy.Matrix(DATA) * W - sympy.Matrix(TARGET)
    return error.T * error


@pytest.mark.parametrize(
    "symbols",
    [
        sympy.MatrixSymbol("W", 2, 1),
        sympy.Matrix([A, B]),
        sympy.ImmutableMatrix([A, B]),
    ],
    ids=lambda symbols: type(symbols).__name__,
)
def test_matrices_in_sympy(symbols: Any) -> None:
    reference = tricheck.sympy(_expression(symbols), symbols)
    W = np.array([[0.3], [-0.2]])
    good = tricheck.check(least_squares, right, W, reference=reference)
    assert good.verdict is Verdict.AGREE, str(good)
    assert good.reference == "sympy expression, 50 digits"
    bad = tricheck.check(least_squares, lambda W: right(W) / 3, W, reference=reference)
    assert bad.verdict is Verdict.BACKPROP
    assert bad.findings[0].evidence["matches"] == "1/3"


@pytest.mark.parametrize("symbols", [[A, B], (A, B), sympy.Array([A, B]), sympy.Matrix([[A, B]])])
def test_a_vectors_symbols(symbols: Any) -> None:
    report = tricheck.check(
        lambda w: w[0] ** 2 * np.exp(w[1]),
        lambda w: np.array([2 * w[0], w[0] ** 2]) * np.exp(w[1]),
        np.array([0.3, -0.2]),
        reference=tricheck.sympy(A**2 * sympy.exp(B), symbols),
    )
    assert report.verdict is Verdict.AGREE, str(report)


def test_symbols_in_the_structure_of_params() -> None:
    W = sympy.MatrixSymbol("W", 2, 2)
    cube = sympy.Array([[[A, B]]])
    report = tricheck.check(
        lambda p: np.trace(p["W"] @ p["W"]) * p["c"] + np.sum(p["deep"][0] ** 3),
        lambda p: {
            "W": 2 * p["W"].T * p["c"],
            "c": np.trace(p["W"] @ p["W"]),
            "deep": [3 * p["deep"][0] ** 2],
        },
        {"W": np.array([[1.0, 2.0], [0.5, -1.0]]), "c": 0.7, "deep": [np.array([[[0.1, 0.2]]])]},
        reference=tricheck.sympy(
            sympy.Trace(W * W) * C + A**3 + B**3, {"W": W, "c": C, "deep": [cube]}
        ),
    )
    assert report.verdict is Verdict.AGREE, str(report)


@pytest.mark.parametrize(
    ("expression", "slope"),
    [
        (sympy.erf(A), lambda x: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-(x**2))),
        (sympy.gamma(A), lambda x: mpmath.gamma(x) * mpmath.digamma(x)),
        (sympy.Abs(A) + sympy.Max(A, 0.5) * sympy.Min(A, 2), lambda x: 1 + 2 * x),
        (sympy.Piecewise((A**2, A > 1), (A**3, True)), lambda x: 3 * x**2),
        (sympy.sign(A) * A + sympy.floor(A) * A + sympy.ceiling(A) * A, lambda x: mpmath.mpf(2)),
        (sympy.pi * A / 3, lambda x: mpmath.pi / 3),
        (A ** sympy.Rational(1, 3), lambda x: x ** (-mpmath.mpf(2) / 3) / 3),
        (sympy.conjugate(A) ** 2, lambda x: 2 * x),
        (sympy.besselj(0, A), lambda x: -mpmath.besselj(1, x)),
    ],
    ids=lambda part: str(part) if isinstance(part, sympy.Basic) else "slope",
)
def test_sympys_own_functions(expression: Any, slope: Any) -> None:
    compiled = sympy.lambdify([A], expression, "mpmath")
    with mpmath.workdps(60):
        truth = float(slope(mpmath.mpf(0.7)))
    report = tricheck.check(
        lambda w: float(mpmath.re(compiled(mpmath.mpf(w[0])))),
        lambda w: np.array([truth]),
        np.array([0.7]),
        reference=tricheck.sympy(expression, [A]),
    )
    assert abs(report.gradients["reference"][0] - truth) <= np.spacing(abs(truth))
    assert not report.findings or report.findings[0].cause != "different-loss"


@pytest.mark.parametrize(
    "expression",
    [
        A * B + 1,
        A * B + (A - sympy.Float(0.3, 17)) ** 2,  # the same at the point
        2 * A * B,
    ],
)
def test_an_expression_of_another_loss_is_said_first(expression: Any) -> None:
    report = tricheck.check(
        lambda w: w[0] * w[1],
        lambda w: w[::-1].copy(),
        np.array([0.3, -0.2]),
        reference=tricheck.sympy(expression, [A, B]),
    )
    assert report.findings[0].cause == "different-loss", str(report)


@pytest.mark.parametrize(
    ("expression", "symbols", "said"),
    [
        (3.0, [A, B], ["float", "sympy expression"]),
        (A * B, A, ["shape ()", "'params'", "(2,)"]),
        (A * B, [A, B, C], ["shape (3,)", "(2,)"]),
        (A * B, [A, A], ["a twice"]),
        (A * B, [A, 2], ["holds 2", "symbols"]),
        (A * B * C, [A, B], ["has c", "substitute numbers"]),
        (sympy.Matrix([A, B]), [A, B], ["(2, 1)", "scalar"]),
        (sympy.Integer(3), [A, B], ["does not depend on parameter 'params'"]),
        (A * B, {"w": [A, B]}, ["shape ()", "'params'"]),
        (sympy.Sum(A * B / C**2, (C, 1, A)), [A, B], ["harmonic", "no value"]),
        (sympy.Piecewise((A * B, A > 7)), [A, B], ["Piecewise", "no branch"]),
    ],
)
def test_a_bad_expression_is_said(expression: Any, symbols: Any, said: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        tricheck.check(
            lambda w: w[0] * w[1],
            lambda w: w[::-1].copy(),
            np.array([0.3, -0.2]),
            reference=tricheck.sympy(expression, symbols),
        )
    for words in said:
        assert words in str(caught.value)


def test_symbols_lack_a_parameter() -> None:
    with pytest.raises(ModelError, match="symbols has no entry for parameter 'b'"):
        tricheck.check(line(), reference=tricheck.sympy(A**2, {"w": [A, B]}))


def test_the_function_hides_no_module() -> None:
    assert callable(tricheck.sympy)
    assert sympy.__name__ == "sympy"
    assert "sympy" not in loaded_by("import tricheck; tricheck.sympy")


def test_a_formula_is_printed_in_full() -> None:
    found = Formula("m", "w", (), C, "c", "c", 1.5, "1.5")
    assert str(found) == "m: dloss/dw\n\n  = c\n\n  at the point 1.5\n  in float64   1.5\n"
