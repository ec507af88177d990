"""Right downstream, wrong upstream: what each line of a loss is said to get."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tricheck
from tricheck.report import Stage
from tricheck.targets import find

BROKEN = Path(__file__).parent.parent / "examples" / "broken"


def stages_of(name: str) -> list[Stage]:
    [target] = find(str(BROKEN / f"{name}.py"))
    return tricheck.check(target.model).stages


def gradients(stages: list[Stage]) -> dict[str, str]:
    return {stage.code: stage.gradient for stage in stages}


rng = np.random.default_rng(0)
X, Y = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
PARAMS = {name: rng.standard_normal(shape) for name, shape in
          {"W1": (3, 4), "W2": (4, 4), "W3": (4, 2)}.items()}  # fmt: skip


def loss(p: dict[str, Any]) -> Any:
    z1 = X @ p["W1"]
    a1 = np.tanh(z1)
    z2 = a1 @ p["W2"]
    a2 = np.tanh(z2)
    z3 = a2 @ p["W3"]
    return np.sum((z3 - Y) ** 2)


def backprop(p: dict[str, Any], slope: int = 0, own: int = 0) -> dict[str, Any]:
    """Without the slope of one of the layers, or with a mistake in one weight's own formula."""
    a1 = np.tanh(X @ p["W1"])
    a2 = np.tanh(a1 @ p["W2"])
    d3 = 2 * (a2 @ p["W3"] - Y)
    d2 = d3 @ p["W3"].T * (1 if slope == 2 else 1 - a2**2)
    d1 = d2 @ p["W2"].T * (1 if slope == 1 else 1 - a1**2)
    found = {"W1": X.T @ d1, "W2": a1.T @ d2, "W3": a2.T @ d3}
    if own:
        found[f"W{own}"] = found[f"W{own}"] * 1.7
    return found


def known(slope: int = 0, own: int = 0) -> list[tuple[str, str, bool]]:
    report = tricheck.check(loss, lambda p: backprop(p, slope, own), PARAMS)
    assert report.verdict is tricheck.Verdict.BACKPROP
    return [(s.code.partition(" =")[0], s.gradient, s.mistake) for s in report.stages]


def test_a_lost_slope_in_the_first_layer() -> None:
    assert known(slope=1)[:3] == [
        ("z1", "wrong", False),
        ("a1", "right", True),
        ("z2", "right", False),
    ]


def test_a_lost_slope_in_the_second_layer() -> None:
    found = known(slope=2)
    assert [name for name, gradient, _ in found if gradient == "wrong"] == ["z1", "a1", "z2"]
    assert [name for name, _, mistake in found if mistake] == ["a2"]
    assert all(gradient == "right" for _, gradient, _ in found[3:])


@pytest.mark.parametrize("own", [1, 2, 3])
def test_a_mistake_in_a_weights_own_formula_leaves_the_way_back_right(own: int) -> None:
    found = known(own=own)
    assert "wrong" not in [gradient for _, gradient, _ in found]
    # of the first layer nothing upstream is left to say that what comes to it is right
    assert [name for name, _, mistake in found if mistake] in ([f"z{own}"], [])


def test_parameters_stand_where_they_are_read() -> None:
    stages = tricheck.check(loss, lambda p: backprop(p, 1), PARAMS).stages
    assert [(s.parameters, s.line.partition(":")[0]) for s in stages if s.parameters] == [
        (["W1"], "test_stages.py"), (["W2"], "test_stages.py"), (["W3"], "test_stages.py")
    ]  # fmt: skip


def test_the_gate_that_forgot_to_forget() -> None:
    stages = stages_of("lstm_forget_gate")
    [here] = [stage for stage in stages if stage.mistake]
    assert here.code == "c = f * c_prev + i * g"
    for stage in stages:
        if stage.parameters in (["Wf", "bf"], ["Wi", "bi"], ["Wg", "bg"], ["Wo", "bo"]):
            assert stage.gradient == "wrong"
        if stage.parameters == ["Wy", "by"]:
            assert stage.gradient == "right"


def test_a_helper_called_twice_is_told_apart() -> None:
    found = [stage.line for stage in stages_of("two_layer_mse_sign") if "np.exp" in stage.code]
    assert found == [f"two_layer_mse.py:20, called at two_layer_mse.py:{line}" for line in (25, 26)]


def test_where_nothing_is_known_nothing_is_drawn() -> None:
    assert stages_of("two_layer_mse_half") == []


def test_a_regularizer_is_a_mistake_in_its_own_term() -> None:
    stages = stages_of("softmax_cross_entropy")
    assert [stage.code.partition(" =")[0] for stage in stages if stage.mistake] == ["L: float"]
    assert "wrong" not in {stage.gradient for stage in stages}


# --- what could mislead -------------------------------------------------------------------------


def residual(p: dict[str, Any]) -> Any:
    a = np.tanh(X @ p["W1"])
    f = np.tanh(a @ p["W2"])
    r = a + f
    o = r @ p["W3"]
    return np.sum((o - Y) ** 2)


def residual_backprop(p: dict[str, Any]) -> dict[str, Any]:
    """The gradient that goes around the inner layer is forgotten."""
    a = np.tanh(X @ p["W1"])
    f = np.tanh(a @ p["W2"])
    do = 2 * ((a + f) @ p["W3"] - Y)
    df = do @ p["W3"].T * (1 - f**2)
    da = df @ p["W2"].T
    return {"W1": X.T @ (da * (1 - a**2)), "W2": a.T @ df, "W3": (a + f).T @ do}


def test_a_way_around_that_is_forgotten_leaves_what_it_leads_to_wrong() -> None:
    stages = tricheck.check(residual, residual_backprop, PARAMS).stages
    assert [stage.gradient for stage in stages] == ["wrong", "right", "right", "right", "right"]
    assert [stage.code[0] for stage in stages if stage.mistake] == ["r"]


def halves(p: dict[str, Any]) -> Any:
    h = X @ p["W1"]
    k = X @ p["V"]
    u = np.concatenate([h, k], axis=1)
    s = np.tanh(u)
    return np.sum(s * s * s)


def halves_backprop(p: dict[str, Any]) -> dict[str, Any]:
    s = np.tanh(np.concatenate([X @ p["W1"], X @ p["V"]], axis=1))
    ds = 3 * s**2
    ds[:, 4:] *= 2.0
    du = ds * (1 - s**2)
    return {"W1": X.T @ du[:, :4], "V": X.T @ du[:, 4:]}


def test_a_parameter_vouches_for_its_own_half_only() -> None:
    params = {"W1": PARAMS["W1"], "V": np.random.default_rng(3).standard_normal((3, 2))}
    found = gradients(tricheck.check(halves, halves_backprop, params).stages)
    for line in ("u = np.concatenate([h, k], axis=1)", "s = np.tanh(u)"):
        assert found.get(line) != "right"


def test_a_bias_vouches_for_a_sum_only() -> None:
    def of(p: dict[str, Any]) -> Any:
        z = X @ p["W1"] + p["b"]
        a = np.tanh(z)
        return np.sum(a * a)

    def backprop(p: dict[str, Any]) -> dict[str, Any]:
        a = np.tanh(X @ p["W1"] + p["b"])
        dz = (2 * a * (1 - a**2))[::-1]
        return {"W1": X.T @ dz, "b": dz.sum(axis=0)}

    stages = tricheck.check(of, backprop, {"W1": PARAMS["W1"], "b": np.full(4, 0.2)}).stages
    assert all(s.gradient != "right" and not s.mistake for s in stages if s.code.startswith("z"))


def test_a_factor_besides_a_mistake_leaves_little_known() -> None:
    def half(p: dict[str, Any]) -> dict[str, Any]:
        return {name: 0.5 * g for name, g in backprop(p, slope=1).items()}

    stages = tricheck.check(loss, half, PARAMS).stages
    assert {s.gradient for s in stages if s.code.startswith(("a2", "z2", "z3"))} <= {"unknown"}


def test_nothing_is_drawn_where_backprop_is_right() -> None:
    assert tricheck.check(loss, backprop, PARAMS).stages == []


# --- every mistake at every place, beside what it does to each gradient on the way ---------------


def wide(p: dict[str, Any]) -> Any:
    z1 = X @ p["W1"] + p["b1"]
    a1 = np.tanh(z1)
    z2 = a1 @ p["W2"] + p["b2"]
    a2 = np.maximum(z2, 0.0)
    r = a1 + a2
    o = r @ p["W3"]
    e = o - Y
    return np.sum(e * e)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "doubled": lambda d: 2.0 * d,
    "negated": lambda d: -d,
    "lost": lambda d: 0.0 * d,
    "reversed": lambda d: d[::-1],
    "averaged": lambda d: np.broadcast_to(d.mean(axis=0), d.shape),
    "one row": lambda d: np.where(np.arange(len(d))[:, None] == 0, 0.0, d),
}
WIDE = PARAMS | {"b1": np.full(4, 0.3), "b2": np.full(4, -0.1)}
PLACES = ("e", "o", "r", "a2", "z2", "a1 of z2", "a1 of r", "a1", "z1")


def deltas(p: dict[str, Any], place: str, change: Callable[[Any], Any]) -> dict[str, Any]:
    """What comes back to each variable, with a change at one place; and the gradient."""

    def at(name: str, d: Any) -> Any:
        return change(d) if name == place else d

    a1 = np.tanh(X @ p["W1"] + p["b1"])
    z2 = a1 @ p["W2"] + p["b2"]
    r = a1 + np.maximum(z2, 0.0)
    de = at("e", 2 * (r @ p["W3"] - Y))
    do = at("o", de)
    dr = at("r", do @ p["W3"].T)
    da2 = at("a2", dr)
    dz2 = at("z2", da2 * (z2 > 0))
    da1 = at("a1", at("a1 of r", dr) + at("a1 of z2", dz2 @ p["W2"].T))
    dz1 = at("z1", da1 * (1 - a1**2))
    gradient = {"W1": X.T @ dz1, "b1": dz1.sum(axis=0), "W2": a1.T @ dz2, "b2": dz2.sum(axis=0),
                "W3": r.T @ do}  # fmt: skip
    return {"e": de, "o": do, "r": dr, "a2": da2, "z2": dz2, "a1": da1, "z1": dz1, "": gradient}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("place", PLACES)
def test_no_line_is_said_to_be_what_it_is_not(place: str, change: str) -> None:
    right = deltas(WIDE, "", CHANGES[change])
    theirs = deltas(WIDE, place, CHANGES[change])
    report = tricheck.check(wide, lambda p: deltas(p, place, CHANGES[change])[""], WIDE)
    assert report.verdict is tricheck.Verdict.BACKPROP
    for stage in report.stages:
        name = stage.code.partition(" =")[0]
        if name in right:
            same = np.allclose(theirs[name], right[name], rtol=1e-9, atol=1e-13)
            assert stage.gradient in ("unknown", "right" if same else "wrong"), stage
