"""The `matinv` command.

Importing this package loads nothing else, and `matinv --help` loads click alone: numpy, botocore,
pydantic and rich take ten times as long as the help text. A command's module is imported when the
command is called.
"""


def main() -> None:
    """Run the command line: the entry point of the `matinv` script."""
    import sys  # noqa: PLC0415 - see the module's docstring

    try:
        from matinv.cli.app import cli  # noqa: PLC0415 - click is an extra; see the docstring
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("matinv: MISSING: click is not installed; run: pip install 'matinv[cli]'")
    cli()
