"""The command line: one thin command for each function of the library."""

from fidgety.cli.main import main

__all__ = ["main"]
