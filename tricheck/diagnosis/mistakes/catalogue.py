"""All the mistakes that are tried, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tricheck.diagnosis.mistakes import (
    branches,
    iterations,
    links,
    loops,
    paths,
    products,
    reductions,
    scatter,
    slopes,
    values,
)
from tricheck.diagnosis.mistakes.mistake import Mistake
from tricheck.diagnosis.mistakes.sites import Site, sites
from tricheck.diagnosis.mistakes.terms import Around
from tricheck.tracing.study import Study


def catalogue(
    study: Study, gradients: dict[str, Any] | None = None, *, turns: bool = True
) -> Iterator[Mistake]:
    """Mistakes at every operation of a run.

    Parameters
    ----------
    study : Study
    gradients : dict of str to ndarray, optional
        What a step of gradient descent would change the parameters by.
    turns : bool
        Whether the turns of a loop are tried one by one, too.
    """
    every = sites(study)
    whole = [site for site in every if not site.turn]
    activations, functions, arithmetic = slopes.mistakes(study)
    yield from activations
    yield from links.mistakes(study, [site for site in every if not site.alone])
    yield from values.held_constant(study, whole)
    around = Around.of(study)
    yield from _of_paths(study, whole, around)
    yield from functions
    yield from _of_factors(study, whole, whole, around)
    yield from values.constant(study, whole)
    yield from iterations.mistakes(study, whole)
    yield from loops.mistakes(study, whole)
    yield from slopes.elsewhere(study, whole)
    yield from arithmetic
    for site in whole:
        yield from paths.replaced(study, site, whole)
    if gradients is not None:
        for site in every:
            yield from products.updated(study, site, gradients)
    if turns:
        single = [site for site in every if site.turn]
        yield from _of_paths(study, single, around)
        yield from _of_factors(study, single, every, around)


def _of_paths(study: Study, some: list[Site], around: Around) -> Iterator[Mistake]:
    for site in some:
        yield from paths.left_out(study, site, around)
        yield from products.untransposed(study, site)
        yield from products.turned(study, site)
        yield from scatter.overwritten(study, site)
        yield from branches.branches(study, site)
        yield from reductions.unreduced(study, site)
        yield from reductions.spread(study, site)


def _of_factors(
    study: Study, some: list[Site], others: list[Site], around: Around
) -> Iterator[Mistake]:
    for site in some:
        yield from paths.factor_left_out(study, site, around)
        yield from products.wrong_factor(study, site, others, around)
        yield from paths.dropped(study, site)
