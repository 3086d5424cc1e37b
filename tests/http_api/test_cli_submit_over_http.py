"""The tests of `tests/cli` once more, with the API between command and service."""
# ruff: noqa: F403 - all of them, but for those that are named

from cli.test_cli_submit import *
