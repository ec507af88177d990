"""Least squares with honest errors: every error that the slack allows is allowed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tricheck.diagnosis.relations.block import Block
from tricheck.parameters import FloatArray

_COLLINEAR = 1e-8


class Factor(NamedTuple):
    """A constant factor, and how far off it can be."""

    value: float
    error: float


class Fit(NamedTuple):
    """What a least-squares fit has found.

    Attributes
    ----------
    coefficients, errors : ndarray, shape (k,)
        How far off a coefficient can be if the relation holds within the slack.
    prediction, tolerance : ndarray, in the block's shape
        How far off the prediction can be then.
    """

    coefficients: FloatArray
    errors: FloatArray
    prediction: FloatArray
    tolerance: FloatArray

    def widened(self, factor: float) -> Fit:
        """The same fit, for a slack so many times as wide."""
        return self._replace(errors=factor * self.errors, tolerance=factor * self.tolerance)

    def holds(self, block: Block, target: FloatArray) -> bool:
        """Whether nothing is left of the target beyond the tolerance."""
        left = np.where(block.known, np.abs(target - self.prediction), 0.0)
        return bool(np.all(left <= self.tolerance))


def fit(block: Block, target: FloatArray, *columns: FloatArray) -> Fit | None:
    """The combination of columns that is nearest the target, in units of the block's slack.

    None where the columns cannot be told apart, or there are more of them than entries.
    """
    known = block.known & np.isfinite(target)
    slack = block.slack[known]
    A = np.stack([column[known] / slack for column in columns], axis=1)
    b = target[known] / slack
    if len(b) < len(columns) or not (np.all(np.isfinite(A)) and np.all(np.isfinite(b))):
        return None
    norms = np.linalg.norm(A, axis=0)
    if not (np.all(norms > 0.0) and np.all(np.isfinite(norms))):
        return None
    Q, R = np.linalg.qr(A / norms)
    if np.min(np.abs(np.diag(R))) < _COLLINEAR:
        return None
    inverse = np.linalg.inv(R)
    coefficients = inverse @ (Q.T @ b) / norms
    # Each entry may be off by its slack: a vector of length √n at most, in units of it.
    farthest = np.sqrt(len(b))
    errors = farthest * np.linalg.norm(inverse, axis=1) / norms
    tolerance = np.full(block.slack.shape, np.inf)
    tolerance[known] = slack * (1.0 + farthest * np.linalg.norm(Q, axis=1))
    prediction = sum(c * column for c, column in zip(coefficients, columns, strict=True))
    return Fit(coefficients, errors, np.asarray(prediction), tolerance)


def factor_of(block: Block) -> Factor | None:
    """The factor that explains a block; None where no constant other than 0 and 1 does."""
    found = fit(block, block.backprop, block.truth)
    if found is None:
        return None
    [factor], [error] = found.coefficients, max(1.0, abs(found.coefficients[0])) * found.errors
    fitted = Factor(float(factor), float(error))
    if not holds(block, fitted) or min(abs(factor - 1.0), abs(factor)) <= error:
        return None
    return fitted


def data_factor_of(block: Block) -> Factor | None:
    """The factor of the data term in a block whose weight decay has another one."""
    found = fit(block, block.backprop, block.truth, block.weights)
    if found is None or not found.holds(block, block.backprop):
        return None
    factor, error = float(found.coefficients[0]), float(found.errors[0])
    error *= max(1.0, abs(factor))
    return Factor(factor, error) if min(abs(factor - 1.0), abs(factor)) > error else None


def times(block: Block, factor: Factor) -> tuple[FloatArray, FloatArray]:
    """The right gradient times a factor, and how far backprop may be from that."""
    slack = max(1.0, abs(factor.value)) * block.slack
    return factor.value * block.truth, slack + factor.error * np.abs(block.truth)


def holds(block: Block, factor: Factor) -> bool:
    """Whether backprop is a factor times the right gradient."""
    prediction, tolerance = times(block, factor)
    return bool(np.all((np.abs(block.backprop - prediction) <= tolerance) | ~block.known))
