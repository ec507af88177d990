"""Correct models for what `examples/` does not show, to plant bugs in; one file each."""
