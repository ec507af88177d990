"""What tricheck raises when it cannot check."""

from __future__ import annotations


class ModelError(ValueError):
    """The model breaks its contract: the message names what came, what was expected, what to do."""


class TraceError(ModelError):
    """The requested reference cannot be had: the message names file, line and operation."""
