"""How long tricheck takes, beside the loss itself and beside other checkers."""
