"""Mistakes made on purpose on the way back through a trace, and recognised in a backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tricheck
from tricheck import Verdict
from tricheck.calls import Calls
from tricheck.diagnosis.mistakes.catalogue import catalogue
from tricheck.diagnosis.mistakes.mistake import without
from tricheck.diagnosis.mistakes.sites import sites
from tricheck.diagnosis.mistakes.where import locate
from tricheck.parameters import Parameters
from tricheck.tracing.study import Study, back, study

Params = dict[str, Any]

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 4)), np.eye(3)[RNG.integers(0, 3, 6)]
PARAMS: Params = {
    "W1": RNG.normal(size=(4, 4)),
    "b1": RNG.normal(size=4),
    "W2": RNG.normal(size=(4, 4)),
    "b2": RNG.normal(size=4),
    "W3": RNG.normal(size=(4, 3)),
    "b3": RNG.normal(size=3),
}


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def forward(p: Params, X: Any) -> tuple[Any, ...]:
    z1 = X @ p["W1"] + p["b1"]
    a1 = np.tanh(z1)
    z2 = a1 @ p["W2"] + p["b2"]
    a2 = np.where(z2 > 0, z2, 0.1 * z2)
    z3 = a2 @ p["W3"] + p["b3"]
    return z1, a1, z2, a2, softmax(z3)


def loss(p: Params, X: Any, Y: Any) -> Any:
    q = forward(p, X)[-1]
    return -np.mean(np.sum(Y * np.log(q), axis=1)) + 0.05 * np.sum(p["W2"] ** 2)


def backward(bug: str) -> Callable[..., Params]:
    """The backward pass with one mistake in it, or with two."""

    def gradient(p: Params, X: Any, Y: Any) -> Params:
        z1, a1, z2, a2, q = forward(p, X)
        W2, W3 = p["W2"], p["W3"]
        d3 = (q - Y) / len(X)
        if "q (1 - q) once more" in bug:
            d3 = d3 * q * (1 - q)
        g = {"W3": (z2 if "z2 for a2" in bug else a2).T @ d3, "b3": d3.sum(axis=0)}
        if "W3 updated" in bug:
            W3 = W3 - 0.01 * g["W3"]
        d2 = d3 @ W3.T
        slopes = {"no slope": 0.0, "slope of one": 1.0}
        low = next((slope for name, slope in slopes.items() if name in bug), 0.1)
        if "branches exchanged" in bug:
            d2 = d2 * np.where(z2 > 0, 0.1, 1.0)
        else:
            d2 = d2 * np.where(z2 > 0, 1.0, low)
        if "from here twice" in bug:
            d2 = 2 * d2
        g |= {"W2": a1.T @ d2 + 0.1 * W2, "b2": d2.sum(axis=0)}
        if "no weight decay" in bug:
            g["W2"] = a1.T @ d2
        if "one sample" in bug:
            g["b2"] = d2[-1]
        d1 = d2 @ (W2 if "W2 for W2.T" in bug else W2.T)
        if "upstream dropped" in bug:
            d1 = np.ones_like(d1)
        if "derivative left out" not in bug:
            a = {"at z1": z1, "at tanh": np.tanh(a1)}
            at = next((value for name, value in a.items() if name in bug), a1)
            d1 = d1 * (1 - at) if "square forgotten" in bug else d1 * (1 - at**2)
        return g | {"W1": X.T @ d1, "b1": d1.sum(axis=0)}

    return gradient


# name of the bug, parameters, cause, and where the loss has the operation
BUGS = [
    ("q (1 - q) once more", "W1 b1 W2 b2 W3 b3", "activation-derivative", 'a2 @ p["W3"] + p["b3"]'),
    ("z2 for a2", "W3", "cached-input", 'a2 @ p["W3"]'),
    ("W3 updated", "W1 b1 W2 b2", "stale-weights", 'a2 @ p["W3"]'),
    ("no slope", "W1 b1 W2 b2", "activation-derivative", "np.where(z2 > 0, z2, 0.1 * z2)"),
    ("slope of one", "W1 b1 W2 b2", "activation-derivative", "np.where(z2 > 0, z2, 0.1 * z2)"),
    ("branches exchanged", "W1 b1 W2 b2", "activation-derivative", "np.where(z2 > 0, z2,"),
    ("from here twice", "W1 b1 W2 b2", "scale", 'a2 @ p["W3"]'),
    ("W2 for W2.T", "W1 b1", "upstream", 'a1 @ p["W2"]'),
    ("derivative left out", "W1 b1", "activation-derivative", "np.tanh(z1)"),
    ("at z1", "W1 b1", "activation-derivative", "np.tanh(z1)"),
    ("at tanh", "W1 b1", "activation-derivative", "np.tanh(z1)"),
    ("square forgotten", "W1 b1", "activation-derivative", "np.tanh(z1)"),
    ("upstream dropped", "W1 b1", "upstream", "np.tanh(z1)"),
    ("one sample", "b2", "bias-reduction", 'a1 @ p["W2"] + p["b2"]'),
]  # fmt: skip


def check(bug: str) -> tricheck.Report:
    return tricheck.check(loss, backward(bug), PARAMS, args=(X, Y))


def kept() -> Study:
    model = tricheck.Model(loss, backward(""), PARAMS, args=(X, Y))
    calls = Calls(model, Parameters.read(PARAMS))
    found = study(calls, calls.parameters.values)
    assert found is not None
    return found


def test_the_backward_pass_without_a_mistake_is_right() -> None:
    assert check("").verdict is Verdict.AGREE


@pytest.mark.parametrize(("bug", "parameters", "cause", "source"), BUGS, ids=lambda v: v)
def test_a_mistake_is_named_with_its_place(
    bug: str, parameters: str, cause: str, source: str
) -> None:
    report = check(bug)
    found = {f.parameter: f for f in report.findings if f.source == "backprop"}
    assert set(found) == set(parameters.split()), str(report)
    for finding in found.values():
        assert finding.cause == cause, str(report)
        residual, bound = finding.evidence["residual"], finding.evidence["bound"]
        assert isinstance(residual, float)
        assert isinstance(bound, float)
        assert residual <= bound
        assert "onsistent" in finding.message
        assert source in finding.message or cause == "scale", str(report)
        assert str(finding.evidence["line"]).startswith("test_mistakes.py:")


def test_mistakes_in_different_blocks_are_two_findings() -> None:
    report = check("z2 for a2, derivative left out, no weight decay")
    causes = {f.parameter: f.cause.value for f in report.findings}
    assert causes == {
        "W1": "activation-derivative",
        "b1": "activation-derivative",
        "W2": "regularizer",
        "W3": "cached-input",
    }


def test_two_mistakes_on_one_way_back_are_both_named() -> None:
    report = check("W2 for W2.T, derivative left out")
    [message] = {f.message for f in report.findings}
    assert "`np.tanh(z1)`" in message
    assert "for its transpose" in message


def test_a_gradient_of_nothing_is_not_explained() -> None:
    def nonsense(p: Params, X: Any, Y: Any) -> Params:
        return {name: np.sin(50.0 * value) for name, value in p.items()}

    report = tricheck.check(loss, nonsense, PARAMS, args=(X, Y))
    assert {f.cause.value for f in report.findings} == {"unknown"}


def test_upstream_of_a_right_parameter_the_error_is_located() -> None:
    def wrong(p: Params, X: Any, Y: Any) -> Params:
        g = backward("")(p, X, Y)
        noise = np.sin(50.0 * X @ p["W1"])
        return g | {"W1": X.T @ noise, "b1": noise.sum(axis=0)}

    report = tricheck.check(loss, wrong, PARAMS, args=(X, Y))
    [message] = {f.message for f in report.findings}
    assert {f.cause.value for f in report.findings} == {"upstream"}
    assert "W3, b2, b3 right and b1, W1 wrong" in message
    assert 'on the way back from `a1 @ p["W2"]' in message


def test_the_own_formula_of_a_parameter_is_told_from_what_comes_back_to_it() -> None:
    where = locate(kept(), frozenset({"W2"}), frozenset(PARAMS) - {"W2"})
    assert where["W2"].own
    where = locate(kept(), frozenset({"W1", "b1"}), frozenset(PARAMS) - {"W1", "b1"})
    assert not where["W1"].own


def test_a_kept_run_gives_the_right_gradient_and_every_mistake_as_a_whole_run_would() -> None:
    run = kept()
    right = np.concatenate([g.reshape(-1) for g in ordered(backward("")(PARAMS, X, Y))])
    np.testing.assert_allclose(run.gradient(), right, rtol=1e-12)
    held = {step: without(0) for step in run.shifts}
    for mistake in catalogue(run):
        gradients = back(run.steps, run.end, np.ones(()), {**held, **mistake.edits})
        blocks = [gradients.region(place_of(root)).reshape(-1) for root in run.roots]
        size = np.max(np.abs(np.concatenate(blocks)))
        made = run.gradient(mistake.edits)
        assert np.max(np.abs(made - np.concatenate(blocks))) <= 1e-12 * size, mistake.words


def ordered(gradient: Params) -> list[Any]:
    return [gradient[name] for name in PARAMS]


def place_of(root: Any) -> Any:
    from tricheck.tracing.tape import Place

    return Place(root)


def test_sites_tell_operations_of_one_line_apart_and_join_the_turns_of_a_loop() -> None:
    W = np.array([[0.5, -0.3], [0.2, 0.1]])

    def looped(W: Any) -> Any:
        h = np.array([1.0, -1.0])
        for _ in range(3):
            h = np.tanh(h @ W) * 2.0
        return np.sum(h * h)

    calls = Calls(tricheck.Model(looped, np.zeros_like, W), Parameters.read(W))
    run = study(calls, calls.parameters.values)
    assert run is not None
    whole = {s.spots[-1].expression: len(s.steps) for s in sites(run) if not s.turn}
    assert whole == {
        "h @ W": 3,
        "np.tanh(h @ W)": 3,
        "np.tanh(h @ W) * 2.0": 3,
        "h * h": 1,
        "np.sum(h * h)": 1,
    }


def test_what_says_as_much_as_a_mistake_is_not_preferred_to_it() -> None:
    """Of two classes the bias has one number: any factor fits, and so does any decay."""
    wide, labels = RNG.normal(size=(6, 2)), np.array([0, 1, 1, 0, 1, 0])

    def two(p: Params, X: Any) -> Any:
        q = softmax(X @ p["W"] + p["b"])
        return -np.mean(np.log(q)[np.arange(6), labels])

    def gradient(p: Params, X: Any) -> Params:
        delta = (softmax(X @ p["W"] + p["b"]) - np.eye(2)[labels]) / 6
        return {"W": X.T @ delta, "b": delta[0]}

    p = {"W": RNG.normal(size=(2, 2)), "b": np.array([0.3, -0.7])}
    [finding] = tricheck.check(two, gradient, p, args=(wide,)).findings
    assert finding.cause == "bias-reduction"
    assert "taken from the first entry alone" in finding.message


def test_the_last_turn_of_a_bias_alone_is_no_sum_over_the_batch() -> None:
    def units(p: Params, X: Any) -> Any:
        z = np.zeros((len(X), 3))
        for n in range(len(X)):
            for k in range(3):
                z[n, k] = np.sum(X[n] * p["W"][:, k]) + p["b"][k]
        return np.sum(np.tanh(z) ** 2)

    def gradient(p: Params, X: Any) -> Params:
        a = np.tanh(X @ p["W"] + p["b"])
        delta = 2 * a * (1 - a**2)
        return {"W": X.T @ delta, "b": delta[-1]}  # = for += in a loop over the samples

    p = {"W": PARAMS["W3"], "b": PARAMS["b3"]}
    [finding] = tricheck.check(units, gradient, p, args=(X,)).findings
    assert finding.cause == "bias-reduction"
    assert "last iteration" in finding.message


def test_backpropagation_through_time_without_its_carry_is_named() -> None:
    W = np.array([[0.5, -0.3], [0.2, 0.1]])
    x = np.random.default_rng(0).normal(size=(4, 2))

    def rnn(W: Any) -> Any:
        h, hs = np.zeros(2), []
        for t in range(4):
            h = np.tanh(x[t] + h @ W)
            hs.append(h)
        return sum(np.sum(h**2) for h in hs)

    def gradient(W: Any) -> Any:
        h, g = np.zeros(2), np.zeros_like(W)
        for t in range(4):
            before, h = h, np.tanh(x[t] + h @ W)
            g += np.outer(before, 2 * h * (1 - h**2))  # nothing comes from later steps
        return g

    report = tricheck.check(rnn, gradient, W)
    [finding] = report.findings
    assert finding.cause == "upstream"
    assert "what comes back to `h` through `h @ W`" in finding.message
