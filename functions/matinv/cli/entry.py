"""The entry point of the `matinv` script."""

from __future__ import annotations


def main() -> None:
    """Run the command line: the entry point of the `matinv` script."""
    import sys  # noqa: PLC0415 - see matinv.cli

    try:
        from matinv.cli.app import cli  # noqa: PLC0415 - click is an extra; see matinv.cli
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("matinv: MISSING: click is not installed; run: pip install 'matinv[cli]'")
    cli()
