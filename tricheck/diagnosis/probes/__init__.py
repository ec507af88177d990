"""What a few more calls of backprop show: what it remembers, whether it is a gradient at all."""
