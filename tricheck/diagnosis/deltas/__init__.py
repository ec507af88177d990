"""Intermediate gradients that a backward pass shows, beside the right ones."""
