"""Why: causes with their evidence, one file per culprit, and what the run could not see."""
