"""Running a plain-NumPy loss on traced arrays or on symbols."""
