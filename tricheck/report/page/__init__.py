"""The report as a page for the browser: one file that needs nothing else, and the index of many."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from tricheck.extras import require
from tricheck.report.facts import Report
from tricheck.report.words import MARKS, STYLES, causes, sentence
from tricheck.vocabulary import Verdict

if TYPE_CHECKING:
    from jinja2 import Environment

_TITLE = 3  # the level of the title that stands above an explanation


@dataclass(frozen=True)
class Page:
    """The page on one model of a run.

    Attributes
    ----------
    name, where : str
        The model's, and where it is defined.
    verdict : Verdict
    sentence, causes : str
    html : str
    """

    name: str
    where: str
    verdict: Verdict
    sentence: str
    causes: str
    html: str

    @classmethod
    def of(cls, report: Report, where: str, home: str = "") -> Page:
        """A report's page, with a link to the list that it belongs to."""
        said = (sentence(report), causes(report))
        return cls(report.model, where, report.verdict, *said, to_html(report, home))

    @property
    def style(self) -> str:
        """What the verdict means: good, bad or doubtful."""
        return STYLES[self.verdict]


def to_html(report: Report, home: str = "") -> str:
    """The page of one report, as described at `Report.to_html`; `home` is the list it is in."""
    from tricheck.report.page.view import View

    template = _environment().get_template("page.html.j2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a loss at large steps, say: the report is made
        return template.render(view=View.of(report, home=home))


def index(pages: Sequence[tuple[Page, str]], errors: Sequence[str] = ()) -> str:
    """The page that lists the models of a run, the worst first.

    Parameters
    ----------
    pages : sequence of Page and str
        Each with its address, relative to the list.
    errors : sequence of str
        What could not be checked, and why.

    Raises
    ------
    ImportError
        Where Jinja2 is not installed.
    """
    ranked = sorted(pages, key=lambda one: (one[0].verdict.severity_rank, one[0].where))
    counts = Counter(page.verdict.value for page, _ in ranked)
    template = _environment().get_template("index.html.j2")
    return template.render(pages=ranked, errors=errors, counts=dict(counts))


def compact(report: Report) -> str:
    """The report as a notebook shows it, a piece of a page."""
    from tricheck.report.page.view import View
    from tricheck.report.text import to_text

    template = _environment().get_template("compact.html.j2")
    return template.render(view=View.of(report, drawn=False), text=to_text(report))


@cache
def _environment() -> Environment:
    require("HTML", "jinja2")
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("tricheck.report.page"),
        autoescape=True,  # a parameter may be called <script>
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals |= {"marks": MARKS, "styles": STYLES}
    # What Matplotlib draws is escaped already.
    environment.filters |= {"markdown": _markdown, "drawing": Markup, "coded": _coded}
    return environment


def _coded(text: str) -> Any:
    """A sentence, what it has in backticks set as code."""
    from markupsafe import Markup, escape

    pieces = [escape(piece) for piece in text.split("`")]
    if len(pieces) % 2 == 0:  # a backtick that nothing closes
        return escape(text)
    for number in range(1, len(pieces), 2):
        pieces[number] = Markup("<code>%s</code>") % pieces[number]
    return Markup("").join(pieces)


def _markdown(text: str) -> Any:
    """Tricheck's own pages as HTML, their titles below the page's own; raw HTML stays text."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    renderer = MarkdownIt("commonmark", {"html": False})
    tokens = renderer.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{int(token.tag[1]) + _TITLE}"
    return Markup(renderer.renderer.render(tokens, renderer.options, {}))
