"""The command line: `poptrain run`, `resume`, `status`, `best` and the others; one file for each command.

Modules are imported with the command that needs them, so that `poptrain --help` answers at once.
"""

from poptrain.cli.app import main

__all__ = ["main"]
