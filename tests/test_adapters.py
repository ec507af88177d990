"""Models made of layers, of objects, and of what scipy.optimize.minimize takes."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from scipy import optimize

import tricheck
from tricheck import Model, ModelError, Report, Verdict
from tricheck.adapters.upstream import upstream

Array = Any
rng = np.random.default_rng(0)
X, W, B = rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)
INPUTS = {"x": X, "w": W, "b": B}


def causes(report: Report) -> set[tuple[str | None, str]]:
    return {(f.parameter, f.cause.value) for f in report.findings if f.severity == "error"}


# --- layers: right ones -------------------------------------------------------------------------


def affine(x: Array, w: Array, b: Array) -> Any:
    return x @ w + b, (x, w, b)


def affine_backward(dout: Array, cache: Any) -> Any:
    x, w, _ = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def relu(x: Array) -> Any:
    return np.maximum(x, 0.0), x  # an array of floats for a cache


def relu_backward(dout: Array, cache: Array) -> Any:
    dout[cache <= 0] = 0.0  # spoils what it is given, as many do
    return dout


def batchnorm(x: Array, gamma: Array, beta: Array, options: dict[str, Any]) -> Any:
    mean, scale = x.mean(axis=0), np.sqrt(x.var(axis=0) + options["eps"])
    options["calls"] += 1  # running statistics
    normal = (x - mean) / scale
    return gamma * normal + beta, {"normal": normal, "scale": scale, "gamma": gamma}


def batchnorm_backward(dout: Array, cache: Any) -> Any:
    normal, n = cache["normal"], len(dout)
    dnormal = dout * cache["gamma"]
    dx = n * dnormal - dnormal.sum(axis=0) - normal * (dnormal * normal).sum(axis=0)
    return {
        "x": dx / (n * cache["scale"]),
        "gamma": (dout * normal).sum(axis=0),
        "beta": dout.sum(axis=0),
    }


def plain(x: Array, w: Array, power: int) -> Any:
    return (x @ w) ** power


def plain_backward(dout: Array, x: Array, w: Array, power: int) -> Any:
    dz = dout * power * (x @ w) ** (power - 1)
    return dz @ w.T, x.T @ dz


def embed(table: Array, index: Array) -> Any:
    return table[index], index


def embed_backward(dout: Array, index: Array, rows: int = 6) -> Any:
    grown = np.zeros((rows, dout.shape[1]))
    np.add.at(grown, index, dout)
    return grown, None


def cell(x: Array, h: Array, w: Array) -> Any:
    a = np.tanh(x @ w + h)
    return (a, a * h), (x, h, w, a)


def cell_backward(dout: Any, cache: Any) -> Any:
    (d_a, d_c), (x, h, w, a) = dout, cache
    dz = (d_a + d_c * h) * (1 - a**2)
    return dz @ w.T, dz + d_c * a, x.T @ dz


def with_mask(x: Array) -> Any:
    return (x * (x > 0), x > 0, np.argmax(x, axis=1)), None


def with_mask_backward(dout: Any, _: None) -> Any:
    return dout[0] * (X > 0) + 0.0 * dout[1]


def to_scalar(x: Array, y: Array) -> Any:
    p = np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)
    return -np.mean(np.log(p[np.arange(len(y)), y])), (p, y)


def to_scalar_backward(dout: Array, cache: Any) -> Any:
    p, y = cache
    return dout * (p - np.eye(p.shape[1])[y]) / len(y)


LABELS = np.array([0, 2, 1, 1, 0])


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (Model.from_layer(affine, affine_backward, INPUTS), ["x", "w", "b"]),
        (Model.from_layer(relu, relu_backward, {"x": X}), ["x"]),
        (
            Model.from_layer(
                batchnorm,
                batchnorm_backward,
                {"x": X, "gamma": W[0, :3].copy(), "beta": W[1, :3].copy()},
                args=({"eps": 1e-5, "calls": 0},),
            ),
            ["x", "gamma", "beta"],
        ),
        (Model.from_layer(plain, plain_backward, {"x": X, "w": W}, 3), ["x", "w"]),
        (
            Model.from_layer(
                embed, embed_backward, {"table": rng.normal(size=(6, 2)), "index": LABELS}
            ),
            ["table"],
        ),
        (
            Model.from_layer(
                cell, cell_backward, {"x": X, "h": rng.normal(size=(5, 4)), "w": W}, seed=3
            ),
            ["x", "h", "w"],
        ),
        (Model.from_layer(with_mask, with_mask_backward, {"x": X}), ["x"]),
        (Model.from_layer(to_scalar, to_scalar_backward, {"x": X, "y": LABELS}), ["x"]),
        (Model.from_layer(lambda a, x: a * x, lambda d, a, x: (np.sum(d * x), d * a),
                          {"a": 1.5, "x": X}), ["a", "x"]),
    ],
    ids=lambda value: value.title if isinstance(value, Model) else "",
)  # fmt: skip
def test_right_layers_agree_through_the_trace(model: Model, names: list[str]) -> None:
    report = tricheck.check(model)
    assert report.verdict is Verdict.AGREE, str(report)
    assert report.reference == "autograd through the loss"
    assert list(report.parameters) == names
    assert not causes(report)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_layers_run_in_their_own_precision(dtype: type) -> None:
    seen = set()

    def backward(dout: Array, cache: Any) -> Any:
        seen.add(dout.dtype)
        return affine_backward(dout, cache)

    inputs: dict[str, Array] = {name: value.astype(dtype) for name, value in INPUTS.items()}
    report = tricheck.check(Model.from_layer(affine, backward, inputs))
    assert seen == {np.dtype(dtype)}
    assert report.verdict is Verdict.AGREE, str(report)


def test_the_gradient_is_that_of_the_loss_by_complex_step() -> None:
    model = Model.from_layer(affine, affine_backward, INPUTS, seed=5)
    gradient = model.gradient(INPUTS)  # type: ignore[operator]
    for name, value in INPUTS.items():
        for index in np.ndindex(value.shape):
            moved = value.astype(complex)
            moved[index] += 1e-30j
            slope = model.loss({**INPUTS, name: moved}).imag / 1e-30
            assert abs(gradient[name][index] - slope) < 1e-13


def test_the_upstream_gradient_has_both_signs_and_no_small_component() -> None:
    seen = []

    def backward(dout: Array, cache: Any) -> Any:
        seen.append(dout.copy())
        return affine_backward(dout, cache)

    tricheck.check(Model.from_layer(affine, backward, INPUTS))
    first = seen[0]
    assert first.shape == (5, 4)
    assert first.min() < 0 < first.max()
    assert np.all((np.abs(first) >= 0.5) & (np.abs(first) < 1.5))
    assert len(np.unique(first)) > 15
    other = Model.from_layer(affine, backward, INPUTS, seed=1)
    other.gradient(INPUTS)  # type: ignore[operator]
    assert np.any(seen[-1] != first)


def test_outputs_without_a_gradient_are_noted() -> None:
    report = tricheck.check(Model.from_layer(with_mask, with_mask_backward, {"x": X}))
    notes = [f for f in report.findings if f.cause == "skipped-output"]
    assert [f.severity for f in notes] == ["note", "note"]
    assert [f.evidence["output"] for f in notes] == [1.0, 2.0]
    assert "bool" in notes[0].message
    assert "int" in notes[1].message


def test_every_backward_gets_a_fresh_cache() -> None:
    caches = []

    def forward(x: Array) -> Any:
        cache = {"x": x}
        caches.append(cache)
        return x**2, cache

    def backward(dout: Array, cache: Any) -> Any:
        assert cache is caches[-1]
        return 2 * cache.pop("x") * dout  # a second use would fail

    assert tricheck.check(Model.from_layer(forward, backward, {"x": X})).verdict is Verdict.AGREE


def test_nothing_of_the_users_is_changed() -> None:
    inputs, options = {"x": X.copy()}, {"eps": 1e-5, "calls": 0, "mean": np.zeros(3)}

    def forward(x: Array, options: Any) -> Any:
        options["mean"] += x.mean(axis=0)
        out = x**2
        return out, x

    def backward(dout: Array, cache: Array) -> Any:
        cache *= 2.0
        dout *= cache
        return dout

    report = tricheck.check(Model.from_layer(forward, backward, inputs, (options,)))
    assert report.verdict is Verdict.AGREE, str(report)
    assert {f.cause.value for f in report.findings} >= {"mutates-parameters", "stateful"}
    np.testing.assert_array_equal(inputs["x"], X)
    np.testing.assert_array_equal(options["mean"], np.zeros(3))


# --- layers: planted bugs -----------------------------------------------------------------------


[FIRST] = upstream([X @ W], (1.0, 0.0), 0)  # what a check with seed 0 hands to backward
SQUARE = {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
RIGHT = affine_backward


@pytest.mark.parametrize(
    ("backward", "expected"),
    [
        pytest.param(
            lambda d, c: (RIGHT(d, c)[0].T, *RIGHT(d, c)[1:]), {("x", "shape")}, id="transposed"
        ),
        pytest.param(
            lambda d, c: (*RIGHT(d, c)[:2], d), {("b", "bias-reduction")}, id="missing reduction"
        ),
        pytest.param(
            lambda d, c: (*RIGHT(d, c)[:2], d.mean(axis=0)),
            {("b", "bias-reduction")},
            id="mean for sum",
        ),
        pytest.param(
            lambda d, c: (RIGHT(d, c)[0], None, RIGHT(d, c)[2]), {("w", "zero")}, id="None"
        ),
        pytest.param(
            lambda d, c: RIGHT(np.ones_like(d), c),
            {("x", "nonlinear"), ("w", "nonlinear"), ("b", "nonlinear")},
            id="dropped dout",
        ),
        pytest.param(
            lambda d, c: (*RIGHT(d, c)[:2], RIGHT(d**2, c)[2]), {("b", "nonlinear")}, id="squared"
        ),
        pytest.param(
            lambda d, c: (RIGHT(d, c)[0], RIGHT(d, c)[1] + 0.1 * c[1], RIGHT(d, c)[2]),
            {("w", "nonlinear")},
            id="decay inside",
        ),
    ],
)  # fmt: skip
def test_planted_bugs_are_found(
    backward: Callable[..., Any], expected: set[tuple[str, str]]
) -> None:
    report = tricheck.check(Model.from_layer(affine, backward, SQUARE))
    assert report.verdict is Verdict.BACKPROP, str(report)
    assert causes(report) == expected, str(report)
    wrong = {name for name, parameter in report.parameters.items() if parameter.wrong}
    assert wrong == {name for name, _ in expected}


@pytest.mark.parametrize(
    ("spoil", "reading"),
    [
        pytest.param(lambda d: np.clip(d, -2.0, 2.0), "clipped", id="clipped"),
        pytest.param(
            lambda d: np.where(np.abs(d) < 2.0, d, d**2), "squared", id="far ones squared"
        ),
        pytest.param(lambda d: FIRST, "dropped", id="dropped"),
    ],
)
def test_a_backward_right_at_one_upstream_gradient_does_not_pass(
    spoil: Callable[[Array], Array], reading: str
) -> None:
    model = Model.from_layer(affine, lambda d, c: affine_backward(spoil(d), c), INPUTS)
    report = tricheck.check(model)
    assert all(pair.agree for p in report.parameters.values() for pair in p.pairs.values())
    assert report.verdict is Verdict.BACKPROP
    assert not report.ok
    assert causes(report) == {("x", "nonlinear"), ("w", "nonlinear"), ("b", "nonlinear")}
    finding = report.findings[0]
    assert "consistent with" in finding.message
    assert reading in finding.message
    assert finding.evidence["combined"] != finding.evidence["expected"]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_rounding_is_no_departure_from_linearity(seed: int, dtype: type, scale: float) -> None:
    draws = np.random.default_rng(seed)
    inputs: dict[str, Array] = {
        "x": (scale * draws.normal(size=(40, 3)) + 10 * scale).astype(dtype),
        "gamma": draws.normal(size=3).astype(dtype),
        "beta": draws.normal(size=3).astype(dtype),
    }
    model = Model.from_layer(
        batchnorm, batchnorm_backward, inputs, ({"eps": 1e-8, "calls": 0},), seed=seed
    )
    assert "nonlinear" not in {f.cause for f in tricheck.check(model).findings}


def test_a_random_layer_is_called_random() -> None:
    draws = np.random.default_rng(1)

    def dropout(x: Array) -> Any:
        mask = draws.random(x.shape) < 0.5
        return x * mask, mask

    report = tricheck.check(Model.from_layer(dropout, lambda d, mask: d * mask, {"x": X}))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "nonlinear" not in {f.cause for f in report.findings}


# --- layers: bad input --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param((3, RIGHT, INPUTS), ["forward is a int"], id="forward"),
        pytest.param((affine, None, INPUTS), ["backward is a NoneType"], id="backward"),
        pytest.param((affine, RIGHT, [X, W, B]), ["inputs is a list", "dict"], id="list"),
        pytest.param((affine, RIGHT, {0: X}), ["key 0", "'0'"], id="key"),
        pytest.param(
            (affine, RIGHT, {**INPUTS, "b": [1.0]}), ["'b'", "list", "np.array(b)"], id="list-input"
        ),
        pytest.param((embed, RIGHT, {"i": LABELS}), ["no floats", "(i)"], id="integers"),
        pytest.param((affine, RIGHT, {}), ["it is empty"], id="empty"),
        pytest.param((affine, RIGHT, INPUTS, (), -1), ["seed is -1"], id="seed"),
        pytest.param(
            (affine, lambda d, c: (d, d), INPUTS),
            ["backward returned 2 gradients for 3 inputs (x, w, b)"],
            id="two-for-three",
        ),
        pytest.param(
            (affine, lambda d, c: d, INPUTS), ["1 gradient (of shape (5, 4)) for 3"], id="lone"
        ),
        pytest.param(
            (affine, lambda d, c: {"x": X, "w": W}, INPUTS), ["no entry", "'b'"], id="missing"
        ),
        pytest.param(
            (affine, lambda d, c: {**INPUTS, "dx": X}, INPUTS), ["'dx'", "not in"], id="extra"
        ),
        pytest.param((affine, lambda d, c: None, INPUTS), ["1 gradient", "for 3"], id="none"),
        pytest.param(
            (lambda x, w, b: x @ w + b, RIGHT, INPUTS),
            ["no cache", "backward(dout, x, w, b)", "(out, cache)"],
            id="no-cache",
        ),
        pytest.param(
            (lambda x, w, b: (x, w, {"b": b}), RIGHT, INPUTS),
            ["output 2 of forward is a dict", "((first, second), cache)"],
            id="two-outputs-and-cache",
        ),
        pytest.param((lambda x: None, RIGHT, {"x": X}), ["NoneType", "return"], id="no-return"),
        pytest.param((lambda x: x > 0, RIGHT, {"x": X}), ["returned no floats"], id="mask-alone"),
        pytest.param(
            (affine, RIGHT, {**INPUTS, "b": np.ones(3)}),
            ["ValueError", "return x @ w + b"],
            id="raises",
        ),
    ],
)  # fmt: skip
def test_layer_errors_say_what_came_and_what_to_do(
    arguments: tuple[Any, ...], said: list[str]
) -> None:
    *positional, seed = arguments if len(arguments) == 5 else (*arguments, 0)
    with pytest.raises(ModelError) as caught:
        tricheck.check(Model.from_layer(*positional, seed=seed))
    for words in said:
        assert words in str(caught.value)


def test_a_backward_that_raises_at_another_upstream_gradient() -> None:
    def picky(dout: Array, cache: Any) -> Any:
        if np.abs(dout).max() > 2.0:
            raise OverflowError("too large")
        return affine_backward(dout, cache)

    with pytest.raises(ModelError, match=r"OverflowError at another: too large .*raise OverflowE"):
        tricheck.check(Model.from_layer(affine, picky, INPUTS))


# --- objects ------------------------------------------------------------------------------------


class Dense:
    def __init__(self, w: Array, b: Array) -> None:
        self.W, self.b = w, b

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Array) -> Array:
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Net:
    """Two layers that keep state, a number, and the first layer's arrays by a second name."""

    def __init__(self) -> None:
        draws = np.random.default_rng(7)
        self.layers = [
            Dense(draws.normal(size=(3, 4)), draws.normal(size=4)),
            Dense(draws.normal(size=(4, 2)), draws.normal(size=2)),
        ]
        self.first = self.layers[0]
        self.params = {"W1": self.first.W, "b1": self.first.b}
        self.gain = 0.75
        self.calls = [0]
        self.table = np.zeros(2)

    def loss(self, y: Array) -> Any:
        self.calls[0] += 1
        self.hidden = np.tanh(self.layers[0].forward(X))
        self.error = self.gain * self.layers[1].forward(self.hidden) - y
        return np.sum(self.error**2)

    def gradient(self, y: Array) -> dict[str, Any]:
        self.loss(y)
        dout = 2 * self.error
        self.dgain = np.sum(dout * (self.error + y)) / self.gain
        back = self.layers[1].backward(self.gain * dout)
        self.layers[0].backward(back * (1 - self.hidden**2))
        return {
            "layers[0].W": self.layers[0].dW,
            "layers[0].b": self.layers[0].db,
            "layers[1].W": self.layers[1].dW,
            "layers[1].b": self.layers[1].db,
            "gain": self.dgain,
        }


Y = rng.normal(size=(5, 2))
NAMES = ["layers[0].W", "layers[0].b", "layers[1].W", "layers[1].b", "gain"]


class Locked(Net):
    """One that no copy can be made of."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def model_of(net: Any, names: list[str] = NAMES, **changed: Any) -> Model:
    functions = {"loss": type(net).loss, "gradient": type(net).gradient, **changed}
    return Model.from_object(net, names, **functions, args=(Y,))


def picture(net: Any) -> bytes:
    state = {key: value for key, value in vars(net).items() if key != "lock"}
    return pickle.dumps(state)


@pytest.mark.parametrize("kind", [Net, Locked])
def test_objects_agree_and_are_left_as_they_were(kind: type) -> None:
    net = kind()
    net.loss(Y)
    before, kept = picture(net), dict(vars(net))
    numbers = net.first.W.copy()
    report = tricheck.check(model_of(net))
    assert report.verdict is Verdict.AGREE, str(report)
    assert report.reference == "autograd through the loss"
    assert report.model == kind.__name__
    assert list(report.parameters) == NAMES
    assert report.parameters["gain"].shape == ()
    assert picture(net) == before
    assert all(vars(net)[key] is value for key, value in kept.items())
    np.testing.assert_array_equal(net.first.W, numbers)


@pytest.mark.parametrize("kind", [Net, Locked])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("call", [1, 3, 9, 40, 120])
def test_objects_are_left_as_they_were_when_interrupted(
    kind: type, error: type[BaseException], call: int
) -> None:
    net = kind()
    before = picture(net)
    calls = 0

    def loss(net: Any, y: Array) -> Any:
        nonlocal calls
        calls += 1
        net.hidden = net.new = net.layers.append(calls)
        net.layers.pop()
        net.table += 1.0
        value = net.loss(y)
        if calls >= call:
            raise error("stop")
        return value

    with suppress(error, ModelError):
        tricheck.check(model_of(net, loss=loss))
    assert calls >= call
    assert picture(net) == before
    assert "new" not in vars(net)


@pytest.mark.parametrize("kind", [Net, Locked])
@pytest.mark.parametrize(
    ("path", "attribute"), [("layers[0].W", "dW"), ("layers[1].b", "db"), ("gain", None)]
)
def test_a_wrong_gradient_of_an_object_is_found(
    kind: type, path: str, attribute: str | None
) -> None:
    def gradient(net: Any, y: Array) -> Any:
        answer = net.gradient(y)
        return {**answer, path: 2 * answer[path]}

    report = tricheck.check(model_of(kind(), gradient=gradient))
    assert report.verdict is Verdict.BACKPROP
    assert causes(report) == {(path, "scale")}


@pytest.mark.parametrize(
    ("names", "gradient"),
    [
        pytest.param(
            ["params['W1']", "params['b1']"],
            lambda net, y: {"W1": net.gradient(y)["layers[0].W"], "b1": net.first.db},
            id="short names",
        ),
        pytest.param(
            ["params['W1']", "params['b1']"],
            lambda net, y: {
                "params['W1']": net.gradient(y)["layers[0].W"],
                "params['b1']": net.first.db,
            },
            id="full names",
        ),
        pytest.param(
            ["first.b", "first.W"],
            lambda net, y: (net.gradient(y)["layers[0].b"], net.first.dW),
            id="sequence",
        ),
        pytest.param(["first.W"], lambda net, y: net.gradient(y)["layers[0].W"], id="lone"),
        pytest.param(["gain"], lambda net, y: [net.gradient(y)["gain"]], id="list of one"),
    ],
)
def test_arrays_with_two_names_are_moved_under_both(names: list[str], gradient: Any) -> None:
    report = tricheck.check(model_of(Net(), names, gradient=gradient))
    assert report.verdict is Verdict.AGREE, str(report)
    assert list(report.parameters) == names


def test_a_check_sees_the_object_as_it_is_then_and_twice_the_same() -> None:
    net = Net()
    model = model_of(net)
    first = tricheck.check(model)
    assert tricheck.check(model).to_dict() == first.to_dict()
    net.first.W = net.params["W1"] = net.first.W + 1.0
    report = tricheck.check(model)
    assert report.verdict is Verdict.AGREE
    assert report.loss == copy.deepcopy(net).loss(Y) != first.loss


def test_a_model_of_an_object_may_be_called_by_hand() -> None:
    for net in (Net(), Locked()):
        model, before = model_of(net), picture(net)
        moved = {**model.params, "gain": 2.0}
        other = copy.deepcopy(Net())
        other.gain = 2.0
        assert model.loss(moved, Y) == other.loss(Y)
        expected = other.gradient(Y)
        for name, block in model.gradient(moved, Y).items():  # type: ignore[operator]
            np.testing.assert_array_equal(block, expected[name])
        assert picture(net) == before


@pytest.mark.parametrize("kind", [Net, Locked])
def test_a_gradient_that_accumulates_is_found(kind: type) -> None:
    def gradient(net: Any, y: Array) -> Any:
        answer = net.gradient(y)
        net.total = getattr(net, "total", 0.0) + answer["layers[0].W"]
        return {**answer, "layers[0].W": net.total}

    report = tricheck.check(model_of(kind(), gradient=gradient))
    assert report.verdict is Verdict.BACKPROP
    assert causes(report) == {("layers[0].W", "accumulated")}


@pytest.mark.parametrize("kind", [Net, Locked])
@pytest.mark.parametrize("in_place", [True, False])
def test_a_gradient_that_moves_the_parameters_is_noted(kind: type, in_place: bool) -> None:
    def gradient(net: Any, y: Array) -> Any:
        answer = net.gradient(y)
        if in_place:
            net.first.W -= 0.1 * answer["layers[0].W"]
        else:
            net.layers[0].W = net.layers[0].W - 0.1 * answer["layers[0].W"]
        return answer

    net = kind()
    numbers = net.first.W.copy()
    report = tricheck.check(model_of(net, gradient=gradient))
    assert report.verdict is Verdict.AGREE, str(report)
    assert "mutates-parameters" in {f.cause for f in report.findings}
    np.testing.assert_array_equal(net.first.W, numbers)


class Slotted:
    __slots__ = ("_w", "lock")

    def __init__(self, *, locked: bool) -> None:
        self._w = np.array([1.0, -2.0])
        self.lock = threading.Lock() if locked else None

    @property
    def w(self) -> Array:
        return self._w

    @w.setter
    def w(self, value: Array) -> None:
        self._w = value

    @property
    def norm(self) -> float:
        return float(np.sum(self._w**2))


@pytest.mark.parametrize("locked", [True, False])
def test_slots_and_properties(locked: bool) -> None:
    net = Slotted(locked=locked)
    w = net.w
    model = Model.from_object(net, ["w"], lambda n: np.sum(n.w**3), lambda n: 3 * n.w**2)
    assert tricheck.check(model).verdict is Verdict.AGREE
    assert net.w is w
    np.testing.assert_array_equal(w, [1.0, -2.0])


class Views:
    """Computes with views of its parameters, a link that no deep copy keeps."""

    def __init__(self) -> None:
        self.theta = np.array([0.5, -1.5, 2.0])
        self.w, self.b = self.theta[:2], self.theta[2:]

    def loss(self) -> Any:
        return np.sum((X[:, :2] @ self.w + self.b) ** 2)

    def gradient(self) -> Any:
        error = X[:, :2] @ self.w + self.b
        return 2 * np.append(X[:, :2].T @ error, np.sum(error))


def test_a_loss_that_ignores_the_object_accuses_nobody() -> None:
    with pytest.raises(ModelError, match=r"whatever theta hold.*views"):
        tricheck.check(Model.from_object(Views(), ["theta"], Views.loss, Views.gradient))
    net = Net()
    with pytest.raises(ModelError, match="use the object that it is given"):
        tricheck.check(model_of(net, loss=lambda _, y: net.loss(y)))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        pytest.param(["layers[0].w"], ["'layers[0].w'", "Dense has no 'w'", "W"], id="near"),
        pytest.param(["gian"], ["Net has no 'gian', but gain"], id="misspelt"),
        pytest.param(["params['w1']"], ["dict has no 'w1'", "W1"], id="key"),
        pytest.param(["layers[2].W"], ["list has no 2", "0, 1"], id="index"),
        pytest.param(["first.W.x"], ["ndarray has no 'x'"], id="deeper"),
        pytest.param(["layers"], ["'layers' is a list", "layers[0]"], id="list"),
        pytest.param(["params"], ["'params' is a dict", "params['W1']"], id="dict"),
        pytest.param(["first"], ["'first'", "Dense", "floats"], id="object"),
        pytest.param(["calls[0]"], ["'calls[0]'", "int"], id="int"),
        pytest.param(["first.W", "layers[0].W"], ["share memory"], id="aliases"),
        pytest.param(["gain", "gain"], ["'gain' twice"], id="twice"),
        pytest.param(["layers[i].W"], ["'layers[i].W'", "name of an attribute"], id="variable"),
        pytest.param(["f(W)"], ["'f(W)'", "name of an attribute"], id="call"),
        pytest.param(["W 1"], ["'W 1'", "name of an attribute"], id="syntax"),
        pytest.param([""], ["''", "name of an attribute"], id="empty-name"),
        pytest.param([], ["parameters is empty"], id="empty"),
        pytest.param("gain", ["parameters is a str", "list"], id="string"),
        pytest.param([3], ["holds a int"], id="no-name"),
    ],
)
def test_object_errors_say_what_came_and_what_to_do(names: Any, said: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        tricheck.check(model_of(Net(), names))
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"loss": 3}, ["loss is a int", "loss(obj, *args)"]),
        ({"gradient": None}, ["gradient is a NoneType"]),
        ({"gradient": lambda n, y: [1.0, 2.0]}, ["2 gradients for 5 parameters"]),
        ({"gradient": lambda n, y: {"gain": 1.0}}, ["no entry", "'layers[0].W'"]),
    ],
)
def test_object_function_errors(changed: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        tricheck.check(model_of(Net(), **changed))
    for words in said:
        assert words in str(caught.value)


def test_a_read_only_parameter_is_named() -> None:
    net = Slotted(locked=False)
    with pytest.raises(ModelError, match=r"'norm' cannot be set .* computed from"):
        tricheck.check(Model.from_object(net, ["norm"], lambda n: n.norm, lambda n: [1.0]))


# --- what scipy.optimize.minimize takes ---------------------------------------------------------


def rosenbrock(x: Array, a: Any = 1.0, b: Any = 100.0) -> Any:
    return np.sum(b * (x[1:] - x[:-1] ** 2) ** 2 + (a - x[:-1]) ** 2)


def rosenbrock_jac(x: Array, a: Any = 1.0, b: Any = 100.0) -> Array:
    g = np.zeros_like(x)
    g[:-1] = -4 * b * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (a - x[:-1])
    g[1:] += 2 * b * (x[1:] - x[:-1] ** 2)
    return g


def quadratic(x: Array, center: Array) -> Any:
    return np.sum((x - center) ** 2)


CENTER = np.array([1.0, -2.0, 0.5])


@pytest.mark.parametrize(
    ("fun", "jac", "x0", "args"),
    [
        pytest.param(optimize.rosen, optimize.rosen_der, [1.3, 0.7, 0.8, 1.9], (), id="list"),
        pytest.param(rosenbrock, rosenbrock_jac, (1.3, 0.7, 0.8), (1.5, 80.0), id="tuple"),
        pytest.param(rosenbrock, rosenbrock_jac, [2, -1, 3], 1.5, id="integers, a lone number"),
        pytest.param(
            quadratic, lambda x, c: 2 * (x - c), np.zeros(3), CENTER, id="a lone array"
        ),
        pytest.param(
            quadratic, lambda x, c: list(2 * (x - c)), [0.1, 0.2, 0.3], CENTER, id="list back"
        ),
        pytest.param(
            quadratic, lambda x, c: 2 * (x - c), [0.0] * 3, ([1.0, -2.0, 0.5],), id="list in args"
        ),
        pytest.param(
            lambda x, c: (quadratic(x, c), 2 * (x - c)), True, np.zeros(3), (CENTER,), id="jac=True"
        ),
        pytest.param(lambda x: (x - 3.0) ** 2, lambda x: 2 * (x - 3.0), 1.5, (), id="a number"),
    ],
)  # fmt: skip
def test_what_minimize_takes_is_taken(fun: Any, jac: Any, x0: Any, args: Any) -> None:
    found = optimize.minimize(fun, x0, args=args, jac=jac, method="BFGS")
    assert np.linalg.norm(found.jac) < 1e-3  # SciPy went downhill on these very arguments
    report = tricheck.check(fun, jac, x0, args=args)
    assert report.verdict is Verdict.AGREE, str(report)
    assert list(report.parameters) == ["params"]
    assert tricheck.check(Model(fun, jac, x0, args)).to_dict() == report.to_dict()


def test_a_wrong_jac_is_found_as_minimize_would_take_it() -> None:
    report = tricheck.check(quadratic, lambda x, c: x - c, [0, 0, 0], args=CENTER)
    assert report.verdict is Verdict.BACKPROP
    assert causes(report) == {("params", "scale")}


def test_args_beside_a_model_are_refused_whatever_they_are() -> None:
    model = Model(quadratic, lambda x, c: 2 * (x - c), np.zeros(3), CENTER)
    with pytest.raises(ModelError, match="from the model"):
        tricheck.check(model, args=CENTER)


def test_models_of_layers_and_objects_can_be_pickled() -> None:
    for model in (Model.from_layer(affine, affine_backward, INPUTS), model_of(Net())):
        there_and_back = pickle.loads(pickle.dumps(model))
        assert tricheck.check(there_and_back).to_dict() == tricheck.check(model).to_dict()


def test_sweeps_take_adapted_models() -> None:
    net = Locked()
    before = picture(net)
    swept = tricheck.sweep(model_of(net), "gain")
    assert abs(swept.backprop - swept.derivative) <= swept.bound
    assert swept.model == "Locked"
    assert picture(net) == before


def test_a_bound_method_is_told_from_its_function() -> None:
    class Net:
        def __init__(self) -> None:
            self.w = np.ones(2)

        def loss(self) -> Any:
            return np.sum(self.w**2)

    net = Net()
    with pytest.raises(ModelError, match=r"pass Net\.loss"):
        Model.from_object(net, ["w"], net.loss, lambda o: {"w": 2 * o.w})
    report = tricheck.check(Model.from_object(net, ["w"], Net.loss, lambda o: {"w": 2 * o.w}))
    assert report.verdict is Verdict.AGREE


# --- caches that the loss leaves ------------------------------------------------------------------


def test_a_gradient_that_reads_what_the_loss_has_cached_is_run_after_it() -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    cache: dict[str, Any] = {}

    def loss(p: dict[str, Any]) -> Any:
        cache["a"] = np.tanh(X @ p["W1"])
        cache["d"] = cache["a"] @ p["W2"] - Y
        return 0.5 * np.sum(cache["d"] ** 2)

    def gradient(one: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def backward(p: dict[str, Any]) -> dict[str, Any]:
            a, d = cache["a"], cache["d"]
            return {"W1": X.T @ (d @ p["W2"].T * (one - a**2)), "W2": a.T @ d}

        return backward

    params = {"W1": rng.normal(size=(3, 4)), "W2": rng.normal(size=(4, 2))}
    right = tricheck.check(loss, gradient(1.0), params)
    assert right.verdict is tricheck.Verdict.AGREE
    assert [(f.cause, f.severity) for f in right.findings] == [("stateful", "note")]
    assert max(p.sensitivity for p in right.parameters.values()) < 1e-12
    for off in (1e-5, 1e-9, 1e-12):
        wrong = tricheck.check(loss, gradient(1.0 + off), params)
        assert wrong.verdict is tricheck.Verdict.BACKPROP
        assert [p.verdict for p in wrong.parameters.values()] == ["backprop", "agree"]
        assert max(p.sensitivity for p in wrong.parameters.values()) < 1e-12
