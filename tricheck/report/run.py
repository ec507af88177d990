"""What is written of a run of many models: their reports as one JSON text, and as pages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain, count
from pathlib import Path

from tricheck.report.json import VERSION
from tricheck.report.page import Page, index

_LONGEST = 80  # characters of a file's name


def to_json(reports: Sequence[tuple[str, str]], errors: Sequence[Mapping[str, str]]) -> str:
    """All reports of a run, as ``$defs/run`` of the schema describes it.

    Parameters
    ----------
    reports : sequence of two str
        The file that each model is defined in, and its report as JSON.
    errors : sequence of mapping of str to str
        What could not be checked: ``error``, and where it happened.
    """
    models = [{"file": file, **json.loads(text)} for file, text in reports]
    facts = {"schema_version": VERSION, "models": models, "errors": [dict(e) for e in errors]}
    return json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_pages(file: Path, folder: str, pages: Sequence[Page], errors: Sequence[str]) -> None:
    """Write the pages of a run, and the one that lists them.

    Parameters
    ----------
    file : Path
        The list; its folder is made if need be.
    folder : str
        Where the pages go, relative to the list.
    pages : sequence of Page
    errors : sequence of str
        What could not be checked.
    """
    (file.parent / folder).mkdir(parents=True, exist_ok=True)
    links = []
    for page, name in zip(pages, _file_names([page.name for page in pages]), strict=True):
        href = f"{folder}/{name}.html" if folder else f"{name}.html"
        (file.parent / href).write_text(page.html, encoding="utf-8")
        links.append((page, href))
    file.write_text(index(links, errors), encoding="utf-8")


def _file_names(names: Sequence[str]) -> list[str]:
    """Names that any file system takes, each once.

    Examples
    --------
    >>> _file_names(["a/b", "a b", "index"])
    ['a_b', 'a_b-2', 'index-2']
    """
    found: list[str] = []
    taken = {"index"}
    for name in names:
        safe = re.sub(r"[^\w.-]+", "_", name)[:_LONGEST].strip(".") or "model"
        each = chain([safe], (f"{safe}-{number}" for number in count(2)))
        free = next(one for one in each if one.lower() not in taken)
        taken.add(free.lower())
        found.append(free)
    return found
