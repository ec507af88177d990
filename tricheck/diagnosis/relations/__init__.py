"""Relations that a wrong gradient has to the right one, told from the arrays alone."""
