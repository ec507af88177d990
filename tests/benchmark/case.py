"""Cases: a model, a point, a mistake or none, and a setting, all drawn from one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmark import family, results, setting
from tests.benchmark.expectation import (
    CLEAR,
    OF_NOBODY,
    Blocks,
    Expectation,
    Guilty,
    Resolved,
    best_difference,
    expected_of,
    of_right,
    of_wrong,
    resolved,
    worst_difference,
)
from tests.benchmark.family import Problem
from tests.benchmark.operators import CODE
from tests.benchmark.setting import Setting
from tests.benchmark.truth import kinked, leaves, truth
from tricheck.vocabulary import Verdict

_DEAR = 2000  # entries; beyond, a case is drawn rarely and nothing is differenced entry by entry
_ATTEMPTS = 50
_UNSEEN = 8.0 * float(np.finfo(np.float64).eps)  # a change of the loss by so little does not show

_KINDS = {Guilty.NOBODY: 0.32, Guilty.BACKPROP: 0.57, Guilty.REFERENCE: 0.06, Guilty.BOTH: 0.05}
_POINTS = {"random": 0.58, "zero": 0.08, "tiny": 0.08, "saturated": 0.12, "near-kink": 0.14}
_RIGHT = {
    "plain": 0.36,
    "step": 0.22,
    "offset": 0.16,
    "solver-noise": 0.06,
    "random-noise": 0.04,
    "rewrite": 0.08,
    "kink": 0.08,
}
_WRONG = {
    "plain": 0.64,
    "step": 0.1,
    "offset": 0.1,
    "solver-noise": 0.04,
    "random-noise": 0.03,
    "rewrite": 0.09,
}
_REFERENCES = {"forgets": 0.6, "nan": 0.2, "other-loss": 0.2}
_DTYPES = {"float64": 0.86, "float32": 0.14}


@dataclass(frozen=True)
class Case:
    """One labelled case.

    Attributes
    ----------
    number : int
    model, size, point, dtype : str
    guilty : Guilty
        Who is wrong by construction.
    mistake : Mistake or None
        What was injected.
    setting : Setting
    problem : Problem
    expected : Expectation
    """

    number: int
    model: str
    size: str
    point: str
    dtype: str
    guilty: Guilty
    mistake: Mistake | None
    setting: Setting
    problem: Problem
    expected: Expectation

    def gradient(self) -> Callable[..., Any]:
        """The hand-written gradient as the checkers get it, without memory of earlier calls."""
        if self.mistake is None or not self.wrong:
            return family.family(self.model).gradient  # type: ignore[no-any-return]
        return self.mistake.fresh()

    @property
    def wrong(self) -> bool:
        """Whether the hand-written gradient is."""
        return self.guilty in (Guilty.BACKPROP, Guilty.BOTH)

    @property
    def kinked(self) -> bool:
        """Whether the point stands at a kink, where no gradient is the right one."""
        return self.expected.verdicts == {Verdict.NONDIFFERENTIABLE}

    @property
    def label(self) -> str:
        """Its surroundings in a line."""
        what = self.mistake.name if self.mistake else "nothing"
        where = f"{self.model} {self.size} {self.point} {self.dtype}"
        return f"{self.number}: {where}, {self.setting.name}: {what} ({self.guilty})"


@dataclass(frozen=True)
class Mistake:
    """A mistake as it was made in one model.

    Attributes
    ----------
    name : str
        The operator's.
    row : str
        Its class.
    causes : frozenset of str
        Those that describe it.
    fresh : callable
        Makes the gradient that has the mistake and remembers nothing yet.
    rounds : bool
        Whether it is one of precision alone.
    """

    name: str
    row: str
    causes: frozenset[str]
    fresh: Callable[[], Callable[..., Any]]
    rounds: bool = False


class UnfitError(Exception):
    """What was drawn makes no case: another is drawn instead."""


@np.errstate(all="ignore")  # saturated models overflow, and are drawn anew
def drawn(seed: int, number: int, folder: Path) -> Case:
    """The case of a number; mistakes in the source are written to the folder."""
    rng = np.random.default_rng([seed, number])
    guilty = _one(rng, _KINDS)
    for _ in range(_ATTEMPTS):
        try:
            return _attempt(rng, number, guilty, folder)
        except (UnfitError, FloatingPointError, OverflowError, np.linalg.LinAlgError):
            continue
    raise AssertionError(f"seed {seed}, case {number}: nothing fits after {_ATTEMPTS} draws")


def _attempt(rng: np.random.Generator, number: int, guilty: Guilty, folder: Path) -> Case:
    kind = _setting_kind(rng, guilty)
    operator = _operator(rng, guilty, kind)
    name = _model(rng, operator)
    module = family.family(name)
    dtype = _one(rng, _DTYPES)
    size, point = _size(rng, module), _one(rng, _POINTS)
    problem, point = _problem(rng, name, size, point, dtype, kind)
    mistake = None if operator is None else _made(rng, name, operator, problem, folder)
    around = _surrounded(rng, kind, module, problem, mistake)
    if guilty is Guilty.NOBODY:
        expected = _of_right(name, problem, around, point)
    else:
        expected = _of_wrong(name, problem, around, guilty, mistake, point)
    return Case(number, name, size, point, dtype, guilty, mistake, around, problem, expected)


# --- drawing --------------------------------------------------------------------------------------


def _one(rng: np.random.Generator, shares: dict[Any, float]) -> Any:
    weights = np.array(list(shares.values()))
    return list(shares)[rng.choice(len(shares), p=weights / weights.sum())]


def _operator(rng: np.random.Generator, guilty: Guilty, kind: str) -> str | None:
    if guilty is Guilty.NOBODY or kind == "other-loss":
        return None
    if kind == "nan":
        return "entry-nan"
    table = results.RESULT if rng.random() < 0.5 else dict.fromkeys(_sites())
    return str(rng.choice(sorted(table)))


def _sites() -> dict[str, list[tuple[str, int]]]:
    """Where each mistake can be made: models and numbers of their sites."""
    found: dict[str, list[tuple[str, int]]] = {}
    for name in family.names():
        for number, site in enumerate(family.family(name).MISTAKES):
            found.setdefault(site.operator, []).append((name, number))
    return found


def _model(rng: np.random.Generator, operator: str | None) -> str:
    fit = sorted({name for name, _ in _sites()[operator]}) if operator in CODE else family.names()
    return str(rng.choice(fit))


def _size(rng: np.random.Generator, module: Any) -> str:
    shares = {"small": 0.7, "medium": 0.27, "large": 0.02, "huge": 0.002}
    return str(_one(rng, {size: shares.get(size, 0.3) for size in module.SIZES}))


def _setting_kind(rng: np.random.Generator, guilty: Guilty) -> str:
    tables = {
        Guilty.NOBODY: _RIGHT, Guilty.BACKPROP: _WRONG,
        Guilty.REFERENCE: _REFERENCES, Guilty.BOTH: {"shared": 1.0},
    }  # fmt: skip
    return str(_one(rng, tables[guilty]))


def _problem(
    rng: np.random.Generator, name: str, size: str, point: str, dtype: str, kind: str
) -> tuple[Problem, str]:
    """A problem, and the kind of point that it is at."""
    module = family.family(name)
    kinky = hasattr(module, "near_kink")
    if point not in getattr(module, "POINTS", family.POINTS) and point != "near-kink":
        raise UnfitError(point)
    if "kink" in (kind, point.removeprefix("near-")) and not kinky:
        raise UnfitError("no kinks")
    base = "random" if kind == "kink" or point == "near-kink" else point
    problem = family.drawn(name, size, base, dtype, int(rng.integers(2**31)))
    if kind == "kink":
        return Problem(
            module.near_kink(problem.params, problem.args, 0.0, rng), problem.args
        ), "kink"
    if point == "near-kink":
        distance = 10.0 ** rng.uniform(-7.0, -2.0)
        params = module.near_kink(problem.params, problem.args, distance, rng)
        return Problem(family.cast(params, dtype), problem.args, distance), point
    return problem, point


def _made(
    rng: np.random.Generator, name: str, operator: str, problem: Problem, folder: Path
) -> Mistake:
    if operator in CODE:
        _, number = _pick(rng, [site for site in _sites()[operator] if site[0] == name])
        site = family.family(name).MISTAKES[number]
        causes = frozenset(f"{CODE[operator].causes} {site.also}".split())
        return Mistake(
            operator,
            CODE[operator].row,
            causes,
            lambda: family.planted(name, site, folder).gradient,
        )
    return _result(rng, name, results.RESULT[operator], problem)


def _result(
    rng: np.random.Generator, name: str, operator: results.Result, problem: Problem
) -> Mistake:
    blocks = dict(leaves(problem.params))
    chosen = sorted(blocks) if operator.everywhere else [str(rng.choice(sorted(blocks)))]
    magnitude, start = 10.0 ** -rng.uniform(0.0, 6.0), int(rng.integers(2**31))
    shapes = {key: np.shape(blocks[key]) for key in chosen}

    def fresh() -> Callable[..., Any]:
        changes = {
            key: operator.make(np.random.default_rng(start), shapes[key], magnitude)
            for key in chosen
        }
        return _changed(family.family(name).gradient, changes)

    if not all(operator.make(np.random.default_rng(start), s, magnitude) for s in shapes.values()):
        raise UnfitError("not in a block of that shape")
    causes = frozenset(operator.causes.split())
    return Mistake(operator.name, operator.row, causes, fresh, operator.rounds)


def _changed(correct: Callable[..., Any], changes: dict[str, Any]) -> Callable[..., Any]:
    def gradient(params: Any, *args: Any) -> Any:
        values = dict(leaves(params))
        return family.mapped(
            correct(params, *args),
            lambda key, g: changes[key](np.asarray(g), values[key]) if key in changes else g,
        )

    return gradient


def _pick(rng: np.random.Generator, choices: list[Any]) -> Any:
    return choices[rng.integers(len(choices))]


def _surrounded(
    rng: np.random.Generator, kind: str, module: Any, problem: Problem, mistake: Mistake | None
) -> Setting:
    loss = module.loss
    if kind == "step":
        return setting.fixed_step(loss, 10.0 ** -float(rng.integers(2, 13)))
    if kind == "offset":
        return setting.offset(loss, 10.0 ** float(rng.integers(0, 13)))
    if kind == "solver-noise":
        return setting.hashed_noise(loss, 10.0 ** -float(rng.integers(6, 13)))
    if kind == "random-noise":
        return setting.random_noise(
            loss, 10.0 ** -float(rng.integers(6, 13)), int(rng.integers(99))
        )
    if kind == "rewrite":
        return setting.referred(loss, kind, module.gradient)
    if kind in ("forgets", "nan", "shared"):
        assert mistake is not None
        return setting.referred(loss, kind, mistake.fresh())
    if kind == "other-loss":
        return setting.other_loss(loss, module.gradient, 10.0 ** -rng.uniform(0.0, 3.0))
    return setting.plain(loss)


# --- what is expected -----------------------------------------------------------------------------


def _of_right(name: str, problem: Problem, around: Setting, point: str) -> Expectation:
    blocks = frozenset(key for key, _ in leaves(problem.params))
    if _kinks(name, problem, point):
        return Expectation(frozenset({Verdict.NONDIFFERENTIABLE}), spared=blocks)
    if point == "kink":
        raise UnfitError("the kink does not reach the loss")
    true = _measured(name, problem).truth
    step, approximated = around.options.get("step"), 0.0
    if step is not None and sum(block.size for block in true.values()) <= _DEAR:
        approximated = worst_difference(_at(around, problem), problem.params, true, step)
    verdicts = of_right(approximated, around.noise > 0.0)
    if _blurred(around, problem, true):
        verdicts |= {Verdict.NONDIFFERENTIABLE, Verdict.INCONCLUSIVE}
    return Expectation(verdicts, spared=blocks)


def _of_wrong(
    name: str,
    problem: Problem,
    around: Setting,
    guilty: Guilty,
    mistake: Mistake | None,
    point: str,
) -> Expectation:
    if _kinks(name, problem, point):
        raise UnfitError("which gradient is right at a kink cannot be said")
    measured = _measured(name, problem)
    came = _answered(around, guilty, mistake, problem)
    unseen = _UNSEEN * abs(float(_at(around, problem)(problem.params)))
    seen = resolved(measured.truth, measured.right, came, measured.scale, unseen)
    if not seen.clear(4.0):
        raise UnfitError("the mistake changes nothing here")
    blind = guilty is not Guilty.BACKPROP or around.kind in ("rewrite", "solver-noise")
    differences = _differences(around, problem, measured.truth, seen) if blind else 0.0
    verdicts = of_wrong(guilty, seen, differences, around.kind == "random-noise")
    if mistake and mistake.rounds:
        verdicts |= OF_NOBODY  # who computes in few digits is right to few digits
    if _blurred(around, problem, measured.truth):
        verdicts |= {Verdict.NONDIFFERENTIABLE, Verdict.INCONCLUSIVE}
    # One wrong number fits every reading of a factor, a term or an entry.
    many = any(measured.truth[key].size > 1 for key in seen.clear())
    asked = many and point in ("random", "near-kink") and guilty is Guilty.BACKPROP and mistake
    causes = mistake.causes if asked and mistake else frozenset()
    return expected_of(verdicts, seen, measured.right, came, differences, causes)


@dataclass(frozen=True)
class _Measured:
    """The gradient to 50 digits, as it is computed, and the size of the loss."""

    truth: Blocks
    right: Blocks
    scale: float


def _measured(name: str, problem: Problem) -> _Measured:
    module = family.family(name)
    scale = float(module.loss(problem.params, *problem.args))
    right = _blocks(module.gradient(problem.params, *problem.args))
    if not np.isfinite(scale) or not all(np.all(np.isfinite(b)) for b in right.values()):
        raise UnfitError("not finite there")
    try:
        return _Measured(truth(name, problem), right, abs(scale))
    except (ZeroDivisionError, ValueError) as error:  # what mpmath raises outside a domain
        raise UnfitError(str(error)) from error


def _blocks(gradient: Any) -> Blocks:
    return {key: np.asarray(block) for key, block in leaves(gradient)}


def _kinks(name: str, problem: Problem, point: str) -> frozenset[str]:
    """The parameters that stand at a kink."""
    if point not in ("kink", "zero") or not hasattr(family.family(name), "near_kink"):
        return frozenset()
    return frozenset(key for key, at in kinked(name, problem).items() if np.any(at))


def _blurred(around: Setting, problem: Problem, true: Blocks) -> bool:
    """Whether a kink is so near that the loss cannot tell it from one at the point."""
    slope = min(float(np.max(np.abs(block))) for block in true.values())
    level = max(_UNSEEN, around.noise) * abs(float(_at(around, problem)(problem.params)))
    return problem.kink * slope < CLEAR * level


def _answered(around: Setting, guilty: Guilty, mistake: Mistake | None, problem: Problem) -> Blocks:
    """What the guilty source answers."""
    if guilty is not Guilty.BACKPROP:
        assert around.answers is not None
        came = _blocks(around.answers(problem.params, *problem.args))
        shapes = {key: np.shape(leaf) for key, leaf in leaves(problem.params)}
        if any(np.shape(block) != shapes[key] for key, block in came.items()):
            raise UnfitError("a reference of another shape is refused")
        return came
    assert mistake is not None
    gradient = mistake.fresh()
    gradient(problem.params, *problem.args)  # one that adds to what it kept is right only once
    return _blocks(gradient(problem.params, *problem.args))


def _differences(around: Setting, problem: Problem, true: Blocks, seen: Resolved) -> float:
    """The error of the best finite difference where the guilty source is furthest off."""
    key = max(seen.relative, key=lambda key: seen.relative[key])
    index = int(np.argmax(seen.error[key]))
    slope = float(true[key].ravel()[index])
    return best_difference(_at(around, problem), problem.params, key, index, slope)


def _at(around: Setting, problem: Problem) -> Callable[[Any], Any]:
    return lambda params: around.loss(params, *problem.args)
