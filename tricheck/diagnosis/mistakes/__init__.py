"""Derivation errors, made on purpose on the way back through a trace of the loss.

A gradient that equals the one a certain mistake leads to is consistent with that mistake; a mistake
that changes nothing at a point cannot be seen there.
"""
