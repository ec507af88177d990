"""The recipe: contract, three gradients, three pairs, verdict, diagnosis, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from tricheck.calls import Calls
from tricheck.comparison import BoolArray
from tricheck.displace import displaced_calls
from tricheck.errors import ModelError
from tricheck.facts import Evidence
from tricheck.listeners import listeners
from tricheck.live import LiveModel
from tricheck.measure import measure
from tricheck.measured import Measured
from tricheck.model import Model
from tricheck.options import Entries, Options
from tricheck.parameters import Index, Parameters
from tricheck.report import GradientMismatch, Report, Stage
from tricheck.report.build import parameter_report, structured
from tricheck.report.progress import shown
from tricheck.verdict import ACCUSING, Facts, decide_all, worst
from tricheck.versions import versions
from tricheck.vocabulary import BlindSpot, Cause, Finding, Severity, Source, Verdict
from tricheck.watch import Watch

if TYPE_CHECKING:
    from tricheck.diagnosis.mistakes.findings import Mistaken
    from tricheck.tracing.study import Study

_SEVERITIES = list(Severity)


def check(
    loss: Callable[..., Any] | Model,
    gradient: Callable[..., Any] | Literal[True] | None = None,
    params: Any = None,
    *,
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    reference: Any = "auto",
    step: float | None = None,
    rtol: float = 0.0,
    entries: Entries = "auto",
    seed: int = 0,
    displace: int | None = None,
    jobs: int = 1,
    max_seconds: float | None = None,
    progress: bool | None = None,
    name: str | None = None,
) -> Report:
    """Compare three gradients of a model and say which source is wrong.

    Parameters
    ----------
    loss : callable or Model
        ``loss(params, *args, **kwargs)`` returns a number, in plain NumPy. A `Model` brings its
        own gradient, params, args and kwargs.
    gradient : callable or True
        ``gradient(params, *args, **kwargs)``, the hand-written backprop, in the structure of
        `params`. True: `loss` returns ``(loss, gradient)``. Intermediate gradients may come beside
        it, as ``(gradient, {"dz1": dz1})``, to name the first wrong one: see `Model`.
    params : ndarray, or dict, list or tuple of them (nested too)
        The point; floating-point. Never changed. A list of numbers is an array.
    args, kwargs
        Further arguments of both functions; a lone one need not be a tuple.
    reference : str, callable, reference object, list of these, or None
        The third source. ``"auto"`` is the first that can be had of ``"autograd"`` (the loss
        traced), ``"sympy"`` (run on symbols), ``"complex-step"`` and ``"longdouble"`` (finite
        differences in extended precision); all but the first take the entries one by one, and
        are left out where there are more than 100,000. ``"jax"`` and ``"torch"`` differentiate a
        loss written in them; `tricheck.autograd`, `tricheck.jax` and `tricheck.torch` one that is
        handed over, `tricheck.sympy` one that is written down as an expression.
        A callable is called like `gradient`. Several are compared with each other too, and the
        finite difference settles their disputes. None does without.
    step : float, optional
        A fixed absolute step for the central differences, as in the classical check; its own
        error is measured and reported. By default each entry's step is chosen and certified.
    rtol : float
        Relative differences up to this are accepted beyond the bounds (then with a warning).
    entries : {"auto", "all"}
        Where finite differences are taken. ``"all"``: in every entry. ``"auto"``: so up to 2,048
        entries; beyond, backprop and the reference are still compared in every entry, and the
        loss is differentiated along one random direction through each parameter and in the
        entries that are in dispute, which is what can change the verdict. With a fixed `step`
        always in every entry.
    seed : int
        Seed of every random draw.
    displace : int, optional
        Check at another point: every parameter is moved at random by about its own size, with
        this seed, which shows most of what the point itself hides (`report.blind_spots`). Nothing
        of yours is changed.
    jobs : int
        Processes that take finite differences at a time, as many as there are cores at the most; -1
        is one for each. They are started through joblib, and so inside
        ``joblib.parallel_config(backend="dask")`` they are that cluster's. The report is the same
        whatever their number.
    max_seconds : float, optional
        After so many seconds no more measurements are begun, and the report says what was left
        out. What tells most comes first: backprop beside the reference in every entry, random
        directions, entries in dispute, single entries. The calls at the point itself are always
        made, some 50 of the loss and of the gradients.
    progress : bool, optional
        Show how far the check is, once it has taken two seconds. By default where standard error is
        a terminal, or in a notebook, and not under CI.
    name : str, optional
        What the report calls the model.

    Returns
    -------
    Report

    Raises
    ------
    ModelError
        When the model breaks its contract: the loss is no finite number, the gradient lacks a
        parameter, a parameter is not made of floats, a function raises, a worker process dies or
        cannot evaluate the loss.
    KeyboardInterrupt
        On Ctrl-C. Everything of yours is as it was, as after any other exception.
    TraceError
        When a named reference cannot be had.

    Examples
    --------
    >>> import numpy as np
    >>> import tricheck
    >>> X, y = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 1.0]]), np.array([1.0, 0.0, 2.0])
    >>> def loss(w):
    ...     return np.mean((X @ w - y) ** 2)
    >>> def gradient(w):
    ...     return 2 * X.T @ (X @ w - y)  # forgot to divide by the number of samples
    >>> report = tricheck.check(loss, gradient, np.array([0.5, -0.5]))
    >>> report.verdict
    <Verdict.BACKPROP: 'backprop'>
    >>> report.findings[0].evidence["matches"]
    '3'
    """
    model = _model(loss, gradient, params, args, kwargs, name)
    if progress not in (None, True, False):
        raise ModelError(f"progress is {progress!r}, expected True, False or None")
    options = Options(reference, step, rtol, entries, seed, displace, jobs, max_seconds)
    watch = Watch(max_seconds)
    return checked(model, options, watch, progress)


def checked(model: Model, options: Options, watch: Watch, progress: bool | None = None) -> Report:
    """The check of a model, as `check` makes it.

    Parameters
    ----------
    model : Model
    options : Options
    watch : Watch
        How far it is; setting its `interrupted` ends it early.
    progress : bool, optional
        As for `check`.
    """
    displace = options.displace
    with model.at_work() as working:
        own = Calls(working, Parameters.read(working.params), watch)
        try:
            calls = own if displace is None else displaced_calls(own, int(displace))
            with shown(watch, progress):
                measured = measure(calls, options)
                report = _report(calls, measured, options)
        finally:
            own.leave_state_at_point()
    evaluations = {kind: calls.counts[kind] for kind in ("loss", "gradient", "reference")}
    # The model as it was handed over: the one at work is gone.
    seconds = watch.elapsed / max(evaluations["loss"], 1)
    live = LiveModel(model, calls.parameters.values, options.seed, seconds)
    return replace(report, evaluations=evaluations, _live=live)


def assert_gradients(
    loss: Callable[..., Any] | Model,
    gradient: Callable[..., Any] | Literal[True] | None = None,
    params: Any = None,
    **options: Any,
) -> Report:
    """Check a model, and fail unless no derivation error is found.

    Parameters
    ----------
    loss, gradient, params, **options
        As for `tricheck.check`.

    Returns
    -------
    Report
        When the check passes.

    Raises
    ------
    GradientMismatch
        An AssertionError with the report as its message.

    Examples
    --------
    >>> import numpy as np
    >>> import tricheck
    >>> tricheck.assert_gradients(lambda x: np.sum(np.sin(x)), np.cos, np.array([0.1, 2.0])).ok
    True
    """
    __tracebackhide__ = True
    report = check(loss, gradient, params, **options)
    for listener in listeners:
        listener(report)
    # raised here and not by the report: a traceback then has no other frame of tricheck's
    if not report.ok:
        raise GradientMismatch(report)
    return report


def _model(
    loss: Any, gradient: Any, params: Any, args: Any, kwargs: Any, name: str | None
) -> Model:
    if isinstance(loss, Model):
        lone = not isinstance(args, tuple)  # an array, say, that compares with nothing
        if gradient is not None or params is not None or lone or args or kwargs is not None:
            raise ModelError(
                "check(model) takes gradient, params, args and kwargs from the model: pass none of "
                "them beside it"
            )
        return replace(loss, name=name) if name else loss
    if gradient is None:
        raise ModelError(
            "gradient is missing: check(loss, gradient, params), or check(model); pass True if "
            "loss returns (loss, gradient)"
        )
    if params is None:
        raise ModelError("params is missing: check(loss, gradient, params)")
    return Model(loss, gradient, params, args, kwargs or {}, name)


def _report(calls: Calls, measured: Measured, options: Options) -> Report:
    with np.errstate(all="ignore"):  # wrong gradients may be huge, and overflow what reads them
        return _assembled(calls, measured, options)


def _assembled(calls: Calls, measured: Measured, options: Options) -> Report:
    # The diagnosis is imported with the first report, to keep `import tricheck` light.
    from tricheck.diagnosis.backprop import diagnose
    from tricheck.diagnosis.hiding.blind_spots import blind_spots
    from tricheck.diagnosis.hiding.elsewhere import Elsewhere
    from tricheck.diagnosis.mistakes.findings import kept_run

    evidence, judged = measured.evidence, measured.judged
    kept = kept_run(calls, measured)
    entry_verdicts = _entry_verdicts(judged, judged.facts, _convicted(measured.notes))
    verdicts, wrong = {}, {}
    for leaf in evidence.parameters.leaves:
        block = entry_verdicts[measured.moved(leaf).place]
        verdicts[leaf.name] = worst(block)
        rows = np.flatnonzero(block == verdicts[leaf.name])
        blamed = verdicts[leaf.name] in ACCUSING
        wrong[leaf.name] = measured.indices(leaf, rows) if blamed else []
    gradients, bounds = structured(evidence)
    diagnosed = diagnose(evidence, _backprop_blamed(measured, verdicts, wrong), calls, kept)
    findings = _findings(calls, measured, verdicts, wrong, kept, diagnosed)
    blind = blind_spots(
        measured, verdicts, kept, Elsewhere(calls, kept), options.displace is not None
    )
    return Report(
        calls.model.title,
        worst(verdicts.values()),
        {
            leaf.name: parameter_report(measured, leaf, verdicts[leaf.name], wrong[leaf.name])
            for leaf in evidence.parameters.leaves
        },
        findings,
        blind,
        gradients,
        bounds,
        {},  # counted once the last call is made
        float(evidence.point.loss),
        evidence.reference.method if evidence.reference else None,
        options.step,
        int(options.seed),
        None if options.displace is None else int(options.displace),
        measured.directions,
        calls.watch.ended_by,
        list(calls.watch.omitted),
        _stages(kept, verdicts, diagnosed, blind),
        options.call,
        versions(),
    )


def _stages(
    kept: Study | None,
    verdicts: dict[str, Verdict],
    diagnosed: Mistaken,
    blind: list[BlindSpot],
) -> list[Stage]:
    """Where the gradient goes wrong in the order of the computation, if backprop is blamed."""
    from tricheck.diagnosis.stages import stages

    seen = set(verdicts.values())
    if kept is None or Verdict.BACKPROP not in seen or Verdict.BACKPROP_AND_REFERENCE in seen:
        return []
    silent = {spot.parameter for spot in blind if spot.name == "vanishing-gradient"}
    right = {name for name, verdict in verdicts.items() if verdict is Verdict.AGREE}
    return stages(kept, frozenset(right - silent), verdicts.keys() - right, diagnosed)


def _convicted(notes: list[Finding]) -> set[str | None]:
    """Parameters whose backprop is wrong whatever its numbers are at this point."""
    return {
        note.parameter
        for note in notes
        if note.source is Source.BACKPROP and note.severity is Severity.ERROR
    }


def _entry_verdicts(
    evidence: Evidence, facts: Facts[BoolArray], convicted: set[str | None]
) -> npt.NDArray[np.object_]:
    verdicts = decide_all(facts)
    if not evidence.point.spread:
        # A gradient that changes from call to call is wrong, whatever its first answer was.
        verdicts[evidence.unrepeatable & ~facts.vanished] = Verdict.BACKPROP
    for leaf in evidence.parameters.leaves:
        if leaf.name in convicted:
            verdicts[leaf.place] = Verdict.BACKPROP
    return verdicts


def _backprop_blamed(
    measured: Measured, verdicts: dict[str, Verdict], wrong: dict[str, list[Index]]
) -> dict[str, list[Index]]:
    """The blamed entries of parameters whose backprop is wrong for a reason that is not known."""
    known = _convicted(measured.notes)  # its cause is among the notes
    blamed = (Verdict.BACKPROP, Verdict.BACKPROP_AND_REFERENCE)
    return {
        name: wrong[name]
        for name, verdict in verdicts.items()
        if verdict in blamed and name not in known
    }


def _findings(
    calls: Calls,
    measured: Measured,
    verdicts: dict[str, Verdict],
    wrong: dict[str, list[Index]],
    kept: Study | None,
    diagnosed: Mistaken,
) -> list[Finding]:
    from tricheck.diagnosis import finite_difference as finite_difference_diagnosis
    from tricheck.diagnosis import reference as reference_diagnosis
    from tricheck.diagnosis.backprop import accepted_by_rtol
    from tricheck.diagnosis.deltas import findings as deltas
    from tricheck.diagnosis.digits import few_digits

    evidence, judged = measured.evidence, measured.judged
    of_reference = {n: wrong[n] for n, v in verdicts.items() if v is Verdict.REFERENCE}
    findings = [
        *diagnosed.found.values(),
        *deltas.diagnose(evidence, verdicts, kept),
        *accepted_by_rtol(evidence),
        *few_digits(evidence, verdicts, calls),
        *reference_diagnosis.diagnose(judged, of_reference),
        *finite_difference_diagnosis.diagnose(judged, verdicts),
        *evidence.point.findings,
        *measured.notes,
    ]
    # Whoever differentiates another loss says nothing of this one: that comes before any gradient.
    return sorted(
        findings, key=lambda f: (f.cause is not Cause.DIFFERENT_LOSS, _SEVERITIES.index(f.severity))
    )
