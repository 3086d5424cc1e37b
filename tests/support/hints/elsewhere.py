"""Advice that no test of this kind can follow: who has to, and which test shows it, if one does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """Why a hint is not followed in `test_hints`; there are no other reasons."""

    AWS = "it needs AWS: a policy, a key or a role that an operator changes"
    WAIT = "nothing is to be done: the job comes again, which the named test shows"
    OPERATOR = "it tells an operator where to look"
    REPORT = "it asks for a report: matinv, or its machine, is at fault"
    SHOWN = "the named test follows it, with parts that this file has not"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A hint that is not followed here.

    Parameters
    ----------
    hint : str
        As `support.hints.texts` reads it.
    kind : Kind
        Why.
    test : str
        ``file::function`` below ``tests``, for `Kind.WAIT` and `Kind.SHOWN`.
    """

    hint: str
    kind: Kind
    test: str = ""


ELSEWHERE: Final = (
    Elsewhere(
        "an operator must check credentials, the role's policy and the MATINV_* settings: the "
        "table, queues and buckets that they name, and the region",
        Kind.AWS,
    ),
    Elsewhere(
        "allow the worker's role to use the object's key, or upload it without one", Kind.AWS
    ),
    Elsewhere(
        "check that the worker may send to it; the message stays on the jobs queue", Kind.AWS
    ),
    Elsewhere("check the worker's role", Kind.AWS),
    Elsewhere("read the worker's last lines on standard error", Kind.OPERATOR),
    Elsewhere("on Debian: apt-get install openmpi-bin libscalapack-openmpi2.2", Kind.OPERATOR),
    Elsewhere(
        "give the lane more memory, and send it again",
        Kind.SHOWN,
        "grid/test_ranks_at_work.py::test_a_rank_that_is_out_of_memory_ends_the_job_with_that_code",
    ),
    Elsewhere("this is a bug in matinv: see the worker's log for the traceback", Kind.REPORT),
    Elsewhere("report this", Kind.REPORT),
    Elsewhere("report it with the matrix; `matinv dlq redrive` tries it again", Kind.REPORT),
    Elsewhere(
        "nothing to do: it is delivered again",
        Kind.WAIT,
        "pipeline/test_attempt.py::"
        "test_job_longer_than_the_rest_of_the_invocation_waits_for_the_next",
    ),
    Elsewhere(
        "nothing to do: the job is delivered again",
        Kind.WAIT,
        "linalg/test_inverse_gates.py::test_what_fails_twice_is_transient",
    ),
    Elsewhere(
        "nothing to do: it is read and inverted again",
        Kind.WAIT,
        "pipeline/test_retry.py::"
        "test_matrix_that_elimination_cannot_invert_is_read_again_and_inverted_at_once",
    ),
    Elsewhere(
        "nothing to do: it is tried again later",
        Kind.WAIT,
        "pipeline/test_retry.py::test_last_receive_says_failed_and_still_returns_the_message",
    ),
    Elsewhere(
        "nothing to do: it is tried again later, and more slowly",
        Kind.WAIT,
        "pipeline/test_retry.py::test_throttled_store_puts_the_job_off_with_growing_delay",
    ),
    Elsewhere(
        "nothing to do: it is read again",
        Kind.WAIT,
        "pipeline/test_retry.py::test_an_object_that_ends_early_is_read_again",
    ),
    Elsewhere(
        "run: pip install 'matinv[{}]'",
        Kind.SHOWN,
        "cli/test_cli_app.py::test_missing_click_is_said_in_one_line",
    ),
    Elsewhere(
        "jobs that were submitted go on",
        Kind.SHOWN,
        "cli/test_cli_jobs.py::test_ctrl_c_exits_130_and_says_that_jobs_go_on",
    ),
    Elsewhere(
        "start a stack with `matinv local up`, or name a deployed one: matinv --stack",
        Kind.SHOWN,
        "cli/test_cli_env.py::test_file_of_outputs_names_the_stack",
    ),
    Elsewhere(
        "name a file with the output of terraform output -json",
        Kind.SHOWN,
        "cli/test_cli_env.py::test_file_of_outputs_names_the_stack",
    ),
    Elsewhere(
        "correct that, or name a file with the output of terraform output -json",
        Kind.SHOWN,
        "cli/test_cli_env.py::test_error_of_terraform_is_repeated_on_one_line",
    ),
    Elsewhere(
        "the local stack has ended, so the settings of this shell are stale: start `matinv local "
        "up` again, and source its new --env-file",
        Kind.SHOWN,
        "local/test_stack.py::test_a_stack_that_has_ended_is_named_and_a_new_one_serves",
    ),
    Elsewhere(
        "choose another --port",
        Kind.SHOWN,
        "console/test_command.py::test_a_port_that_is_taken_is_said_and_another_one_serves",
    ),
    Elsewhere(
        "the lines above say why; a port may be taken: choose another --port",
        Kind.SHOWN,
        "local/test_supervisor.py::test_a_port_that_is_taken_is_said_and_another_one_serves",
    ),
    Elsewhere(
        "give the lane more memory, or split the stack, and send it again",
        Kind.SHOWN,
        "operations/test_again.py::test_after_the_cause_is_gone_the_job_works_again",
    ),
    Elsewhere(
        "upload it again, under a key of its own",
        Kind.SHOWN,
        "backends/aws/test_s3_bodies.py::test_what_was_overwritten_is_read_under_a_key_of_its_own",
    ),
    Elsewhere(
        "choose another job id",
        Kind.SHOWN,
        "backends/http/test_http_store.py::test_an_upload_that_lost_a_race_is_a_conflict",
    ),
)
