"""The facts of one check, frozen; every renderer reads these and computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from tricheck.errors import ModelError
from tricheck.parameters import Index
from tricheck.vocabulary import BlindSpot, Finding, Source, Verdict

if TYPE_CHECKING:
    from tricheck.formula import Formula
    from tricheck.sweeping import Sweep


@dataclass(frozen=True)
class PairReport:
    """Two sources on one parameter.

    Attributes
    ----------
    first, second : Source
    agree : bool
        Whether every entry agrees, within its bound or the user's `rtol`.
    within_bounds : bool
        Whether every entry agrees within its bound alone.
    difference, bound : float
        At the entry whose difference is largest relative to its bound; NaN and infinity where
        nothing could be compared.
    entry : tuple of int
        That entry; () where several moved together.
    relative_error : float
        The figure of the tutorials, ‖a − b‖ / ‖a + b‖, over the parameter.
    """

    first: Source
    second: Source
    agree: bool
    within_bounds: bool
    difference: float
    bound: float
    entry: Index
    relative_error: float


@dataclass(frozen=True)
class Worst:
    """The entry where the sources differ most, relative to their bounds.

    Attributes
    ----------
    entry : tuple of int
    values, bounds : mapping of Source to float
    """

    entry: Index
    values: Mapping[Source, float]
    bounds: Mapping[Source, float]


@dataclass(frozen=True)
class ParameterReport:
    """What is known of one parameter's gradient.

    Attributes
    ----------
    name : str
    shape : tuple of int
    verdict : Verdict
    wrong : list of tuple of int
        Entries of which a source is blamed.
    pairs : mapping of str to PairReport
        By ``"backprop/reference"``, ``"backprop/finite-difference"`` and
        ``"finite-difference/reference"``.
    sensitivity : float
        The smallest error of any one entry, relative to the largest entry, that this run was
        certain to flag.
    block_sensitivity : float
        The smallest relative error of the whole block, the same for all entries, that it was
        certain to flag.
    shared_sensitivity : float
        The smallest error of any one entry, relative to the largest entry, that the finite
        difference was certain to show if backprop and the reference had it both.
    worst : Worst
    """

    name: str
    shape: tuple[int, ...]
    verdict: Verdict
    wrong: list[Index]
    pairs: Mapping[str, PairReport]
    sensitivity: float
    block_sensitivity: float
    shared_sensitivity: float
    worst: Worst


@dataclass(frozen=True)
class Stage:
    """A line of the loss, and what is known of the gradient that comes back to it.

    Attributes
    ----------
    code, line : str
        Its source text, and where it stands, like ``model.py:12``.
    parameters : list of str
        Those that it reads.
    gradient : str
        Of what the line computes: ``"right"``, ``"wrong"`` or ``"unknown"``.
    mistake : bool
        Whether the error enters here, on the way back through the line.
    """

    code: str
    line: str
    parameters: list[str]
    gradient: str
    mistake: bool


class Live(Protocol):
    """The model behind a report, which can be asked for more than was measured."""

    @property
    def seconds_per_loss(self) -> float:
        """What a loss took in the check, on average, with all else that it did."""

    def formula(self, parameter: str, index: Index | int) -> Formula:
        """As `Report.formula`."""

    def sweep(self, parameter: str, index: Index | int) -> Sweep:
        """As `Report.sweep`."""


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The outcome of a check.

    Attributes
    ----------
    model : str
        The model's name.
    verdict : Verdict
        The worst of its parameters' verdicts.
    parameters : mapping of str to ParameterReport
    findings : list of Finding
        Causes with their evidence, errors first.
    blind_spots : list of BlindSpot
        Classes of bug that this point cannot reveal.
    gradients, bounds : mapping of str to the structure of `params`
        By source; NaN, with an infinite bound, where nothing was or could be measured.
    evaluations : mapping of str to int
        Calls of ``loss``, ``gradient`` and ``reference``.
    loss : float
        The loss at the point.
    reference : str or None
        Which reference was used.
    step : float or None
        The fixed step, if one was asked for.
    seed : int
        The seed of every random draw.
    displace : int or None
        The seed of the displaced point that was checked, if one was asked for.
    directions : int
        Along how many random directions the loss was differentiated, in place of every entry.
    partial : str
        What made the check end early, ``"interrupted"`` or ``"max_seconds=..."``; empty if nothing.
    left_out : list of str
        What was not looked at for that reason.
    stages : list of Stage
        The lines of the loss in the order of the computation, where backprop is blamed and the loss
        could be traced: a gradient goes back through them from the last to the first.
    command : str
        What makes the same check again.
    versions : mapping of str to str
        Of Python and the packages that the numbers depend on.

    Examples
    --------
    >>> import numpy as np
    >>> import tricheck
    >>> report = tricheck.check(lambda x: np.sum(x**2), lambda x: x, np.array([1.0, -3.0, 2.0]))
    >>> report.verdict, report.ok
    (<Verdict.BACKPROP: 'backprop'>, False)
    >>> report.parameters["params"].wrong
    [(0,), (1,), (2,)]
    >>> report.findings[0].cause, round(report.findings[0].evidence["factor"], 6)
    (<Cause.SCALE: 'scale'>, 0.5)
    """

    model: str
    verdict: Verdict
    parameters: Mapping[str, ParameterReport]
    findings: list[Finding]
    blind_spots: list[BlindSpot]
    gradients: Mapping[str, Any]
    bounds: Mapping[str, Any]
    evaluations: Mapping[str, int]
    loss: float
    reference: str | None
    step: float | None
    seed: int
    displace: int | None = None
    directions: int = 0
    partial: str = ""
    left_out: list[str] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    _live: Live | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        # The model's functions may not be picklable; the facts are.
        return {**self.__dict__, "_live": None}

    def __eq__(self, other: object) -> bool:
        """Whether another report has the same facts."""
        if not isinstance(other, Report):
            return NotImplemented
        return self is other or self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    @property
    def ok(self) -> bool:
        """Whether no derivation error was found."""
        return self.verdict.ok

    def __repr__(self) -> str:
        from tricheck.report.words import one_line

        return f"<Report {one_line(self)}>"

    def __str__(self) -> str:
        from tricheck.report.text import to_text

        return to_text(self)

    def to_dict(self) -> dict[str, Any]:
        """The facts as plain Python containers; gradients and bounds are by parameter.

        Examples
        --------
        >>> import numpy as np
        >>> import tricheck
        >>> tricheck.check(np.sum, np.ones_like, np.zeros(2)).to_dict()["verdict"]
        'agree'
        """
        from tricheck.report.json import to_dict

        return to_dict(self)

    def to_json(self, *, indent: int | None = 2) -> str:
        """The facts as strict JSON; NaN and infinities are strings.

        It follows ``tricheck/report/schema.json``, a JSON Schema with a version.

        Examples
        --------
        >>> import json
        >>> import numpy as np
        >>> import tricheck
        >>> report = tricheck.check(np.sum, np.ones_like, np.zeros(2))
        >>> json.loads(report.to_json())["ok"]
        True
        """
        from tricheck.report.json import to_json

        return to_json(self, indent)

    def to_html(self) -> str:
        """A page for the browser: one file that needs no other and no network.

        It measures step-size curves of the worst entries, some hundred losses each, if one does
        not take more than some ten seconds, and the check was not ended early.

        Raises
        ------
        ImportError
            Where the extra `report` (Jinja2 and Matplotlib) is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> import tricheck
        >>> report = tricheck.check(np.sum, np.ones_like, np.zeros(2))
        >>> report.to_html().startswith("<!doctype html>")
        True
        """
        from tricheck.report.page import to_html

        return to_html(self)

    def plot(self) -> Any:
        """Draw how far the sources are apart in the entries of the wrong, or worst, parameters.

        Returns
        -------
        ndarray of matplotlib axes
            On a new figure, one for each parameter, of six at the most.

        Raises
        ------
        ImportError
            Where Matplotlib is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> import tricheck
        >>> report = tricheck.check(lambda w: np.sum(w**2), lambda w: w, np.ones((2, 3)))
        >>> len(report.plot())
        1
        """
        from tricheck.report.figures import plot

        return plot(self)

    def _repr_html_(self) -> str | None:
        """For a notebook; None, and so the text, where Jinja2 is not installed."""
        try:
            from tricheck.report.page import compact

            return compact(self)
        except ImportError:
            return None

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For IPython in a terminal."""
        printer.text(str(self) if not cycle else "Report(...)")

    @classmethod
    def from_json(cls, text: str | bytes) -> Report:
        """The report that `to_json` has written, without its model.

        Gradients are float64, in dicts, lists, tuples and named tuples like those of `params`.

        Raises
        ------
        ModelError
            When the text is no report, or one of another version of the schema.

        Examples
        --------
        >>> import numpy as np
        >>> import tricheck
        >>> report = tricheck.check(np.sum, np.ones_like, np.zeros(2))
        >>> tricheck.Report.from_json(report.to_json()).verdict
        <Verdict.AGREE: 'agree'>
        """
        from tricheck.report.json import from_json

        return from_json(text)

    def to_records(self) -> npt.NDArray[Any]:
        """A table of all entries, to make a pandas DataFrame of.

        Returns
        -------
        ndarray, shape (size,)
            A structured array with the fields `parameter`, `entry` (like ``W1[2, 0]``), `verdict`
            (the parameter's), `wrong`, and for each source its value and bound, such as `backprop`
            and `backprop_bound`, `finite_difference`, `reference`.

        Examples
        --------
        >>> import numpy as np
        >>> import tricheck
        >>> records = tricheck.check(np.sum, np.ones_like, np.zeros(2)).to_records()
        >>> records["entry"].tolist(), records["backprop"].tolist()
        (['params[0]', 'params[1]'], [1.0, 1.0])
        """
        from tricheck.report.records import to_records

        return to_records(self)

    def formula(self, parameter: str, index: Index | int = ()) -> Formula:
        """The derivative that a derivation should have arrived at, in one entry.

        Parameters
        ----------
        parameter : str
        index : tuple of int, or int
            The entry; () for a number.

        Returns
        -------
        Formula
            With `expression` (sympy), `text`, `latex`, `value` and 50 `digits`; prints for a
            person. It is that of the loss at the point of the check, with the arguments as they are
            now.

        Raises
        ------
        ModelError
            When there is no such entry, or the report is a copy that has lost its model.
        TraceError
            When the loss does not run on symbols, or is larger than 20 000 operations as a formula.

        Examples
        --------
        >>> import numpy as np
        >>> import tricheck
        >>> report = tricheck.check(
        ...     lambda w: np.sum(w**3 / 7), lambda w: w**2 / 7, np.array([1.0, 2.0])
        ... )
        >>> formula = report.formula("params", 1)
        >>> formula.text, formula.value
        ('3*params[1]**2/7', 1.7142857142857142)
        """
        return self._model.formula(parameter, index)

    def sweep(self, parameter: str, index: Index | int = ()) -> Sweep:
        """The finite difference of one entry against step size, at the point of the check.

        Parameters
        ----------
        parameter : str
        index : tuple of int, or int
            The entry; () for a number.

        Returns
        -------
        Sweep
            Prints as a plot and a table; ``.plot()`` draws it.

        Raises
        ------
        ModelError
            When there is no such entry, or the report is a copy that has lost its model.

        Examples
        --------
        >>> import numpy as np
        >>> import tricheck
        >>> report = tricheck.check(lambda x: np.sum(np.exp(x)), np.exp, np.array([0.0, 1.0]))
        >>> report.sweep("params", 1).readings[0]
        'truncation'
        """
        return self._model.sweep(parameter, index)

    @property
    def has_model(self) -> bool:
        """Whether the model is at hand that `formula` and `sweep` need."""
        return self._live is not None

    @property
    def seconds_per_loss(self) -> float:
        """What a loss of this model takes, at the most; 0 where the model is not at hand."""
        return self._live.seconds_per_loss if self._live is not None else 0.0

    @property
    def _model(self) -> Live:
        if self._live is None:
            raise ModelError(
                "this report is without its model, which is not pickled or copied: check again"
            )
        return self._live

    def raise_if_wrong(self) -> None:
        """Raise unless no derivation error was found.

        Raises
        ------
        GradientMismatch
            With the report as its message; also when the check was inconclusive.
        """
        if not self.ok:
            raise GradientMismatch(self)


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
