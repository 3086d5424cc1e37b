"""The tests of `tests/cli` once more, with the API between command and service."""
# ruff: noqa: F403, F821 - all of them, but for those that are named

from cli.test_cli_result import *

del test_url_of_a_stored_result  # the URL is another one: test_cli_over_http.py
del test_verify_reads_the_uploaded_input  # the API shows no inputs: test_cli_over_http.py
