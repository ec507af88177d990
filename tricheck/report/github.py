"""A report as an annotation that GitHub Actions shows beside the code."""

from __future__ import annotations

from tricheck.report.facts import Report
from tricheck.report.words import grouped, is_reason, next_step, sentence
from tricheck.vocabulary import Verdict

_LEVELS = {
    Verdict.FINITE_DIFFERENCE: "notice",
    Verdict.NONDIFFERENTIABLE: "notice",
    Verdict.INCONCLUSIVE: "warning",
}


def annotation(report: Report, file: str, line: int) -> str:
    """The line that makes GitHub show a report that is not ``agree``.

    Parameters
    ----------
    report : Report
    file : str
        From the root of the repository.
    line : int
    """
    reasons = [
        f"{finding.cause.value}: {', '.join(names)}{': ' if names else ''}{finding.message}"
        for finding, names in grouped([f for f in report.findings if is_reason(f)])
    ]
    said = "\n".join([sentence(report), *reasons, next_step(report)])
    level = _LEVELS.get(report.verdict, "error")
    return command(level, f"{report.model}: {report.verdict.value}", said, file, line)


def command(level: str, title: str, message: str, file: str, line: int = 1) -> str:
    """A workflow command, with what would end it escaped.

    Examples
    --------
    >>> command("error", "a, b", "100 %\\nwrong", "model.py", 3)
    '::error file=model.py,line=3,title=a%2C b::100 %25%0Awrong'
    """
    values = {"file": file, "line": str(line), "title": title}
    shown = ",".join(f"{name}={_property(value)}" for name, value in values.items())
    return f"::{level} {shown}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
