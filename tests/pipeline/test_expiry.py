"""A job that has not begun in time ends EXPIRED; one that has begun goes on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from matinv.linalg.inverse import Inverses
from matinv.pipeline import invert
from matinv.pipeline.outcome import Verdict
from matinv.testing.events import sqs_event
from support.memory_service import INPUTS, MemoryService

TWO = [[2, 0], [0, 4]]


def delivered_late(service: MemoryService, body: Any, seconds: float) -> list[int]:
    """Deliver a message that has waited for so long."""
    sent_at_s = service.now_s
    texts = [body if isinstance(body, str) else json.dumps(body)]

    service.event = sqs_event(texts, sent_at_ms=int(1000 * sent_at_s), first=service.delivered)
    service.delivered += 1
    service.now_s += seconds
    return service.deliver_again()


def test_a_message_that_waited_for_too_long_expires() -> None:
    service = MemoryService(topic=True)
    assert delivered_late(service, {"job_id": "a", "matrix": TWO, "expires_in_s": 60}, 60.5) == []
    record = service.record("a")
    assert (record.status, record.result) == (Status.EXPIRED, None)
    assert record.error
    assert record.error.code == Code.EXPIRED
    assert (record.error.observed, record.error.limit) == ("waited 60 s", "60 s")
    assert service.queue.dead == []  # nobody waits for it, nor has to fix it
    assert [event.attributes["status"] for event in service.events.published] == ["EXPIRED"]


@pytest.mark.parametrize("seconds", [0.0, 59.9, 60.0])
def test_one_that_comes_in_time_is_done(seconds: float) -> None:
    service = MemoryService()
    delivered_late(service, {"job_id": "a", "matrix": TWO, "expires_in_s": 60}, seconds)
    assert service.record("a").status is Status.SUCCEEDED


@pytest.mark.parametrize("key", ["a.npy", "a.json"])
def test_a_dropped_file_expires_by_its_metadata(key: str) -> None:
    service = MemoryService()
    content = np.diag([2.0, 4.0]) if key.endswith(".npy") else json.dumps(TWO).encode()
    delivered_late(service, service.drop(key, content, expires_in_s="60"), 61)
    assert service.record("a").status is Status.EXPIRED
    assert service.store.calls["put_result"] == 0


def test_a_file_of_text_expires_by_what_it_says_itself() -> None:
    service = MemoryService()
    file = json.dumps({"matrix": TWO, "expires_in_s": 60}).encode()
    delivered_late(service, service.drop("a.json", file), 61)
    assert service.record("a").status is Status.EXPIRED


def test_a_reference_expires_before_its_object_is_read() -> None:
    service = MemoryService()
    service.store.upload("a.npy", [b"nothing"], {})
    body = {"s3": {"bucket": INPUTS, "key": "a.npy"}, "expires_in_s": 60}
    delivered_late(service, body, 61)
    assert service.record("a").status is Status.EXPIRED
    assert service.store.calls["open"] == 0


def test_the_same_message_again_is_a_duplicate_and_another_one_is_work() -> None:
    service = MemoryService()
    body = {"job_id": "a", "matrix": TWO, "expires_in_s": 60}
    delivered_late(service, body, 61)
    service.deliver_again()
    assert service.report
    assert [outcome.verdict for outcome in service.report.outcomes] == [Verdict.DUPLICATE]
    service.deliver(body)
    assert service.record("a").status is Status.SUCCEEDED


def test_a_job_that_has_begun_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first attempt met a fault that passes, and its second comes after its time."""
    service = MemoryService()

    def throttled(moment: str) -> None:
        if moment == "put_result:before":
            raise Transient(Code.THROTTLED, "slow down")

    service.store.fail = throttled
    body = {"job_id": "a", "matrix": TWO, "output": "s3", "expires_in_s": 60}
    assert delivered_late(service, body, 30) == [0]
    assert service.record("a").status is Status.RETRYING
    service.store.fail = None
    service.now_s += 600
    assert service.deliver_again() == []
    assert service.record("a").status is Status.SUCCEEDED


def test_work_that_reads_its_file_twice_expires_at_the_beginning_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A method that cannot begin in place reads anew, by then perhaps after its time."""
    service = MemoryService()
    inverses = invert._timed_inverses

    def slow(*arguments: Any, **options: Any) -> Any:
        service.now_s += 600
        monkeypatch.setattr(Inverses, "overwritten", options["overwrite"])
        return inverses(*arguments, **options)

    monkeypatch.setattr(invert, "_timed_inverses", slow)
    delivered_late(service, service.drop("a.npy", np.diag([2.0, 4.0]), expires_in_s="60"), 30)
    assert service.store.calls["open"] == 2
    assert service.record("a").status is Status.SUCCEEDED


@pytest.mark.parametrize("value", [0, -1, 1.5, "60", 14 * 86_400 + 1, True])
def test_a_time_that_is_none_is_refused(value: Any) -> None:
    service = MemoryService()
    service.deliver({"job_id": "a", "matrix": TWO, "expires_in_s": value})
    assert service.error("a") == Code.BAD_MESSAGE


def test_the_time_is_no_part_of_the_question() -> None:
    service = MemoryService()
    for seconds in (60, 600):
        service.deliver({"matrix": TWO, "expires_in_s": seconds})
    assert len(service.table.records) == 1
