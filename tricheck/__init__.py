"""Three gradients, one verdict: tells who is wrong when a gradient check fails.

Examples
--------
>>> import numpy as np
>>> import tricheck
>>> report = tricheck.check(lambda x: np.sum(x**3), lambda x: 3 * x**2, np.array([1.0, 2.0]))
>>> report.verdict
<Verdict.AGREE: 'agree'>
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tricheck.checking import assert_gradients, check
    from tricheck.errors import ModelError, TraceError
    from tricheck.model import Model
    from tricheck.report import GradientMismatch, Report
    from tricheck.sources.autograd import autograd
    from tricheck.sources.jax import jax
    from tricheck.sources.sympy import sympy
    from tricheck.sources.torch import torch
    from tricheck.sweeping import sweep
    from tricheck.vocabulary import Verdict

__all__ = [
    "GradientMismatch",
    "Model",
    "ModelError",
    "Report",
    "TraceError",
    "Verdict",
    "assert_gradients",
    "autograd",
    "check",
    "jax",
    "sweep",
    "sympy",
    "torch",
]

# Loaded when they are asked for: importing tricheck alone does not even import numpy.
_HOMES = {
    "GradientMismatch": "tricheck.report",
    "Model": "tricheck.model",
    "ModelError": "tricheck.errors",
    "Report": "tricheck.report",
    "TraceError": "tricheck.errors",
    "Verdict": "tricheck.vocabulary",
    "assert_gradients": "tricheck.checking",
    "autograd": "tricheck.sources.autograd",
    "check": "tricheck.checking",
    "jax": "tricheck.sources.jax",
    "sweep": "tricheck.sweeping",
    "sympy": "tricheck.sources.sympy",
    "torch": "tricheck.sources.torch",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
