"""The tests of `tests/cli` once more, with the API between command and service."""
# ruff: noqa: F403, F821 - all of them, but for those that are named

from cli.test_cli_jobs import *

del test_status_as_json_says_all_that_the_record_says  # where small results are is the API's affair
