"""Correct models in other styles, to plant the bugs of `fresh` in."""
