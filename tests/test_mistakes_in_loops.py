"""Mistakes at every turn of a loop, in a loop's range, and around a log-sum-exp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tricheck
from tricheck import Verdict

Params = dict[str, Any]
Gradient = Callable[..., Params]

RNG = np.random.default_rng(3)


def causes(report: tricheck.Report) -> dict[str | None, str]:
    return {f.parameter: f.cause.value for f in report.findings if f.source == "backprop"}


# --- samples one by one, layer by layer -----------------------------------------------------------

LAYERS = (3, 4, 4, 2)
XS, YS = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2))
NET: Params = {
    f"{kind}{i}": RNG.normal(size=(LAYERS[i], LAYERS[i - 1]) if kind == "W" else LAYERS[i])
    for i in (1, 2, 3)
    for kind in "Wb"
}


def sigmoid(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-z))


def layers(p: Params, x: Any) -> tuple[list[Any], list[Any]]:
    zs, activations = [], [x]
    for i in (1, 2, 3):
        zs.append(p[f"W{i}"] @ activations[-1] + p[f"b{i}"])
        activations.append(sigmoid(zs[-1]))
    return zs, activations


def cost(p: Params) -> Any:
    total = 0.0
    for x, y in zip(XS, YS, strict=True):
        total = total + 0.5 * np.sum((layers(p, x)[1][-1] - y) ** 2)
    return total


def of_samples(bug: str) -> Gradient:
    def gradient(p: Params) -> Params:
        total = {name: np.zeros_like(value) for name, value in p.items()}
        for x, y in zip(XS, YS, strict=True):
            zs, activations = layers(p, x)
            delta = activations[3] - y
            for i in (3, 2, 1):
                slope = activations[i] * (1.0 - activations[i])
                if bug == f"left out in layer {i}":
                    slope = 1.0
                if bug == f"twice in layer {i}":
                    slope = slope**2
                delta = delta * slope
                total[f"b{i}"] += delta
                other = zs[i - 2] if bug == f"z for a in layer {i}" else activations[i - 1]
                total[f"W{i}"] += np.outer(delta, other)
                delta = p[f"W{i}"].T @ delta
        return total

    return gradient


@pytest.mark.parametrize(
    ("bug", "wrong", "cause"),
    [
        ("left out in layer 3", "W1 b1 W2 b2 W3 b3", "activation-derivative"),
        ("left out in layer 2", "W1 b1 W2 b2", "activation-derivative"),
        ("twice in layer 3", "W1 b1 W2 b2 W3 b3", "activation-derivative"),
        ("twice in layer 1", "W1 b1", "activation-derivative"),
        ("z for a in layer 3", "W3", "cached-input"),
        ("z for a in layer 2", "W2", "cached-input"),
    ],
)
def test_a_mistake_in_one_layer_for_every_sample_is_one(bug: str, wrong: str, cause: str) -> None:
    report = tricheck.check(cost, of_samples(bug), NET)
    assert causes(report) == dict.fromkeys(wrong.split(), cause), str(report)
    assert len({f.message for f in report.findings}) <= 2  # digits may differ


def test_the_gradient_sample_by_sample_is_right() -> None:
    assert tricheck.check(cost, of_samples(""), NET).verdict is Verdict.AGREE


# --- a loop that stops early ----------------------------------------------------------------------


def recurrent(p: Params) -> Any:
    h = p["start"]
    for x in XS:
        h = np.tanh(h @ p["W"] + x @ p["U"])
    return np.sum(h * YS[0].sum())


def through_time(last: int) -> Gradient:
    """Back to the state before the given step."""

    def gradient(p: Params) -> Params:
        hs = [p["start"]]
        for x in XS:
            hs.append(np.tanh(hs[-1] @ p["W"] + x @ p["U"]))
        g = {"W": np.zeros((3, 3)), "U": np.zeros((3, 3))}
        dh = np.full(3, YS[0].sum())
        for t in range(len(XS) - 1, last - 1, -1):
            dz = dh * (1.0 - hs[t + 1] ** 2)
            g["W"] += np.outer(hs[t], dz)
            g["U"] += np.outer(XS[t], dz)
            dh = p["W"] @ dz
        return g | {"start": dh}

    return gradient


RECURRENT: Params = {
    "start": RNG.normal(size=3),
    "W": RNG.normal(size=(3, 3)),
    "U": RNG.normal(size=(3, 3)),
}


def test_a_loop_that_goes_back_one_turn_too_few_is_named() -> None:
    assert tricheck.check(recurrent, through_time(0), RECURRENT).verdict is Verdict.AGREE
    report = tricheck.check(recurrent, through_time(1), RECURRENT)
    assert causes(report) == dict.fromkeys(("start", "W", "U"), "upstream"), str(report)
    assert all("one iteration too few" in f.message for f in report.findings if f.parameter)


def test_a_residual_block_left_out_has_its_other_reading_beside_it() -> None:
    def residual(p: Params) -> Any:
        h = XS @ p["U"]
        for _ in range(3):
            h = h + np.tanh(h @ p["W"])
        return np.sum(h**2)

    def gradient(p: Params) -> Params:
        hs = [XS @ p["U"]]
        for _ in range(3):
            hs.append(hs[-1] + np.tanh(hs[-1] @ p["W"]))
        dh, dW = 2.0 * hs[-1], np.zeros_like(p["W"])
        for k in (2, 1):
            dz = dh * (1.0 - np.tanh(hs[k] @ p["W"]) ** 2)
            dW += hs[k].T @ dz
            dh = dh + dz @ p["W"].T
        return {"U": XS.T @ dh, "W": dW}

    report = tricheck.check(residual, gradient, {"U": RECURRENT["U"], "W": RECURRENT["W"]})
    assert causes(report) == {"U": "upstream", "W": "upstream"}, str(report)
    for finding in report.findings:
        assert "one iteration too few" in finding.message
        assert ", or " in finding.message


# --- log-sum-exp ----------------------------------------------------------------------------------

LABELS = np.array([0, 2, 1, 2])
ROWS = np.arange(4)
CLASSES: Params = {"W": RNG.normal(size=(3, 3)), "b": RNG.normal(size=3)}


def by_log_sum_exp(p: Params) -> Any:
    z = XS @ p["W"] + p["b"]
    top = z.max(axis=1)
    sums = top + np.log(np.exp(z - top[:, None]).sum(axis=1))
    return np.mean(sums - z[ROWS, LABELS]) + 0.01 * np.sum(p["W"] ** 2)


def by_log_softmax(p: Params) -> Any:
    z = XS @ p["W"] + p["b"]
    z = z - np.max(z, axis=1, keepdims=True)
    logs = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -np.mean(logs[ROWS, LABELS]) + 0.01 * np.sum(p["W"] ** 2)


def by_logaddexp(p: Params) -> Any:
    z = XS @ p["W"] + p["b"]
    sums = np.logaddexp(np.logaddexp(z[:, 0], z[:, 1]), z[:, 2])
    return np.mean(sums - z[ROWS, LABELS]) + 0.01 * np.sum(p["W"] ** 2)


def by_samples(p: Params) -> Any:
    total = 0.0
    for x, label in zip(XS, LABELS, strict=True):
        z = x @ p["W"] + p["b"]
        total = total + np.log(np.sum(np.exp(z))) - z[label]
    return total / len(XS) + 0.01 * np.sum(p["W"] ** 2)


def of_logits(bug: str) -> Gradient:
    def gradient(p: Params) -> Params:
        z = XS @ p["W"] + p["b"]
        q = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        y = np.eye(3)[LABELS]
        d = q - y
        if bug == "diagonal":
            d = -y * (1.0 - q)
        if bug == "extra":
            d = d * q * (1.0 - q)
        if bug == "extra of the difference":
            d = d * d * (1.0 - d)
        if bug == "extra of a ReLU":
            d = d * (z > 0)
        if bug == "sign of the label":
            d = q + y
        d = d / len(XS)
        dW = XS.T @ d
        if bug == "turned":
            dW = d.T @ XS
        if bug == "logits for their gradient":
            dW = XS.T @ z
        return {"W": dW + 0.02 * p["W"], "b": d.sum(axis=0)}

    return gradient


@pytest.mark.parametrize("loss", [by_log_sum_exp, by_log_softmax, by_logaddexp, by_samples])
@pytest.mark.parametrize(
    ("bug", "wrong", "named"),
    [
        ("", "", set()),
        ("diagonal", "W b", {"upstream"}),
        ("extra", "W b", {"activation-derivative"}),
        ("extra of the difference", "W b", {"activation-derivative"}),
        ("extra of a ReLU", "W b", {"activation-derivative"}),
        ("sign of the label", "W b", {"sign", "upstream"}),
        ("turned", "W", {"transposed"}),
        ("logits for their gradient", "W", {"upstream"}),
    ],
)
def test_mistakes_at_the_logits_are_named_however_the_loss_is_written(
    loss: Callable[[Params], Any], bug: str, wrong: str, named: set[str]
) -> None:
    report = tricheck.check(loss, of_logits(bug), CLASSES)
    found = causes(report)
    assert set(found) == set(wrong.split()), str(report)
    assert set(found.values()) <= named, str(report)
