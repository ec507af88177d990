"""What a point hides: mistakes that would change nothing there."""
