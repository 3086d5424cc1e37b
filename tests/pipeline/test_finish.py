"""Bad messages become dead letters, and never hurt their neighbours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from support.bodies import GOOD, SINGULAR, job
from support.memory_service import INPUTS, MemoryService


def dead_codes(service: MemoryService) -> list[str]:
    return [letter.error_code for letter in service.queue.dead]


BAD = {
    "garbage": ("hello", "BAD_MESSAGE"),
    "bad id": ({"job_id": "../../x", "matrix": GOOD}, "BAD_JOB_ID"),
    "singular": (job("bad-1", SINGULAR), "SINGULAR"),
    "ragged": (job("bad-2", [[1, 2], [3]]), "RAGGED"),
    "overflow": (job("bad-3", [[5e-324, 0], [0, 1]]), "OVERFLOW"),
    "foreign bucket": ({"job_id": "bad-4", "s3": {"bucket": "x", "key": "k.npy"}}, "FORBIDDEN_REF"),
    "results bucket": (
        {"job_id": "bad-5", "s3": {"bucket": "results", "key": "k.npy"}},
        "FORBIDDEN_REF",
    ),
    "gone": ({"job_id": "bad-6", "s3": {"bucket": INPUTS, "key": "none.npy"}}, "INPUT_GONE"),
    "no extension": ({"job_id": "bad-7", "s3": {"bucket": INPUTS, "key": "none"}}, "BAD_FORMAT"),
    "not spd": (job("bad-8", [[1, 2], [2, 1]], method="spd"), "NOT_POSITIVE_DEFINITE"),
    "ill conditioned": (
        job("bad-9", [[1, 1], [1, 1 + 2**-40]], on_ill_conditioned="fail"),
        "ILL_CONDITIONED",
    ),
    "version": ({"v": 99, "matrix": GOOD}, "UNSUPPORTED_VERSION"),
}


@pytest.mark.parametrize("position", [0, 4, 9])
@pytest.mark.parametrize("name", BAD)
def test_bad_message_fails_alone_and_is_acknowledged(
    service: MemoryService, name: str, position: int
) -> None:
    body, code = BAD[name]
    batch: list[Any] = [job(f"good-{i}", [[1, i], [3, 4 + 3 * i]]) for i in range(9)]
    batch.insert(position, body)
    assert service.deliver(*batch) == []
    assert all(service.record(f"good-{i}").status is Status.SUCCEEDED for i in range(9))
    assert dead_codes(service) == [code]
    letter = service.queue.dead[0]
    assert service.error(letter.delivery.job_id) == code
    assert letter.delivery.body == (body if isinstance(body, str) else json.dumps(body))


def test_batch_of_only_bad_messages_is_reported_whole(service: MemoryService) -> None:
    assert service.deliver(*(body for body, _ in BAD.values())) == []
    assert sorted(dead_codes(service)) == sorted(code for _, code in BAD.values())


def test_same_bad_message_delivered_again_is_buried_once(service: MemoryService) -> None:
    service.deliver(job("bad", SINGULAR))
    service.deliver_again()
    assert dead_codes(service) == ["SINGULAR"]


def test_dead_letter_queue_that_cannot_be_written_keeps_the_message(service: MemoryService) -> None:
    def fail(operation: str) -> None:
        if operation == "dead_letter:before":
            raise Transient(Code.ACCESS_DENIED, "no")

    service.queue.fail = fail
    assert service.deliver(job("bad", SINGULAR), job("good")) == [0]
    assert service.record("bad").status is Status.RETRYING
    service.queue.fail = None
    assert service.deliver(job("bad", SINGULAR), receive_count=2) == []
    assert dead_codes(service) == ["SINGULAR"]
