"""scipy's functions trace to the derivatives of what they compute."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.test_tracing import MN, POSITIVE, SPD, A, M, V, differences, traced

pytest.importorskip("scipy", reason="scipy is not installed")
import scipy.linalg
import scipy.signal
from scipy import special
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logsumexp

KERNEL = np.array([[1.0, -2.0], [0.5, 0.3]])


def convolved(mode: str) -> Callable[[Any], Any]:
    return lambda w: scipy.signal.convolve(w, KERNEL, mode=mode)


CASES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    **{name: (getattr(special, name), V / 2.0) for name in (
        "expit", "log_expit", "erf", "erfc", "erfcx", "ndtr", "log_ndtr", "i0", "i0e", "j0", "j1",
        "exprel", "expm1", "exp2", "exp10", "cbrt", "rgamma",
    )},
    **{name: (getattr(special, name), POSITIVE) for name in (
        "gamma", "gammaln", "loggamma", "digamma", "psi", "entr", "log1p",
    )},
    **{name: (getattr(special, name), POSITIVE / 3.0) for name in ("logit", "erfinv", "ndtri")},
    "from scipy.special import": (lambda w: expit(w) + logsumexp(w), V),
    "logsumexp": (lambda w: special.logsumexp(w), MN),
    "logsumexp axis": (lambda w: special.logsumexp(w, axis=1, keepdims=True), MN),
    "logsumexp weights": (lambda w: special.logsumexp(w, axis=0, b=np.abs(MN)), MN),
    "softmax": (lambda w: special.softmax(w, axis=-1), MN),
    "softmax of all": (lambda w: special.softmax(w), MN),
    "log_softmax": (lambda w: special.log_softmax(w, axis=1), MN),
    "xlogy": (lambda w: special.xlogy(POSITIVE, w), POSITIVE),
    "xlogy first": (lambda w: special.xlogy(w, 2.0), POSITIVE),
    "xlog1py": (lambda w: special.xlog1py(2.0, w), POSITIVE),
    "rel_entr": (lambda w: special.rel_entr(w, POSITIVE[::-1]), POSITIVE),
    "kl_div": (lambda w: special.kl_div(POSITIVE, w), POSITIVE),
    "huber": (lambda w: special.huber(1.0, w), V),
    "beta": (lambda w: special.beta(w, 2.0), POSITIVE),
    "betaln": (lambda w: special.betaln(2.0, w), POSITIVE),
    "polygamma": (lambda w: special.polygamma(1, w), POSITIVE),
    "math.lgamma": (lambda w: math.lgamma(w[0]) + math.gamma(w[1]), POSITIVE),
    "solve": (lambda w: scipy.linalg.solve(w, V[:3]), M),
    "solve pos": (lambda w: scipy.linalg.solve(w @ w.T + np.eye(3), V[:3], assume_a="pos"), M),
    "inv": (lambda w: scipy.linalg.inv(w), M),
    "det": (lambda w: scipy.linalg.det(w), M),
    "norm": (lambda w: scipy.linalg.norm(w), M),
    "cholesky": (lambda w: scipy.linalg.cholesky(w @ w.T + np.eye(3)), M),
    "cholesky lower": (lambda w: scipy.linalg.cholesky(w, lower=True), SPD),
    "cholesky reads the upper triangle": (lambda w: scipy.linalg.cholesky(w), SPD),
    "cho_solve": (lambda w: cho_solve(cho_factor(w @ w.T + np.eye(3)), V[:3]), M),
    "cho_solve lower": (
        lambda w: cho_solve(cho_factor(w @ w.T + np.eye(3), lower=True), V[:3]), M
    ),
    "cho_solve right side": (lambda w: cho_solve(cho_factor(SPD), w), V[:3]),
    "solve_triangular": (lambda w: scipy.linalg.solve_triangular(w, V[:3], lower=True), SPD),
    "solve_triangular upper trans": (
        lambda w: scipy.linalg.solve_triangular(w, A, trans="T"), SPD
    ),
    "solve_triangular unit": (
        lambda w: scipy.linalg.solve_triangular(w, V[:3], lower=True, unit_diagonal=True), SPD
    ),
    "expm": (lambda w: scipy.linalg.expm(w), M),
    **{f"convolve {mode}": (convolved(mode), M)
       for mode in ("full", "same", "valid")},
    "convolve2d": (lambda w: scipy.signal.convolve2d(A, w, mode="valid"), KERNEL),
    "correlate2d": (lambda w: scipy.signal.correlate2d(w, KERNEL, mode="valid"), M),
    "fftconvolve": (lambda w: scipy.signal.fftconvolve(w, V, mode="same"), V),
    "correlate 1d": (lambda w: scipy.signal.correlate(w, V[:2], mode="same"), V),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_scipy_traces_to_extrapolated_differences(name: str) -> None:
    function, x = CASES[name]
    assert traced(function, x) == pytest.approx(differences(function, x), rel=3e-8, abs=3e-9)
