"""The reference by a complex step: the loss run on x + ih, its imaginary part divided by h.

Nothing is subtracted, so h may be as small as 1e-30 and neither truncation nor rounding is left
(Squire & Trapp, 1998). It asks for a loss that is analytic in what it computes, and that is
measured: on a circle around the point, an analytic function has no negative Fourier coefficients,
and its first is the derivative (Lyness & Moler, 1967).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.calls import Calls
from tricheck.errors import TraceError
from tricheck.location import defined_at, user_line
from tricheck.parameters import Blocks, FloatArray, Parameters
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate, bounded
from tricheck.sources.rewrite import own_loss
from tricheck.sources.rounding import lengths
from tricheck.sources.same_loss import mismatch
from tricheck.tracing.complex import Watched

_STEP = 2.0**-100  # about 1e-30, relative to the entry; a power of two divides exactly
_OTHER_STEP = 2.0**-60  # must give the same
_TINIEST = 2.0**-1000  # a step that, and whose quotients, float64 can hold
_SAMPLED = 64  # entries of one parameter whose rounding is measured
_POINTS = 32  # on a circle: a quarter of the way to a pole they leave an error below rounding
_LARGEST, _SMALLEST = (0.125, 0.05), 2.0**-60  # radii, relative to the parameters
_SHRINKS = 8.0
_ALLOWED = 64.0  # times the noise of one value: more is no noise


def measure(calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
    """The gradient of the model's own loss.

    Costs one call of the loss per entry, and some dozen more for up to 64 entries of each
    parameter, whose rounding is measured and stands for the others'.

    Raises
    ------
    TraceError
        When the loss does not run on complex numbers, or is not analytic as it computes on them;
        names the user's line where an operation can be named.
    """
    parameters = calls.parameters
    point = parameters.values
    value = _loss(calls, point.astype(_complex(point))).real
    _refuse_another_loss(value, calls, noise, seed)
    _refuse_unsafe(calls, noise, seed)
    everywhere = np.arange(parameters.size)
    values = _gradient(calls, point, everywhere, _STEP)
    positions = _sample(parameters, values, seed)
    part = _part(parameters, positions)

    def beside(some: FloatArray) -> Blocks:
        flat = point.copy()
        flat[positions] = some
        try:
            return part.parts(_gradient(calls, flat, positions, _OTHER_STEP))
        except TraceError:  # beside the point the user's code may leave its domain
            return part.nowhere

    estimate = bounded(
        beside, values[positions], part, seed, "complex step through the loss", traced=True
    )
    bounds = _spread(parameters, part, positions, values, estimate.bounds)
    return replace(estimate, values=values, bounds=bounds)


def _loss(calls: Calls, flat: npt.NDArray[np.complexfloating[Any]]) -> complex:
    """The loss at a complex point."""
    calls.counts["reference"] += 1
    args, kwargs = calls.arguments()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            answer = own_loss(calls)(calls.parameters.build(flat.view(Watched)), *args, **kwargs)
            return _complex_number(answer)
    except Exception as error:
        line = user_line(error) or defined_at(calls.model.loss)
        reason = str(error) if isinstance(error, TraceError) else f"{type(error).__name__}: {error}"
        raise TraceError(
            f"{line}: the loss does not run on complex numbers ({reason}). "
            "Rewrite that line, or pass another reference"
        ) from error


def _complex_number(answer: Any) -> complex:
    array = np.asarray(answer)
    if array.dtype.kind == "c" and array.size == 1:
        return complex(array.reshape(-1)[0])
    raise TraceError(
        f"the loss came back as {array.dtype} of shape {array.shape}, not as one complex number: "
        "look for np.abs, .real or a real buffer in it"
    )


def _complex(point: FloatArray) -> npt.DTypeLike:
    return np.result_type(point.dtype, np.complex64)


def _gradient(
    calls: Calls, point: FloatArray, positions: npt.NDArray[np.intp], step: float
) -> FloatArray:
    """The derivative in some entries, one call of the loss each."""
    flat = point.astype(_complex(point))
    # Relative to the entry itself: 1e-30 beside an entry of 1e-40 would be no small step.
    sizes = np.where(point == 0.0, lengths(replace(calls.parameters, values=point)), np.abs(point))
    steps = np.maximum(step * 2.0 ** np.floor(np.log2(sizes.astype(np.float64))), _TINIEST)
    slopes = np.empty(positions.size)
    for k, position in enumerate(positions):
        flat[position] = complex(point[position], steps[position])
        slopes[k] = _loss(calls, flat).imag / steps[position]
        flat[position] = point[position]
    return slopes


# --- is the loss safe? --------------------------------------------------------------------------


def _refuse_another_loss(value: float, calls: Calls, noise: Noise, seed: int) -> None:
    """Raise where the real part on complex numbers is not the loss."""

    def elsewhere(flat: FloatArray) -> float:
        return _loss(calls, flat.astype(_complex(flat))).real

    if found := mismatch(value, elsewhere, calls, noise, seed):
        raise TraceError(
            f"on complex numbers {defined_at(calls.model.loss)} computes something else: {found}. "
            "Look for a branch on dtype or on exact equality in it, or pass another reference"
        )


def _refuse_unsafe(calls: Calls, noise: Noise, seed: int) -> None:
    """Raise unless the loss is analytic along a random line through the point.

    A smaller circle avoids a pole or a kink that lies beside the point; what a discarded imaginary
    part leaves stays the same on every circle.
    """
    point = calls.parameters.values
    rng = np.random.default_rng(seed)
    # Of random lengths too: equal ones could cancel in a sum.
    shares = rng.choice([-1.0, 1.0], point.size) * rng.uniform(0.5, 1.0, point.size)
    line = shares * lengths(calls.parameters) / np.sqrt(point.size)

    def along(place: complex) -> complex:
        return _loss(calls, point + place * line)

    slopes = [along(1j * step).imag / step for step in (_STEP, _OTHER_STEP)]
    # Where one row of circles ends undecided, between a pole and the noise, another may not.
    if not any(_is_analytic(along, slopes, noise, first) for first in _LARGEST):
        raise TraceError(
            f"{defined_at(calls.model.loss)} is not analytic on complex numbers: along a random "
            f"line its slope by an imaginary step, {slopes[0]:.6g}, is not that by real ones. "
            "Something discards the imaginary part (abs, .real, float(), a real buffer), or a kink "
            "lies at the point. Write np.where(x > 0, x, -x) for abs(x) and keep buffers in the "
            "parameters' dtype, or pass another reference"
        )


def _is_analytic(
    along: Callable[[complex], complex], slopes: list[float], noise: Noise, radius: float
) -> bool:
    """Whether a circle of at most this radius shows nothing but noise beside the slopes."""
    left = np.inf  # what the last circle left unexplained
    while radius > _SMALLEST:
        first, negative, size = _coefficients(along, radius)
        if np.isfinite(size):
            level = max(noise.level, noise.relative * size, float(np.spacing(size)))
            allowed = _ALLOWED * level / radius
            if allowed > left / 2.0:
                return False  # noise would hide it from here on
            left = max(abs(negative), *(abs(first - slope) for slope in slopes))
            if left <= allowed:
                return True
        radius /= _SHRINKS
    return False


def _coefficients(
    along: Callable[[complex], complex], radius: float
) -> tuple[complex, complex, float]:
    """First coefficients of positive and negative order over the radius, and the loss's size."""
    turns = np.exp(2j * np.pi * (np.arange(_POINTS) + 0.5) / _POINTS)
    values = np.array([along(complex(radius * turn)) for turn in turns])
    first = complex(np.mean(values / turns)) / radius
    negative = complex(np.mean(values * turns)) / radius
    return first, negative, float(np.max(np.abs(values)))


# --- rounding, measured on a sample -------------------------------------------------------------


def _sample(parameters: Parameters, values: FloatArray, seed: int) -> npt.NDArray[np.intp]:
    """Up to 64 entries of every parameter, the largest slope among them, in order."""
    rng = np.random.default_rng(seed)
    chosen = []
    for leaf in parameters.leaves:
        order = rng.permutation(np.arange(leaf.start, leaf.stop))
        largest = leaf.start + int(np.argmax(np.abs(values[leaf.place])))
        others = order[order != largest][: _SAMPLED - 1]
        chosen.append(np.sort(np.append(others, largest)))
    return np.concatenate(chosen)


def _part(parameters: Parameters, positions: npt.NDArray[np.intp]) -> Parameters:
    """The sampled entries alone, as parameters of their own."""
    leaves = []
    for leaf in parameters.leaves:
        start, stop = np.searchsorted(positions, [leaf.start, leaf.stop])
        leaves.append(replace(leaf, shape=(int(stop - start),), start=int(start), stop=int(stop)))
    return Parameters(tuple(leaves), parameters.values[positions], None)


def _spread(
    parameters: Parameters,
    part: Parameters,
    positions: npt.NDArray[np.intp],
    values: FloatArray,
    sampled: FloatArray,
) -> FloatArray:
    """Bounds of all entries: one that was not sampled has the widest of its parameter's."""
    bounds = np.empty(parameters.size)
    for leaf, seen in zip(parameters.leaves, part.leaves, strict=True):
        bounds[leaf.place] = np.max(sampled[seen.place])
    bounds[positions] = sampled
    return np.where(np.isfinite(values), bounds, np.inf)
