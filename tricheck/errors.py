"""What tricheck raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tricheck.report import Report


class ModelError(ValueError):
    """The model breaks its contract: the message names what came, what was expected, what to do."""


class TraceError(ModelError):
    """The requested reference cannot be had: the message names file, line and operation."""


class GradientMismatch(AssertionError):  # noqa: N818 - it is no error of the program's
    """Raised by `assert_gradients`; its message is the report, its `report` the facts.

    Attributes
    ----------
    report : Report
        The report of the check that failed.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report
