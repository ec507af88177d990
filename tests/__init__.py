"""Tests of tricheck."""
