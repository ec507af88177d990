"""Models with a correct hand-written backward pass, each checked by running its file."""
