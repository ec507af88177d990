"""`python -m tricheck` is the command line."""

from tricheck.cli import main

main()
