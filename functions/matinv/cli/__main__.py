"""``python -m matinv.cli`` is the `matinv` command."""

from matinv.cli import main

main()
