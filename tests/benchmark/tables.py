"""The benchmark's tables, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.benchmark.markdown import markdown
from tests.benchmark.run import Outcome
from tricheck.vocabulary import Verdict

TRICHECK = "**tricheck**"
_BANDS = {
    "no number": float("inf"),
    "≥ 10 %": 0.1,
    "≥ 1 %": 1e-2,
    "≥ 1e-3": 1e-3,
    "≥ 1e-4": 1e-4,
    "≥ 1e-5": 1e-5,
    "< 1e-5": 0.0,
}


@dataclass(frozen=True)
class Reading:
    """What one checker says about one case.

    Attributes
    ----------
    alarm : bool or None
        Whether it says that the gradient is wrong; None where it could not run.
    silent : bool
        Whether it says that it cannot tell.
    evaluations : int
    seconds : float
    """

    alarm: bool | None
    silent: bool
    evaluations: int
    seconds: float


def readings(outcome: Outcome) -> dict[str, Reading]:
    """Every checker's answer to a case in the same terms."""
    ours = outcome.tricheck
    verdict = ours.verdict
    told = {
        TRICHECK: Reading(
            verdict in (Verdict.BACKPROP, Verdict.BACKPROP_AND_REFERENCE) if verdict else None,
            verdict in (Verdict.INCONCLUSIVE, Verdict.NONDIFFERENTIABLE),
            ours.evaluations,
            ours.seconds,
        )
    }
    for name, answer in outcome.answers.items():
        alarm = None if answer.passes is None else not answer.passes
        told[name] = Reading(alarm, False, answer.evaluations, answer.seconds)
    return told


def tables(outcomes: Sequence[Outcome]) -> str:
    """Everything that the benchmark reports."""
    parts = [
        ("Every checker", checkers(outcomes)),
        ("Missed, by the size of the error beside the block's largest entry", missed(outcomes)),
        ("Missed, by the class of the mistake", by_class(outcomes)),
        ("False alarms, by what the model is checked with", by_setting(outcomes)),
        ("False alarms, by the point and the precision", by_point(outcomes)),
        ("Who, where and why: tricheck alone says", blame(outcomes)),
        ("Where tricheck fell short", failures(outcomes)),
    ]
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in parts) + "\n"


def _names(outcomes: Sequence[Outcome]) -> list[str]:
    return [TRICHECK, *outcomes[0].answers]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "-"


# --- against the others ---------------------------------------------------------------------------


def checkers(outcomes: Sequence[Outcome]) -> str:
    """False alarms, misses and cost."""
    head = [
        "checker", "false alarms", "missed bugs", "does not tell", "cannot run",
        "loss evaluations", "time",
    ]  # fmt: skip
    return markdown(head, (_row(name, outcomes) for name in _names(outcomes)))


def _row(name: str, outcomes: Sequence[Outcome]) -> list[str]:
    told = [(o, readings(o)[name]) for o in outcomes if not o.kinked]
    right = [r for o, r in told if not o.wrong and r.alarm is not None]
    wrong = [r for o, r in told if o.wrong and r.alarm is not None]
    ours = [readings(o)[TRICHECK] for o, r in told if r.alarm is not None]
    seconds = sum(r.seconds for r in right + wrong)
    return [
        name,
        _share(sum(bool(r.alarm) for r in right), len(right)),
        _share(sum(_misses(r) for r in wrong), len(wrong)),
        str(sum(r.silent for r in right + wrong)),
        str(len(told) - len(right) - len(wrong)),
        f"{median([r.evaluations for r in right + wrong] or [0]):.0f}",
        f"{seconds / max(sum(r.seconds for r in ours), 1e-9):.2f}",
    ]


def _misses(reading: Reading) -> bool:
    return reading.alarm is False and not reading.silent


def missed(outcomes: Sequence[Outcome]) -> str:
    """Wrong gradients that passed, by magnitude."""
    groups = {band: [o for o in outcomes if o.wrong and _band(o) == band] for band in _BANDS}
    return _by_group("checker", groups, outcomes, _missed_of)


def by_class(outcomes: Sequence[Outcome]) -> str:
    """Wrong gradients that passed, by class; of the others with their best settings."""
    rows = sorted({o.row for o in outcomes if o.wrong})
    names = [name for name in _names(outcomes) if not name.endswith(", default")]
    return markdown(
        ["class", "cases", *names],
        (
            [row, str(len(group)), *(_missed_of(name, group).split(" of ")[0] for name in names)]
            for row in rows
            if (group := [o for o in outcomes if o.wrong and o.row == row])
        ),
    )


def by_setting(outcomes: Sequence[Outcome]) -> str:
    """Right gradients that were called wrong, by what surrounds the model.

    A `rewrite` is a right reference that is handed over; `forgets` (another mistake), `other-loss`
    and `nan` are wrong ones, which only tricheck gets to see.
    """
    right = _right(outcomes)
    groups = {kind: [o for o in right if o.setting.split()[0] == kind] for kind in _kinds(right)}
    return _by_group("checker", groups, outcomes, _alarmed_of)


def by_point(outcomes: Sequence[Outcome]) -> str:
    """Right gradients that were called wrong, by where the model stands."""
    right = _right(outcomes)
    groups = {point: [o for o in right if o.point == point] for point in _points(right)}
    single = {"float32": [o for o in right if o.dtype == "float32"]}
    return _by_group("checker", groups | single, outcomes, _alarmed_of)


def _right(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return [o for o in outcomes if not o.wrong and not o.kinked]


def _kinds(outcomes: Iterable[Outcome]) -> list[str]:
    return sorted({o.setting.split()[0] for o in outcomes})


def _points(outcomes: Iterable[Outcome]) -> list[str]:
    return sorted({o.point for o in outcomes})


def _by_group(
    title: str,
    groups: dict[str, list[Outcome]],
    outcomes: Sequence[Outcome],
    count: Callable[[str, list[Outcome]], str],
) -> str:
    rows = ([name, *(count(name, group) for group in groups.values())] for name in _names(outcomes))
    return markdown([title, *groups], rows)


def _missed_of(name: str, group: list[Outcome]) -> str:
    told = [r for o in group if (r := readings(o)[name]).alarm is not None]
    return _share(sum(map(_misses, told)), len(told))


def _alarmed_of(name: str, group: list[Outcome]) -> str:
    told = [r for o in group if (r := readings(o)[name]).alarm is not None]
    return _share(sum(bool(r.alarm) for r in told), len(told))


def _band(outcome: Outcome) -> str:
    return next(band for band, least in _BANDS.items() if outcome.magnitude >= least)


# --- tricheck alone -------------------------------------------------------------------------------


def blame(outcomes: Sequence[Outcome]) -> str:
    """What only tricheck answers."""
    ours = [o.tricheck for o in outcomes]
    rows = [
        ("false accusations of backprop", *_counted(j.accused_backprop_falsely for j in ours)),
        ("false accusations of any source", *_counted(j.accused_falsely for j in ours)),
        ("missed above the sensitivity it reports", *_counted(
            j.missed_above_sensitivity for j in ours)),
        ("verdict among the honest ones", *_counted(j.admissible for j in ours)),
        ("right culprit, where one answer is honest", *_counted(j.culprit for j in ours)),
        ("right parameters", *_counted(j.parameters for j in ours)),
        ("right entries", *_counted(j.entries for j in ours)),
        ("right cause", *_counted(j.cause for j in ours)),
        ("wrong cause stated as certain", *_counted(j.certain_and_wrong for j in ours)),
    ]  # fmt: skip
    return markdown(
        ["question", "cases", "count", "share"],
        (
            [what, str(of), str(count), f"{count / of:.2%}" if of else "-"]
            for what, count, of in rows
        ),
    )


def _counted(answers: Iterable[bool | None]) -> tuple[int, int]:
    asked = [answer for answer in answers if answer is not None]
    return sum(asked), len(asked)


def failures(outcomes: Sequence[Outcome]) -> str:
    """The cases in which tricheck was wrong, grouped by what it was wrong about."""
    wrongs = Counter(
        (question, o.mistake or "correct gradient", o.tricheck.verdict, ", ".join(o.causes) or "-")
        for o in outcomes
        for question in fell_short(o)
    )
    rows = ([*key, str(count)] for key, count in sorted(wrongs.items(), key=lambda kv: -kv[1]))
    return markdown(["question", "mistake", "verdict", "injected cause", "cases"], rows)


def fell_short(outcome: Outcome) -> list[str]:
    """The questions that tricheck answered wrongly."""
    ours = outcome.tricheck
    wrong = [
        name
        for name in ("admissible", "culprit", "parameters", "entries", "cause")
        if getattr(ours, name) is False
    ]
    claims = ("missed", "accused_falsely", "accused_backprop_falsely", "missed_above_sensitivity")
    return wrong + [name for name in (*claims, "certain_and_wrong") if getattr(ours, name)]
