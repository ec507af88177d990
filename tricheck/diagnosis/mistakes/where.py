"""Where on the way back a gradient goes wrong, from which parameters are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tricheck.diagnosis.mistakes.sites import Site, sites
from tricheck.diagnosis.mistakes.terms import terms_of
from tricheck.tracing.study import Study
from tricheck.tracing.tape import Step, Storage

_HANDED_ON = (np.add, np.subtract, np.copy)
_MOST_NAMES = 4


@dataclass(frozen=True)
class Where:
    """Between which operations of the loss a gradient goes wrong, going backward.

    Attributes
    ----------
    own : bool
        It is in the parameter's own formula: what comes back to where it is used is right.
    words : str
        A clause for a person.
    spot : str
        Like ``model.py:12``, where the parameter is used.
    """

    own: bool
    words: str
    spot: str


def locate(study: Study, wrong: frozenset[str], right: frozenset[str]) -> dict[str, Where]:
    """Where each wrong parameter's gradient goes wrong, as far as the right ones tell.

    Parameters
    ----------
    study : Study
    wrong, right : frozenset of str
        Parameters; those of which nothing is known are in neither.
    """
    uses = uses_of(study)
    sound = _sound(study, uses, right)
    site_of = _site_of(study)
    known = wrong | right
    found = {}
    upstream = []
    for name in sorted(wrong & uses.keys(), key=lambda name: -_last(study, uses[name])):
        if all(step.outs[0] in sound for step in uses[name]):
            site = site_of[uses[name][-1]]
            told = "is right, as far as the right parameters tell"
            words = f"what comes back to {site.words} {told}: look at {name}'s own formula"
            found[name] = Where(True, words, site.spot)
        else:
            upstream.append(name)
    if upstream and (frontier := _frontier(study, uses, upstream, sound)):
        came_from, first = frontier
        downstream = [n for n in sorted(right) if all(s.outs[0] in sound for s in uses.get(n, []))]
        side = f"{_listed(downstream)} right and " if downstream else ""
        words = (
            f"with {side}{_listed(upstream)} wrong, the error enters on the way back from "
            f"{came_from} to {site_of[first].words}: consistent with a path or a factor that is "
            "lost there, or a wrong derivative"
        )
        if len(known) > len(upstream):
            found |= {name: Where(False, words, site_of[first].spot) for name in upstream}
    return found


def uses_of(study: Study) -> dict[str, list[Step]]:
    """The steps that read each parameter itself, but for terms of its own, such as weight decay."""
    terms = terms_of(study)
    names = dict(zip(study.roots, (leaf.name for leaf in study.parameters.leaves), strict=True))
    uses: dict[str, list[Step]] = {}
    for step in study.steps:
        for place in step.places:
            if place.storage in names and step not in terms:
                uses.setdefault(names[place.storage], []).append(step)
    return uses


def _sound(study: Study, uses: dict[str, list[Step]], right: frozenset[str]) -> set[Storage]:
    """Memory whose gradient must be right for the right parameters to be right."""
    sound = {step.outs[0] for name in right for step in uses.get(name, [])}
    for step in study.steps:
        if any(place.storage in sound for place in step.places):
            sound.update(step.outs)
    for step in reversed(study.steps):
        handed_on = step.note is not None and step.note.function in _HANDED_ON
        if handed_on and step.outs[0] in sound:  # a sum gives its gradient to both sides
            sound.update(place.storage for place in step.places)
    return sound - set(study.roots)


def _frontier(
    study: Study, uses: dict[str, list[Step]], names: list[str], sound: set[Storage]
) -> tuple[str, Step] | None:
    """The last operation gone back through rightly; the first use that gets a wrong gradient."""
    unsound = [step for name in names for step in uses[name] if step.outs[0] not in sound]
    if not unsound:
        return None
    order = {step: number for number, step in enumerate(study.steps)}
    first = max(unsound, key=lambda step: order[step])
    # Downstream of that use, the first operations whose results are known to be right.
    reached = {first.outs[0]}
    for step in study.steps[order[first] + 1 :]:
        if not any(place.storage in reached for place in step.places):
            continue
        if step.outs[0] in sound:
            return _site_of(study)[step].words, first
        reached.update(step.outs)
    return "the loss", first


def _last(study: Study, steps: list[Step]) -> int:
    return max(study.steps.index(step) for step in steps)


def _site_of(study: Study) -> dict[Step, Site]:
    """The first site of every step, which is the widest."""
    found: dict[Step, Site] = {}
    for site in sites(study):
        for step in site.steps:
            found.setdefault(step, site)
    return found


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
