"""Direct calls: the inverse or the error in the answer, a record only under a job id."""

from __future__ import annotations

from typing import Any

import pytest

from matinv import pipeline
from matinv.errors import Code, Misconfigured, Transient
from matinv.jobs.record import Status
from matinv.pipeline import Verdict, direct_call
from support.bodies import GOOD, INVERSE
from support.memory_service import INPUTS, MemoryService


def call(service: MemoryService, event: Any) -> dict[str, Any]:
    asked = direct_call.call_of(event)
    deadline = pipeline.Deadline(lambda: service.remaining_s, 60.0)
    answer = pipeline.answer(service.app, asked.parsed, deadline, stored=asked.stored)
    service.report = answer.report
    found: dict[str, Any] = direct_call.reply(answer)
    return found


def test_call_is_answered_with_inverse_and_certificate(service: MemoryService) -> None:
    answer = call(service, {"matrix": GOOD})
    assert answer["inverse"] == INVERSE
    assert answer["certificate"]["residual"] < 1
    assert answer["certificate"]["checked"] == "full"


def test_call_without_job_id_leaves_no_trace(service: MemoryService) -> None:
    call(service, {"matrix": GOOD})
    call(service, {"matrix": [[0]]})
    assert not (service.table.calls + service.store.calls + service.queue.calls)


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
def test_bad_call_is_answered_with_its_code(service: MemoryService, event: Any, code: str) -> None:
    error = call(service, event)["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["retryable"] is False


def test_call_with_a_job_id_is_kept_like_any_job(service: MemoryService) -> None:
    answer = call(service, {"job_id": "kept", "matrix": GOOD})
    assert answer["job_id"] == "kept"
    assert service.inverse("kept") == INVERSE
    assert service.record("kept").status is Status.SUCCEEDED


def test_refused_call_with_a_job_id_is_kept_too(service: MemoryService) -> None:
    call(service, {"job_id": "bad", "matrix": [[0]]})
    call(service, {"job_id": "ragged", "matrix": [[1, 2], [3]]})
    assert service.error("bad") == Code.SINGULAR
    assert service.error("ragged") == Code.RAGGED


def test_call_that_lambda_repeats_answers_and_keeps_the_record(service: MemoryService) -> None:
    call(service, {"job_id": "twice", "matrix": GOOD})
    before = service.record("twice")
    service.now_s += 60
    assert call(service, {"job_id": "twice", "matrix": GOOD})["inverse"] == INVERSE
    assert service.record("twice") == before


def test_call_with_a_taken_job_id_is_refused(service: MemoryService) -> None:
    call(service, {"job_id": "taken", "matrix": GOOD})
    before = service.record("taken")
    error = call(service, {"job_id": "taken", "matrix": [[2]]})["error"]
    assert error["code"] == "JOB_ID_CONFLICT"
    assert service.record("taken") == before


def test_stack_is_answered_slice_by_slice(service: MemoryService) -> None:
    answer = call(service, {"matrix": [GOOD, [[1, 2], [2, 4]]]})
    assert answer["inverse"] == [INVERSE, None]
    assert answer["slices"]["failures"][0]["code"] == "SINGULAR"


def test_answer_above_six_megabytes_names_the_way_out(service: MemoryService) -> None:
    n = 600
    matrix = [[1 / (3 + abs(i - j)) + 9 * (i == j) for j in range(n)] for i in range(n)]
    assert call(service, {"matrix": matrix})["error"]["code"] == "TOO_LARGE"
    assert call(service, {"job_id": "large", "matrix": matrix})["error"]["code"] == "TOO_LARGE"
    assert service.record("large").status is Status.SUCCEEDED


def test_passing_fault_leaves_the_function_so_that_lambda_tries_again(
    service: MemoryService,
) -> None:
    def fail(operation: str) -> None:
        if operation == "put:before":
            raise Transient(Code.THROTTLED, "slow down")

    service.table.fail = fail
    with pytest.raises(Transient):
        call(service, {"job_id": "x", "matrix": GOOD})
    assert service.report is not None
    (outcome,) = service.report.outcomes
    assert (outcome.verdict, outcome.delivery.job_id) == (Verdict.RETRY, "x")
    assert outcome.error is not None
    assert outcome.error.code is Code.THROTTLED
    service.table.fail = None
    call(service, {"job_id": "x", "matrix": GOOD})
    assert service.record("x").status is Status.SUCCEEDED


def test_denied_table_counts_as_a_fault_of_configuration(service: MemoryService) -> None:
    def denied(operation: str) -> None:
        raise Misconfigured(Code.ACCESS_DENIED, "the table is denied")

    service.table.fail = denied
    with pytest.raises(Misconfigured):
        call(service, {"job_id": "x", "matrix": GOOD})
    assert service.report is not None
    assert [outcome.verdict for outcome in service.report.outcomes] == [Verdict.STOPPED]
