"""Direct calls: the inverse or the error in the answer, a record only under a job id."""

from __future__ import annotations

from typing import Any

import pytest

from matinv import pipeline
from matinv.errors import Code, Misconfigured, Transient
from matinv.jobs.record import Status
from matinv.pipeline import Verdict, direct_call
from support.bodies import GOOD, INVERSE
from support.world import INPUTS, World


def call(world: World, event: Any) -> dict[str, Any]:
    asked = direct_call.call_of(event)
    deadline = pipeline.Deadline(lambda: world.remaining_s, 60.0)
    answer = pipeline.answer(world.app, asked.parsed, deadline, stored=asked.stored)
    world.report = answer.report
    found: dict[str, Any] = direct_call.reply(answer)
    return found


def test_call_is_answered_with_inverse_and_certificate(world: World) -> None:
    answer = call(world, {"matrix": GOOD})
    assert answer["inverse"] == INVERSE
    assert answer["certificate"]["residual"] < 1
    assert answer["certificate"]["checked"] == "full"


def test_call_without_job_id_leaves_no_trace(world: World) -> None:
    call(world, {"matrix": GOOD})
    call(world, {"matrix": [[0]]})
    assert not (world.table.calls + world.store.calls + world.queue.calls)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"matrix": [[1, 2], [2, 4]]}, "SINGULAR"),
        ({"matrix": [[1, 2], [3]]}, "RAGGED"),
        ({"matrix": [[float("nan")]]}, "NON_FINITE"),
        ({"matrix": [[float("inf")]]}, "NON_FINITE"),
        ({"matrix": [[None]]}, "BAD_FORMAT"),
        ({"matrix": [[2**53 + 1]]}, "PRECISION"),
        ({"matrix": [[2**70 + 1]]}, "PRECISION"),
        ({"matrix": GOOD, "unknown": 1}, "BAD_MESSAGE"),
        ({"job_id": "../x", "matrix": GOOD}, "BAD_JOB_ID"),
        ({"s3": {"bucket": INPUTS, "key": "a.npy"}}, "BAD_MESSAGE"),
        ({}, "BAD_MESSAGE"),
        ([], "BAD_MESSAGE"),
        (None, "BAD_MESSAGE"),
        ("hello", "BAD_MESSAGE"),
        ({"v": 2, "matrix": GOOD}, "UNSUPPORTED_VERSION"),
    ],
)
def test_bad_call_is_answered_with_its_code(world: World, event: Any, code: str) -> None:
    error = call(world, event)["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["retryable"] is False


def test_call_with_a_job_id_is_kept_like_any_job(world: World) -> None:
    answer = call(world, {"job_id": "kept", "matrix": GOOD})
    assert answer["job_id"] == "kept"
    assert world.inverse("kept") == INVERSE
    assert world.record("kept").status is Status.SUCCEEDED


def test_refused_call_with_a_job_id_is_kept_too(world: World) -> None:
    call(world, {"job_id": "bad", "matrix": [[0]]})
    call(world, {"job_id": "ragged", "matrix": [[1, 2], [3]]})
    assert world.error("bad") == Code.SINGULAR
    assert world.error("ragged") == Code.RAGGED


def test_call_that_lambda_repeats_answers_and_keeps_the_record(world: World) -> None:
    call(world, {"job_id": "twice", "matrix": GOOD})
    before = world.record("twice")
    world.now_s += 60
    assert call(world, {"job_id": "twice", "matrix": GOOD})["inverse"] == INVERSE
    assert world.record("twice") == before


def test_call_with_a_taken_job_id_is_refused(world: World) -> None:
    call(world, {"job_id": "taken", "matrix": GOOD})
    before = world.record("taken")
    error = call(world, {"job_id": "taken", "matrix": [[2]]})["error"]
    assert error["code"] == "JOB_ID_CONFLICT"
    assert world.record("taken") == before


def test_stack_is_answered_slice_by_slice(world: World) -> None:
    answer = call(world, {"matrix": [GOOD, [[1, 2], [2, 4]]]})
    assert answer["inverse"] == [INVERSE, None]
    assert answer["slices"]["failures"][0]["code"] == "SINGULAR"


def test_answer_above_six_megabytes_names_the_way_out(world: World) -> None:
    n = 600
    matrix = [[1 / (3 + abs(i - j)) + 9 * (i == j) for j in range(n)] for i in range(n)]
    assert call(world, {"matrix": matrix})["error"]["code"] == "TOO_LARGE"
    assert call(world, {"job_id": "large", "matrix": matrix})["error"]["code"] == "TOO_LARGE"
    assert world.record("large").status is Status.SUCCEEDED


def test_passing_fault_leaves_the_function_so_that_lambda_tries_again(world: World) -> None:
    def fail(operation: str) -> None:
        if operation == "put:before":
            raise Transient(Code.THROTTLED, "slow down")

    world.table.fail = fail
    with pytest.raises(Transient):
        call(world, {"job_id": "x", "matrix": GOOD})
    assert world.report is not None
    (outcome,) = world.report.outcomes
    assert (outcome.verdict, outcome.delivery.job_id) == (Verdict.RETRY, "x")
    assert outcome.error is not None
    assert outcome.error.code is Code.THROTTLED
    world.table.fail = None
    call(world, {"job_id": "x", "matrix": GOOD})
    assert world.record("x").status is Status.SUCCEEDED


def test_denied_table_counts_as_a_fault_of_configuration(world: World) -> None:
    def denied(operation: str) -> None:
        raise Misconfigured(Code.ACCESS_DENIED, "the table is denied")

    world.table.fail = denied
    with pytest.raises(Misconfigured):
        call(world, {"job_id": "x", "matrix": GOOD})
    assert world.report is not None
    assert [outcome.verdict for outcome in world.report.outcomes] == [Verdict.STOPPED]
