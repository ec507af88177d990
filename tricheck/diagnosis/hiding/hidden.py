"""What a mistake that would change nothing is called, and how it is said to a person."""

from __future__ import annotations

import numpy as np

from tricheck.diagnosis.hiding.unseen import Kind, Trial
from tricheck.vocabulary import Cause

NAMES = {
    Kind.NOT_RUN: "untaken-branch",
    Kind.BRANCH: "untaken-branch",
    Kind.TRANSPOSE: "symmetric-weights",
    Kind.PATH: "hidden-path",
    Kind.FACTOR: "hidden-factor",
    Kind.OTHER_ARRAY: "equal-arrays",
}
CAUSES = {
    Kind.NOT_RUN: [Cause.UPSTREAM, Cause.ACTIVATION_DERIVATIVE],
    Kind.BRANCH: [Cause.ACTIVATION_DERIVATIVE, Cause.SIGN, Cause.ENTRIES],
    Kind.TRANSPOSE: [Cause.UPSTREAM],
    Kind.PATH: [Cause.UPSTREAM, Cause.REGULARIZER],
    Kind.FACTOR: [Cause.ACTIVATION_DERIVATIVE, Cause.UPSTREAM],
    Kind.OTHER_ARRAY: [Cause.CACHED_INPUT],
}


def words(trial: Trial) -> str:
    """What could be wrong without being seen: a sentence without its end."""
    site = trial.site
    operand, where = site.operand(trial.position), site.words
    if trial.kind is Kind.NOT_RUN:
        return f"The code at {where} is not run at this point, so its derivative is not checked"
    if trial.kind is Kind.BRANCH:
        return f"A branch of {where} is not taken at this point, so its derivative is not checked"
    if trial.kind is Kind.TRANSPOSE:
        other = site.operand(1 - trial.position)
        return f"{other} in {where} is symmetric, so going back through it untransposed would pass"
    if trial.kind is Kind.OTHER_ARRAY:
        other = site.operand(1 - trial.position)
        return (
            f"{trial.other} equals {other} at this point, and would pass for it in the gradient of "
            f"{operand} ({site.spot})"
        )
    return f"Nothing would change here if {_lost(trial)} were left out"


def _lost(trial: Trial) -> str:
    site = trial.site
    if trial.kind is Kind.PATH:
        return f"what comes back to {site.operand(trial.position)} through {site.words}"
    if site.function in (np.multiply, np.matmul, np.dot):
        return f"the factor {site.operand(1 - trial.position)} in {site.words}"
    return f"the derivative of {site.words}"
