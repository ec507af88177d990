"""The report: facts computed once, rendered by each of text and JSON."""

from tricheck.report.facts import GradientMismatch, PairReport, ParameterReport, Report, Worst

__all__ = ["GradientMismatch", "PairReport", "ParameterReport", "Report", "Worst"]
