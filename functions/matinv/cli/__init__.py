"""The `matinv` command."""
