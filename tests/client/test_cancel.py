"""Cancelling: at any point of a job's way, and what becomes of messages before and after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matinv.client import Client, JobFailed
from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from matinv.local.samples import npy_bytes
from support.memory_service import MemoryService, general

GOOD = [[2.0, 0.0], [0.0, 4.0]]


@pytest.fixture
def service() -> MemoryService:
    return MemoryService()


@pytest.mark.parametrize("n", [3, 200], ids=["message", "file"])
def test_a_job_that_waits_is_cancelled_and_its_message_costs_one_read(
    service: MemoryService, n: int
) -> None:
    job = service.client.submit(general(n), job_id="a")
    assert service.client.cancel([job])["a"].status is Status.CANCELLED
    service.table.calls.clear()
    service.pass_time(2)
    assert service.table.calls == {"get": 1}
    assert service.store.calls["open"] == 0
    with pytest.raises(JobFailed, match="CANCELLED"):
        job.result()


@pytest.mark.parametrize("n", [3, 200], ids=["message", "file"])
def test_a_job_that_is_submitted_again_is_done(service: MemoryService, n: int) -> None:
    service.client.cancel([service.client.submit(general(n), job_id="a")])
    service.work()
    service.now_s += 1
    job = service.client.submit(general(n), job_id="a")
    assert job.wait().status is Status.SUCCEEDED


def test_a_file_that_nobody_has_seen_is_cancelled_and_a_newer_one_is_work(
    service: MemoryService,
) -> None:
    service.store.upload("fem/a.npy", [service_npy(2.0)], {})
    cancelled = service.client.cancel(["fem/a.npy"])["fem/a"]
    assert (cancelled.status, cancelled.run) == (Status.CANCELLED, "fem")
    service.now_s += 5  # S3 tells of it late
    service.work()
    assert service.table.records["fem/a"].status is Status.CANCELLED
    service.store.upload("fem/a.npy", [service_npy(4.0)], {})
    service.work()
    assert service.table.records["fem/a"].status is Status.SUCCEEDED


def test_what_has_ended_stays_and_what_nobody_knows_is_left_out(service: MemoryService) -> None:
    service.client.submit(GOOD, job_id="a").wait()
    found = service.client.cancel(["a", "never"])
    assert {name: record.status for name, record in found.items()} == {"a": Status.SUCCEEDED}


@pytest.mark.parametrize("moment", ["put:before", "put:after", "put_result:after"])
def test_a_job_is_cancelled_while_a_worker_writes(service: MemoryService, moment: str) -> None:
    """Of worker and canceller one writes the end, and the other one accepts it."""
    client = service.client
    client.submit(general(9), job_id="a", output="s3")
    port: Any = service.table if moment.startswith("put:") else service.store
    found: list[Status] = []

    def cancel(name: str) -> None:
        if name == moment and not found:
            found.append(Status.QUEUED)
            found[0] = client.cancel(["a"])["a"].status

    port.fail = cancel
    service.work()
    assert found == [Status.SUCCEEDED if moment == "put:after" else Status.CANCELLED]
    assert service.table.records["a"].status is found[0]
    assert service.queue.dead == []


def test_a_worker_that_is_always_faster_ends_in_an_error(service: MemoryService) -> None:
    service.client.submit(GOOD, job_id="a")

    def write_first(moment: str) -> None:
        if moment == "put:before":
            record = service.table.records["a"]
            service.table.records["a"] = replace(record, revision=record.revision + 1)

    service.table.fail = write_first
    with pytest.raises(Transient, match="changed during every attempt"):
        service.client.cancel(["a"])


def test_a_job_sent_over_an_older_one_is_cancelled_and_not_the_older_one(
    service: MemoryService,
) -> None:
    service.client.submit([[1.0, 2.0], [2.0, 4.0]], job_id="a").wait()
    again = service.client.submit(GOOD, job_id="a")
    assert service.client.cancel([again])["a"].status is Status.CANCELLED
    service.work()
    assert service.table.records["a"].status is Status.CANCELLED


def test_a_run_is_cancelled_but_for_what_has_ended(service: MemoryService) -> None:
    client = service.client
    client.submit(GOOD, job_id="done", run="fem").wait()
    for n in range(250):
        client.submit(np.diag([2.0, n + 1.0]), job_id=f"j{n}", run="fem")
    client.submit(GOOD, job_id="other", run="other")
    checks: list[int] = []
    assert client.cancel_run("fem", lambda: checks.append(1)) == 250
    assert len(checks) == 3
    service.work()
    assert client.table.run_summary("fem").counts == {Status.SUCCEEDED: 1, Status.CANCELLED: 250}
    assert client.table.run_summary("fem").failures == {}
    assert client.table.run_summary("other").counts == {Status.SUCCEEDED: 1}
    assert client.cancel_run("fem") == client.cancel_run("none") == 0


def test_the_client_in_memory_cancels_and_expires_as_aws_does() -> None:
    client = Client.in_memory()
    client.working = False
    client.submit(GOOD, job_id="cancelled")
    client.submit(general(200), job_id="file")
    client.submit(GOOD, job_id="late", expires_in_s=60)
    client.submit(GOOD, job_id="in time", expires_in_s=6000)
    client.cancel(["cancelled", "file"])
    client.sleep(100)
    client.work()
    assert client.job("cancelled").status() is Status.CANCELLED
    assert client.job("file").status() is Status.CANCELLED
    assert client.job("late").status() is Status.EXPIRED
    assert client.job("in time").status() is Status.SUCCEEDED
    record = client.records(["late"])["late"]
    assert record.error
    assert record.error.code == Code.EXPIRED


def service_npy(value: float) -> bytes:

    return npy_bytes(np.diag([value, 1.0]))
