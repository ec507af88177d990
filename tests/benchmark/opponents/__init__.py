"""Other gradient checkers, each through its own public entry point."""
