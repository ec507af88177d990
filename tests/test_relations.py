"""Relations between backprop and what is right: what was injected is what is named."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tricheck
from tricheck import Model, Report, Verdict
from tricheck.vocabulary import Finding

Array = npt.NDArray[Any]
Params = dict[str, Array]
Wrong = Callable[[Array, Array], Array]


# --- models -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A model with a right gradient, to be spoiled."""

    loss: Callable[..., Any]
    gradient: Callable[..., Params]
    params: Params
    args: tuple[Any, ...]

    def spoiled(self, wrong: Mapping[str, Wrong], dtype: type = np.float64) -> Model:
        """The model whose gradient is wrong in these parameters."""

        right = self.gradient

        def gradient(p: Params, *args: Any) -> Params:
            answer = right(p, *args)
            changed: Params = {
                name: wrong[name](answer[name], p[name]).astype(dtype) for name in wrong
            }
            return {**answer, **changed}

        params: Params = {name: value.astype(dtype) for name, value in self.params.items()}
        args = tuple(a.astype(dtype) if _floats(a) else a for a in self.args)
        return Model(self.loss, gradient, params, args)


def _floats(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


rng = np.random.default_rng(20)
REG = 0.25  # of the classifier's weight decay


def softmax_loss(p: Params, X: Array, y: Array, reg: float) -> Any:
    """A classifier, averaged over its samples, with weight decay."""
    scores = X @ p["W"] + p["b"]
    scores = scores - np.max(scores, axis=1, keepdims=True)
    log_p = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(y)), y]) + 0.5 * reg * np.sum(p["W"] ** 2)


def softmax_gradient(p: Params, X: Array, y: Array, reg: float) -> Params:
    scores = X @ p["W"] + p["b"]
    delta = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    delta /= np.sum(delta, axis=1, keepdims=True)
    delta[np.arange(len(y)), y] -= 1.0
    delta /= len(y)
    return {"W": X.T @ delta + reg * p["W"], "b": np.sum(delta, axis=0)}


def softmax(samples: int, features: int, classes: int) -> Case:
    params = {"W": rng.normal(size=(features, classes)), "b": rng.normal(size=classes)}
    labels = rng.integers(0, classes, samples)
    args = (rng.normal(size=(samples, features)), labels, REG)
    return Case(softmax_loss, softmax_gradient, params, args)


def gates_loss(p: Params, x: Array, h: Array, c: Array) -> Any:
    """A step of a recurrent cell before its gates are taken apart, each output with its weight."""
    return np.sum(c * np.tanh(x @ p["Wx"] + h @ p["Wh"] + p["b"]))


def gates_gradient(p: Params, x: Array, h: Array, c: Array) -> Params:
    delta = c * (1.0 - np.tanh(x @ p["Wx"] + h @ p["Wh"] + p["b"]) ** 2)
    return {"Wx": x.T @ delta, "Wh": h.T @ delta, "b": np.sum(delta, axis=0)}


def stack_loss(p: Params, x: Array, c: Array) -> Any:
    """Heads, each with a square matrix."""
    return np.sum(c * np.tanh(np.einsum("nd,hde->hne", x, p["W"])))


def stack_gradient(p: Params, x: Array, c: Array) -> Params:
    delta = c * (1.0 - np.tanh(np.einsum("nd,hde->hne", x, p["W"])) ** 2)
    return {"W": np.einsum("nd,hne->hde", x, delta)}


def elementwise_loss(p: Params, c: Array) -> Any:
    """An activation: every input has an output of its own."""
    return np.sum(c * np.sin(p["x"]))


def elementwise_gradient(p: Params, c: Array) -> Params:
    return {"x": c * np.cos(p["x"])}


def elementwise(*shape: int) -> Case:
    x, c = rng.normal(size=shape), rng.uniform(0.5, 1.5, size=shape)
    signs = rng.choice([-1.0, 1.0], size=shape)
    return Case(elementwise_loss, elementwise_gradient, {"x": x}, (c * signs,))


SOFTMAX = softmax(6, 5, 3)
SQUARE = softmax(7, 4, 4)
TWO = softmax(2, 5, 3)
GATES = Case(
    gates_loss,
    gates_gradient,
    {"Wx": rng.normal(size=(3, 16)), "Wh": rng.normal(size=(4, 16)), "b": rng.normal(size=16)},
    (rng.normal(size=(5, 3)), rng.normal(size=(5, 4)), rng.normal(size=(5, 16))),
)
THREE = Case(
    gates_loss,
    gates_gradient,
    {"Wx": rng.normal(size=(2, 12)), "Wh": rng.normal(size=(4, 12)), "b": rng.normal(size=12)},
    (rng.normal(size=(5, 2)), rng.normal(size=(5, 4)), rng.normal(size=(5, 12))),
)
STACK = Case(
    stack_loss,
    stack_gradient,
    {"W": rng.normal(size=(3, 4, 4))},
    (rng.normal(size=(5, 4)), rng.normal(size=(3, 5, 4))),
)
POINTS = elementwise(5, 6)


# --- what is injected, and what has to be said --------------------------------------------------


def gate(number: int, change: Callable[[Array], Array], parts: int = 4) -> Wrong:
    """Another gradient in one of the equal parts of the last axis."""

    def spoil(g: Array, w: Array) -> Array:
        pieces = np.split(g.copy(), parts, axis=-1)
        pieces[number] = change(pieces[number])
        return np.concatenate(pieces, axis=-1)

    return spoil


def gates_in_order(*order: int) -> Wrong:
    def spoil(g: Array, w: Array) -> Array:
        pieces = np.split(g, len(order), axis=-1)
        return np.concatenate([pieces[i] for i in order], axis=-1)

    return spoil


def at(*index: int, change: Callable[[Array], Array]) -> Wrong:
    """Another gradient in one slice or entry."""

    def spoil(g: Array, w: Array) -> Array:
        g = g.copy()
        g[index] = change(g[index])
        return g

    return spoil


def shifted(g: Array, w: Array) -> Array:
    """One row down, zeros moving in."""
    return np.concatenate([np.zeros_like(g[:1]), g[:-1]])


def data(g: Array, w: Array) -> Array:
    """The gradient of the data term."""
    return g - REG * w


@dataclass(frozen=True, eq=False)
class Row:
    """A mistake, and what has to be said of it."""

    id: str
    case: Case
    parameter: str
    wrong: Wrong
    cause: str
    said: tuple[str, ...]


# fmt: off
ROWS = [
    # a constant factor
    Row("minus", SOFTMAX, "W", lambda g, w: -g, "sign", ("minus the right gradient",)),
    Row("zero", SOFTMAX, "W", lambda g, w: 0.0 * g, "zero", ("0 throughout",)),
    Row("twice", SOFTMAX, "W", lambda g, w: 2.0 * g, "scale", ("2 times", "2 too many")),
    Row("half", SOFTMAX, "W", lambda g, w: 0.5 * g, "scale", ("(1/2)", "forgotten 2")),
    Row("quarter", SOFTMAX, "W", lambda g, w: 0.25 * g, "scale", ("(1/4)",)),
    Row("mean for sum", SOFTMAX, "W", lambda g, w: g / 6.0, "scale",
        ("(1/6)", "N = 6 (axis 0 of X and y)", "a mean for a sum")),
    Row("sum for mean", SOFTMAX, "W", lambda g, w: 6.0 * g, "scale",
        ("N = 6 (axis 0 of X and y)", "a sum for a mean")),
    Row("2/N twice", SOFTMAX, "W", lambda g, w: g / 3.0, "scale", ("2/N with N = 6",)),
    Row("rate", SOFTMAX, "W", lambda g, w: 0.75 * g, "scale", ("1 − reg",)),
    Row("no known factor", SOFTMAX, "W", lambda g, w: 1.37 * g, "scale", ("1.37 times",)),
    Row("minus 6", SOFTMAX, "W", lambda g, w: -6.0 * g, "scale", ("-6 times", "N = 6")),
    Row("ambiguous", TWO, "W", lambda g, w: 2.0 * g, "scale", ("2 or N with N = 2",)),
    Row("clipped norm", SOFTMAX, "W", lambda g, w: 0.3 * g / np.linalg.norm(g), "scale",
        ("its norm is 0.3", "clipped")),
    # weight decay
    Row("decay missing", SOFTMAX, "W", data, "regularizer", ("missing (of slope reg W)",)),
    Row("decay doubled", SOFTMAX, "W", lambda g, w: g + REG * w, "regularizer", ("doubled",)),
    Row("decay flipped", SOFTMAX, "W", lambda g, w: g - 2 * REG * w, "regularizer",
        ("of the wrong sign (of slope reg W)", "missing (of slope 2 reg W)")),
    Row("decay halved", SOFTMAX, "W", lambda g, w: g - REG / 2 * w, "regularizer", ("halved",)),
    Row("decay averaged", SOFTMAX, "W", lambda g, w: data(g, w) + REG / 6 * w, "regularizer",
        ("divided by 6",)),
    Row("decay of unknown strength", SOFTMAX, "W", lambda g, w: g - 0.123 * w, "regularizer",
        ("lacks 0.123 times the parameter",)),
    Row("data summed", SOFTMAX, "W", lambda g, w: 6 * data(g, w) + REG * w, "scale",
        ("6 times the right gradient minus 1.25 times", "decay right (of slope reg W)")),
    Row("data averaged", SOFTMAX, "W", lambda g, w: data(g, w) / 3 + REG * w, "scale",
        ("data term times 2/N with N = 6", "decay right (of slope reg W)")),
    Row("data's sign", SOFTMAX, "W", lambda g, w: REG * w - data(g, w), "sign",
        ("-1 times the right gradient plus 0.5 times", "data term of the wrong sign",
         "decay right (of slope reg W)")),
    Row("both wrong", SOFTMAX, "W", lambda g, w: -data(g, w) - 2 * REG * w, "regularizer",
        ("-1 times the right gradient minus 0.25 times",)),
    Row("data transposed", SQUARE, "W", lambda g, w: data(g, w).T + REG * w, "transposed",
        ("data term is transposed, the weight decay (of slope reg W) right",)),
    Row("data reshaped", SOFTMAX, "W",
        lambda g, w: data(g, w).T.reshape(g.shape) + REG * w, "permuted",
        ("data term is read in Fortran's order", "(of slope reg W) right")),
    Row("data forgotten", SOFTMAX, "W", lambda g, w: REG * w, "regularizer",
        ("0.25 times the parameter itself", "data term missing")),
    Row("bias decayed", SOFTMAX, "b", lambda g, w: g + REG * w, "regularizer",
        ("not in the loss for this parameter (of slope reg W)",)),
    Row("L1 too much", SOFTMAX, "W", lambda g, w: g + 0.03 * np.sign(w), "regularizer",
        ("0.03 times the parameter's sign",)),
    Row("first row not decayed", SOFTMAX, "W",
        lambda g, w: np.concatenate([data(g, w)[:1], g[1:]]), "regularizer",
        ("W[0, :]", "missing (of slope reg W)")),
    # biases
    Row("bias averaged", SOFTMAX, "b", lambda g, w: g / 6, "bias-reduction", ("N = 6",)),
    Row("bias summed", SOFTMAX, "b", lambda g, w: g * 6, "bias-reduction", ("N = 6",)),
    Row("bias over all units", GATES, "b", lambda g, w: 0 * g + g.sum(), "bias-reduction",
        ("the sum of all the right entries",)),
    Row("bias mean over all units", GATES, "b", lambda g, w: 0 * g + g.mean(), "bias-reduction",
        ("the mean of all the right entries",)),
    Row("bias halved", SOFTMAX, "b", lambda g, w: g / 2, "scale", ("(1/2)",)),
    # another order
    Row("transposed", SQUARE, "W", lambda g, w: g.T, "transposed", ("outer product",)),
    Row("minus transposed", SQUARE, "W", lambda g, w: -g.T, "transposed", ("times -1",)),
    Row("transposed and scaled", SQUARE, "W", lambda g, w: 7 * g.T, "transposed", ("times 7",)),
    Row("stack transposed", STACK, "W", lambda g, w: g.swapaxes(1, 2), "transposed",
        ("in axes 1 and 2",)),
    Row("gates transposed", GATES, "Wh",
        lambda g, w: np.concatenate([p.T for p in np.split(g, 4, axis=1)], axis=1), "transposed",
        ("each of its 4 square parts",)),
    Row("one head transposed", STACK, "W", at(1, change=np.transpose), "transposed",
        ("W[1, :, :]",)),
    Row("reshaped", SOFTMAX, "W", lambda g, w: g.T.reshape(g.shape), "permuted",
        ("Fortran's order", "reshape")),
    Row("Fortran's order", SOFTMAX, "W",
        lambda g, w: g.ravel().reshape(g.shape, order="F"), "permuted", ("Fortran's order",)),
    Row("axes in another order", STACK, "W",
        lambda g, w: g.transpose(1, 2, 0).reshape(g.shape), "permuted", ("reshaped",)),
    Row("reversed", SOFTMAX, "W", lambda g, w: g[::-1], "permuted", ("reversed along axis 0",)),
    Row("shifted cyclically", SOFTMAX, "W", lambda g, w: np.roll(g, 2, axis=0), "permuted",
        ("shifted cyclically along axis 0 by 2",)),
    Row("shifted with zeros", SOFTMAX, "W", shifted, "permuted", ("along axis 0, zeros",)),
    Row("gates in another order", GATES, "Wx", gates_in_order(0, 1, 3, 2), "permuted",
        ("4 equal parts along axis 1 in the order 0, 1, 3, 2",)),
    Row("gates of a bias", GATES, "b", gates_in_order(1, 0, 2, 3), "permuted",
        ("4 equal parts in the order 1, 0, 2, 3",)),
    Row("three gates", THREE, "Wx", gates_in_order(1, 0, 2), "permuted", ("1, 0, 2",)),
    Row("halves swapped", GATES, "Wx", gates_in_order(1, 0), "permuted", ("halves",)),
    Row("gates shifted", GATES, "Wx", gates_in_order(3, 0, 1, 2), "permuted",
        ("shifted cyclically along axis 1 by 1 of 4 equal parts",)),
    Row("rows in another order", SOFTMAX, "W", lambda g, w: g[[0, 3, 1, 4, 2]], "permuted",
        ("5 slices along axis 0 in the order 0, 3, 1, 4, 2",)),
    Row("any order", POINTS, "x",
        lambda g, w: g.reshape(-1)[np.random.default_rng(4).permutation(30)].reshape(5, 6),
        "permuted", ("at the wrong indices",)),
    # in a part of the entries
    Row("one gate's sign", GATES, "Wx", gate(1, lambda p: -p), "sign",
        ("Wx[:, 4:8], the second of 4", "minus")),
    Row("one gate missing", GATES, "Wh", gate(2, lambda p: 0 * p), "zero", ("Wh[:, 8:12]",)),
    Row("one gate halved", GATES, "Wx", gate(0, lambda p: p / 2), "scale", ("Wx[:, 0:4]",)),
    Row("one of three gates", THREE, "Wx", gate(2, lambda p: -p, 3), "sign", ("third of 3",)),
    Row("one gate shifted", GATES, "Wx", gate(3, lambda p: np.roll(p, 1, axis=1)), "permuted",
        ("Wx[:, 12:16]", "cyclically")),
    Row("one row's sign", SOFTMAX, "W", at(2, change=np.negative), "entries", ("W[2, :]", "minus")),
    Row("one row doubled", SOFTMAX, "W", at(2, change=lambda p: 2 * p), "entries",
        ("W[2, :]", "2 times")),
    Row("one entry's sign", SOFTMAX, "W", at(2, 1, change=np.negative), "entries",
        ("1 of 15 entries", "minus")),
    Row("one entry zero", SOFTMAX, "W", at(2, 1, change=lambda p: 0 * p), "entries",
        ("1 of 15 entries", "0 throughout")),
    Row("one entry", SOFTMAX, "W", at(2, 1, change=lambda p: p + 0.0731), "entries",
        ("1 of 15 entries is wrong",)),
    Row("wrong side", POINTS, "x", lambda g, w: np.where(w < 0, -g, g), "sign",
        ("where x is negative", "minus")),
    Row("absolute value", POINTS, "x", lambda g, w: np.abs(g), "sign",
        ("where the right gradient is negative",)),
    Row("leaky slope", POINTS, "x", lambda g, w: np.where(w < 0, 0.01 * g, g), "entries",
        ("where x is negative", "0.01")),
    Row("masked", POINTS, "x", lambda g, w: np.where(w > 0, g, 0 * g), "entries",
        ("where x is negative", "0 throughout")),
    Row("rectified", POINTS, "x", lambda g, w: np.maximum(g, 0), "entries",
        ("where the right gradient is negative", "0 throughout")),
    Row("diagonal forgotten", SQUARE, "W", lambda g, w: g - np.diag(np.diag(g)), "entries",
        ("on the diagonal", "0 throughout")),
    Row("triangle", SQUARE, "W", lambda g, w: np.tril(g), "entries", ("above the diagonal",)),
    Row("border", POINTS, "x", lambda g, w: np.pad(g[1:-1, 1:-1], 1), "entries",
        ("on the border",)),
    Row("clipped", POINTS, "x", lambda g, w: np.clip(g, -0.5, 0.5), "entries",
        ("clipped to [-0.5, 0.5]",)),
    Row("clipped above", POINTS, "x", lambda g, w: np.minimum(g, 0.40625), "entries",
        ("clipped at 0.40625",)),
    Row("all but one", SOFTMAX, "W", lambda g, w: at(1, 1, change=lambda p: p + 0.3)(2 * g, w),
        "scale", ("in 14 of 15 entries", "in part", "W[1, 1]")),
]
# fmt: on


def the_finding(report: Report, parameter: str) -> Finding:
    """The only one on backprop, which speaks of this parameter."""
    assert report.verdict is Verdict.BACKPROP, str(report)
    [finding] = [f for f in report.findings if f.source == "backprop"]
    assert finding.parameter == parameter
    return finding


@cache
def found(row: Row, dtype: type) -> Finding:
    """What is said of a mistake, beside a reference."""
    model = row.case.spoiled({row.parameter: row.wrong}, dtype)
    return the_finding(tricheck.check(model), row.parameter)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_what_was_injected_is_named(row: Row, dtype: type) -> None:
    finding = found(row, dtype)
    assert finding.cause == row.cause, finding.message
    if dtype is np.float64:
        for words in row.said:
            assert words in finding.message, finding.message
        said = f"{finding.cause}: {finding.parameter}: {finding.message}"
        assert len(textwrap.wrap(said, 78)) <= 3, said


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_finite_difference_alone_names_it_too(row: Row) -> None:
    model = row.case.spoiled({row.parameter: row.wrong})
    finding = the_finding(tricheck.check(model, reference=None), row.parameter)
    assert finding.cause == row.cause, finding.message


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_an_explanation_says_what_it_leaves(row: Row) -> None:
    finding = found(row, np.float64)
    if "residual" in finding.evidence:
        residual, bound = finding.evidence["residual"], finding.evidence["bound"]
        assert isinstance(residual, float)
        assert isinstance(bound, float)
        assert residual <= bound < 1e-9
        assert "to 12 digits" in finding.message
    else:
        assert "in part" in finding.message or "is wrong, the others right" in finding.message


# --- what fits, and what does not ---------------------------------------------------------------


def test_every_reading_is_listed() -> None:
    finding = the_finding(tricheck.check(TWO.spoiled({"W": lambda g, w: g / 2})), "W")
    assert finding.evidence["readings"] == ["1/2", "1/N with N = 2 (axis 0 of X and y)"]
    assert finding.evidence["matches"] == "1/2"
    assert finding.evidence["factor"] == pytest.approx(0.5)


def test_a_root_of_a_size_is_read() -> None:
    rng = np.random.default_rng(0)
    Q, K = rng.normal(size=(6, 5)), rng.normal(size=(7, 5))
    report = tricheck.check(
        lambda w: np.sum(np.tanh((Q * w) @ K.T / np.sqrt(5))),
        lambda w: np.sum((1 - np.tanh((Q * w) @ K.T / np.sqrt(5)) ** 2) @ K * Q, axis=0),
        rng.normal(size=5),
    )
    [finding] = report.findings
    assert finding.cause == "scale"
    assert "(√N)" in finding.message
    assert "√N with N = 5" in finding.message
    assert "a 1/√N left out" in finding.message


def test_a_factor_of_nearly_one_is_no_one() -> None:
    report = tricheck.check(
        lambda w: np.sum(w**4), lambda w: 4 * w**3 * (1 + 3e-8), np.array([0.3, -0.2, 0.7])
    )
    assert "Backprop is (1 + 3e-08) times the right gradient" in report.findings[0].message


def test_relations_that_explain_as_much_are_listed() -> None:
    def symmetric(p: Params, c: Array) -> Any:
        return np.sum(c * p["w"])  # of a gradient that is its own reverse but for the sign

    c = np.array([1.3, -0.4, 0.4, -1.3])
    report = tricheck.check(symmetric, lambda p, c: {"w": -c}, {"w": np.ones(4)}, args=(c,))
    finding = the_finding(report, "w")
    assert finding.cause == "sign"
    assert finding.evidence["also"] == ["reversed"]
    assert "Equally well: reversed" in finding.message


def test_two_mistakes_in_two_blocks_are_two_findings() -> None:
    wrong: dict[str, Wrong] = {"Wx": lambda g, w: -g, "Wh": gates_in_order(1, 0, 2, 3)}
    report = tricheck.check(GATES.spoiled(wrong))
    assert {(f.parameter, f.cause.value) for f in report.findings} == {
        ("Wx", "sign"),
        ("Wh", "permuted"),
    }


def test_a_factor_that_all_share_is_said_to_be_shared() -> None:
    wrong: dict[str, Wrong] = dict.fromkeys(("W", "b"), lambda g, w: 1.7 * g)
    report = tricheck.check(SOFTMAX.spoiled(wrong))
    assert [f.cause for f in report.findings] == ["scale", "scale"]
    assert all("all parameters share it" in f.message for f in report.findings)
    assert str(report).count("scale:") == 1  # said once


def test_a_factor_of_all_is_one_number_in_float32_too() -> None:
    wrong: dict[str, Wrong] = dict.fromkeys(("Wx", "Wh", "b"), lambda g, w: 0.6261815 * g)
    report = tricheck.check(GATES.spoiled(wrong, np.float32))
    assert [f.cause for f in report.findings] == ["scale"] * 3
    assert len({f.evidence["relation"] for f in report.findings}) == 1


def test_a_data_term_of_whatever_factor_beside_a_known_decay() -> None:
    wrong: Wrong = lambda g, w: 1.618 * data(g, w) + REG * w  # noqa: E731
    finding = the_finding(tricheck.check(SOFTMAX.spoiled({"W": wrong})), "W")
    assert finding.cause == "scale"
    assert "data term times 1.618, the weight decay right (of slope reg W)" in finding.message


def test_a_gradient_clipped_as_a_whole() -> None:
    def clipped(p: Params, *args: Any) -> Params:
        right = softmax_gradient(p, *args)
        norm = np.sqrt(sum(np.sum(g**2) for g in right.values()))
        return {name: g * (0.25 / norm) for name, g in right.items()}

    report = tricheck.check(softmax_loss, clipped, SOFTMAX.params, args=SOFTMAX.args)
    assert [f.cause for f in report.findings] == ["scale", "scale"]
    for finding in report.findings:
        assert "its norm is 0.25" in finding.message
        assert finding.evidence["norm"] == 0.25


def test_numbers_that_share_a_factor_are_no_coincidence() -> None:
    """One number always has some factor; three with the same have a reason."""

    def loss(p: dict[str, float]) -> Any:
        return np.sin(p["a"]) * np.exp(p["b"]) + p["c"] ** 3

    def gradient(p: dict[str, float], common: float, own: float) -> dict[str, float]:
        slope = np.exp(p["b"])
        return {
            "a": common * np.cos(p["a"]) * slope,
            "b": common * np.sin(p["a"]) * slope,
            "c": common * own * 3 * p["c"] ** 2,
        }

    point = {"a": 0.4, "b": -0.3, "c": 1.1}
    shared = tricheck.check(loss, lambda p: gradient(p, 0.8731, 1.0), point)
    assert [f.cause for f in shared.findings] == ["scale"] * 3
    alone = tricheck.check(loss, lambda p: gradient(p, 1.0, 0.8731), point)
    assert the_finding(alone, "c").cause == "unknown"


def test_a_vector_that_is_left_out_is_named() -> None:
    """The gradient in x of a layer that scales its features."""
    gamma, beta, x = rng.uniform(0.5, 2.0, 5), rng.normal(size=5), rng.normal(size=(6, 5))

    def backward(dout: Array, *inputs: Array) -> Any:
        x = inputs[0]
        return dout, np.sum(dout * x, axis=0), np.sum(dout, axis=0)

    model = Model.from_layer(
        lambda x, gamma, beta: gamma * x + beta, backward, {"x": x, "gamma": gamma, "beta": beta}
    )
    finding = the_finding(tricheck.check(model), "x")
    assert finding.cause == "upstream"
    assert "`gamma * x`" in finding.message
    assert "is left out" in finding.message


def test_a_factor_for_every_unit_is_described() -> None:
    factors = rng.uniform(0.5, 2.0, 3)
    report = tricheck.check(SOFTMAX.spoiled({"W": lambda g, w: g * factors}))
    finding = the_finding(report, "W")
    assert finding.cause == "unknown"
    assert "along axis 1 is a constant of its own" in finding.message


def test_words_that_occur_twice() -> None:
    words = np.array([3, 1, 4, 1, 5, 4])
    c = rng.normal(size=(6, 2))

    def loss(p: Params, words: Array, c: Array) -> Any:
        return np.sum(c * np.tanh(p["E"][words]))

    def gradient(p: Params, words: Array, c: Array) -> Params:
        grown = np.zeros_like(p["E"])
        grown[words] += c * (1 - np.tanh(p["E"][words]) ** 2)
        return {"E": grown}

    report = tricheck.check(loss, gradient, {"E": rng.normal(size=(8, 2))}, args=(words, c))
    finding = the_finding(report, "E")
    assert finding.cause == "entries"
    assert "come back to the same entry" in finding.message


# --- what a factor can be read with -------------------------------------------------------------

WEIGHTS = {"W": np.array([[0.3, -0.2], [1.1, 0.7], [-0.4, 0.9]])}


def decayed(p: Params, strength: float) -> Any:
    return np.sum(np.sin(p["W"])) + 0.5 * strength * np.sum(p["W"] ** 2)


def undecayed(p: Params, *_: Any, **__: Any) -> Params:
    return {"W": np.cos(p["W"])}


class Decayed:
    """An object that knows its strength."""

    def __init__(self) -> None:
        self.W, self.options = WEIGHTS["W"].copy(), {"lam": 0.3}

    def loss(self) -> Any:
        return decayed({"W": self.W}, self.options["lam"])


MU = 0.3


def of_a_global(p: Params) -> Any:
    return decayed(p, MU)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        pytest.param(Model(decayed, undecayed, WEIGHTS, args=(0.3,)), "strength", id="argument"),
        pytest.param(
            Model(lambda p, *a: decayed(p, a[0]), undecayed, WEIGHTS, args=(0.3,)),
            "args[0]",
            id="nameless",
        ),
        pytest.param(
            Model(decayed, undecayed, WEIGHTS, kwargs={"strength": 0.3}), "strength", id="keyword"
        ),
        pytest.param(
            Model(lambda p, o: decayed(p, o["lam"]), undecayed, WEIGHTS, args=({"lam": 0.3},)),
            "o.lam",
            id="dict",
        ),
        pytest.param(
            Model(partial(decayed, strength=0.3), undecayed, WEIGHTS), "strength", id="partial"
        ),
        pytest.param(Model(of_a_global, undecayed, WEIGHTS), "MU", id="global"),
        pytest.param(
            Model(lambda p: of_a_global(p), undecayed, WEIGHTS), "MU", id="global of a helper"
        ),
        pytest.param(
            Model.from_object(Decayed(), ["W"], Decayed.loss, lambda net: undecayed({"W": net.W})),
            "self.options.lam",
            id="object",
        ),
    ],
)
def test_a_strength_is_known_by_its_name(model: Model, name: str) -> None:
    finding = the_finding(tricheck.check(model), "W")
    assert finding.cause == "regularizer"
    assert f"missing (of slope {name} W)" in finding.message


class Hostile:
    """An argument that minds being looked at, and holds itself."""

    def __init__(self) -> None:
        self.me = self

    @property
    def shape(self) -> Any:
        raise RuntimeError("none of your business")


def test_strange_arguments_do_no_harm() -> None:
    strange = (Hostile(), {1: 10**400, "{x}": float("nan")}, np.empty((0, 3)), np.array("a"))
    report = tricheck.check(
        lambda p, *a: np.sum(np.sin(p["W"])), lambda p, *a: {"W": 1.7 * np.cos(p["W"])}, WEIGHTS,
        args=strange,
    )  # fmt: skip
    assert the_finding(report, "W").cause == "scale"


# --- shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "cause", "said"),
    [
        pytest.param(lambda d: d, "bias-reduction", "sum over it, then it is right", id="batch"),
        pytest.param(lambda d: 7 * d, "bias-reduction", "Backprop is 7 times", id="and scaled"),
        pytest.param(lambda d: d.sum(), "bias-reduction", "its total is right", id="all axes"),
        pytest.param(lambda d: d.sum(1), "bias-reduction", "its total is right", id="wrong axis"),
        pytest.param(lambda d: d.sum(0)[None], "shape", "reshape it, then it is right", id="row"),
        pytest.param(lambda d: d[:2, :2], "shape", "the parameter's shape", id="cut"),
    ],
)
def test_a_bias_of_the_wrong_shape(wrong: Callable[[Array], Array], cause: str, said: str) -> None:
    def backward(dout: Array, cache: Any) -> Any:
        x, w = cache
        return dout @ w.T, x.T @ dout, wrong(dout)

    inputs = {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 5)), "b": rng.normal(size=5)}
    model = Model.from_layer(lambda x, w, b: (x @ w + b, (x, w)), backward, inputs)
    finding = the_finding(tricheck.check(model), "b")
    assert finding.cause == cause, finding.message
    assert said in finding.message


# --- what backprop remembers --------------------------------------------------------------------


class Net:
    """Two layers, with a training step's habits."""

    def __init__(self) -> None:
        draws = np.random.default_rng(7)
        self.X, self.Y = draws.normal(size=(6, 4)), draws.normal(size=(6, 3))
        self.W1, self.W2 = draws.normal(size=(4, 5)), draws.normal(size=(5, 3))
        self.grown = np.zeros_like(self.W2)
        self.kept: Array | None = None

    def loss(self) -> Any:
        self.a = np.tanh(self.X @ self.W1)
        self.d2 = 2 * (self.a @ self.W2 - self.Y)
        return np.sum((self.d2 / 2) ** 2)

    def gradient(self) -> Any:
        self.loss()
        return self.X.T @ (self.d2 @ self.W2.T * (1 - self.a**2)), self.a.T @ self.d2

    def accumulating(self) -> Any:
        dW1, dW2 = self.gradient()
        self.grown += dW2
        return dW1, self.grown

    def averaging(self) -> Any:
        dW1, dW2 = self.gradient()
        self.grown = 0.9 * self.grown + dW2
        return dW1, self.grown

    def updating(self) -> Any:
        self.loss()
        dW2 = self.a.T @ self.d2
        self.W2 -= 0.01 * dW2
        return self.X.T @ (self.d2 @ self.W2.T * (1 - self.a**2)), dW2

    def refreshing_late(self) -> Any:
        self.loss()
        kept, self.kept = self.kept, self.a
        a = np.zeros_like(self.a) if kept is None else kept
        return self.gradient()[0], a.T @ (2 * (a @ self.W2 - self.Y))

    def never_refreshing(self) -> Any:
        if self.kept is None:
            self.kept = np.tanh(self.X @ (0.5 * self.W1)) @ (0.5 * self.W2) - self.Y
        d2, a = 2 * self.kept, np.tanh(self.X)
        return self.X.T @ d2 @ np.ones((3, 5)), np.ones((5, 4)) @ a.T @ d2


@pytest.mark.parametrize(
    ("gradient", "wrong", "cause", "said"),
    [
        pytest.param(Net.accumulating, {"W2"}, "accumulated", "adds the right", id="sum"),
        pytest.param(Net.averaging, {"W2"}, "accumulated", "0.9 times the right", id="average"),
        pytest.param(Net.updating, {"W1"}, "stale-weights", "changed by -0.01 times", id="updated"),
        pytest.param(Net.refreshing_late, {"W2"}, "stale-weights", "the call before", id="late"),
        pytest.param(
            Net.never_refreshing, {"W1", "W2"}, "stale-weights", "another point", id="never"
        ),
    ],
)
def test_what_is_kept_between_calls(
    gradient: Callable[[Net], Any], wrong: set[str], cause: str, said: str
) -> None:
    report = tricheck.check(Model.from_object(Net(), ["W1", "W2"], Net.loss, gradient))
    assert report.verdict is Verdict.BACKPROP
    found = [f for f in report.findings if f.severity == "error"]
    assert {f.parameter for f in found} == wrong
    for finding in found:
        assert finding.cause == cause, finding.message
        assert said in finding.message


def test_an_error_beside_updates_is_not_taken_for_one_of_them() -> None:
    def gradient(net: Net) -> Any:
        dW1, dW2 = net.gradient()
        dW1 *= 1 + dW1**2
        net.W2 -= 0.01 * dW2
        return dW1, dW2

    report = tricheck.check(Model.from_object(Net(), ["W1", "W2"], Net.loss, gradient))
    [finding] = [f for f in report.findings if f.severity == "error"]
    assert (finding.parameter, finding.cause) == ("W1", "upstream")


# --- what has no relation -----------------------------------------------------------------------


def dropped_derivative(p: Params, x: Array, h: Array, c: Array) -> Params:
    """A derivative that is of no function that stands there."""
    delta = c / (1.0 + (x @ p["Wx"] + h @ p["Wh"] + p["b"]) ** 4)
    return {"Wx": x.T @ delta, "Wh": h.T @ delta, "b": np.sum(delta, axis=0)}


def test_an_error_in_the_chain_rule_is_no_gradient() -> None:
    right = GATES.gradient
    wrong = replace(GATES, gradient=lambda p, *a: {**right(p, *a), "Wx": _spoilt(p, *a)})
    report = tricheck.check(wrong.spoiled({}))
    finding = the_finding(report, "Wx")
    assert finding.cause == "unknown"
    assert "not the gradient of any function" in finding.message
    assert isinstance(finding.evidence["curl"], float)
    assert finding.evidence["curl"] > 1e-3


def _spoilt(p: Params, *args: Array) -> Array:
    return dropped_derivative(p, *args)["Wx"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_gradient_of_another_function_is_one(dtype: type) -> None:
    def other(p: Params, x: Array, h: Array, c: Array) -> Params:
        delta = c / (1.0 + (x @ p["Wx"] + h @ p["Wh"] + p["b"]) ** 2)  # of arctan for tanh
        return {"Wx": x.T @ delta, "Wh": h.T @ delta, "b": np.sum(delta, axis=0)}

    report = tricheck.check(replace(GATES, gradient=other).spoiled({}, dtype))
    for finding in report.findings:
        assert finding.cause == "unknown"
        assert "not the gradient of any" not in finding.message
        assert ("gradient of another function" in finding.message) == (dtype is np.float64)


# --- at random ----------------------------------------------------------------------------------

SHAPES = [(8,), (12,), (3, 4), (4, 4), (2, 12), (6, 5), (2, 3, 4), (3, 3, 3)]
INJECTED: dict[str, tuple[str, Wrong]] = {
    "sign": ("sign", lambda g, w: -g),
    "zero": ("zero", lambda g, w: 0.0 * g),
    "twice": ("scale", lambda g, w: 2.0 * g),
    "third": ("scale", lambda g, w: g / 3.0),
    "factor": ("scale", lambda g, w: 0.6180339 * g),
    "decay": ("regularizer", lambda g, w: g - 0.1 * w),
    "reversed": ("permuted", lambda g, w: np.flip(g, axis=-1)),
    "rolled": ("permuted", lambda g, w: np.roll(g, 1, axis=-1)),
    "wrong side": ("sign", lambda g, w: np.where(w < np.median(w), -g, g)),
    "clipped": ("entries", lambda g, w: np.clip(g, -0.75, 0.75)),
}
UNRELATED: dict[str, Callable[[Array, Array, np.random.Generator], Array]] = {
    "noise": lambda g, w, draws: g + draws.normal(size=g.shape),
    "other": lambda g, w, draws: w + draws.normal(size=g.shape),
    "factors": lambda g, w, draws: g * draws.uniform(0.5, 2.0, g.shape),
    "slight factors": lambda g, w, draws: g * draws.uniform(0.99, 1.01, g.shape),
    "cubed": lambda g, w, draws: g**3,
    "of the weights": lambda g, w, draws: g * (1.0 - w**2),
    "some": lambda g, w, draws: g + draws.normal(size=g.shape) * (draws.random(g.shape) < 0.5),
}
seeds = st.integers(0, 10_000)
dtypes = st.sampled_from([np.float64, np.float32])
references = st.sampled_from(["auto", None])


def random_point(seed: int, shape: tuple[int, ...]) -> Case:
    draws = np.random.default_rng(seed)
    x, signs = draws.normal(size=shape), draws.choice([-1.0, 1.0], size=shape)
    c = draws.uniform(0.5, 1.5, size=shape) * signs
    return Case(elementwise_loss, elementwise_gradient, {"x": x}, (c,))


@settings(max_examples=150, deadline=None)
@given(seeds, st.sampled_from(SHAPES), st.sampled_from(list(INJECTED)), dtypes, references)
def test_any_relation_at_any_point_is_named(
    seed: int, shape: tuple[int, ...], name: str, dtype: type, reference: str | None
) -> None:
    cause, wrong = INJECTED[name]
    model = random_point(seed, shape).spoiled({"x": wrong}, dtype)
    report = tricheck.check(model, reference=reference)
    if report.verdict is not Verdict.BACKPROP:
        assert name == "clipped"  # nothing to clip there
        return
    finding = the_finding(report, "x")
    assert finding.cause == cause or name == "wrong side", finding.message
    assert finding.cause in (cause, "entries"), finding.message


@settings(max_examples=100, deadline=None)
@given(seeds, st.sampled_from(SHAPES), st.sampled_from(list(UNRELATED)), dtypes, references)
def test_what_has_no_relation_is_given_none(
    seed: int, shape: tuple[int, ...], name: str, dtype: type, reference: str | None
) -> None:
    noise = np.random.default_rng(seed + 1)
    draws = noise.bit_generator.state

    def wrong(g: Array, w: Array) -> Array:
        noise.bit_generator.state = draws  # the same at every call
        return UNRELATED[name](g, w, noise)

    report = tricheck.check(
        random_point(seed, shape).spoiled({"x": wrong}, dtype), reference=reference
    )
    assert report.verdict is Verdict.BACKPROP, str(report)
    finding = the_finding(report, "x")
    assert finding.cause in ("unknown", "entries", "approximate"), finding.message


@pytest.mark.parametrize("seed", range(30))
def test_one_number_is_given_no_far_fetched_factor(seed: int) -> None:
    draws = np.random.default_rng(seed)
    x, factor = draws.normal(), draws.normal()
    report = tricheck.check(lambda x: np.sin(x), lambda x, f=factor: f * np.cos(x), x)
    finding = the_finding(report, "params")
    assert finding.cause == "unknown", finding.message


def test_an_array_without_entries_is_nothing_to_divide_by() -> None:
    X, reg, none = np.random.default_rng(0).standard_normal((6, 3)), 0.1, np.ones(0)

    def loss(w: Any) -> Any:
        return np.mean((X @ w) ** 2) + reg * np.sum(w**2) + np.sum(none)

    report = tricheck.check(loss, lambda w: 2 * X.T @ (X @ w) / 6, np.array([0.5, -1.0, 2.0]))
    assert report.findings[0].cause == "regularizer"
