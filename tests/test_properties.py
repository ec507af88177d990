"""Properties that hold whatever the model: what moves a verdict, and what must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tricheck
from tricheck import Report, Verdict

FloatArray = npt.NDArray[np.float64]
Params = dict[str, FloatArray]


class Network:
    """A two-layer tanh network at a random point, with a hand-written gradient."""

    def __init__(self, seed: int, scale: float = 1.0, dtype: type = np.float64) -> None:
        rng = np.random.default_rng(seed)
        inputs, hidden, outputs, samples = rng.integers([2, 2, 1, 3], [4, 5, 4, 7])
        self.X: FloatArray = rng.standard_normal((samples, inputs)).astype(dtype)
        self.Y: FloatArray = rng.standard_normal((samples, outputs)).astype(dtype)
        self.scale = dtype(scale)
        self.params: Params = {
            "W1": rng.standard_normal((inputs, hidden)).astype(dtype),
            "b1": rng.standard_normal(hidden).astype(dtype),
            "W2": rng.standard_normal((hidden, outputs)).astype(dtype),
            "b2": rng.standard_normal(outputs).astype(dtype),
        }

    def loss(self, p: Params) -> Any:
        a = np.tanh(self.X @ p["W1"] + p["b1"])
        return self.scale * np.mean((a @ p["W2"] + p["b2"] - self.Y) ** 2)

    def gradient(self, p: Params) -> Params:
        a = np.tanh(self.X @ p["W1"] + p["b1"])
        d2 = self.scale * 2 * (a @ p["W2"] + p["b2"] - self.Y) / self.Y.size
        d1 = d2 @ p["W2"].T * (1 - a**2)
        return {"W1": self.X.T @ d1, "b1": d1.sum(0), "W2": a.T @ d2, "b2": d2.sum(0)}


seeds = st.integers(0, 10_000)
names = st.sampled_from(["W1", "b1", "W2", "b2"])


def check(net: Network, **options: Any) -> Report:
    return tricheck.check(net.loss, net.gradient, net.params, **options)


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_a_correct_gradient_is_never_accused(seed: int) -> None:
    assert check(Network(seed)).verdict is Verdict.AGREE


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_a_correct_float32_gradient_is_never_accused(seed: int) -> None:
    assert check(Network(seed, dtype=np.float32)).ok


@settings(max_examples=15, deadline=None)
@given(seed=seeds, exponent=st.integers(-30, 30))
def test_scaling_the_loss_moves_nothing(seed: int, exponent: int) -> None:
    assert check(Network(seed, scale=2.0**exponent)).verdict is Verdict.AGREE


@settings(max_examples=30, deadline=None)
@given(seed=seeds, name=names, size=st.sampled_from([1.0, 1e-2, 1e-4, 1e-6]), data=st.data())
def test_a_planted_error_is_found_where_it_is(
    seed: int, name: str, size: float, data: st.DataObject
) -> None:
    net = Network(seed)
    entry = tuple(data.draw(st.integers(0, n - 1)) for n in net.params[name].shape)

    def wrong(p: Params) -> Params:
        g = net.gradient(p)
        largest = np.abs(g[name]).max()
        g[name][entry] += size * largest
        return g

    report = tricheck.check(net.loss, wrong, net.params)
    assert report.verdict is Verdict.BACKPROP
    assert report.parameters[name].wrong == [entry]
    others = [p.verdict for p in report.parameters.values() if p.name != name]
    assert set(others) == {Verdict.AGREE}
    assert size > report.parameters[name].sensitivity


@settings(max_examples=15, deadline=None)
@given(seed=seeds, name=names, order=st.permutations(["W1", "b1", "W2", "b2"]))
def test_renaming_and_reordering_parameters_moves_the_blame_along(
    seed: int, name: str, order: list[str]
) -> None:
    net = Network(seed)
    renamed = {old: f"my {old}" for old in order}

    def back(p: Params) -> Params:
        return {old: p[new] for old, new in renamed.items()}

    def wrong(p: Params) -> Params:
        g = net.gradient(back(p))
        g[name] = 2 * g[name]
        return {new: g[old] for old, new in renamed.items()}

    params = {renamed[old]: net.params[old] for old in order}
    report = tricheck.check(lambda p: net.loss(back(p)), wrong, params)
    blamed = [p.name for p in report.parameters.values() if p.verdict is Verdict.BACKPROP]
    assert blamed == [renamed[name]]
    assert [f.cause for f in report.findings] == ["scale"]


@settings(max_examples=15, deadline=None)
@given(seed=seeds, name=names)
def test_relabelling_the_sources_moves_the_blame(seed: int, name: str) -> None:
    net = Network(seed)

    def wrong(p: Params) -> Params:
        g = net.gradient(p)
        g[name] = 0.5 * g[name]
        return g

    blame = {}
    for label, backprop, reference in (
        ("first", wrong, net.gradient),
        ("third", net.gradient, wrong),
        ("both", wrong, wrong),
    ):
        report = tricheck.check(net.loss, backprop, net.params, reference=reference)
        blame[label] = report.verdict
        assert [p.name for p in report.parameters.values() if not p.verdict.ok] == [name]
    assert blame == {
        "first": Verdict.BACKPROP,
        "third": Verdict.REFERENCE,
        "both": Verdict.BACKPROP_AND_REFERENCE,
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_gives_the_same_report(seed: int) -> None:
    net = Network(7)
    assert check(net, seed=seed).to_json() == check(net, seed=seed).to_json()


@pytest.mark.parametrize("cause", ["sign", "zero", "regularizer", "scale"])
@pytest.mark.parametrize("name", ["W1", "W2"])
def test_simple_mistakes_are_named(cause: str, name: str) -> None:
    net = Network(11)
    mistakes = {
        "sign": lambda g, w: -g,
        "zero": lambda g, w: 0 * g,
        "regularizer": lambda g, w: g + 0.01 * w,
        "scale": lambda g, w: g / len(net.X),
    }

    def wrong(p: Params) -> Params:
        g = net.gradient(p)
        return {**g, name: mistakes[cause](g[name], p[name])}

    report = tricheck.check(net.loss, wrong, net.params)
    assert [(f.cause, f.parameter) for f in report.findings] == [(cause, name)]


def test_rtol_accepts_with_a_warning() -> None:
    net = Network(5)

    def rough(p: Params) -> Params:
        return {name: g * (1 + 1e-5) for name, g in net.gradient(p).items()}

    assert tricheck.check(net.loss, rough, net.params).verdict is Verdict.BACKPROP
    report = tricheck.check(net.loss, rough, net.params, rtol=1e-4)
    assert report.verdict is Verdict.AGREE
    assert {(f.cause, f.severity) for f in report.findings} == {("approximate", "warning")}
    assert {f.parameter for f in report.findings} == set(net.params)
