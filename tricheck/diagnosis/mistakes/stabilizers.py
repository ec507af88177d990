"""What a loss computes with but does not depend on, such as the maximum that a softmax subtracts.

On the right way back its parts cancel, so nobody goes back through it by hand; after a mistake they
would not, and so they are left out before one is made.
"""

from __future__ import annotations

import numpy as np

from tricheck.diagnosis.mistakes.mistake import without
from tricheck.diagnosis.mistakes.reductions import EXTREMES
from tricheck.diagnosis.mistakes.sites import sites
from tricheck.tracing.study import Edits, Study
from tricheck.tracing.tape import Edit, Step

_ROUNDING = 2.0**10 * float(np.finfo(np.float64).eps)


def stabilizers(study: Study) -> Edits:
    """Nothing goes back through the extremes without which the gradient is the same."""
    right = study.gradient()
    allowed = _ROUNDING * float(np.max(np.abs(right), initial=0.0))
    edits: dict[Step, Edit] = {}
    for site in sites(study):
        if site.turn or site.function not in EXTREMES:
            continue
        cut = {step: without(0) for step in site.steps}
        if np.all(np.abs(study.gradient(cut) - right) <= allowed):
            edits |= cut
    return edits
