"""How well mistakes are named: injected bugs, and correct models that must not be accused."""
