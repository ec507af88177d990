"""Held out."""

from tests.diagnosis.bug import Bug

FRESH: list[Bug] = []
