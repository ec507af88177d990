"""Mistakes around softmax and the logistic function at the end of a classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.functions import KNOWN
from tricheck.diagnosis.mistakes.mistake import Mistake, after, times
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Computed, Edit, Place, Step
from tricheck.vocabulary import Cause

_ALIKE = 1e-9
_HIDDEN = ("sigmoid", "tanh", "ReLU")  # of the layers before, and so easily taken here, too


@dataclass(frozen=True)
class _Linked:
    """Some logits, and what the loss makes of them.

    Attributes
    ----------
    step : Step
        Makes the logits.
    p : ndarray
        Their softmax or logistic function.
    made : Step or None
        Makes p, where the loss does.
    weights : ndarray or None
        How much each sample counts, as its gradient p - y is multiplied by it.
    """

    step: Step
    p: FloatArray
    made: Step | None
    weights: FloatArray | None

    @property
    def z(self) -> FloatArray:
        """The logits."""
        return np.asarray(self.step.value, dtype=np.float64)


def mistakes(study: Study, every: list[Site]) -> Iterator[Mistake]:
    """Wrong backward passes of every softmax or logistic function of some logits."""
    later = _Values(study)
    known: list[list[FloatArray]] = []  # logits less their maximum are the same once more
    for site in every:
        if not all(isinstance(step, Computed) and _may_be_logits(step) for step in site.steps):
            continue
        for link in _LINKS:
            pairs = [(step, link.value(np.asarray(step.value, float))) for step in site.steps]
            if not all(any(later.has(t, s) for t in link.traces(s.value, p)) for s, p in pairs):
                continue
            if any(_alike([p for _, p in pairs], others) for others in known):
                continue
            known.append([p for _, p in pairs])
            found = [_linked(study, later, link, step, p) for step, p in pairs]
            yield from _at_logits(study, site, link.name, found)
            yield from _of_jacobian(study, site, link.name, found)


def _may_be_logits(step: Step) -> bool:
    return np.ndim(step.value) > 0 and np.isrealobj(step.value)


def _linked(study: Study, later: _Values, link: _Link, step: Step, p: FloatArray) -> _Linked:
    made = later.made(p, step)
    if made is not None and made in study.came:
        return _Linked(step, p, made, link.weights(p, study.came[made]))
    # Only the logarithm of a normalizing sum, as log-sum-exp: what comes to it is p's share.
    sums = [
        next((n for value in forms if (n := later.made(value, step))), None)
        for forms in link.normalizers(step.value)
    ]
    came = [study.came[n] for n in sums if n is not None and n in study.came]
    if not came:
        return _Linked(step, p, None, None)
    shape = p.shape if came[0].size == p.size else (*p.shape[:-1], 1)
    return _Linked(step, p, None, np.sum([np.reshape(part, shape) for part in came], axis=0))


def _at_logits(study: Study, site: Site, name: str, found: list[_Linked]) -> Iterator[Mistake]:
    """The gradient in the logits is multiplied by a derivative that it has already in it."""
    seen: list[list[FloatArray]] = []
    for words, factors in _factors(study, name, found):
        if not all(np.all(np.isfinite(factor)) for factor in factors):
            continue
        if any(_alike(factors, others) for others in seen):
            continue
        seen.append(factors)
        yield Mistake(
            Cause.ACTIVATION_DERIVATIVE,
            "extra-derivative",
            f"the gradient of {site.words} is multiplied by {words}",
            "in the logits, p - y is already the gradient of the cross-entropy",
            site.spot,
            {one.step: after(times(factor)) for one, factor in zip(found, factors, strict=True)},
            study.through(*(one.step for one in found)),
        )


def _factors(
    study: Study, name: str, found: list[_Linked]
) -> Iterator[tuple[str, list[FloatArray]]]:
    """Derivatives that people multiply by once more, with words for them."""
    yield f"p (1 - p) once more, p its {name}", [one.p * (1.0 - one.p) for one in found]
    if not all(_is_output(study, one.step) for one in found):
        return
    with np.errstate(all="ignore"):
        apart = [
            study.came[one.step] / one.weights
            for one in found
            if one.weights is not None and one.step in study.came
        ]
    if len(apart) == len(found):
        yield "d (1 - d) with d = p - y instead of p", [d * (1.0 - d) for d in apart]
    for known in KNOWN:
        if known.name in _HIDDEN:
            yield f"the derivative of {known.name} there", [known.slope(one.z) for one in found]


def _alike(first: list[FloatArray], second: list[FloatArray]) -> bool:
    return [a.shape for a in first] == [b.shape for b in second] and all(
        map(np.allclose, first, second)
    )


def _is_output(study: Study, step: Step) -> bool:
    """Whether no further layer, with parameters of its own, follows."""
    behind, reached = study.through(step), set(step.outs)
    for later in study.steps:
        if any(place.storage in reached for place in later.places):
            reached.update(later.outs)
            if np.ndim(later.value) and not study.through(later) <= behind:
                return False
    return True


def _of_jacobian(study: Study, site: Site, name: str, found: list[_Linked]) -> Iterator[Mistake]:
    """Something else than the Jacobian of p goes back from p to the logits."""
    if any(one.made is None and one.weights is None for one in found):
        return
    for kind, words, wrong in _WRONG_JACOBIANS:
        if kind == "jacobian-axis" and (name != "softmax" or any(one.p.ndim < 2 for one in found)):
            continue
        yield Mistake(
            Cause.ACTIVATION_DERIVATIVE if kind == "jacobian-left-out" else Cause.UPSTREAM,
            kind,
            f"of the derivative of the {name} p of {site.words} {words}",
            "the gradient in the logits is p (g - sum(g p)) for what comes back as g",
            site.spot,
            dict(_jacobian(one, name, wrong) for one in found),
            study.through(*(one.step for one in found)),
        )


Jacobian = Callable[[FloatArray, FloatArray], FloatArray]


def _jacobian(one: _Linked, name: str, wrong: Jacobian) -> tuple[Step, Edit]:
    """Back to the logits by a wrong Jacobian, of what comes back to p."""
    place = Place(one.step.outs[0])
    if one.made is not None:
        return one.made, lambda came, *_: [(place, wrong(came, one.p))]
    # The right Jacobian is inverted; its null space, a constant, is what the weights tell.
    weights = np.asarray(one.weights)
    slope = one.p if name == "softmax" else one.p * (1.0 - one.p)
    share = one.p * weights if name == "softmax" else 0.0

    def change(came: Any) -> Any:
        with np.errstate(all="ignore"):
            return wrong((came - share) / slope, one.p)

    return one.step, after(change)


_WRONG_JACOBIANS: tuple[tuple[str, str, Jacobian], ...] = (
    ("jacobian-diagonal", "only the diagonal p (1 - p) is kept", lambda g, p: g * p * (1.0 - p)),
    ("jacobian-left-out", "nothing is kept (1 in its place)", lambda g, _: g),
    ("jacobian-factor", "only the factor p is kept", lambda g, p: g * p),
    (
        "jacobian-axis",
        "the sum is taken over the batch, not the classes",
        lambda g, p: p * (g - np.sum(g * p, axis=0, keepdims=True)),
    ),
)


def _softmax(z: FloatArray) -> FloatArray:
    shifted = np.exp(z - np.max(z, axis=-1, keepdims=True))
    p: FloatArray = shifted / np.sum(shifted, axis=-1, keepdims=True)
    return p


def _logistic(z: FloatArray) -> FloatArray:
    p: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * z))
    return p


def _normalizers_of_softmax(z: Any) -> list[list[FloatArray]]:
    """The logarithm of the sum of exponentials, or of that shifted by the maximum."""
    if np.shape(z)[-1] < 2:
        return []
    top = np.max(z, axis=-1, keepdims=True)
    shifted = np.log(np.sum(np.exp(z - top), axis=-1, keepdims=True))
    return [[v for value in (shifted + top, shifted) for v in (value, value[..., 0])]]


def _traces_of_softmax(z: Any, p: FloatArray) -> list[Any]:
    with np.errstate(divide="ignore"):
        return [p, np.log(p), *_normalizers_of_softmax(z)[0]] if p.shape[-1] > 1 else []


def _weights_by_softmax(p: FloatArray, came: FloatArray) -> FloatArray:
    """What each sample counts, as -y / p times it comes to p."""
    weights: FloatArray = -np.sum(came * p, axis=-1, keepdims=True)
    return weights


def _normalizers_of_logistic(z: Any) -> list[list[FloatArray]]:
    return [[np.logaddexp(0.0, z)], [np.logaddexp(0.0, -np.asarray(z))]]


def _traces_of_logistic(z: Any, p: FloatArray) -> list[Any]:
    return [p, *chain(*_normalizers_of_logistic(z)), -np.logaddexp(0.0, -np.asarray(z))]


def _weights_by_logistic(p: FloatArray, came: FloatArray) -> FloatArray:
    """What each sample counts, as -1 / p or 1 / (1 - p) times it comes to p."""
    return np.where(came < 0.0, -came * p, came * (1.0 - p))


@dataclass(frozen=True)
class _Link:
    """A function from logits to probabilities.

    Attributes
    ----------
    name : str
    value : callable
        Of the logits.
    traces : callable
        Values that a loss of it makes, of the logits and the probabilities.
    normalizers : callable
        Those of them that the gradient comes to with a sample's weight, of the logits: parts of the
        weight, and the forms of each.
    weights : callable
        The weights of the samples, of p and of what comes to p from a cross-entropy.
    """

    name: str
    value: Callable[[FloatArray], FloatArray]
    traces: Callable[[Any, FloatArray], list[Any]]
    normalizers: Callable[[Any], list[list[FloatArray]]]
    weights: Callable[[FloatArray, FloatArray], FloatArray]


_LINKS = (
    _Link("softmax", _softmax, _traces_of_softmax, _normalizers_of_softmax, _weights_by_softmax),
    _Link(
        "logistic function",
        _logistic,
        _traces_of_logistic,
        _normalizers_of_logistic,
        _weights_by_logistic,
    ),
)


class _Values:
    """The values of a run, to be looked up by what they are."""

    def __init__(self, study: Study) -> None:
        self._by_shape: dict[tuple[int, ...], list[tuple[int, Step]]] = {}
        self._order = {step: number for number, step in enumerate(study.steps)}
        for step, number in self._order.items():
            self._by_shape.setdefault(np.shape(step.value), []).append((number, step))

    def has(self, value: Any, since: Step) -> bool:
        """Whether a later step has made this value."""
        return self.made(value, since) is not None

    def made(self, value: Any, since: Step) -> Step | None:
        """The first later step that has made this value."""
        size = float(np.max(np.abs(value)))
        start = self._order[since]
        for number, step in self._by_shape.get(np.shape(value), []):
            if number > start and np.all(np.abs(step.value - value) <= _ALIKE * size):
                return step
        return None
