"""`Client.in_memory`: the real worker in the process of a user's tests."""

from __future__ import annotations

import doctest
import subprocess
import sys
import threading

import numpy as np
import pytest

from matinv import Client, Code, JobFailed, Refused, Status, TimedOut, Transient
from matinv.client import client as module
from support.memory_service import general


def test_its_docstring_is_true() -> None:
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(Client.in_memory.__func__, "in_memory", globs={"Client": Client})  # type: ignore[attr-defined]
    assert doctest.DocTestRunner().run(example).failed == 0
    assert module.Client is Client


@pytest.mark.parametrize("n", [3, 300], ids=["message", "file"])
def test_a_job_has_ended_when_it_was_sent_and_its_result_is_verified(n: int) -> None:
    client = Client.in_memory()
    job = client.submit(general(n), job_id="mine")
    assert job.status() is Status.SUCCEEDED
    np.testing.assert_allclose(job.result(verify=general(n)) @ general(n), np.eye(n), atol=1e-10)
    assert [record.job_id for record in client.list("succeeded")] == ["mine"]


def test_two_services_know_nothing_of_each_other() -> None:
    Client.in_memory().submit([[1.0]], job_id="mine")
    assert Client.in_memory().records(["mine"]) == {}


def test_a_singular_matrix_fails_as_it_does_on_aws() -> None:
    client = Client.in_memory()
    job = client.submit([[1.0, 2.0], [2.0, 4.0]])
    with pytest.raises(JobFailed, match="SINGULAR"):
        job.result()
    assert [letter.error_code for letter in client.memory_queue.dead] == ["SINGULAR"]


def test_a_job_that_expired_is_done_when_it_is_sent_again() -> None:
    client = Client.in_memory()
    client.working = False
    job = client.submit([[2.0]], job_id="mine", expires_in_s=60)
    client.sleep(61)
    client.work()
    assert job.status() is Status.EXPIRED
    client.working = True
    assert client.submit([[2.0]], job_id="mine", expires_in_s=60).status() is Status.SUCCEEDED


def test_without_a_worker_jobs_wait_and_nobody_else_does() -> None:
    client = Client.in_memory()
    client.working = False
    job = client.submit([[2.0]])
    assert job.status() is Status.QUEUED
    with pytest.raises(TimedOut):
        job.wait(timeout_s=60)
    client.work()
    assert job.result().tolist() == [[0.5]]


def test_a_part_that_fails_once_puts_the_job_off_and_it_is_done_when_waited_for() -> None:
    client = Client.in_memory()
    left = [1]

    def once(moment: str) -> None:
        if moment == "open:before" and left:
            left.pop()
            raise Transient(Code.THROTTLED, "too many requests")

    client.memory_store.fail = once
    job = client.submit(general(300))
    assert not job.status().terminal
    assert job.wait().status is Status.SUCCEEDED
    assert job.record().attempts == 2


def test_a_part_that_always_fails_ends_in_the_dead_letters() -> None:
    client = Client.in_memory()

    def broken(moment: str) -> None:
        if moment == "open:before":
            raise Transient(Code.STORAGE, "no answer")

    client.memory_store.fail = broken
    job = client.submit(general(300))
    record = job.wait()
    assert (record.status, record.attempts) == (Status.FAILED, 5)
    assert record.error
    assert record.error.code == "STORAGE"
    assert len(client.memory_queue.receive_dead(10, 60)) == 1


def test_what_the_client_refuses_is_not_sent() -> None:
    client = Client.in_memory()
    with pytest.raises(Refused, match="NOT_SQUARE"):
        client.submit([[1.0, 2.0]])
    assert not client.memory_queue.calls["send"]


def test_no_thread_is_started_and_nothing_of_aws_is_loaded() -> None:
    before = threading.active_count()
    Client.in_memory().submit([[2.0]]).wait()
    assert threading.active_count() == before
    program = (
        "import sys; from matinv import Client; Client.in_memory().submit([[2.0]]).result();"
        "assert not {'botocore', 'boto3', 'moto'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
