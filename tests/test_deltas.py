"""Intermediate gradients shown beside the gradient: the last right one and the first wrong one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import tricheck
from tricheck import Model, ModelError, Verdict, check
from tricheck.vocabulary import Cause, Finding, Severity

Arrays = dict[str, Any]
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 2))
LONGEST = 3 * 78  # characters of three lines of a report


def notes(report: tricheck.Report) -> list[Finding]:
    """What the shown gradients have led to."""
    return [f for f in report.findings if f.cause is Cause.UPSTREAM and f.parameter is None]


def only(report: tricheck.Report) -> Finding:
    [note] = notes(report)
    assert note.severity is Severity.NOTE
    assert len(f"upstream: {note.message}") <= LONGEST
    return note


# --- a network of three layers ---


def drawn(seed: int, *sizes: int) -> Arrays:
    rng = np.random.default_rng(seed)
    params: Arrays = {}
    for layer, shape in enumerate(pairwise(sizes), 1):
        params[f"W{layer}"] = rng.standard_normal(shape)
        params[f"b{layer}"] = rng.standard_normal(shape[1])
    return params


def forward(p: Arrays) -> Sequence[Any]:
    z1 = X @ p["W1"] + p["b1"]
    a1 = np.tanh(z1)
    z2 = a1 @ p["W2"] + p["b2"]
    a2 = np.tanh(z2)
    z3 = a2 @ p["W3"] + p["b3"]
    return z1, a1, z2, a2, z3


def loss(p: Arrays) -> Any:
    return np.sum((forward(p)[-1] - Y) ** 2) / len(X)


def backward(p: Arrays, mistake: str) -> tuple[Arrays, Arrays]:
    """The gradient, with a mistake at one place, and what it went through."""
    z1, a1, z2, a2, z3 = forward(p)
    made = {mistake}
    dz3 = 2.0 * (z3 - Y) / len(X)
    dz3 = 0.5 * dz3 if "half at z3" in made else dz3
    da2 = dz3 @ p["W3"].T
    da2 = -da2 if "sign at a2" in made else da2
    slope2 = 1 - (z2 if "wrong cache at z2" in made else a2) ** 2
    dz2 = da2 if "no slope at z2" in made else da2 * slope2
    da1 = dz2 @ (p["W2"] if "W for its transpose at a1" in made else p["W2"].T)
    da1 = 3.0 * da1 if "factor at a1" in made else da1
    slope1 = 1 - (z1 if "wrong cache at z1" in made else a1) ** 2
    dz1 = da1 if "no slope at z1" in made else da1 * slope1
    grads = {"W3": a2.T @ dz3, "W2": a1.T @ dz2, "W1": X.T @ dz1}
    grads |= {"b3": dz3.sum(axis=0), "b2": dz2.sum(axis=0), "b1": dz1.sum(axis=0)}
    if "z for a in W2" in made:
        grads["W2"] = z1.T @ dz2
    if "mean in b1" in made:
        grads["b1"] = dz1.mean(axis=0)
    if "sign of W3" in made:
        grads["W3"] = -grads["W3"]
    return grads, {"dz3": dz3, "da2": da2, "dz2": dz2, "da1": da1, "dz1": dz1}


def gradient(mistake: str = "", shown: str = "dz3 da2 dz2 da1 dz1") -> Callable[..., Any]:
    def gradient(p: Arrays) -> tuple[Arrays, Arrays]:
        grads, deltas = backward(p, mistake)
        return grads, {name: deltas[name] for name in shown.split()}

    return gradient


# mistake, the last right one, the first wrong one, where the error is made
MISTAKES = [
    ("half at z3", None, "dz3", 'a2 @ p["W3"] + p["b3"]'),
    ("sign at a2", "dz3", "da2", 'a2 @ p["W3"]'),
    ("no slope at z2", "da2", "dz2", "np.tanh(z2)"),
    ("wrong cache at z2", "da2", "dz2", "np.tanh(z2)"),
    ("W for its transpose at a1", "dz2", "da1", 'a1 @ p["W2"]'),
    ("factor at a1", "dz2", "da1", 'a1 @ p["W2"]'),
    ("no slope at z1", "da1", "dz1", "np.tanh(z1)"),
    ("wrong cache at z1", "da1", "dz1", "np.tanh(z1)"),
    ("sign of W3", "dz3", "W3", 'a2 @ p["W3"]'),
    ("z for a in W2", "dz2", "W2", 'a1 @ p["W2"]'),
    ("mean in b1", "dz1", "b1", 'X @ p["W1"] + p["b1"]'),
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("mistake", "last", "first", "where"), MISTAKES)
def test_the_first_wrong_delta_is_named(
    mistake: str, last: str | None, first: str, where: str, seed: int
) -> None:
    report = check(loss, gradient(mistake), drawn(seed, 3, 4, 4, 2))
    note = only(report)
    assert report.verdict is Verdict.BACKPROP
    assert note.evidence["first_wrong"] == first
    assert f"`{where}` (test_deltas.py:" in note.message
    start = f"{last} is right, {first} is wrong" if last else f"{first} is wrong already"
    assert note.message.startswith(start)
    names = ["dz3", "da2", "dz2", "da1", "dz1"]
    wrong = names[names.index(first) :] if first in names else []
    assert note.evidence["wrong"] == wrong
    assert note.evidence["right"] == names[: len(names) - len(wrong)]


@pytest.mark.parametrize(("mistake", "factor"), [("half at z3", 0.5), ("sign at a2", -1.0)])
def test_a_constant_factor_is_told(mistake: str, factor: float) -> None:
    note = only(check(loss, gradient(mistake), drawn(0, 3, 4, 4, 2)))
    assert note.evidence["factor"] == pytest.approx(factor)
    assert (
        "(1/2 times the right one)" if factor == 0.5 else "(minus the right one)"
    ) in note.message


@pytest.mark.parametrize(
    ("mistake", "first", "ways"),
    [
        ("no slope at z2", "dz2", ['a2 @ p["W3"]', "np.tanh(z2)"]),
        ("W for its transpose at a1", "dz1", ['a1 @ p["W2"]', "np.tanh(z1)"]),
    ],
)
def test_with_fewer_shown_the_operations_in_between_are_named(
    mistake: str, first: str, ways: list[str]
) -> None:
    note = only(check(loss, gradient(mistake, "dz3 dz2 dz1"), drawn(0, 3, 4, 4, 2)))
    assert note.evidence["first_wrong"] == first
    assert all(f"`{way}`" in note.message for way in ways)


def test_two_mistakes_are_two_notes() -> None:
    def both(p: Arrays) -> Any:
        grads, deltas = backward(p, "no slope at z2")
        return grads | {"W1": X[:, ::-1].T @ deltas["dz1"]}, deltas

    first, second = notes(check(loss, both, drawn(0, 3, 4, 4, 2)))
    assert first.message.startswith("da2 is right, dz2 is wrong")
    assert second.message.startswith("W1 does not follow from dz1: another error is made")
    assert '`X @ p["W1"]`' in second.message


@pytest.mark.parametrize("seed", range(12))
def test_right_deltas_lead_to_nothing(seed: int) -> None:
    report = check(loss, gradient(), drawn(seed, 3, 5, 4, 2))
    assert report.verdict is Verdict.AGREE
    assert not report.findings


def test_other_names_are_matched_by_value_or_not_at_all() -> None:
    def renamed(p: Arrays) -> Any:
        grads, deltas = backward(p, "no slope at z1")
        return grads, {"first": deltas["da2"], "dnothing": deltas["dz1"], "noise": np.ones((6, 4))}

    note = only(check(loss, renamed, drawn(0, 3, 4, 4, 2)))
    assert note.evidence["right"] == ["first", "dnothing"]  # which is the right gradient of a1
    assert note.evidence["wrong"] == []
    assert note.evidence["unmatched"] == ["noise"]
    assert note.evidence["first_wrong"] in ("W1", "b1")


def test_nothing_is_guessed_from_names_alone() -> None:
    def renamed(p: Arrays) -> Any:
        grads, deltas = backward(p, "W for its transpose at a1")
        return grads, {"dnothing": deltas["da1"], "extra": 3, "words": "none"}

    assert not notes(check(loss, renamed, drawn(0, 3, 4, 4, 2)))


def test_a_wrong_delta_that_nothing_came_of_is_a_note_where_all_agree() -> None:
    def swapped(p: Arrays) -> Any:
        grads, deltas = backward(p, "")
        return grads, deltas | {"da1": deltas["dz1"]}

    report = check(loss, swapped, drawn(0, 3, 4, 4, 2))
    assert report.verdict is Verdict.AGREE
    note = only(report)
    assert note.message.startswith("da1 is not the gradient that the name says")
    assert note.evidence["wrong"] == ["da1"]


def test_it_does_not_cover_a_mistake_elsewhere() -> None:
    def swapped(p: Arrays) -> Any:
        grads, deltas = backward(p, "z for a in W2")
        return grads, deltas | {"da1": deltas["dz1"]}

    assert only(check(loss, swapped, drawn(0, 3, 4, 4, 2))).evidence["first_wrong"] == "W2"


@pytest.mark.parametrize("mistake", ["", "no slope at z1", "sign at a2"])
def test_a_factor_left_out_until_the_end_is_no_error(mistake: str) -> None:
    def unscaled(p: Arrays) -> Any:
        grads, deltas = backward(p, mistake)
        return grads, {name: len(X) * delta for name, delta in deltas.items()}

    report = check(loss, unscaled, drawn(0, 3, 4, 4, 2))
    if not mistake:
        assert not report.findings
    else:
        note = only(report)
        assert note.evidence["first_wrong"] == {"n": "dz1", "s": "da2"}[mistake[0]]
        assert "right up to the factor 6, " in note.message


def test_the_same_factor_in_all_parameters_is_one() -> None:
    def unscaled(p: Arrays) -> Any:
        return tuple({n: len(X) * g for n, g in part.items()} for part in backward(p, ""))

    note = only(check(loss, unscaled, drawn(0, 3, 4, 4, 2)))
    assert note.message.startswith("dz3 is wrong already (6 times the right one)")


def test_deltas_that_are_not_finite_are_wrong() -> None:
    def broken(p: Arrays) -> Any:
        with np.errstate(invalid="ignore"):
            grads, deltas = backward(p, "")
            deltas["dz1"] = deltas["dz1"] * np.nan
            return grads | {"W1": X.T @ deltas["dz1"], "b1": deltas["dz1"].sum(axis=0)}, deltas

    assert only(check(loss, broken, drawn(0, 3, 4, 4, 2))).evidence["first_wrong"] == "dz1"


def test_what_a_point_on_a_kink_leaves_open_is_not_called_wrong() -> None:
    inputs = np.array([[1.0, 2.0], [0.0, 0.0], [-1.0, 0.5]])  # a sample of zeros: z is 0 there
    target = np.array([[1.0], [2.0], [3.0]])

    def relu_loss(p: Arrays) -> Any:
        z1 = inputs @ p["W1"]
        a1 = np.maximum(z1, 0.0)
        return np.sum((a1 @ p["W2"] - target) ** 2)

    def relu_gradient(p: Arrays) -> Any:
        z1 = inputs @ p["W1"]
        a1 = np.maximum(z1, 0.0)
        dz2 = 2.0 * (a1 @ p["W2"] - target)
        dz1 = dz2 @ p["W2"].T * (z1 >= 0.0)
        return {"W1": inputs.T @ dz1, "W2": a1.T @ dz2}, {"dz2": dz2, "dz1": dz1}

    params = {"W1": np.array([[0.5, -1.0, 2.0], [0.3, 0.7, -0.2]]), "W2": np.ones((3, 1))}
    assert not check(relu_loss, relu_gradient, params).findings


# --- how they are handed over ---

A, B = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 2))


def two_layers(W: Any, V: Any, wrong: bool) -> tuple[Any, Any, Arrays]:
    a1 = np.tanh(X @ W)
    delta2 = a1 @ V - Y
    delta1 = delta2 @ V.T * (1.0 if wrong else 1 - a1**2)
    return X.T @ delta1, a1.T @ delta2, {"delta2": delta2, "delta1": delta1}


def squares(W: Any, V: Any) -> Any:
    a1 = np.tanh(X @ W)
    return 0.5 * np.sum((a1 @ V - Y) ** 2)


def as_dict(wrong: bool) -> tuple[Any, ...]:
    def gradient(p: Any) -> Any:
        dW, dV, deltas = two_layers(p["W"], p["V"], wrong)
        return {"W": dW, "V": dV}, deltas

    return lambda p: squares(p["W"], p["V"]), gradient, {"W": A, "V": B}


def as_list(wrong: bool) -> tuple[Any, ...]:
    def gradient(p: Any) -> Any:
        dW, dV, deltas = two_layers(p[0], p[1], wrong)
        return [dW, dV], deltas

    return lambda p: squares(*p), gradient, [A, B]


def as_array(wrong: bool) -> tuple[Any, ...]:
    def split(w: Any) -> tuple[Any, Any]:
        return w[:12].reshape(3, 4), w[12:].reshape(4, 2)

    def gradient(w: Any) -> Any:
        dW, dV, deltas = two_layers(*split(w), wrong)
        return np.concatenate([dW.ravel(), dV.ravel()]), deltas

    return lambda w: squares(*split(w)), gradient, np.concatenate([A.ravel(), B.ravel()])


def as_pair_with_loss(wrong: bool) -> tuple[Any, ...]:
    def both(p: Any) -> Any:
        dW, dV, deltas = two_layers(p["W"], p["V"], wrong)
        return squares(p["W"], p["V"]), ({"W": dW, "V": dV}, deltas)

    return both, True, {"W": A, "V": B}


@pytest.mark.parametrize("style", [as_dict, as_list, as_array, as_pair_with_loss])
def test_deltas_come_beside_any_structure(style: Callable[[bool], tuple[Any, ...]]) -> None:
    report = check(*style(False))
    assert report.verdict is Verdict.AGREE
    assert not report.findings
    note = only(check(*style(True)))
    assert note.evidence["right"] == ["delta2"]
    assert note.evidence["first_wrong"] == "delta1"


def test_a_pair_of_parameters_whose_second_is_a_dict_is_the_gradient() -> None:
    params = [np.array([1.0, 2.0]), {"b": np.array([3.0])}]

    def pair_loss(p: Any) -> Any:
        return np.sum(p[0] ** 3) + np.sum(p[1]["b"] ** 2)

    def pair_gradient(p: Any) -> Any:
        return 3 * p[0] ** 2, {"b": 2 * p[1]["b"]}

    assert check(pair_loss, pair_gradient, params).verdict is Verdict.AGREE
    with pytest.raises(ModelError, match="expected floats"):
        check(pair_loss, lambda p: (pair_gradient(p), {"dz": p[0]}), params)


class Net:
    """A network that keeps what it computes."""

    def __init__(self, mistake: str = "") -> None:
        self.W1, self.W2, self.mistake = A.copy(), B.copy(), mistake

    def sigmoid(self, z: Any) -> Any:
        return 1.0 / (1.0 + np.exp(-z))

    def forward(self) -> Any:
        self.z2 = np.dot(X, self.W1)
        self.a2 = self.sigmoid(self.z2)
        self.z3 = np.dot(self.a2, self.W2)
        self.output = self.sigmoid(self.z3)
        return self.output

    def loss(self) -> Any:
        return 0.5 * np.sum((self.forward() - Y) ** 2)

    def gradient(self) -> Any:
        slope = self.output * (1 - self.output)
        self.delta3 = (self.forward() - Y) * (1.0 if self.mistake == "delta3" else slope)
        slope = self.a2 * (1 - self.a2)
        self.delta2 = self.delta3 @ self.W2.T * (1.0 if self.mistake == "delta2" else slope)
        return X.T @ self.delta2, self.a2.T @ self.delta3


@pytest.mark.parametrize("mistake", ["", "delta2", "delta3"])
def test_attributes_that_the_gradient_leaves_on_an_object_are_read(mistake: str) -> None:
    def model(gradient: Callable[[Net], Any]) -> Model:
        net = Net(mistake)
        net.forward()
        return Model.from_object(net, ["W1", "W2"], Net.loss, gradient)

    def beside(net: Net) -> Any:
        answer = net.gradient()
        deltas = {"delta2": net.delta2, "delta3": net.delta3}
        del net.delta2, net.delta3
        return answer, deltas

    for gradient in (Net.gradient, beside):
        report = check(model(gradient))
        if mistake:
            note = only(report)
            assert note.evidence["first_wrong"] == mistake
            assert note.evidence["unmatched"] == []
        else:
            assert not [f for f in report.findings if f.cause != "stateful"]


class Dense:
    """A layer that keeps what it computes."""

    def __init__(self, *shape: int) -> None:
        self.W, self.slope = RNG.standard_normal(shape), True

    def forward(self, x: Any) -> Any:
        self.x = x
        self.z = x @ self.W
        self.a = np.tanh(self.z)
        return self.a

    def backward(self, da: Any) -> Any:
        self.dz = da * (1 - self.a**2) if self.slope else da
        self.dW = self.x.T @ self.dz
        return self.dz @ self.W.T


class Stack:
    """Layers one after the other."""

    def __init__(self) -> None:
        self.layers = [Dense(3, 4), Dense(4, 4), Dense(4, 2)]

    def loss(self) -> Any:
        x = X
        for layer in self.layers:
            x = layer.forward(x)
        self.output = x
        return np.sum((x - Y) ** 2)

    def gradient(self) -> Any:
        self.loss()
        delta = 2.0 * (self.output - Y)
        for layer in reversed(self.layers):
            delta = layer.backward(delta)
        return [layer.dW for layer in self.layers]


@pytest.mark.parametrize("wrong", [None, 0, 1, 2])
def test_layers_that_keep_their_own_deltas_are_told_apart(wrong: int | None) -> None:
    stack = Stack()
    names = [f"layers[{i}].W" for i in range(3)]
    if wrong is not None:
        stack.layers[wrong].slope = False
    report = check(Model.from_object(stack, names, Stack.loss, Stack.gradient))
    if wrong is None:
        assert not report.findings
    else:
        assert only(report).evidence["first_wrong"] == f"layers[{wrong}].dz"


def rectified(x: Any, w: Any, b: Any) -> Any:
    z = x @ w + b
    return np.maximum(z, 0.0), {"x": x, "w": w, "z": z}


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_a_layer_leaves_them_in_its_cache_or_returns_them(wrong: bool, kept: bool) -> None:
    def back(dout: Any, cache: Arrays) -> Any:
        dz = dout if wrong else dout * (cache["z"] > 0.0)
        answer = dz @ cache["w"].T, cache["x"].T @ dz, dz.sum(axis=0)
        if not kept:
            return answer, {"dz": dz}
        cache["dz"] = dz
        return answer

    inputs = {"x": X, "w": A, "b": RNG.standard_normal(4)}
    report = check(Model.from_layer(rectified, back, inputs))
    if wrong:
        note = only(report)
        assert note.evidence["first_wrong"] == "dz"
        assert "`np.maximum(z, 0.0)`" in note.message
    else:
        assert not report.findings


# --- loops ---

STEPS, BATCH, HIDDEN = 5, 3, 4
INPUTS = RNG.standard_normal((STEPS, BATCH, 2))
TARGETS = RNG.standard_normal((STEPS, BATCH, 2))
RECURRENT = {
    "Wx": 0.5 * RNG.standard_normal((2, HIDDEN)),
    "Wh": 0.5 * RNG.standard_normal((HIDDEN, HIDDEN)),
    "Wy": RNG.standard_normal((HIDDEN, 2)),
}


def run(p: Arrays) -> tuple[list[Any], list[Any]]:
    h, hs, ys = np.zeros((BATCH, HIDDEN)), [], []
    for x in INPUTS:
        h = np.tanh(x @ p["Wx"] + h @ p["Wh"])
        hs.append(h)
        ys.append(h @ p["Wy"])
    return hs, ys


def recurrent_loss(p: Arrays) -> Any:
    return 0.5 * sum(np.sum((y - t) ** 2) for y, t in zip(run(p)[1], TARGETS, strict=True))


def through_time(mistake: str, lay: Callable[[list[Any]], Any]) -> Callable[[Arrays], Any]:
    def gradient(p: Arrays) -> Any:
        hs, ys = run(p)
        grads = {name: np.zeros_like(block) for name, block in p.items()}
        dhs: list[Any] = []
        dys: list[Any] = []
        carry = np.zeros((BATCH, HIDDEN))
        for t in reversed(range(STEPS)):
            dys.insert(0, ys[t] - TARGETS[t])
            back = p["Wy"] * [1.0, 2.0] if mistake == "other weights" else p["Wy"]
            dhs.insert(0, dys[0] @ back.T + carry)
            dz = dhs[0] * (1.0 if mistake == "no slope" else 1 - hs[t] ** 2)
            grads["Wy"] += hs[t].T @ dys[0]
            grads["Wx"] += INPUTS[t].T @ dz
            grads["Wh"] += (hs[t - 1] if t else 0.0 * hs[0]).T @ dz
            carry = dz @ (p["Wh"] if mistake == "untransposed" else p["Wh"].T)
            carry = 0.0 * carry if mistake == "no carry" else carry
            carry = -carry if mistake == "sign at turn 2" and t == 2 else carry
        return grads, {"dh": lay(dhs), "dy": lay(dys)}

    return gradient


LAID: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "reversed": lambda deltas: deltas[::-1],
    "stacked": np.stack,
}


@pytest.mark.parametrize("lay", LAID)
@pytest.mark.parametrize(
    ("mistake", "turn", "where"),
    [
        ("", None, ""),
        ("no carry", 3, 'h @ p["Wh"]'),
        ("untransposed", 3, 'h @ p["Wh"]'),
        ("sign at turn 2", 1, 'h @ p["Wh"]'),
        ("no slope", 3, 'np.tanh(x @ p["Wx"] + h @ p["Wh"])'),
        ("other weights", 4, 'h @ p["Wy"]'),  # no dh is right: their order is that of dy
    ],
)
def test_one_delta_for_every_time_step(
    mistake: str, turn: int | None, where: str, lay: str
) -> None:
    report = check(recurrent_loss, through_time(mistake, LAID[lay]), RECURRENT)
    if turn is None:
        assert not report.findings
        return
    note = only(report)
    number = STEPS - 1 - turn if lay == "reversed" else turn
    assert note.evidence["first_wrong"] == f"dh[{number}]"
    assert note.evidence["unmatched"] == []
    assert f"`{where}`" in note.message


DEEP = {"W": [RNG.standard_normal(s) for s in ((3, 5), (5, 4), (4, 2))]}


def deep(p: Arrays) -> list[Any]:
    activations = [X]
    for W in p["W"]:
        z = activations[-1] @ W
        activations.append(np.tanh(z))
    return activations


def deep_gradient(name: str, wrong: int | None) -> Callable[[Arrays], Any]:
    def gradient(p: Arrays) -> Any:
        a = deep(p)
        came = 2.0 * (a[3] - Y)
        grads: list[Any] = []
        deltas: list[Any] = []
        for layer in (3, 2, 1):
            delta = came if layer == wrong else came * (1 - a[layer] ** 2)
            grads.insert(0, a[layer - 1].T @ delta)
            deltas.insert(0, delta)
            came = delta @ p["W"][layer - 1].T
        if name.endswith("s"):
            return {"W": grads}, {name: deltas}
        return {"W": grads}, {f"{name}{i}": delta for i, delta in enumerate(deltas, 1)}

    return gradient


@pytest.mark.parametrize("wrong", [None, 1, 2, 3])
@pytest.mark.parametrize("name", ["delta", "deltas", "d", "dz", "dzs", "dL_dz", "grad_z", "delta_"])
def test_deltas_of_layers_in_a_loop(name: str, wrong: int | None) -> None:
    report = check(lambda p: np.sum((deep(p)[-1] - Y) ** 2), deep_gradient(name, wrong), DEEP)
    if wrong is None:
        assert not report.findings
    else:
        first = f"{name}[{wrong - 1}]" if name.endswith("s") else f"{name}{wrong}"
        assert only(report).evidence["first_wrong"] == first


# --- the loss's own variables ---


def in_place(p: Arrays) -> Any:
    z = X @ p["W"]
    z += p["b"]
    return z


def branching(p: Arrays) -> Any:
    z = X @ p["W"] + p["b"]
    if z.size:
        out = np.tanh(z)
    else:
        raise AssertionError
    return out


def written(p: Arrays) -> Any:
    z = np.zeros((6, 4))
    for row in range(6):
        z[row] = X[row] @ p["W"] + p["b"]
    return z


def walrus(p: Arrays) -> Any:
    return np.copy(z) if (z := X @ p["W"] + p["b"]).size else 0.0


def kept_in_a_dict(p: Arrays) -> Any:
    cache: Arrays = {}
    cache["z"] = X @ p["W"] + p["b"]
    return cache["z"]


def in_a_list(p: Arrays) -> Any:
    zs = [row @ p["W"] + p["b"] for row in X]
    return np.stack(zs)


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (in_place, "dz"),
        (branching, "dz"),
        (branching, "dout"),
        (written, "dz"),
        (walrus, "dz"),
        (kept_in_a_dict, "dz"),
        (in_a_list, "dzs"),
    ],
)
def test_variables_are_found_however_they_are_bound(made: Any, name: str) -> None:
    """A delta that is doubled is only called wrong if its variable is known."""
    slopes = made is branching
    weights = RNG.standard_normal((6, 4))

    def weighted(p: Arrays) -> Any:
        return np.sum(weights * made(p) ** 2)

    def doubled(p: Arrays) -> Any:
        z = X @ p["W"] + p["b"]
        out = np.tanh(z) if slopes else z
        dout = 4.0 * weights * out  # should be 2
        dz = dout * (1 - out**2) if slopes else dout
        shown = {"dout": dout, "dz": dz, "dzs": list(dz)}
        return {"W": X.T @ dz, "b": dz.sum(axis=0)}, {name: shown[name]}

    note = only(check(weighted, doubled, {"W": A, "b": np.arange(4.0)}))
    assert note.evidence["unmatched"] == []
    assert str(note.evidence["first_wrong"]).startswith(name)
    assert note.evidence["factor"] == pytest.approx(2.0)


def test_a_name_bound_twice_is_not_called_wrong() -> None:
    """Which of two values of `x` a `dx` belongs to, nobody says."""

    def twice(p: Arrays) -> Any:
        x = X @ p["W"]
        x = np.tanh(x)
        return np.sum(x**3)

    def wrong(p: Arrays) -> Any:
        a = np.tanh(X @ p["W"])
        dx = a**2 * (1 - a**2)
        return {"W": X.T @ dx + p["W"]}, {"dx": dx + 1.0}

    assert not notes(check(twice, wrong, {"W": A}))


# --- conventions ---


def unnamed(p: Arrays) -> Any:
    return np.sum((np.tanh(np.tanh(X @ p["W1"]) @ p["W2"]) - Y) ** 2)


def bishop(p: Arrays) -> Any:
    """In Bishop's letters, a comes before the activation and z after it."""
    a1 = X @ p["W1"]
    z1 = np.tanh(a1)
    a2 = z1 @ p["W2"]
    z2 = np.tanh(a2)
    return np.sum((z2 - Y) ** 2)


def outputs_only(p: Arrays) -> Any:
    l1 = np.tanh(X @ p["W1"])
    l2 = np.tanh(l1 @ p["W2"])
    return np.sum((l2 - Y) ** 2)


def conventional(before: str, after: str, mistake: str) -> Callable[[Arrays], Any]:
    def gradient(p: Arrays) -> Any:
        first = np.tanh(X @ p["W1"])
        second = np.tanh(first @ p["W2"])
        out2 = 2.0 * (second - Y)
        in2 = out2 * (1 - second**2)
        out1 = in2 @ p["W2"].T
        in1 = out1 * (1 - (X @ p["W1"] if mistake == "cache" else first) ** 2)
        in1 = out1 if mistake == "slope" else in1
        names = before.format(1), before.format(2), after.format(1), after.format(2)
        shown = dict(zip(names, (in1, in2, out1, out2), strict=True))
        shown.pop("", None)
        grad1 = X.T @ (in1[::-1] if mistake == "own" else in1)
        return {"W1": grad1, "W2": first.T @ in2}, shown

    return gradient


CONVENTIONS = [
    (unnamed, "dE_dz{}", ""),
    (unnamed, "delta{}", ""),
    (unnamed, "delta{}", "dz{}"),
    (bishop, "delta{}", "dz{}"),
    (bishop, "da{}", "dz{}"),
    (outputs_only, "l{}_delta", "dl{}"),
    (outputs_only, "delta_l{}", ""),
]


@pytest.mark.parametrize(("made", "before", "after"), CONVENTIONS)
def test_who_names_deltas_otherwise_is_not_told_off(made: Any, before: str, after: str) -> None:
    params = {"W1": A, "W2": B}
    assert not check(made, conventional(before, after, ""), params).findings
    own = only(check(made, conventional(before, after, "own"), params))
    assert own.evidence["first_wrong"] == "W1"
    assert own.evidence["wrong"] == []
    note = only(check(made, conventional(before, after, "cache"), params))
    assert note.evidence["first_wrong"] == before.format(1)
    note = only(check(made, conventional(before, after, "slope"), params))
    # without a variable for it, a delta may be what comes to the activation's output as well
    assert note.evidence["first_wrong"] in (before.format(1), "W1")
    assert "np.tanh(" in note.message


def test_the_gradient_of_the_loss_itself_is_nothing_to_say() -> None:
    def with_end(p: Arrays) -> Any:
        E: Any = np.sum((X @ p["W"]) ** 2)
        return E

    def with_end_gradient(p: Arrays) -> Any:
        return {"W": X.T @ X @ p["W"]}, {"dE": np.array(2.0), "empty": np.zeros((0, 3))}

    report = check(with_end, with_end_gradient, {"W": A})
    assert report.verdict is Verdict.BACKPROP
    assert not notes(report)
