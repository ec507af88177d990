"""Why the reference is wrong, or speaks of another loss."""

from __future__ import annotations

import numpy as np

from tricheck.facts import Evidence
from tricheck.parameters import Index
from tricheck.vocabulary import Cause, Finding, Severity, Source


def diagnose(evidence: Evidence, blamed: dict[str, list[Index]]) -> list[Finding]:
    """Findings on the reference: another loss first, then the blamed parameters."""
    reference = evidence.reference
    if reference is None:
        return []
    findings = []
    if not reference.faithful and not evidence.point.spread:
        findings.append(
            Finding(
                Cause.DIFFERENT_LOSS,
                f"The reference ({reference.method}) computes another loss than the model: the "
                "values differ at the point or beside it. Mend that before reading its gradient.",
                Source.REFERENCE,
                severity=Severity.ERROR if blamed else Severity.WARNING,
            )
        )
        return findings
    for name, entries in blamed.items():
        leaf = next(leaf for leaf in evidence.parameters.leaves if leaf.name == name)
        finite = bool(np.all(reference.finite[leaf.place]))
        cause = Cause.UNKNOWN if finite else Cause.NON_FINITE
        message = (
            f"The reference ({reference.method}) differs from backprop and the finite difference, "
            "which agree."
            if finite
            else "The reference is not finite where the loss and the other sources are."
        )
        findings.append(Finding(cause, message, Source.REFERENCE, name, entries))
    return findings
