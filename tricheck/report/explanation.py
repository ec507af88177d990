"""Explanations as lines of text for an 80-column terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from tricheck.explain import Explanation, by_source, related
from tricheck.report.text import WIDTH, Line, Span
from tricheck.vocabulary import Source, Verdict

_INDENT = 2
_NAME_WIDTH = 22  # the longest name and a space
_HEADINGS = {
    Source.BACKPROP: "Backprop",
    Source.FINITE_DIFFERENCE: "The finite difference",
    Source.REFERENCE: "The reference",
    None: "The model itself",
}


def page(explanation: Explanation) -> Iterator[Line]:
    """A cause's page; its code stands at the margin, ready to be copied."""
    in_code = False
    for line in explanation.text.splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif in_code:
            yield [Span(line, "code")]
        elif line.startswith("#"):
            yield [Span(line.lstrip("# "), "strong")]
        else:
            yield [Span(line)]


def verdict_page(verdict: Verdict) -> Iterator[Line]:
    """A verdict, said in its sentence, and the causes that come with it."""
    yield [Span(f"{verdict} (verdict)", "strong")]
    yield []
    yield [Span(verdict.sentence)]
    yield []
    yield [Span("Causes that may come with it", "strong")]
    yield from _list(related(verdict))


def overview() -> Iterator[Line]:
    """All causes, grouped by the source they speak of."""
    for source, explanations in by_source().items():
        yield [Span(_HEADINGS[source], "strong")]
        yield from _list(explanations)
        yield []
    yield [Span("tricheck explain CAUSE prints the page on one.", "faint")]


def _list(explanations: Iterable[Explanation]) -> Iterator[Line]:
    """One summary each, in a column beside the names."""
    column = " " * (_INDENT + _NAME_WIDTH)
    for explanation in explanations:
        first, *rest = textwrap.wrap(explanation.summary, WIDTH - len(column))
        yield [Span(f"{'':{_INDENT}}{explanation.name:<{_NAME_WIDTH}}", "strong"), Span(first)]
        yield from ([Span(column + line)] for line in rest)
