"""What each cause means: one page of Markdown, the same for terminal, HTML and documentation."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from tricheck.vocabulary import Cause, Source, Verdict

_TITLE = re.compile(r"# (?P<name>\S+) \((?P<sources>[^)]+)\)\n\n(?P<summary>.+?)\n\n", re.DOTALL)
_EXAMPLE = re.compile(r"```python\n(.+?)```", re.DOTALL)
# How the titles write them.
_SOURCES = {
    "backprop": Source.BACKPROP,
    "finite difference": Source.FINITE_DIFFERENCE,
    "reference": Source.REFERENCE,
    "the model": None,
}
_RELATED: Mapping[Verdict, Source | tuple[Cause, ...]] = {
    Verdict.AGREE: (Cause.APPROXIMATE, Cause.MUTATES_PARAMETERS, Cause.STATEFUL, Cause.SETTLED),
    Verdict.BACKPROP: Source.BACKPROP,
    Verdict.FINITE_DIFFERENCE: Source.FINITE_DIFFERENCE,
    Verdict.REFERENCE: Source.REFERENCE,
    Verdict.BACKPROP_AND_REFERENCE: (Cause.SCALE, Cause.REGULARIZER, Cause.APPROXIMATE),
    Verdict.NONDIFFERENTIABLE: (Cause.KINK, Cause.SUBGRADIENT),
    Verdict.INCONCLUSIVE: (
        Cause.NONDETERMINISTIC,
        Cause.STATEFUL,
        Cause.NOISE,
        Cause.KINK,
        Cause.DOMAIN,
        Cause.NON_FINITE,
        Cause.NO_REFERENCE,
    ),
}


class UnknownNameError(ValueError):
    """A name that is neither a cause's nor a verdict's; the message lists those there are."""


@dataclass(frozen=True)
class Explanation:
    """A page on one cause.

    Attributes
    ----------
    name : str
        The cause.
    sources : tuple of Source or None
        Whom findings of this cause speak of, the usual one first; None is the model itself.
    summary : str
        One sentence.
    text : str
        The whole page as Markdown, in lines of at most 78 characters.
    example : str
        Python that runs as it stands, and prints a report with this cause.
    """

    name: str
    sources: tuple[Source | None, ...]
    summary: str
    text: str
    example: str


def names() -> list[str]:
    """The causes that have a page, which are all.

    Examples
    --------
    >>> names()[:3]
    ['scale', 'sign', 'regularizer']
    """
    return [cause.value for cause in Cause]


@cache
def explanation(name: str) -> Explanation:
    """The page on a cause.

    Parameters
    ----------
    name : str or Cause

    Raises
    ------
    UnknownNameError
        When there is no such cause.

    Examples
    --------
    >>> explanation("sign").summary
    'Backprop is minus the right gradient, throughout the parameter.'
    """
    name = name.lower()
    if name not in names():
        raise UnknownNameError(_unknown(name))
    page = resources.files("tricheck") / "explanations" / f"{name}.md"
    return read(page.read_text(encoding="utf-8"))


def read(text: str) -> Explanation:
    """An explanation from its page.

    Examples
    --------
    >>> page = read("# sign (backprop, the model)\\n\\nOne\\nsentence.\\n\\n```python\\n1\\n```")
    >>> page.sources, page.summary
    ((<Source.BACKPROP: 'backprop'>, None), 'One sentence.')
    """
    title, example = _TITLE.match(text), _EXAMPLE.search(text)
    if title is None or example is None:
        raise ValueError(f"no title, summary or example in the page {text[:40]!r}")
    sources = tuple(_SOURCES[source] for source in title["sources"].split(", "))
    return Explanation(title["name"], sources, " ".join(title["summary"].split()), text, example[1])


def by_source() -> dict[Source | None, list[Explanation]]:
    """All pages under the source that they mostly speak of; None is the model itself.

    Examples
    --------
    >>> [page.name for page in by_source()[None]][:2]
    ['nondeterministic', 'stateful']
    """
    pages = [explanation(name) for name in names()]
    return {
        source: [page for page in pages if page.sources[0] is source]
        for source in _SOURCES.values()
    }


def related(verdict: Verdict) -> list[Explanation]:
    """The pages on causes that come with a verdict.

    Examples
    --------
    >>> [page.name for page in related(Verdict.NONDIFFERENTIABLE)]
    ['kink', 'subgradient']
    """
    chosen = _RELATED[verdict]
    if isinstance(chosen, Source):
        return [page for page in map(explanation, names()) if chosen in page.sources]
    return [explanation(cause) for cause in chosen]


def _unknown(name: str) -> str:
    known = [*names(), *(verdict.value for verdict in Verdict)]
    asked = name.lower().replace("_", "-")
    near = [one for one in known if asked and asked in one]
    near = near or difflib.get_close_matches(asked, known)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    return (
        f"There is no cause {name!r}.{meant} The causes are {', '.join(names())}; the verdicts "
        f"{', '.join(Verdict)}."
    )
