"""A job that failed for want of memory or of a sound worker works again once the cause is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest import mock

import numpy as np
import pytest

from matinv import isolation, pipeline
from matinv.errors import Code, Refused
from matinv.jobs import intake
from matinv.jobs.record import Status
from matinv.local.samples import npy_bytes
from matinv.pipeline import invert
from matinv.testing.events import sqs_event
from support.api_server import ApiServer
from support.hints.ways import ran
from support.memory_service import INPUTS, STANDARD, MemoryService, general

_TINY: Final = replace(STANDARD, memory_mb=172)  # 12 MiB for jobs
_LARGE: Final = general(1200)
_SMALL: Final = general(3)


@dataclass
class _Dying:
    """A child process that every message ends."""

    def attempt(self, record: intake.Record, deadline: pipeline.Deadline) -> bool:
        raise isolation.Died(Refused(Code.WORKER_CRASHED, "it crashed", "report it"), 0)

    def stop(self) -> None:
        pass


@dataclass
class _Context:
    aws_request_id: str = "request"
    memory_limit_in_mb: int | str = 1769

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def _crash(service: MemoryService) -> None:
    """Do what a worker does whose child ends on each message, at its second receive."""
    bodies = [*service.queue.sent, *service.store.notifications]
    service.queue.sent.clear()
    service.store.notifications.clear()
    event = sqs_event(bodies, receive_count=2, first=service.delivered)
    service.delivered += len(bodies)
    isolation.process(service.app, event, _Context(), lambda _: _Dying())


@contextmanager
def _in(trouble: Code, service: MemoryService) -> Iterator[Callable[[], None]]:
    """Let a worker be in trouble for the block; yield what makes it do all that is on the queue."""
    lane = service.app.lane
    with ExitStack() as held:
        match trouble:
            case Code.TOO_LARGE:
                service.app = replace(service.app, lane=_TINY)
            case Code.OUT_OF_MEMORY:
                held.enter_context(mock.patch.object(invert, "invert", side_effect=MemoryError))
        yield (lambda: _crash(service)) if trouble is Code.WORKER_CRASHED else service.work
    service.app = replace(service.app, lane=lane)


def _move_back(service: MemoryService, send: Callable[[], None]) -> None:
    """Press "Start DLQ redrive" in the console of SQS."""
    letters = list(service.queue._letters.values())
    service.queue._letters.clear()
    for letter in letters:
        service.attributes = {
            name: {"stringValue": text, "dataType": "String"}
            for name, text in letter.attributes.items()
        }
        service.deliver(letter.body)


def _command(service: MemoryService, send: Callable[[], None]) -> None:
    assert ran(service.client, ["dlq redrive --job-id a"], {}) == ""


def _http(service: MemoryService, send: Callable[[], None]) -> None:
    assert ApiServer(service).post("/jobs/a/redrive").status == 202


def _send(service: MemoryService, send: Callable[[], None]) -> None:
    send()


WAYS: Final = {
    "console": _move_back,
    "command": _command,
    "http": _http,
    "sent again": _send,
}


def _sender(service: MemoryService, how: str, matrix: Any) -> Callable[[], None]:
    """Return what sends a job ``a``, the same one each time."""

    def dropped() -> None:
        service.store.upload("a.npy", [npy_bytes(matrix)], {})

    def referred() -> None:
        service.queue.send(f'{{"job_id": "a", "s3": {{"bucket": "{INPUTS}", "key": "x.npy"}}}}')

    def posted() -> None:
        body = {"job_id": "a", "matrix": matrix.tolist()}
        assert ApiServer(service).post("/jobs", body).status == 202

    def submitted() -> None:
        service.client.submit(matrix, job_id="a")

    if how == "reference":
        service.store.upload("x.npy", [npy_bytes(matrix)], {})
        service.store.notifications.clear()
    return {"file": dropped, "reference": referred, "http": posted, "client": submitted}[how]


@pytest.mark.parametrize("how", ["file", "reference", "http", "client"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "trouble",
    [pytest.param(Code.TOO_LARGE, marks=pytest.mark.deep), Code.OUT_OF_MEMORY, Code.WORKER_CRASHED],
)
def test_after_the_cause_is_gone_the_job_works_again(trouble: Code, way: str, how: str) -> None:
    matrix = _LARGE if trouble is Code.TOO_LARGE else _SMALL
    if trouble is Code.TOO_LARGE and how == "http":
        how = "file"  # no lane is so small that what fits a request does not fit it
    service = MemoryService()
    send = _sender(service, how, matrix)
    with _in(trouble, service) as work:
        send()
        work()
        assert service.error("a") == trouble
        assert len(service.queue._letters) == 1
        if way != "console":
            WAYS[way](service, send)  # too early: it fails again, and leaves a letter again
            work()
            assert service.error("a") == trouble
    WAYS[way](service, send)
    service.work()
    record = service.record("a")
    assert record.status is Status.SUCCEEDED, record.error
    assert np.allclose(service.client.job("a").result() @ matrix, np.eye(len(matrix)))
    assert way == "sent again" or not service.queue._letters


def test_a_stack_that_took_too_much_memory_is_split() -> None:
    stack = np.stack([general(3, seed) for seed in range(4)])
    whole = invert.invert

    def hungry(array: Any, *arguments: Any, **options: Any) -> Any:
        if array.ndim == 3 and len(array) > 2:
            raise MemoryError
        return whole(array, *arguments, **options)

    service = MemoryService()
    with mock.patch.object(invert, "invert", hungry):
        service.client.submit(stack, job_id="whole").wait()
        assert service.error("whole") == Code.OUT_OF_MEMORY
        halves = [service.client.submit(half) for half in (stack[:2], stack[2:])]
        service.work()
        found = np.concatenate([half.result() for half in halves])
    assert np.allclose(found @ stack, np.eye(3))
