"""Three gradients, one verdict: tells who is wrong when a gradient check fails.

Examples
--------
>>> import numpy as np
>>> import tricheck
>>> report = tricheck.check(lambda x: np.sum(x**3), lambda x: 3 * x**2, np.array([1.0, 2.0]))
>>> report.verdict
<Verdict.AGREE: 'agree'>
"""

from tricheck.check import assert_gradients, check
from tricheck.errors import ModelError, TraceError
from tricheck.model import Model
from tricheck.report import GradientMismatch, Report
from tricheck.sources.autograd import autograd
from tricheck.sources.jax import jax
from tricheck.sources.sympy import sympy
from tricheck.sources.torch import torch
from tricheck.sweep import sweep
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
