"""The finite difference of one entry against step size, and how to read it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tricheck.calls import Calls
from tricheck.contract import inspect, refuse_bad_seed
from tricheck.displace import displaced_calls
from tricheck.errors import ModelError
from tricheck.measure import evaluator
from tricheck.model import Model
from tricheck.parameters import FloatArray, Index, Parameters
from tricheck.sources.backprop import measure as measure_backprop
from tricheck.sources.finite_difference import Sweeper
from tricheck.sources.ladder import Derivative, Stencil
from tricheck.sources.noise import measure_noise

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PER_DECADE = 2
_WORTHLESS = 0.1  # of the derivative: a bound that says nothing
_DRAWN = 1e4  # times the derivative, or the error of backprop
_COARSEST, _FINEST = 0, -15  # powers of ten, relative to the parameter


@dataclass(frozen=True)
class Sweep:
    """The finite difference of one entry against step size.

    Attributes
    ----------
    model, parameter : str
    index : tuple of int
        The entry.
    steps : ndarray, shape (k,)
        Half-widths, coarse to fine.
    values, forward, backward : ndarray, shape (k,)
        Central and one-sided difference quotients; NaN outside the loss's domain.
    errors : ndarray, shape (k,)
        Distance of each value from the certified derivative.
    rounding : ndarray, shape (k,)
        The error that the loss's noise explains at each step; grows like 1/h.
    truncation : ndarray, shape (k,)
        The law c h² through the errors that fall like it; NaN where none do.
    readings : tuple of str
        What each step shows: ``truncation`` (error falls like h²), ``rounding`` (error within what
        grows like 1/h), ``flat`` (error does not fall with the step), ``accurate`` (no error
        seen), ``outside`` (not finite).
    derivative, bound : float
        The certified value and its bound.
    step : float
        The step chosen for it; NaN where none was.
    backprop, backprop_bound : float
        The hand-written gradient's entry, and how far its own rounding may have moved it.
    reading : str
        The whole in a sentence.
    """

    model: str
    parameter: str
    index: Index
    steps: FloatArray
    values: FloatArray
    forward: FloatArray
    backward: FloatArray
    errors: FloatArray
    rounding: FloatArray
    truncation: FloatArray
    readings: tuple[str, ...]
    derivative: float
    bound: float
    step: float
    backprop: float
    backprop_bound: float
    reading: str

    @property
    def gap(self) -> float:
        """How far backprop is away, where that is more than both bounds; else 0."""
        away = abs(self.backprop - self.derivative)
        return away if away > self.bound + self.backprop_bound else 0.0

    @property
    def ceiling(self) -> float:
        """The largest error worth drawing: a loss that explodes at large steps dwarfs the rest."""
        sizes = np.array([abs(self.derivative), self.gap, self.bound, 1e-300])
        with np.errstate(over="ignore"):
            return float(_DRAWN * np.max(sizes, where=np.isfinite(sizes), initial=0.0))

    def __str__(self) -> str:
        from tricheck.report.sweep import to_text

        return to_text(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For IPython, in a notebook too."""
        printer.text(str(self) if not cycle else "Sweep(...)")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the error against the step, with both slopes, the chosen step and the bound.

        Parameters
        ----------
        ax : matplotlib axes, optional
            To draw on; a new one by default.

        Returns
        -------
        matplotlib axes

        Raises
        ------
        ImportError
            Where Matplotlib is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> import tricheck
        >>> model = tricheck.Model(lambda x: np.sum(np.exp(x)), np.exp, np.array([0.0, 1.0]))
        >>> tricheck.sweep(model, "params", 1).plot().get_xlabel()
        'step h'
        """
        from tricheck.report.figures import curve, new_axes

        return curve(self, new_axes() if ax is None else ax)


def sweep(
    model: Model,
    name: str,
    index: Index | int = (),
    *,
    seed: int = 0,
    displace: int | None = None,
    point: FloatArray | None = None,
) -> Sweep:
    """Difference one entry of a parameter at many steps.

    Parameters
    ----------
    model : Model
    name : str
        The parameter, as reports name it.
    index : tuple of int, or int
        The entry; () for a number.
    seed : int
        Seed of the noise measurement.
    displace : int, optional
        Seed of a displaced point, as for `tricheck.check`.
    point : ndarray, shape (size,), optional
        The flat vector of all parameters, unless it is the model's own.

    Returns
    -------
    Sweep
        Prints as a plot and a table.

    Raises
    ------
    ModelError
        When there is no such entry, or the model breaks its contract.

    Examples
    --------
    >>> import numpy as np
    >>> import tricheck
    >>> model = tricheck.Model(lambda x: np.sum(np.exp(x)), np.exp, np.array([0.0, 1.0]))
    >>> swept = tricheck.sweep(model, "params", 1)
    >>> swept.readings[0], swept.readings[-1]
    ('truncation', 'rounding')
    >>> bool(abs(swept.derivative - np.e) <= swept.bound)
    True
    """
    if not isinstance(model, Model):
        raise ModelError(
            f"sweep(model, ...) got a {type(model).__name__}, expected a tricheck.Model"
        )
    refuse_bad_seed(seed)
    if displace is not None:
        refuse_bad_seed(displace, "displace", ", or None")
    with model.at_work() as working:
        parameters = Parameters.read(working.params)
        calls = Calls(working, parameters if point is None else replace(parameters, values=point))
        if displace is not None:
            calls = displaced_calls(calls, displace)
        return _sweep(calls, name, index, seed)


def _sweep(calls: Calls, name: str, index: Index | int, seed: int) -> Sweep:
    leaf, position = calls.parameters.position(name, index)
    point = inspect(calls)
    with np.errstate(all="ignore"):
        evaluate, base = evaluator(calls)
        noise = measure_noise(evaluate, calls.parameters, base, seed).at_least(point.spread / 2)
        sweeper = Sweeper(evaluate, base, noise, None)
        certified = sweeper.certify(position)
        rungs = [sweeper.stencil(position, step) for step in _steps(evaluate.flat[position])]
        backprop = measure_backprop(calls, point, seed)
    rungs = [rung for rung in rungs if rung.step]
    steps = np.array([rung.step for rung in rungs])
    errors = np.array([abs(rung.central - certified.value) for rung in rungs])
    readings = tuple(_read(rungs, errors, k, certified) for k in range(len(rungs)))
    return Sweep(
        calls.model.title,
        name,
        leaf.index(position - leaf.start),
        steps,
        np.array([rung.central for rung in rungs]),
        np.array([rung.forward for rung in rungs]),
        np.array([rung.backward for rung in rungs]),
        errors,
        np.array([rung.rounding for rung in rungs]),
        _law(steps, errors, readings),
        readings,
        certified.value,
        certified.bound,
        certified.step,
        float(backprop.values[position]),
        float(backprop.bounds[position]),
        _RANDOM
        if point.spread
        else _sentence(
            certified,
            rungs,
            readings,
            float(backprop.values[position]),
            float(backprop.bounds[position]),
        ),
    )


def _steps(x: Any) -> list[float]:
    count = (_COARSEST - _FINEST) * _PER_DECADE + 1
    powers = np.linspace(_COARSEST, _FINEST, count)
    return [float(step) for step in max(1.0, abs(float(x))) * 10.0**powers]


def _law(steps: FloatArray, errors: FloatArray, readings: tuple[str, ...]) -> FloatArray:
    """The middle one of the laws c h² that go through one of the falling errors each."""
    with np.errstate(all="ignore"):  # steps of 1e300 have no square
        return _fitted(steps, errors, readings)


def _fitted(steps: FloatArray, errors: FloatArray, readings: tuple[str, ...]) -> FloatArray:
    falling = np.array([reading == "truncation" for reading in readings], dtype=bool)
    factors = errors[falling] / steps[falling] ** 2
    return np.asarray(steps**2 * (np.median(factors) if factors.size else np.nan))


def _read(rungs: list[Stencil], errors: FloatArray, k: int, certified: Derivative) -> str:
    """What one step shows, from its own error and that of the next finer step."""
    rung, error = rungs[k], errors[k]
    if not np.isfinite(error):
        return "outside"
    if error <= certified.bound:
        return "accurate"
    if error <= 4.0 * rung.rounding:
        return "rounding"
    # Where the next finer step shows no error the slope is that from the next coarser one.
    near = k if k + 1 < len(rungs) and errors[k + 1] > certified.bound else k - 1
    if near >= 0 and np.all(np.isfinite(errors[near : near + 2])):
        ratio = rungs[near].step / rungs[near + 1].step
        if 1.5 < math.log(errors[near] / errors[near + 1]) / math.log(ratio) < 2.5:
            return "truncation"
    return "flat"


_RANDOM = "The loss is random, so no step says anything: seed its generator inside the loss."


def _sentence(
    certified: Derivative,
    rungs: list[Stencil],
    readings: tuple[str, ...],
    backprop: float,
    own: float,
) -> str:
    if certified.kink is not None and not certified.kink.distance:
        return (
            f"The point sits on a kink: the slope is {certified.kink.backward:.6g} from the left "
            f"and {certified.kink.forward:.6g} from the right at every step."
        )
    if certified.trouble is not None:
        return f"The finite difference fails at every step ({certified.trouble.value})."
    parts = []
    if certified.kink is not None:
        parts.append(f"a kink lies about {certified.kink.distance:.0e} away")
    steps: dict[str, list[float]] = {}
    for rung, reading in zip(rungs, readings, strict=True):
        steps.setdefault(reading, []).append(rung.step)
    if falling := steps.get("truncation"):
        parts.append(f"the error falls like h² down to h = {min(falling):.0e}")
    size = max(abs(certified.value), abs(backprop))
    vague = not certified.bound <= _WORTHLESS * size
    if vague:
        parts.append(f"no step tells more than ±{certified.bound:.1e}")
    elif good := steps.get("accurate"):
        parts.append(_accurate(good, readings))
    if outside := steps.get("outside"):
        parts.append(f"steps of {min(outside):.0e} and more leave the domain")
    if len(steps.get("flat", [])) > 2:
        parts.append("coarser steps show a wrong plateau")
    if readings and readings[-1] == "rounding":
        parts.append("below, rounding grows like 1/h")
    text = "; ".join(parts) or "no step is accurate"
    said = _of_backprop(certified, backprop, own, vague)
    return f"{text[0].upper()}{text[1:]}; {said}."


def _accurate(good: list[float], readings: tuple[str, ...]) -> str:
    """Which steps are, coarse to fine."""
    if len(good) == 1:
        return f"a step of {good[0]:.0e} is accurate"
    last = len(readings) - 1 - readings[::-1].index("accurate")
    together = last - readings.index("accurate") + 1 == len(good)
    how = "from {:.0e} to {:.0e} are accurate" if together else "between {:.0e} and {:.0e} are best"
    return f"steps {how.format(max(good), min(good))}"


def _of_backprop(certified: Derivative, backprop: float, own: float, vague: bool) -> str:
    gap = abs(backprop - certified.value)
    if not math.isfinite(backprop):
        return f"backprop is {backprop}"
    if gap <= certified.bound + own:
        return "backprop does not contradict it" if vague else "backprop agrees"
    if vague:
        return f"backprop is {gap:.1e} away"
    return f"backprop stays {gap:.1e} away at every accurate step"
