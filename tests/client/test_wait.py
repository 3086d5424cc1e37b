"""Waiting: how often the table is read, when it ends, and for which jobs."""

from __future__ import annotations

import numpy as np
import pytest

from matinv.client import (
    Client,
    Mode,
    NotFinished,
    NotFound,
    Superseded,
    TimedOut,
)
from matinv.jobs.record import Record, Status
from support.memory_service import MemoryService, general


def test_one_read_serves_all_jobs_of_a_round(service: MemoryService, client: Client) -> None:
    jobs = [client.submit(k * np.eye(2), job_id=f"j{k}") for k in range(1, 121)]
    service.table.calls.clear()
    records = client.wait(jobs)
    assert len(records) == 120
    looks = len(service.pauses) + 1
    # The worker reads once for its batch, too.
    assert service.table.calls["get"] <= looks + 2


def test_pauses_grow_up_to_a_limit(service: MemoryService, client: Client) -> None:
    service.working = False
    client.submit(np.eye(2), job_id="a")
    with pytest.raises(TimedOut):
        client.job("a").wait(timeout_s=120)
    assert service.pauses[0] == pytest.approx(0.1)
    assert max(service.pauses) == pytest.approx(5.0)
    assert sum(service.pauses) == pytest.approx(120)
    assert service.pauses[:-1] == sorted(service.pauses[:-1])


def test_timeout_names_the_jobs_that_go_on(service: MemoryService, client: Client) -> None:
    done = client.submit(np.eye(2), job_id="done")
    done.wait()
    service.working = False
    client.submit(np.eye(3), job_id="late")
    with pytest.raises(TimedOut) as caught:
        client.wait(["done", "late"], timeout_s=3)
    assert caught.value.job_ids == ("late",)
    assert caught.value.records["done"].status is Status.SUCCEEDED
    assert "3 s" in str(caught.value)


def test_zero_timeout_looks_once(service: MemoryService, client: Client) -> None:
    client.submit(np.eye(2), job_id="a")
    with pytest.raises(TimedOut):
        client.job("a").wait(timeout_s=0)
    assert service.pauses == []


def test_any_returns_with_the_first_that_ends(service: MemoryService, client: Client) -> None:
    client.submit(np.eye(2), job_id="first").wait()
    service.working = False
    client.submit(np.eye(3), job_id="second")
    service.pauses.clear()
    records = client.wait(["first", "second"], mode=Mode.ANY)
    assert {i: r.status for i, r in records.items()} == {"first": "SUCCEEDED", "second": "QUEUED"}
    assert service.pauses == []


def test_unknown_id_is_not_found_after_a_grace_in_which_a_producer_s_message_may_arrive(
    service: MemoryService, client: Client
) -> None:
    with pytest.raises(NotFound):
        client.job("typo").wait()
    assert 30 <= sum(service.pauses) < 40

    def produce() -> None:
        if sum(service.pauses) > 80:
            service.queue.send('{"job_id": "typo", "matrix": [[2]]}')

    service.pauses.clear()
    service.on_sleep = produce
    with pytest.raises(NotFound):
        client.job("typo").wait(timeout_s=10)
    service.now_s += 100
    service.queue.send('{"job_id": "typo", "matrix": [[2]]}')
    assert client.job("typo").wait().status is Status.SUCCEEDED


def test_unknown_id_does_not_end_the_waiting_for_others(
    service: MemoryService, client: Client
) -> None:
    service.working = False
    client.submit(np.eye(2), job_id="slow")

    def late() -> None:
        service.working = sum(service.pauses) > 60

    service.on_sleep = late
    with pytest.raises(NotFound) as caught:
        client.wait(["slow", "typo"])
    assert caught.value.job_ids == ("typo",)
    assert caught.value.records["slow"].status is Status.SUCCEEDED


def test_changes_are_reported_once_each(service: MemoryService, client: Client) -> None:
    seen: list[tuple[str, Status]] = []

    def note(record: Record) -> None:
        seen.append((record.job_id, record.status))

    service.working = False
    client.submit(np.eye(2), job_id="a")
    service.on_sleep = lambda: setattr(service, "working", len(service.pauses) > 3)
    client.wait(["a", "a"], on_change=note)
    assert seen == [("a", Status.QUEUED), ("a", Status.SUCCEEDED)]


def test_waiting_for_nothing_is_over_at_once(client: Client) -> None:
    assert client.wait([]) == {}


def test_newer_upload_is_waited_for_although_the_older_has_ended(
    service: MemoryService, client: Client
) -> None:
    old = client.submit(general(200), job_id="same")
    old.wait()
    new = client.submit(2 * general(200), job_id="same", replace=True)
    assert new.status() is Status.QUEUED
    with pytest.raises(NotFinished):
        new.result()
    new.wait()
    np.testing.assert_allclose(new.result(verify=True), old.client.job("same").result())
    np.testing.assert_allclose(2 * new.result() @ general(200), np.eye(200), atol=1e-12)
    with pytest.raises(Superseded):
        old.result()
    assert old.wait().status is Status.SUCCEEDED
