"""Correct models in other styles, for the bugs that the diagnosis has not seen."""
