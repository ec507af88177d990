"""Bad input: one clear error that names the parameter and says what to do; nothing lost."""

from __future__ import annotations

import struct
from collections import namedtuple
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import tricheck
from tricheck import ModelError, TraceError, Verdict

W = np.array([[0.5, -1.0], [0.25, 2.0]])


def loss(w: Any) -> Any:
    return np.sum(np.sin(w) * np.array([[1.0, 2.0], [3.0, 4.0]]))


def gradient(w: Any) -> Any:
    return np.cos(w) * np.array([[1.0, 2.0], [3.0, 4.0]])


def broken_loss(answer: Any) -> Callable[[Any], Any]:
    return lambda w: answer


def raising(w: Any) -> Any:
    raise ZeroDivisionError("division by zero")


def two(p: Any) -> Any:
    return np.sum(p["a"] ** 2) + np.sum(p["b"] ** 2)


A, B = np.array([1.0, 2.0]), np.array([3.0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param((broken_loss(W), gradient, W), ["loss", "(2, 2)", "sum"], id="array"),
        pytest.param((broken_loss(np.nan), gradient, W), ["loss is nan", "finite"], id="nan"),
        pytest.param((broken_loss(np.inf), gradient, W), ["loss is inf", "finite"], id="inf"),
        pytest.param((broken_loss(None), gradient, W), ["None", "return"], id="none"),
        pytest.param((broken_loss("x"), gradient, W), ["loss returned a str"], id="string"),
        pytest.param((broken_loss(1j), gradient, W), ["complex"], id="complex"),
        pytest.param((broken_loss((1.0, W)), gradient, W), ["gradient=True"], id="pair"),
        pytest.param((loss, True, W), ["gradient=True", "pair"], id="no-pair"),
        pytest.param((raising, gradient, W), ["loss", "ZeroDivisionError"], id="loss-raises"),
        pytest.param((loss, raising, W), ["gradient", "ZeroDivisionError"], id="gradient-raises"),
        pytest.param((3.0, gradient, W), ["loss is a float", "function"], id="loss-no-function"),
        pytest.param((loss, 3.0, W), ["gradient is a float"], id="gradient-no-function"),
        pytest.param((loss, None, W), ["gradient is missing"], id="no-gradient"),
        pytest.param((loss, gradient, None), ["params is missing"], id="no-params"),
        pytest.param((loss, gradient, W.astype(int)), ["int64", "astype(float)"], id="int"),
        pytest.param((loss, gradient, W > 0), ["bool", "astype(float)"], id="bool"),
        pytest.param((loss, gradient, W.astype(object)), ["object", "floating"], id="object"),
        pytest.param((loss, gradient, W + 1j), ["complex128", "floating"], id="complex-params"),
        pytest.param((two, gradient, {"a": A, "b": 3}), ["'b'", "int"], id="python-int"),
        pytest.param((loss, gradient, "W"), ["'params'", "str"], id="string-params"),
        pytest.param((two, gradient, {"a": A, "b": None}), ["'b'", "None"], id="none-param"),
        pytest.param((loss, gradient, {}), ["params is empty"], id="empty-dict"),
        pytest.param((loss, gradient, []), ["params is empty"], id="empty-list"),
        pytest.param(
            (two, two, {"a": A, "b": np.zeros((0, 3))}),
            ["'b'", "(0, 3)", "leave it out"],
            id="zero",
        ),
        pytest.param((two, two, {"a": A, "b": A}), ["'a' and 'b' share memory"], id="same-array"),
        pytest.param((two, two, {"a": A, "b": A[::-1]}), ["share memory", "copy"], id="view"),
        pytest.param((two, two, {"a": A, "b": B * np.nan}), ["'b'", "NaN"], id="nan-param"),
        pytest.param((loss, gradient, np.ma.array(W)), ["MaskedArray"], id="masked"),
        pytest.param(
            (two, two, {"a.b": A, "a": {"b": B}}), ["two parameters are called 'a.b'"], id="twins"
        ),
        pytest.param(
            (two, lambda p: {"a": 2 * p["a"]}, {"a": A, "b": B}),
            ["no entry for parameter 'b'", "'a'"],
            id="missing",
        ),
        pytest.param(
            (two, lambda p: {"a": A, "b": B, "c": B}, {"a": A, "b": B}),
            ["'c'", "not in params"],
            id="extra",
        ),
        pytest.param(
            (two, lambda p: [A, B], {"a": A, "b": B}), ["a list of 2", "dict"], id="other-container"
        ),
        pytest.param(
            (loss, lambda w: (loss(w), gradient(w)), W),
            ["returned a number and a ndarray", "gradient=True"],
            id="value-and-gradient",
        ),
        pytest.param(
            (two, lambda p: (two(p), {"a": 2 * p["a"], "b": p["b"]}), {"a": A, "b": B}),
            ["returned a number and a dict", "gradient=True"],
            id="value-and-dict",
        ),
        pytest.param(
            (lambda p: np.sum(p[0]) + np.sum(p[1]), lambda p: [A], [A, B]),
            ["1 entries", "expected 2"],
            id="short-list",
        ),
        pytest.param((loss, lambda w: np.cos(w).astype(int), W), ["int64", "'params'"], id="int-g"),
        pytest.param((loss, lambda w: gradient(w) + 0j, W), ["complex128"], id="complex-gradient"),
        pytest.param((loss, lambda w: None, W), ["None", "'params'"], id="none-gradient"),
        pytest.param((loss, lambda w: [[1.0], [1.0, 2.0]], W), ["'params'"], id="ragged"),
        pytest.param(
            (lambda p: p[0] ** 2, lambda p: 2 * p, 1.5),
            ["params is a number", "np.array"],
            id="float",
        ),
    ],
)
def test_model_errors_say_what_came_and_what_to_do(
    arguments: tuple[Any, ...], said: list[str]
) -> None:
    with pytest.raises(ModelError) as caught:
        tricheck.check(*arguments)
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"step": 0.0}, ["step is 0.0", "positive"]),
        ({"step": -1e-4}, ["step", "positive"]),
        ({"step": np.nan}, ["step", "positive"]),
        ({"step": "1e-4"}, ["step is '1e-4'"]),
        ({"rtol": -1.0}, ["rtol is -1.0"]),
        ({"seed": -1}, ["seed is -1"]),
        ({"seed": 0.5}, ["seed is 0.5"]),
        ({"reference": "jaxx"}, ["reference is 'jaxx'", "'autograd'"]),
        ({"reference": 3}, ["reference is 3"]),
    ],
)
def test_option_errors(options: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        tricheck.check(loss, gradient, W, **options)
    for words in said:
        assert words in str(caught.value)


def test_the_original_exception_is_chained() -> None:
    with pytest.raises(ModelError) as caught:
        tricheck.check(raising, gradient, W)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_named_reference_that_cannot_be_had_names_the_line() -> None:
    def opaque(w: Any) -> Any:
        return sum(x**2 for x in struct.unpack("4d", struct.pack("4d", *w.ravel())))

    with pytest.raises(TraceError) as caught:
        tricheck.check(opaque, lambda w: 2 * w, W, reference="autograd")
    assert "test_bad_input.py" in str(caught.value)
    assert "struct.pack" in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        pytest.param(lambda x: x.T, "transposed", id="transposed"),
        pytest.param(lambda x: np.stack([x, x]) / 2, "not reduced over axis 0", id="batch"),
        pytest.param(lambda x: x.reshape(-1), "reshape", id="flat"),
        pytest.param(lambda x: x[:1], "(1, 3)", id="slice"),
        pytest.param(np.sum, "()", id="scalar"),
    ],
)
def test_a_wrong_shape_is_a_verdict_with_a_hint(wrong: Callable[[Any], Any], hint: str) -> None:
    w = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    report = tricheck.check(lambda w: np.sum(w**2), lambda w: wrong(2 * w), w)
    assert report.verdict is Verdict.BACKPROP
    assert report.findings[0].cause == "shape"
    assert hint in str(report.findings[0].message) + str(report.findings[0].evidence)


def test_nan_in_the_gradient_is_a_verdict() -> None:
    report = tricheck.check(loss, lambda w: np.where(w == 2.0, np.nan, gradient(w)), W)
    assert report.verdict is Verdict.BACKPROP
    assert report.findings[0].cause == "non-finite"
    assert report.findings[0].entries == [(1, 1)]
    assert report.parameters["params"].wrong == [(1, 1)]


def test_nan_is_held_against_those_who_have_a_number() -> None:
    def root(w: np.ndarray) -> Any:
        return np.sum(np.sqrt(w**2) * w)

    def undefined(w: np.ndarray) -> Any:
        return np.where(w == 0, np.nan, 2 * np.abs(w))

    w = np.array([0.0, 1.0, 2.0])
    said = {
        "auto": "where the other sources are finite",
        "autograd": "where the finite difference is finite (the reference is not)",
        None: "where the finite difference is finite:",
    }
    for reference, words in said.items():
        report = tricheck.check(root, undefined, w, reference=reference)
        messages = [f.message for f in report.findings if f.source == "backprop"]
        assert len(messages) == 1
        assert words in messages[0]


def test_read_only_arrays_are_fine() -> None:
    w, x = W.copy(), np.array([1.0, 2.0])
    w.flags.writeable = x.flags.writeable = False
    report = tricheck.check(
        lambda w, x: np.sum((w @ x) ** 2), lambda w, x: 2 * np.outer(w @ x, x), w, args=(x,)
    )
    assert report.verdict is Verdict.AGREE


def test_a_reused_gradient_buffer_is_fine() -> None:
    buffer = np.zeros(5)

    def reusing(p: Any) -> Any:
        buffer[:4] = gradient(p["w"]).reshape(-1)
        buffer[4] = 1.0
        return {"w": buffer[:4].reshape(2, 2), "b": buffer[4:]}

    params = {"w": W, "b": np.array([0.3])}
    report = tricheck.check(lambda p: loss(p["w"]) + p["b"][0], reusing, params)
    assert report.verdict is Verdict.AGREE


@pytest.mark.parametrize("who", ["loss", "gradient"])
def test_mutated_parameters_are_reported_and_survived(who: str) -> None:
    def f(p: Any) -> Any:
        value = np.sum(p["w"] ** 2)
        if who == "loss":
            p["w"] -= 0.1 * p["w"]
        return float(value)

    def g(p: Any) -> Any:
        answer = {"w": 2 * p["w"]}
        if who == "gradient":
            p["w"] = p["w"] - 0.1 * answer["w"]
        return answer

    params = {"w": W.copy()}
    report = tricheck.check(f, g, params)
    assert report.verdict is Verdict.AGREE
    found = [f for f in report.findings if f.cause == "mutates-parameters"]
    assert [f.severity for f in found] == ["warning"]
    assert who in found[0].message
    np.testing.assert_array_equal(params["w"], W)


def test_mutated_arguments_are_reported_and_survived() -> None:
    def f(w: Any, x: Any) -> Any:
        x -= 1.0
        return np.sum((w @ x) ** 2)

    x = np.array([1.5, 2.5])
    report = tricheck.check(f, lambda w, x: 2 * np.outer(w @ (x - 1), x - 1), W, args=(x,))
    assert report.verdict is Verdict.AGREE
    assert any("args[0]" in f.message for f in report.findings)
    np.testing.assert_array_equal(x, [1.5, 2.5])


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("call", [1, 4, 12, 20, 31, 40])
def test_nothing_is_changed_when_a_call_is_interrupted(
    error: type[BaseException], call: int
) -> None:
    calls = 0

    def f(p: Any, x: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise error("stop")
        return float(np.sum(np.tanh(p["w"] @ x)))

    params, x = {"w": W.copy()}, np.array([0.3, 0.4])
    with suppress(error, ModelError):
        tricheck.check(
            f, lambda p, x: {"w": np.outer(1 - np.tanh(p["w"] @ x) ** 2, x)}, params, args=(x,)
        )
    assert calls >= call
    np.testing.assert_array_equal(params["w"], W)
    np.testing.assert_array_equal(x, [0.3, 0.4])
    assert list(params) == ["w"]


Point = namedtuple("Point", ["x", "y"])


@pytest.mark.parametrize(
    ("params", "names"),
    [
        (A, ["params"]),
        ([A, B], ["params[0]", "params[1]"]),
        ((A, B), ["params[0]", "params[1]"]),
        (Point(A, B), ["x", "y"]),
        ({"W": A, "b": B}, ["W", "b"]),
        ({"encoder": {"W": A}, "layers": [{"W": B}]}, ["encoder.W", "layers[0].W"]),
        ({"a": 1.5, "b": np.float64(2.0), "c": np.array(3.0)}, ["a", "b", "c"]),
        (1.5, ["params"]),
        ({"a": np.array([1.5], dtype=np.float32), "b": np.array([2.5])}, ["a", "b"]),
        (np.asfortranarray(W), ["params"]),
        (W[:, ::-1], ["params"]),
    ],
)
def test_structures_names_and_results(params: Any, names: list[str]) -> None:
    def leaves(structure: Any) -> list[Any]:
        if isinstance(structure, dict):
            return [leaf for value in structure.values() for leaf in leaves(value)]
        if isinstance(structure, list | tuple):
            return [leaf for value in structure for leaf in leaves(value)]
        return [structure]

    def like(structure: Any) -> Any:
        if isinstance(structure, dict):
            return {key: like(value) for key, value in structure.items()}
        if isinstance(structure, Point):
            return Point(*map(like, structure))
        if isinstance(structure, list | tuple):
            return type(structure)(map(like, structure))
        return 3 * structure**2

    report = tricheck.check(lambda p: sum(np.sum(x**3) for x in leaves(p)), like, params)
    assert report.verdict is Verdict.AGREE
    assert list(report.parameters) == names
    for source in ("backprop", "finite-difference", "reference"):
        assert type(report.gradients[source]) is type(params) or np.ndim(params) == 0
        for mine, theirs in zip(leaves(report.gradients[source]), leaves(params), strict=True):
            assert np.shape(mine) == np.shape(theirs)
            np.testing.assert_allclose(mine, 3 * np.asarray(theirs) ** 2, rtol=1e-6)


def test_python_floats_stay_python_numbers_for_the_user() -> None:
    seen = set()

    def f(p: Any) -> Any:
        seen.add(isinstance(p["a"], np.ndarray))
        return p["a"] ** 2

    assert tricheck.check(f, lambda p: {"a": 2 * p["a"]}, {"a": 1.5}, reference=None).ok
    assert seen == {False}


def test_a_size_one_parameter_may_have_a_scalar_gradient() -> None:
    assert tricheck.check(lambda x: x[0] ** 2, lambda x: 2 * x[0], np.array([1.5])).ok


def test_a_size_one_loss_array_is_a_number() -> None:
    x = np.array([[1.0], [2.0]])
    assert tricheck.check(
        lambda w: sum((x @ w) ** 2), lambda w: 2 * x.T @ (x @ w), np.array([0.5])
    ).ok


def test_state_kept_by_a_closure_is_left_at_the_point() -> None:
    class Net:
        w: Any
        z: Any

    net = Net()

    def f(w: Any) -> Any:
        net.w = w
        net.z = np.tanh(w)
        return np.sum(net.z)

    tricheck.check(f, lambda w: 1 - np.tanh(w) ** 2, W)
    assert type(net.z) is np.ndarray
    np.testing.assert_array_equal(net.w, W)
    np.testing.assert_array_equal(net.z, np.tanh(W))
