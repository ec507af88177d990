"""Models of more than 2,048 entries: what must hold where most are moved together only.

What is expected follows from what was planted. An error is said to be shared where the reference
has it too: only the loss itself, along directions, can show it then.
"""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tricheck
from tests.surveyed import (
    MODELS,
    Params,
    Surveyed,
    bowl,
    checked,
    classifier,
    embedding,
    entries,
    nested,
    network,
    scales,
    waves,
    wrong,
)
from tricheck import Report, Verdict

REFERENCES = ["auto", "right", None]
BLAMED = {
    "auto": Verdict.BACKPROP,
    "right": Verdict.BACKPROP,
    None: Verdict.BACKPROP,
    "shared": Verdict.BACKPROP_AND_REFERENCE,
}


def reference_of(model: Surveyed, which: str | None, backprop: Any) -> Any:
    return {"right": model.gradient, "shared": backprop}.get(str(which), which)


def blamed(model: Surveyed, errors: Params, which: str | None, **options: Any) -> Report:
    """A check of a backprop that is off by something; it must be found, and nobody else blamed."""
    backprop = model.off_by(errors)
    options["reference"] = reference_of(model, which, backprop)
    report = checked(model, backprop, **options)
    assert report.verdict is BLAMED[which], str(report)
    assert set(wrong(report)) == {n for n, e in errors.items() if np.any(e)}, str(report)
    others = [p for name, p in report.parameters.items() if name not in errors]
    assert all(p.verdict.ok for p in others), str(report)
    return report


def where(error: Any) -> set[tuple[int, ...]]:
    """The entries that an error is in."""
    return {tuple(map(int, index)) for index in np.argwhere(np.asarray(error))}


# --- right gradients ----------------------------------------------------------------------------


@pytest.mark.parametrize("reference", REFERENCES, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_a_right_gradient_is_accused_of_nothing(name: str, reference: str | None) -> None:
    for seed in range(2):
        model = MODELS[name](seed)
        chosen = reference_of(model, reference, None)
        report = checked(model, reference=chosen, seed=seed)
        assert report.verdict is Verdict.AGREE, str(report)
        assert not wrong(report)
        assert all(f.severity != "error" for f in report.findings), str(report)
        assert report.evaluations["loss"] < 40 + 30 * len(model.params)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000), exponent=st.integers(-30, 30))
def test_scaling_the_loss_moves_no_verdict(seed: int, exponent: int) -> None:
    model, factor = waves(seed), 2.0**exponent
    scaled = Surveyed(
        lambda p: factor * model.loss(p),
        lambda p: {"w": factor * model.gradient(p)["w"]},
        model.params,
    )
    assert checked(scaled).verdict is Verdict.AGREE
    at = seed % 2600
    found = blamed(scaled, scaled.error("w", [(at,)], 1e-3), "shared")
    assert wrong(found) == {"w": {(at,)}}


@pytest.mark.parametrize("kind", ["tanh", "relu"])
def test_right_float32_gradients(kind: str) -> None:
    for seed in range(2):
        for reference in ("auto", None):
            report = checked(network(seed, np.float32, kind), reference=reference)
            assert report.verdict is Verdict.AGREE, str(report)


@pytest.mark.parametrize("offset", [1e4, 1e8])
def test_a_loss_offset_makes_nobody_wrong(offset: float) -> None:
    for seed in range(2):
        model = network(seed)
        far = model.moved(lambda: offset)
        assert checked(far).ok
        report = checked(far, reference=None)
        assert report.ok or report.verdict is Verdict.INCONCLUSIVE
        blamed(far, far.error("W1", [(3, 4)], 0.1), "auto")


def test_a_loss_with_noise_makes_nobody_wrong() -> None:
    rng, model = np.random.default_rng(0), waves(0)
    noisy = model.moved(lambda: 1e-9 * rng.standard_normal())
    for reference in ("auto", None):
        report = checked(noisy, reference=reference)
        assert report.ok or report.verdict is Verdict.INCONCLUSIVE
        assert not wrong(report)
    assert wrong(blamed(noisy, noisy.error("w", [(5,)], 0.2), "auto")) == {"w": {(5,)}}


# --- wrong entries ------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(list(MODELS)),
    which=st.sampled_from(["auto", "right", "shared", None]),
    size=st.sampled_from([1.0, -0.1, 1e-2, -1e-4, 1e-6]),
    data=st.data(),
)
def test_one_wrong_entry_is_named(
    seed: int, kind: str, which: str | None, size: float, data: st.DataObject
) -> None:
    model = MODELS[kind](seed)
    name = data.draw(st.sampled_from(list(model.params)))
    entry = tuple(data.draw(st.integers(0, n - 1)) for n in np.shape(model.params[name]))
    report = blamed(model, model.error(name, [entry], size), which)
    assert wrong(report) == {name: {entry}}
    # What any entry's error must exceed: that of an entry which goes furthest shows earlier.
    assert report.parameters[name].shared_sensitivity < 1e-3


@pytest.mark.parametrize("which", ["auto", "shared", None], ids=str)
@pytest.mark.parametrize("count", [2, 7, 40])
def test_scattered_wrong_entries_are_named(count: int, which: str | None) -> None:
    for seed in range(2):
        rng, model = np.random.default_rng(seed), network(seed)
        places = entries(rng, (31, 70), count)
        error = model.error("W1", places, rng.uniform(0.1, 1.0, count))
        assert wrong(blamed(model, error, which, seed=seed)) == {"W1": set(places)}


def test_equal_errors_do_not_cancel() -> None:
    for seed in range(8):
        rng, model = np.random.default_rng(seed), waves(seed)
        places = entries(rng, (2600,), 2)
        for entry in places:
            model.params["w"][entry] = rng.uniform(-0.9, 0.9)  # both move as far as any
        report = blamed(model, model.error("w", places, 0.1), "shared", seed=seed)
        assert wrong(report) == {"w": set(places)}


@pytest.mark.parametrize("which", ["auto", "shared", None], ids=str)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_wrong_row_or_column(axis: int, which: str | None) -> None:
    for seed in range(2):
        model = network(seed)
        error = np.zeros((31, 70))
        part = (slice(None),) * axis + (11,)
        error[part] = 0.5 * model.right("W1")[part]
        report = blamed(model, {"W1": error}, which, seed=seed)
        assert wrong(report) == {"W1": where(error)}


@pytest.mark.parametrize("which", ["auto", "shared", None], ids=str)
def test_every_second_row_wrong(which: str | None) -> None:
    model = network(3)
    error = np.where(np.arange(31)[:, None] % 2, model.right("W1"), 0.0)
    report = blamed(model, {"W1": error}, which)
    assert wrong(report) == {"W1": where(error)}


@pytest.mark.parametrize("which", ["auto", "shared", None], ids=str)
@pytest.mark.parametrize(
    ("cause", "factor"), [("scale", 2.0), ("scale", 1 / 6), ("sign", -1.0), ("zero", 0.0)]
)
def test_a_wrong_layer_and_why(cause: str, factor: float, which: str | None) -> None:
    model = network(1)
    report = blamed(model, {"W1": (factor - 1.0) * model.right("W1")}, which)
    assert len(report.parameters["W1"].wrong) == 31 * 70
    first = report.findings[0]
    assert (first.cause, first.parameter) == (cause, "W1"), str(report)
    if cause == "scale":
        factor_found = first.evidence["factor"]
        assert isinstance(factor_found, float)
        assert factor_found == pytest.approx(factor, rel=1e-6)


@pytest.mark.parametrize("which", ["auto", "shared", None], ids=str)
def test_a_forgotten_regularizer(which: str | None) -> None:
    model, lam = network(2), 0.01
    decayed = Surveyed(
        lambda p: model.loss(p) + lam / 2 * (np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2)),
        model.gradient,
        model.params,
    )
    reference = reference_of(model, which, model.gradient)
    report = checked(decayed, reference=reference)
    assert report.verdict is BLAMED[which], str(report)
    assert set(wrong(report)) == {"W1", "W2"}
    errors = [f for f in report.findings if f.severity == "error"]
    assert {(f.cause, f.parameter) for f in errors} == {
        ("regularizer", "W1"), ("regularizer", "W2")
    }  # fmt: skip


def test_what_was_not_measured_singly_is_said() -> None:
    model = network(1)
    shared = blamed(model, {"W1": model.right("W1")}, "shared")
    [note] = [f for f in shared.findings if f.severity == "note"]
    measured, of = note.evidence["measured"], note.evidence["entries"]
    assert isinstance(measured, float)
    assert of == 31 * 70
    assert 0 < measured < 31 * 70
    taken = np.isfinite(shared.bounds["finite-difference"]["W1"])
    assert np.sum(taken) == measured
    told = blamed(model, {"W1": model.right("W1")}, "auto")
    assert all(f.severity != "note" for f in told.findings), str(told)


def test_numbers_beside_an_array() -> None:
    model = scales(0)
    errors = {"scalar": np.array(0.3), "one": np.array([1.0]), "also": np.array([[-0.5]])}
    for which in ("auto", "shared", None):
        report = blamed(model, errors, which)
        assert wrong(report) == {"scalar": {()}, "one": {(0,)}, "also": {(0, 0)}}
        assert not np.isnan(report.gradients["finite-difference"]["scalar"])


def test_one_wrong_float32_entry() -> None:
    for seed in range(2):
        model = network(seed, np.float32)
        for which in ("auto", "right", None):
            report = blamed(model, model.error("W1", [(7, seed)], 0.5), which)
            assert wrong(report) == {"W1": {(7, seed)}}


@pytest.mark.parametrize("factor", [2.0, 10.0, 1e4])
def test_small_errors_of_many_entries_are_all_named(factor: float) -> None:
    for seed in range(2):
        rng, model = np.random.default_rng(seed), network(seed)
        limit = checked(model).parameters["W1"].sensitivity
        places = entries(rng, (31, 70), 600)
        signs = rng.choice([-1.0, 1.0], 600)
        error = model.error("W1", places, factor * limit * signs)
        assert wrong(blamed(model, error, "auto", seed=seed)) == {"W1": set(places)}


# --- references ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 30, 900])
def test_a_wrong_reference_is_blamed(count: int) -> None:
    for seed in range(2):
        rng, model = np.random.default_rng(seed), network(seed)
        places = entries(rng, (31, 70), count)
        reference = model.off_by(model.error("W1", places, 0.2))
        report = checked(model, reference=reference)
        assert report.verdict is Verdict.REFERENCE, str(report)
        assert wrong(report) == {"W1": set(places)}


def test_a_reference_and_a_backprop_wrong_in_different_entries() -> None:
    rng, model = np.random.default_rng(5), network(5)
    mine, theirs = entries(rng, (31, 70), 12), entries(rng, (70, 3), 12)
    backprop = model.off_by(model.error("W1", mine, 0.3))
    report = checked(model, backprop, reference=model.off_by(model.error("W2", theirs, 0.3)))
    assert report.parameters["W1"].verdict is Verdict.BACKPROP
    assert report.parameters["W2"].verdict is Verdict.REFERENCE
    assert wrong(report) == {"W1": set(mine), "W2": set(theirs)}


def test_of_several_references_the_right_one_is_used_entry_by_entry() -> None:
    model = network(4)
    places = [(2, 3), (30, 69)]
    misled = model.off_by(model.error("W1", places, 0.2))
    for references in ([misled, model.gradient], [model.gradient, misled], ["autograd", misled]):
        report = checked(model, reference=references)
        assert report.verdict is Verdict.AGREE, str(report)
        for name, right in model.gradient(model.params).items():
            np.testing.assert_allclose(report.gradients["reference"][name], right, atol=1e-12)
        [dispute] = report.findings
        assert set(dispute.entries) == set(places)
        assert dispute.severity == "warning"


def test_two_wrong_references_in_different_parameters() -> None:
    model = network(4)
    first = model.off_by(model.error("W1", [(2, 3)], 0.2))
    second = model.off_by(model.error("W2", [(5, 1)], 0.2))
    report = checked(model, reference=[first, second])
    assert report.verdict is Verdict.AGREE, str(report)
    for name, right in model.gradient(model.params).items():
        np.testing.assert_allclose(report.gradients["reference"][name], right, atol=1e-12)


def test_a_reference_that_nobody_chose_is_not_blamed_before_others_are_heard() -> None:
    model = waves(3)

    def loss(p: Any) -> Any:
        # eval reads text that no run watches
        return model.loss(p) + eval("[" + str(p["w"][0]) + "]")[0] ** 2

    def gradient(p: Any) -> Params:
        right: Params = model.gradient(p)
        right["w"][0] += 2 * p["w"][0]
        return right

    cut = Surveyed(loss, gradient, model.params)
    report = checked(cut)
    assert report.verdict is Verdict.AGREE, str(report)
    np.testing.assert_allclose(report.gradients["reference"]["w"], cut.right("w"), rtol=1e-9)
    assert checked(cut, reference="autograd").verdict is Verdict.REFERENCE


@pytest.mark.parametrize("which", ["auto", "right"])
def test_rtol_accepts_with_a_warning(which: str) -> None:
    model = network(5)
    rough = model.off_by({"W1": 1e-5 * model.right("W1")})
    reference = reference_of(model, which, rough)
    assert checked(model, rough, reference=reference).verdict is Verdict.BACKPROP
    report = checked(model, rough, reference=reference, rtol=1e-4)
    assert report.verdict is Verdict.AGREE
    assert [(f.cause, f.parameter) for f in report.findings] == [("approximate", "W1")]


def test_a_loss_that_ignores_its_object_is_refused() -> None:
    class Net:
        def __init__(self) -> None:
            self.w = np.linspace(0.1, 1.0, 2500)

        def loss(self) -> Any:
            return np.sum(self.w**2)

    net = Net()
    model = tricheck.Model.from_object(
        net, ["w"], loss=lambda _: net.loss(), gradient=lambda other: {"w": 2 * other.w}
    )
    with pytest.raises(tricheck.ModelError, match="use the object that it is given"):
        tricheck.check(model)
    right = tricheck.Model.from_object(net, ["w"], loss=Net.loss, gradient=lambda o: [2 * o.w])
    assert tricheck.check(right).verdict is Verdict.AGREE
    np.testing.assert_array_equal(net.w, np.linspace(0.1, 1.0, 2500))


def test_no_reference_is_said() -> None:
    report = checked(waves(0), reference=None)
    assert [f.cause for f in report.findings] == ["no-reference"]
    assert report.reference is None
    assert "reference" not in report.gradients


# --- gradients that are no numbers, and no gradients --------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("reference", ["auto", None])
def test_entries_that_are_no_numbers(bad: float, count: int, reference: str | None) -> None:
    model = network(6)
    places = entries(np.random.default_rng(6), (31, 70), count)
    backprop = model.off_by(model.error("W1", places, bad))
    report = checked(model, backprop, reference=reference)
    assert report.verdict is Verdict.BACKPROP
    assert wrong(report) == {"W1": set(places)}
    assert report.findings[0].cause == "non-finite"
    assert set(report.findings[0].entries) == set(places)


def test_a_reference_that_is_no_number_in_some_entries() -> None:
    model = network(6)
    places = entries(np.random.default_rng(6), (31, 70), 15)
    report = checked(model, reference=model.off_by(model.error("W1", places, np.nan)))
    assert report.verdict is Verdict.REFERENCE
    assert wrong(report) == {"W1": set(places)}
    assert set(report.findings[0].entries) == set(places)


@pytest.mark.parametrize("reference", ["auto", None])
def test_a_wrong_shape(reference: str | None) -> None:
    model = network(6)
    report = tricheck.check(
        model.loss,
        lambda p: {**model.gradient(p), "W1": model.gradient(p)["W1"].T},
        model.params,
        reference=reference,
    )
    assert report.verdict is Verdict.BACKPROP
    assert [f.cause for f in report.findings if f.severity == "error"] == ["shape"]
    assert set(wrong(report)) == {"W1"}


@pytest.mark.parametrize("reference", ["auto", None])
def test_a_gradient_that_adds_up_from_call_to_call(reference: str | None) -> None:
    model = waves(7)
    total = np.zeros(2600)

    def backprop(p: Any) -> Params:
        nonlocal total
        total = total + model.gradient(p)["w"]
        return {"w": total}

    report = checked(model, backprop, reference=reference)
    assert report.verdict is Verdict.BACKPROP
    assert report.findings[0].cause == "accumulated"


def test_a_stateful_loss_is_not_taken_for_a_wrong_gradient() -> None:
    model, calls = waves(8), count()
    report = checked(model.moved(lambda: 1e-3 * next(calls)))
    assert not wrong(report)
    assert report.verdict in (Verdict.AGREE, Verdict.INCONCLUSIVE), str(report)


# --- kinks --------------------------------------------------------------------------------------


def distances(seed: int) -> Surveyed:
    rng = np.random.default_rng(seed)
    c, w = rng.standard_normal((2, 2600))
    return Surveyed(
        lambda p: np.sum(c * np.abs(p["w"])), lambda p: {"w": c * np.sign(p["w"])}, {"w": w}
    )


@pytest.mark.parametrize("reference", ["auto", None])
def test_kinks_at_the_point_are_found_with_their_entries(reference: str | None) -> None:
    for seed in range(2):
        model = distances(seed)
        model.params["w"][[4, 900]] = 0.0
        report = checked(model, reference=reference)
        assert report.verdict is Verdict.NONDIFFERENTIABLE, str(report)
        [kink] = [f for f in report.findings if f.cause == "kink"]
        assert set(kink.entries) == {(4,), (900,)}


def test_kinks_beside_the_point_hide_nothing() -> None:
    for seed in range(2):
        model = distances(seed)
        model.params["w"][:50] = 1e-7 * np.random.default_rng(seed).standard_normal(50)
        assert checked(model).ok
        for which in ("auto", "shared", None):
            error = {"w": np.where(np.arange(2600) == 2000 + seed, -2 * model.right("w"), 0.0)}
            assert wrong(blamed(model, error, which)) == {"w": {(2000 + seed,)}}


def test_a_direction_on_a_kink_is_not_said_to_lie_at_an_entry() -> None:
    model = distances(0)
    model.params["w"][:] = 0.0
    report = checked(model)
    assert report.verdict is Verdict.NONDIFFERENTIABLE
    beside = distances(1)
    beside.params["w"][:] *= 1e-7
    report = checked(beside)
    assert report.verdict is Verdict.AGREE, str(report)
    for finding in report.findings:
        assert not finding.entries
        assert "w[" not in finding.message


@pytest.mark.parametrize("seed", range(3))
def test_networks_of_relus(seed: int) -> None:
    model = network(seed, kind="relu")
    for reference in ("auto", None):
        assert not wrong(checked(model, reference=reference))
    error = model.error("W1", [(seed, 9)], 0.5)
    assert wrong(blamed(model, error, "shared")) == {"W1": {(seed, 9)}}


# --- what the report says -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["network", "classifier"])
@pytest.mark.parametrize("which", ["shared", None])
def test_errors_above_the_sensitivity_are_reported(kind: str, which: str | None) -> None:
    for seed in range(2):
        rng, model = np.random.default_rng(seed), MODELS[kind](seed)
        reference = reference_of(model, which, model.gradient)
        right = checked(model, reference=reference, seed=seed)
        for name, limit in right.parameters.items():
            shape = np.shape(model.params[name])
            entry = tuple(int(rng.integers(n)) for n in shape)
            for factor in (1.1, -3.0):
                backprop = model.off_by(
                    model.error(name, [entry], factor * limit.shared_sensitivity)
                )
                reference = reference_of(model, which, backprop)
                report = checked(model, backprop, reference=reference, seed=seed)
                assert report.verdict is BLAMED[which], str(report)


@pytest.mark.parametrize("which", ["auto", "right"])
def test_errors_above_the_sensitivity_beside_a_reference(which: str) -> None:
    for seed in range(3):
        rng, model = np.random.default_rng(seed), network(seed)
        limit = checked(model, reference=reference_of(model, which, None)).parameters["W1"]
        [entry] = entries(rng, (31, 70), 1)
        error = model.error("W1", [entry], 3.0 * limit.sensitivity)
        report = checked(model, model.off_by(error), reference=reference_of(model, which, None))
        assert not report.ok, str(report)


def test_float32_sensitivity_counts_all_that_a_direction_sums() -> None:
    for seed in range(4):
        rng, model = np.random.default_rng(seed), network(seed, np.float32)
        limit = checked(model, reference=None).parameters["W1"].sensitivity
        [entry] = entries(rng, (31, 70), 1)
        error = model.error("W1", [entry], 1.5 * limit)
        report = checked(model, model.off_by(error), reference=None)
        assert not report.ok, str(report)


def test_sensitivity_counts_how_far_entries_go() -> None:
    model = scales(0)
    limits = {name: p.shared_sensitivity for name, p in checked(model).parameters.items()}
    assert limits["huge"] < 1e-4  # they go 1e5 times as far as those of size 1
    slowest = int(np.argmin(np.abs(model.params["huge"])))
    for factor in (1.1, -1.1):
        blamed(model, model.error("huge", [(slowest,)], factor * limits["huge"]), "shared")


def test_directions_and_what_is_said_of_them() -> None:
    model = network(0)
    report = checked(model)
    assert report.directions == 4
    text = " ".join(str(report).split())
    assert "finite differences along 4 random directions and in the entries in dispute" in text
    shared = max(p.shared_sensitivity for p in report.parameters.values())
    assert f"where a shared error above {shared:.1e} shows" in text
    assert np.all(np.isnan(report.gradients["finite-difference"]["W1"]))
    assert np.all(np.isinf(report.bounds["finite-difference"]["W1"]))
    assert np.isfinite(report.parameters["W1"].block_sensitivity)
    assert checked(waves(0)).directions == 1
    assert "1 random direction and" in " ".join(str(checked(waves(0))).split())


def test_a_whole_blocks_sensitivity_without_a_reference() -> None:
    for seed in range(2):
        model = network(seed)
        limit = checked(model, reference=None).parameters["W1"].block_sensitivity
        assert 0.0 < limit < 1e-6
        error = {"W1": 30.0 * limit * model.right("W1")}
        assert not checked(model, model.off_by(error), reference=None).ok


@pytest.mark.parametrize("kind", ["network", "convolution"])
def test_every_entry_and_directions_say_the_same(kind: str) -> None:
    model = MODELS[kind](9)
    name = next(iter(model.params))
    rng = np.random.default_rng(9)
    shape = np.shape(model.params[name])
    right = checked(model, entries="all")
    assert right.verdict is checked(model).verdict is Verdict.AGREE
    assert right.directions == 0
    assert np.all(np.isfinite(right.bounds["finite-difference"][name]))
    for which in ("auto", "shared"):
        error = model.error(name, entries(rng, shape, 20), 0.1)
        everywhere, along = (blamed(model, error, which, entries=e) for e in ("all", "auto"))
        assert everywhere.verdict is along.verdict
        assert wrong(everywhere) == wrong(along) == {name: where(error[name])}


def test_a_fixed_step_goes_to_every_entry() -> None:
    model = waves(1)
    report = checked(model, step=1e-4)
    assert report.directions == 0
    assert np.all(np.isfinite(report.gradients["finite-difference"]["w"]))
    np.testing.assert_allclose(
        report.gradients["finite-difference"]["w"], model.right("w"), atol=1e-7
    )
    assert report.evaluations["loss"] > 2 * 2600


def test_up_to_2048_entries_each_is_measured() -> None:
    assert checked(waves(0, 2048)).directions == 0
    assert checked(waves(0, 2049)).directions == 1


def test_the_same_seed_gives_the_same_report() -> None:
    model = network(3)
    error = model.error("W1", entries(np.random.default_rng(3), (31, 70), 25), 0.1)
    for which in ("auto", "shared"):
        first, second = (blamed(model, error, which, seed=11) for _ in range(2))
        assert first.to_json() == second.to_json()


@pytest.mark.parametrize("which", ["auto", "shared", None], ids=str)
def test_other_containers(which: str | None) -> None:
    model = network(3)
    packed, names = nested(model)
    wrong_one = model.off_by(model.error("W2", [(8, 1)], 0.2))

    def backprop(p: Any) -> Any:
        first, second = p["model"]
        flat = wrong_one(dict(zip(model.params, [first, *second], strict=True)))
        return {"model": type(p["model"])(flat["W1"], [flat[n] for n in ("b1", "W2", "b2")])}

    assert tricheck.check(packed.loss, packed.gradient, packed.params).verdict is Verdict.AGREE
    reference = {"shared": backprop}.get(str(which), which)
    report = tricheck.check(packed.loss, backprop, packed.params, reference=reference)
    assert report.verdict is BLAMED[which]
    assert wrong(report) == {names["W2"]: {(8, 1)}}
    json.loads(report.to_json())


def test_loss_and_gradient_in_one_function_and_a_displaced_point() -> None:
    model = classifier(2)
    both = Surveyed(lambda p: (model.loss(p), model.gradient(p)), model.gradient, model.params)
    for options in ({}, {"displace": 3}):
        report = checked(both, True, **options)
        assert report.verdict is Verdict.AGREE, str(report)
        assert report.directions == 1  # the bias is a number: no direction


# --- large models -------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["auto", "shared", None], ids=str)
def test_a_hundred_thousand_entries(which: str | None) -> None:
    for model, name, entry in ((bowl(0, 120_000), "w", (77_777,)),
                               (embedding(1, 21_000), "u", (3,))):  # fmt: skip
        assert checked(model, reference=reference_of(model, which, model.gradient)).ok
        report = blamed(model, model.error(name, [entry], 0.3), which)
        assert wrong(report) == {name: {entry}}
        assert report.evaluations["loss"] < 2000


def test_many_wrong_entries_of_a_large_model() -> None:
    model = bowl(2, 110_000)
    places = set(entries(np.random.default_rng(2), (110_000,), 300))
    assert wrong(blamed(model, model.error("w", places, 0.3), "auto")) == {"w": places}
    report = blamed(model, model.error("w", places, 0.3), "shared")
    # It ends before all are found, says so, and has passed none over.
    assert wrong(report)["w"] >= places
    assert [f.cause for f in report.findings if f.severity == "note"] == ["entries"]
    assert report.evaluations["loss"] < 8000
