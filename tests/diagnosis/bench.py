"""Planting bugs, deriving what they spoil, and holding a report against that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

import tricheck
from tests.diagnosis.bug import Bug, Mistake
from tricheck.calls import private_copy
from tricheck.targets import models_in
from tricheck.vocabulary import Cause, Finding, Severity, Source, Verdict

Blocks = Mapping[str, npt.NDArray[Any]]

_HERE = Path(__file__).parent
_FOLDERS = (
    _HERE.parent.parent / "examples",
    *(_HERE / folder for folder in ("models", "fresh_models", "heldout_models")),
)

# Two ways of writing one right gradient differ by rounding, a few ulps of a block's largest entry;
# a planted bug moves it by far more, and a test says that nothing lies in between.
RIGHT, WRONG = 2.0**8, 2.0**13


# --- models ---------------------------------------------------------------------------------------


@cache
def sources() -> dict[str, Path]:
    """The file of every correct model, by the model's name."""
    files = (file for folder in _FOLDERS for file in sorted(folder.glob("[!_]*.py")))
    return {target.model.name or "": file for file in files for target in models_in(file)}


def correct(name: str) -> tricheck.Model:
    """A correct model, freshly made."""
    return _named(sources()[name], name)


def planted(bug: Bug, folder: Path) -> tricheck.Model:
    """The model with the bug in its source, which is written to the folder."""
    text = sources()[bug.model].read_text(encoding="utf-8")
    slug = re.sub(r"\W+", "_", bug.name)
    file = folder / f"{sources()[bug.model].stem}_{slug}.py"
    file.write_text(edited(text, bug), encoding="utf-8")
    model = _named(file, bug.model)
    for change in filter(None, (mistake.change for mistake in bug.mistakes)):
        assert type(model) is tricheck.Model, "layers and objects are changed in their source"
        model = replace(model, gradient=_changed(model.gradient, change))
    return model


def edited(text: str, bug: Bug) -> str:
    """The source with all edits of a bug.

    Raises
    ------
    ValueError
        When what is to be replaced does not stand there exactly once.
    """
    for old, new in (edit for mistake in bug.mistakes for edit in mistake.edits.items()):
        if text.count(old) != 1:
            raise ValueError(f"{bug.model}: {old!r} stands there {text.count(old)} times")
        text = text.replace(old, new)
    return text


def _named(file: Path, name: str) -> tricheck.Model:
    [model] = (target.model for target in models_in(file) if target.model.name == name)
    return model


def _changed(gradient: Any, change: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: change(gradient(*args, **kwargs))


# --- what a bug spoils ----------------------------------------------------------------------------


def leaves(tree: Any, name: str = "") -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """The arrays of a structure, under the names that reports have for them."""
    if hasattr(tree, "_asdict"):
        tree = tree._asdict()
    if isinstance(tree, Mapping):
        for key, child in tree.items():
            yield from leaves(child, f"{name}.{key}" if name else key)
    elif isinstance(tree, list | tuple):
        for number, child in enumerate(tree):
            yield from leaves(child, f"{name or 'params'}[{number}]")
    else:
        yield name or "params", np.asarray(tree)


@np.errstate(all="ignore")  # some bugs divide by zero
def gradients(model: tricheck.Model, calls: int = 1) -> list[Blocks]:
    """What the hand-written gradient answers at the model's point, call after call."""
    assert callable(model.gradient)
    with model.at_work() as working:
        args, kwargs = private_copy((tuple(working.args), dict(working.kwargs)))
        answers = (
            working.gradient(private_copy(working.params), *args, **kwargs)  # type: ignore[operator]
            for _ in range(calls)
        )
        return [dict(leaves(private_copy(answer))) for answer in answers]


def departures(truth: Blocks, came: Blocks, dtype: Any) -> dict[str, float]:
    """How far each block is from the right one, in ulps of its largest entry."""
    return {name: _departure(truth[name], came[name], dtype) for name in truth}


def _departure(truth: npt.NDArray[Any], came: npt.NDArray[Any], dtype: Any) -> float:
    if truth.shape != came.shape or not np.all(np.isfinite(came)):
        return float("inf")
    size = float(np.max(np.abs(truth))) * float(np.finfo(dtype).eps)
    return float(np.max(np.abs(truth - came))) / size


def spoiled(bug: Bug, model: tricheck.Model) -> dict[str, float]:
    """The departure of every block, the worst of two calls."""
    [truth] = gradients(correct(bug.model))
    dtype = np.result_type(*(block.dtype for _, block in leaves(model.params)))
    by_call = [departures(truth, came, dtype) for came in gradients(model, 2)]
    return {name: max(call[name] for call in by_call) for name in truth}


# --- what the report says -------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """A bug, and what was said about it.

    Attributes
    ----------
    bug : Bug
    report : Report
    source : str
        The planted model's source.
    """

    bug: Bug
    report: tricheck.Report
    source: str

    @property
    def findings(self) -> list[Finding]:
        """The errors found in backprop."""
        return [
            finding
            for finding in self.report.findings
            if finding.source is Source.BACKPROP and finding.severity is Severity.ERROR
        ]

    @property
    def verdict_right(self) -> bool:
        """Whether backprop is blamed."""
        return self.report.verdict is Verdict.BACKPROP

    @property
    def parameters_right(self) -> bool:
        """Whether exactly the parameters that were spoiled are blamed."""
        blamed = {
            name for name, p in self.report.parameters.items() if p.verdict is Verdict.BACKPROP
        }
        return blamed == self.bug.parameters

    @property
    def cause_right(self) -> bool:
        """Whether every mistake is named and nothing else is."""
        return not self.misnamed and all(map(self._named, self.bug.mistakes))

    @property
    def misnamed(self) -> list[Finding]:
        """Findings whose cause was not injected."""
        return [f for f in self.findings if f.cause not in self._admissible(f.parameter)]

    @property
    def certain_and_wrong(self) -> list[Finding]:
        """Findings that state a cause which was not injected as more than a reading."""
        return [
            finding
            for finding in self.misnamed
            if finding.cause is not Cause.UNKNOWN
            and "consistent with" not in finding.message.lower()
        ]

    @property
    def readings_right(self) -> list[bool]:
        """For every mistake with a reading, whether it is among those listed."""
        return [
            any(_lists(finding, mistake.reading) for finding in self._about(mistake))
            for mistake in self.bug.mistakes
            if mistake.reading is not None
        ]

    @property
    def lines_right(self) -> list[bool]:
        """For every mistake with a line, whether the diagnosis points at it."""
        return [
            any(self._points_at(finding, mistake.line) for finding in self._about(mistake))
            for mistake in self.bug.mistakes
            if mistake.line is not None
        ]

    @property
    def said(self) -> str:
        """What was named, in a line."""
        return "; ".join(f"{f.parameter or 'model'}: {f.cause}" for f in self.findings)

    def _about(self, mistake: Mistake) -> list[Finding]:
        return [finding for finding in self.findings if mistake.spoils(finding.parameter)]

    def _admissible(self, parameter: str | None) -> set[str]:
        mistakes = self.bug.of(parameter)
        causes = {cause for mistake in mistakes for cause in mistake.causes.split()}
        # How much of one block each of two mistakes spoils cannot be told in general.
        return causes | ({"unknown"} if parameter and len(mistakes) > 1 else set())

    def _named(self, mistake: Mistake) -> bool:
        alone = [p for p in mistake.parameters.split() if self.bug.of(p) == [mistake]]
        causes = {finding.cause for finding in self._about(mistake)}
        return not alone or bool(causes & set(mistake.causes.split()))

    def _points_at(self, finding: Finding, text: str) -> bool:
        lines = self.source.splitlines()
        [number] = (n for n, line in enumerate(lines, start=1) if text in line)
        words = _words(finding)
        place = rf"\.py:{number}\b|\bline {number}\b"
        return text in words or re.search(place, words) is not None


def _lists(finding: Finding, reading: str) -> bool:
    return re.search(rf"(?<![\w/.]){re.escape(reading)}(?!\.?[\w/])", _words(finding)) is not None


def _words(finding: Finding) -> str:
    """Everything a finding says."""
    return " ".join([finding.message, *map(str, finding.evidence.values())])


@cache
@np.errstate(all="ignore")
def outcome(bug: Bug) -> Outcome:
    """The report on a planted bug."""
    with TemporaryDirectory() as folder:
        model = planted(bug, Path(folder))
        report = tricheck.check(model)
    return Outcome(bug, report, edited(sources()[bug.model].read_text(encoding="utf-8"), bug))
