"""The report: facts computed once, rendered by each of text and JSON."""

from tricheck.report.facts import PairReport, ParameterReport, Report, Worst

__all__ = ["PairReport", "ParameterReport", "Report", "Worst"]
