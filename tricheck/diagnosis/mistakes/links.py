"""Mistakes around softmax and the logistic function at the end of a classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricheck.diagnosis.mistakes.mistake import Mistake, after, times
from tricheck.diagnosis.mistakes.sites import Site
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Computed, Edit, Place, Step
from tricheck.vocabulary import Cause

_ALIKE = 1e-9


def mistakes(study: Study, every: list[Site]) -> Iterator[Mistake]:
    """Wrong backward passes of every softmax or logistic function of some logits."""
    later = _Values(study)
    for site in every:
        if not all(isinstance(step, Computed) and np.ndim(step.value) for step in site.steps):
            continue
        for name, link, traces in _LINKS:
            outputs = [link(np.asarray(step.value, dtype=np.float64)) for step in site.steps]
            pairs = list(zip(site.steps, outputs, strict=True))
            if not all(any(later.has(t, step) for t in traces(step.value, p)) for step, p in pairs):
                continue
            yield _at_logits(study, site, name, pairs)
            if all(later.made(p, step) is not None for step, p in pairs):
                yield from _of_jacobian(
                    study, site, name, [(s, later.made(p, s), p) for s, p in pairs]
                )


def _at_logits(
    study: Study, site: Site, name: str, pairs: list[tuple[Step, FloatArray]]
) -> Mistake:
    return Mistake(
        Cause.ACTIVATION_DERIVATIVE,
        "extra-derivative",
        f"the gradient of {site.words} is multiplied by p (1 - p) once more, p its {name}",
        "p - y is already the gradient of the cross-entropy in the logits",
        site.spot,
        {step: after(times(p * (1.0 - p))) for step, p in pairs},
        study.through(*(step for step, _ in pairs)),
    )


def _of_jacobian(
    study: Study, site: Site, name: str, found: list[tuple[Step, Any, FloatArray]]
) -> Iterator[Mistake]:
    wrong: list[tuple[str, str, Callable[[FloatArray], FloatArray]]] = [
        ("jacobian-diagonal", "only the diagonal p (1 - p) is kept", lambda p: p * (1.0 - p)),
        ("jacobian-left-out", "nothing is kept (1 in its place)", np.ones_like),
        ("jacobian-factor", "only the factor p is kept", lambda p: p),
    ]
    offered = [
        (kind, words, {made: _straight(Place(step.outs[0]), slope(p)) for step, made, p in found})
        for kind, words, slope in wrong
    ]
    if name == "softmax":
        axis = {made: _wrong_axis(Place(step.outs[0]), p) for step, made, p in found}
        offered.append(("jacobian-axis", "the sum is taken over the batch, not the classes", axis))
    for kind, words, edits in offered:
        yield Mistake(
            Cause.ACTIVATION_DERIVATIVE if kind == "jacobian-left-out" else Cause.UPSTREAM,
            kind,
            f"of the derivative of the {name} p of {site.words} {words}",
            "the gradient in the logits is p (g - sum(g p)) for what comes back as g",
            site.spot,
            edits,
            study.through(*(step for step, _, _ in found)),
        )


def _wrong_axis(place: Place, p: FloatArray) -> Edit:
    """The sum of the Jacobian over the batch, where it is over the classes."""

    def edit(gradient: Any, *_: Any) -> Any:
        return [(place, p * (gradient - np.sum(gradient * p, axis=0, keepdims=True)))]

    return edit


def _straight(place: Place, slope: FloatArray) -> Edit:
    def edit(gradient: Any, *_: Any) -> Any:
        return [(place, gradient * slope)]

    return edit


def _softmax(z: FloatArray) -> FloatArray:
    shifted = np.exp(z - np.max(z, axis=-1, keepdims=True))
    p: FloatArray = shifted / np.sum(shifted, axis=-1, keepdims=True)
    return p


def _logistic(z: FloatArray) -> FloatArray:
    p: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * z))
    return p


def _traces_of_softmax(z: Any, p: FloatArray) -> list[Any]:
    with np.errstate(divide="ignore"):
        log_sum = np.max(z, axis=-1) + np.log(
            np.sum(np.exp(z - np.max(z, axis=-1, keepdims=True)), axis=-1)
        )
        return [p, np.log(p), log_sum, log_sum[..., np.newaxis]] if p.shape[-1] > 1 else []


def _traces_of_logistic(z: Any, p: FloatArray) -> list[Any]:
    return [
        p,
        np.logaddexp(0.0, z),
        np.logaddexp(0.0, -np.asarray(z)),
        -np.logaddexp(0.0, -np.asarray(z)),
    ]


_LINKS = (
    ("softmax", _softmax, _traces_of_softmax),
    ("logistic function", _logistic, _traces_of_logistic),
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
