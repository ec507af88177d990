"""Are finite differences honest about their own error, and at what cost?

`python -m tests.calibration` prints a row for each class of loss.
"""
