"""The `matinv` command.

Importing this package loads nothing else, and `matinv --help` loads click alone: numpy, botocore,
pydantic and rich take ten times as long as the help text. A command's module is imported when the
command is called.
"""

from matinv.cli.entry import main

__all__ = ["main"]
