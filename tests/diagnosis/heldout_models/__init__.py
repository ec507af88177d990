"""Correct models of further fields, for the bugs that the diagnosis has not seen."""
