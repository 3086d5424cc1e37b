"""The order of writes when jobs are submitted, and a fault at each of them."""

from __future__ import annotations

import numpy as np
import pytest

from matinv.client import (
    Client,
    prepare,
)
from matinv.errors import Code, MatinvError, Refused, Transient
from matinv.jobs.record import Status
from support.memory_service import MemoryService, general


def test_same_array_twice_is_one_job_and_is_not_sent_again(
    service: MemoryService, client: Client
) -> None:
    client.submit(np.eye(3)).wait()
    again = client.submit(np.eye(3))
    assert again.had_ended
    assert service.queue.sent == []
    assert again.result().tolist() == np.eye(3).tolist()


def test_job_that_still_waits_is_sent_again_because_duplicates_are_harmless(
    service: MemoryService, client: Client
) -> None:
    client.submit(np.eye(3))
    job = client.submit(np.eye(3))
    assert not job.had_ended
    assert len(service.queue.sent) == 2
    assert job.wait().status is Status.SUCCEEDED


def test_other_input_under_the_same_job_id_is_refused_before_it_is_sent(
    service: MemoryService, client: Client
) -> None:
    client.submit(np.eye(3), job_id="mine").wait()
    for other in (2 * np.eye(3), general(200)):
        with pytest.raises(Refused) as caught:
            client.submit(other, job_id="mine")
        assert caught.value.code is Code.JOB_ID_CONFLICT
    assert service.queue.sent == []
    assert service.store.uris() == []


def test_record_says_queued_at_once_and_as_the_worker_will_know_the_input(
    service: MemoryService, client: Client
) -> None:
    job = client.submit(np.eye(2), job_id="a")
    queued = service.table.records["a"]
    assert (queued.status, queued.revision) == (Status.QUEUED, 1)
    assert job.wait().input.id == queued.input.id
    assert job.record().revision == 2


def test_message_is_sent_first_so_that_a_crash_before_the_record_loses_nothing(
    service: MemoryService, client: Client
) -> None:
    def crash(moment: str) -> None:
        if moment == "put:before":
            raise KeyboardInterrupt

    service.table.fail = crash
    with pytest.raises(KeyboardInterrupt):
        client.submit(np.eye(2), job_id="a")
    service.table.fail = None
    assert client.job("a").wait().status is Status.SUCCEEDED


def test_table_that_cannot_be_written_does_not_fail_what_was_sent(
    service: MemoryService, client: Client
) -> None:
    def throttle(moment: str) -> None:
        if moment == "put:before":
            raise Transient(Code.THROTTLED, "too fast")

    service.table.fail = throttle
    job = client.submit(np.eye(2))
    assert len(service.queue.sent) == 1
    service.table.fail = None
    assert job.wait().status is Status.SUCCEEDED


def test_message_that_could_not_be_sent_leaves_no_record(
    service: MemoryService, client: Client
) -> None:
    def break_(moment: str) -> None:
        if moment == "send:before":
            raise Transient(Code.STORAGE, "the queue is away")

    service.queue.fail = break_
    with pytest.raises(Transient):
        client.submit(np.eye(2))
    assert service.table.records == {}


def test_one_that_cannot_be_sent_leaves_the_others_alone(
    service: MemoryService, client: Client
) -> None:
    client.submit(np.eye(2), job_id="taken").wait()
    submissions = [
        prepare(k * np.eye(3), job_id) for k, job_id in enumerate(("a", "taken", "b"), 1)
    ]
    a, taken, b = client.send(submissions)
    assert isinstance(taken, MatinvError)
    assert not isinstance(a, MatinvError)
    assert not isinstance(b, MatinvError)
    assert {r.status for r in client.wait([a, b]).values()} == {Status.SUCCEEDED}
