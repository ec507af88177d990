"""Monte Carlo arithmetic: a function run again with every intermediate result rounded anew.

What that does to its result is its rounding error (Parker, 1997), also where nothing that moves the
point by little shows it: the softmax of a saturated unit is 1 - 1e-16 however its logits change in
their last places, and what is left of G - sum(G p) is rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tricheck.calls import Calls, read_loss
from tricheck.contract import Point
from tricheck.errors import ModelError, TraceError
from tricheck.parameters import LARGE, Blocks, FloatArray, Leaf
from tricheck.sources.noise import Noise
from tricheck.sources.rounding import apart, typical
from tricheck.tracing.tape import Jitter

_RUNS = 5
_ULPS = 8.0  # many enough that 1 - 1e-16, say, is not rounded back to 1
_WIDER = 2.0
_LEFT = 8.0
_UNIFORM = 12.0**-0.5  # of a unit in the last place: the error of rounding to nearest
_ABOVE = 4.0

Run = Callable[[Jitter], Blocks]
Read = Callable[[FloatArray], FloatArray]


def gradient_bound(
    run: Run, leaves: Sequence[Leaf], values: FloatArray, seed: int, *, runs: int = _RUNS
) -> FloatArray:
    """Bound on what rounding in intermediate results does to each entry of a gradient.

    Parameters
    ----------
    run : callable
        The gradient at the point, given how its intermediate results are off.
    leaves : sequence of Leaf
        The parameters.
    values : ndarray, shape (size,)
        The gradient at the point.
    seed : int
        Seed of the errors.
    runs : int
        How often it is run.

    Returns
    -------
    ndarray, shape (size,)
        0 where no run gives a number.
    """
    moved = np.zeros(values.shape)
    for blocks in _runs(run, _ULPS, seed, runs):
        for piece, away in apart(blocks, values, leaves):
            np.maximum(moved[piece], away, out=moved[piece], where=np.isfinite(away))
    moved /= _ULPS
    for leaf in leaves:
        # The runs can miss an entry's rounding; its neighbours went through the same sums.
        least = 4.0 * typical(moved[leaf.place])
        moved[leaf.place] *= 6.0
        moved[leaf.place] += least
    return moved


def backprop_bound(
    calls: Calls,
    point: Point,
    bounds: FloatArray,
    seed: int,
    *,
    read: Read | None = None,
    leaves: Sequence[Leaf] | None = None,
) -> FloatArray:
    """What rounding in backprop's intermediate results adds to its bounds.

    Parameters
    ----------
    calls : Calls
    point : Point
    bounds : ndarray, shape (size,)
        What is known of backprop's rounding otherwise.
    seed : int
    read : callable, optional
        What is wanted of a gradient, by default all of it.
    leaves : sequence of Leaf, optional
        Where the parameters lie in that.

    Returns
    -------
    ndarray, shape (size,)
        How far backprop is from itself in wider arithmetic, and what that still loses; where the
        user's code does not run there, what it loses as it is.
    """
    look: Read = read or (lambda gradient: gradient)
    own, places = look(point.gradient), leaves or calls.parameters.leaves
    wider = in_wider_arithmetic(calls, point)
    if wider is None:
        flat = calls.parameters.values
        lost = _lost(calls, flat, own, bounds, seed, look, places)
        return lost if lost is not None else _of_the_largest(point, own, read is None)
    apart = _finite(_WIDER * np.abs(look(wider) - own))
    flat = calls.parameters.values.astype(_wider(point))
    lost = _lost(calls, flat, look(wider), bounds, seed, look, places)
    return apart if lost is None else apart + lost


def in_wider_arithmetic(calls: Calls, point: Point) -> FloatArray | None:
    """Backprop in wider arithmetic; None where that is dear or the user's code does not run."""
    parameters, dtype = calls.parameters, _wider(point)
    if parameters.size > LARGE and dtype is np.longdouble:
        return None  # which is slow, and takes twice the memory
    try:
        structure = parameters.build(parameters.values.astype(dtype))
        return parameters.read_gradient(calls.raw_gradient(structure))[0]
    except Exception:  # whatever the user's code raises in a dtype it does not know
        return None


def _wider(point: Point) -> type[np.floating[Any]]:
    single = np.all(point.gradient_eps > np.finfo(np.float64).eps)
    return np.float64 if single else np.longdouble


def _lost(
    calls: Calls,
    flat: FloatArray,
    values: FloatArray,
    bounds: FloatArray,
    seed: int,
    look: Read,
    leaves: Sequence[Leaf],
) -> FloatArray | None:
    """What rounding does to backprop at the point; None where it cannot be traced."""
    model, parameters = calls.model, calls.parameters
    pair = model.gradient is True
    native = flat is parameters.values
    function = model.loss if pair else model.gradient
    if calls.in_pairs:
        function = partial(_in_turn, model.loss, model.gradient)

    def run(jitter: Jitter | None) -> FloatArray:
        calls.counts["gradient"] += 1
        calls.counts["loss"] += calls.in_pairs
        answer = _rerun(calls, function, flat, lambda out: out[1] if pair else out, jitter, native)
        return look(parameters.read_gradient(answer)[0])

    def parts_of_run(jitter: Jitter) -> Blocks:
        answer = run(jitter)
        return [answer[leaf.place] for leaf in leaves]

    try:
        lost = gradient_bound(
            parts_of_run, leaves, values, seed, runs=_RUNS if parameters.size <= LARGE else 1
        )
        traced = run(None)  # the last, for the sake of models that keep what they compute
    except (TraceError, ModelError):
        return None
    # A run that computes something else says nothing of this one.
    alike = np.abs(traced - values) <= bounds + lost
    return lost if np.all(alike | ~np.isfinite(values)) else None


def _in_turn(loss: Any, gradient: Any, params: Any, /, *args: Any, **kwargs: Any) -> Any:
    """The gradient, after the loss has kept what it reads."""
    loss(params, *args, **kwargs)
    return gradient(params, *args, **kwargs)


def _of_the_largest(point: Point, values: FloatArray, entrywise: bool) -> FloatArray:
    """A few ulps of the largest gradient of all: what its terms leave where they cancel."""
    largest = max(np.max(_finite(np.abs(gradient))) for gradient in (point.gradient, values))
    eps = point.gradient_eps if entrywise else np.max(point.gradient_eps)
    return np.full(values.shape, _LEFT * eps * largest)


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, 0.0)


def noise_inside(calls: Calls, noise: Noise, seed: int) -> Noise:
    """The loss's noise, given what rounding in its intermediate results makes of it.

    Short lines may not show that: log(1 - p) for a p near 1 is a staircase whose treads are wider.
    """
    pair = calls.model.gradient is True

    def run(jitter: Jitter | None) -> float:
        calls.counts["loss"] += 1
        read = (lambda answer: answer[0]) if pair else (lambda answer: answer)
        flat = calls.parameters.values
        return float(read_loss(_rerun(calls, calls.model.loss, flat, read, jitter, native=False)))

    try:
        values = np.array(list(_runs(run, 1.0, seed, _RUNS)))
        value = run(None)
    except (TraceError, ModelError):
        return noise
    moved = (values - value)[np.isfinite(values)]
    # At the edge of its domain rounding may take all of it.
    level = _UNIFORM * float(np.sqrt(np.mean(moved**2))) if moved.size else abs(value)
    return replace(noise, level=level, inside=True) if level > _ABOVE * noise.level else noise


def random_jitter(seed: int, ulps: float = _ULPS) -> Jitter:
    """Random errors of so many units in the last place, by default more than rounding makes."""
    rng = np.random.default_rng(seed)

    def jitter(shape: tuple[int, ...]) -> FloatArray:
        return ulps * rng.standard_normal(shape)

    return jitter


def _runs(run: Callable[[Jitter], Any], ulps: float, seed: int, count: int) -> Iterator[Any]:
    """What runs give whose intermediate results are off by so many units in the last place."""
    jitter = random_jitter(seed, ulps)
    return (run(jitter) for _ in range(count))


def _rerun(
    calls: Calls,
    function: Any,
    flat: FloatArray,
    read: Callable[[Any], Any],
    jitter: Jitter | None,
    native: bool,
) -> Any:
    # autograd is imported with the first trace, to keep `import tricheck` light
    from tricheck.tracing.reverse import rerun

    return rerun(
        function,
        calls.parameters,
        flat,
        calls.arguments(),
        read=read,
        jitter=jitter,
        native=native,
    )
