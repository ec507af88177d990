"""The same models, each with one realistic bug planted in its backward pass."""
