"""The report: facts computed once, rendered by each of text, JSON and HTML."""

from tricheck.report.facts import (
    GradientMismatch,
    PairReport,
    ParameterReport,
    Report,
    Stage,
    Worst,
)

__all__ = ["GradientMismatch", "PairReport", "ParameterReport", "Report", "Stage", "Worst"]
