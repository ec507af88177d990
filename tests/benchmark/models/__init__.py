"""Hand-written models, each with the mistakes that can be planted in its backward pass."""
