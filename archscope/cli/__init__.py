"""The command line: a thin shell over the library; each command is a file, imported when it is called."""

from archscope.cli.main import main

__all__ = ["main"]
