"""What tricheck said about a case, held against what is honest to say."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import tricheck
from tests.benchmark.case import Case
from tests.benchmark.expectation import OF_NOBODY, Expectation, Guilty
from tricheck.vocabulary import Cause, Finding, Severity, Source, Verdict

_ACCUSES_BACKPROP = frozenset({Verdict.BACKPROP, Verdict.BACKPROP_AND_REFERENCE})
_ACCUSES = _ACCUSES_BACKPROP | {Verdict.REFERENCE}


@dataclass(frozen=True)
class Judged:
    """How tricheck fared; None where a question does not arise.

    Attributes
    ----------
    verdict : str
        As reported; empty where the check raised.
    said : str
        Findings in a line, or the error.
    admissible : bool
        Whether the verdict is among the honest ones.
    accused_falsely, accused_backprop_falsely : bool
        Whether a source that is right was blamed.
    missed : bool or None
        Whether a wrong backprop passed.
    missed_above_sensitivity : bool or None
        Whether it passed although the report claims to see errors of that size.
    culprit, parameters, entries, cause : bool or None
        Whether each was named rightly, in cases with one honest answer.
    certain_and_wrong : bool
        Whether a cause that was not injected was stated as more than a reading.
    evaluations : int
        Of the loss.
    seconds : float
    """

    verdict: str
    said: str
    admissible: bool
    accused_falsely: bool
    accused_backprop_falsely: bool
    missed: bool | None
    missed_above_sensitivity: bool | None
    culprit: bool | None
    parameters: bool | None
    entries: bool | None
    cause: bool | None
    certain_and_wrong: bool
    evaluations: int
    seconds: float


@np.errstate(all="ignore")  # the benchmark's output is its tables
def judged(case: Case) -> Judged:
    """Check a case with tricheck, and judge the report."""
    gradient, began = case.gradient(), time.perf_counter()
    try:
        report = tricheck.check(
            case.setting.loss, gradient, case.problem.params, args=case.problem.args,
            **case.setting.options,
        )  # fmt: skip
    except Exception as error:  # whatever it is, the case is lost and told
        return _raised(error, time.perf_counter() - began)
    return judgement(case, report, time.perf_counter() - began)


def _raised(error: Exception, seconds: float) -> Judged:
    said = f"{type(error).__name__}: {error}"
    return Judged(
        "", said, False, False, False, None, None, False, None, None, None, False, 0, seconds
    )


def judgement(case: Case, report: tricheck.Report, seconds: float) -> Judged:
    """Judge a report on a case."""
    expected, guilty, wrong = case.expected, case.guilty, case.wrong
    missed = report.ok if wrong else None
    found = expected.single and guilty is Guilty.BACKPROP and report.verdict is Verdict.BACKPROP
    return Judged(
        verdict=report.verdict,
        said="; ".join(f"{f.parameter or 'model'}: {f.cause}" for f in report.findings),
        admissible=report.verdict in expected.verdicts,
        accused_falsely=guilty is Guilty.NOBODY and report.verdict in _ACCUSES,
        accused_backprop_falsely=not wrong and report.verdict in _ACCUSES_BACKPROP,
        missed=missed,
        # What backprop and its judge share, no comparison of the two can see.
        missed_above_sensitivity=None
        if guilty is not Guilty.BACKPROP
        else bool(missed and _claimed(expected, report)),
        culprit=_culprit(expected, report.verdict) if expected.single else None,
        parameters=_parameters(expected, report) if found else None,
        entries=_entries(expected, report) if found and expected.wrong else None,
        cause=_cause(expected, report) if found and expected.causes else None,
        certain_and_wrong=bool(found and _certain(expected, report)),
        evaluations=report.evaluations["loss"],
        seconds=seconds,
    )


def _culprit(expected: Expectation, verdict: Verdict) -> bool:
    return verdict in (OF_NOBODY if expected.verdicts <= OF_NOBODY else expected.verdicts)


def _claimed(expected: Expectation, report: tricheck.Report) -> bool:
    return any(
        error > report.parameters[name].sensitivity for name, error in expected.relative.items()
    )


def _parameters(expected: Expectation, report: tricheck.Report) -> bool:
    blamed = {name for name, p in report.parameters.items() if p.verdict is Verdict.BACKPROP}
    return expected.blamed <= blamed and not blamed & expected.spared


def _entries(expected: Expectation, report: tricheck.Report) -> bool:
    return all(
        _among(report.parameters[name].wrong, expected.wrong[name], expected.right[name])
        for name in expected.wrong
    )


def _among(
    named: list[tuple[int, ...]], wrong: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_]
) -> bool:
    mask = np.zeros(wrong.shape, dtype=bool)
    for index in named:
        mask[index] = True
    return bool(np.all(mask[wrong]) and not np.any(mask[right]))


def _errors(report: tricheck.Report) -> list[Finding]:
    return [
        finding
        for finding in report.findings
        if finding.source is Source.BACKPROP and finding.severity is Severity.ERROR
    ]


def _cause(expected: Expectation, report: tricheck.Report) -> bool:
    """Whether every parameter has its cause, and nothing else is named."""
    named = {finding.parameter: finding.cause for finding in _errors(report)}
    about = expected.blamed | {None}
    return (
        all(f.cause in expected.causes for f in _errors(report) if f.parameter in about)
        and bool(named)
        and (None in named or expected.blamed <= set(named))
    )


def _certain(expected: Expectation, report: tricheck.Report) -> bool:
    return bool(expected.causes) and any(
        finding.cause not in expected.causes
        and finding.cause is not Cause.UNKNOWN
        and "consistent with" not in finding.message.lower()
        for finding in _errors(report)
    )
