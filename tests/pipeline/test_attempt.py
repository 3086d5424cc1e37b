"""Deadlines: the work that does not fit into an invocation is handed back."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.jobs import lanes
from matinv.jobs.lanes import IDLE_BYTES, MARGIN_S, Lane
from matinv.jobs.limits import predict
from matinv.jobs.record import Status
from support.bodies import SINGULAR, job
from support.memory_service import STANDARD, MemoryService


def test_no_time_left_on_entry_returns_everything_without_a_call(service: MemoryService) -> None:
    service.remaining_s = 0.5
    assert service.deliver(job("a"), job("b")) == [0, 1]
    assert not (service.table.calls + service.queue.calls + service.store.calls)


def test_too_little_time_hands_back_at_once_without_delay(service: MemoryService) -> None:
    service.remaining_s = 1.5
    assert service.deliver(job("a")) == [0]
    assert [seconds for _, seconds in service.queue.delays] == [0]
    assert service.table.get(["a"]) == {}


def test_job_longer_than_the_rest_of_the_invocation_waits_for_the_next(
    service: MemoryService,
) -> None:
    service.remaining_s = 2.5
    event = service.drop("big.npy", np.broadcast_to(np.float64(1), (2500, 2500)))
    assert service.deliver(event, job("small")) == [0]
    assert service.record("small").status is Status.SUCCEEDED


def test_job_that_waited_for_memory_until_the_time_was_over_waits_for_the_next() -> None:
    one = predict((200, 200), np.dtype(float)).memory_bytes
    memory_mb = (IDLE_BYTES + one * 3 // 2) // 2**20
    service = MemoryService(lane=replace(STANDARD, memory_mb=memory_mb))
    events = [service.drop(f"{n}.npy", np.eye(200)) for n in range(2)]
    both_opened = Barrier(2, timeout=60)

    def slow(operation: str) -> None:
        if operation == "open:after":
            both_opened.wait()
        if operation == "put_result:before":
            service.remaining_s = MARGIN_S - 0.1

    service.store.fail = slow
    assert len(service.deliver(*events)) == 1
    assert len([uri for uri in service.store.uris() if uri.startswith("s3://results/")]) == 1


def absorbing(n: int) -> np.ndarray[Any, Any]:
    """Return a matrix with kappa_1 = 2 n in which elimination meets a zero pivot."""
    a = np.eye(n) - np.tril(np.ones((n, n)), -1)
    a[:, -2:], a[-1, -1] = 1, -1
    return a.T.copy()


INVERSION_S = predict((128, 128), np.dtype(float)).seconds


@pytest.mark.parametrize("larger", [None, lanes.large("large-queue")], ids=["last", "not last"])
def test_time_for_one_inversion_where_two_are_needed_ends_or_goes_to_the_larger_lane(
    larger: Lane | None,
) -> None:
    service = MemoryService(lane=replace(STANDARD, next=larger))
    service.total_s = service.remaining_s = MARGIN_S + 1.5 * INVERSION_S
    assert service.deliver(service.drop("a.npy", absorbing(128))) == []
    if larger:
        assert [d.job_id for d in service.queue.forwarded["large-queue"]] == ["a"]
        return
    assert service.error("a") == Code.TOO_LARGE
    error = service.record("a").error
    assert error
    assert "its inverse in its own memory failed the check" in error.message
    service.total_s = service.remaining_s = MARGIN_S + 2.5 * INVERSION_S
    assert service.deliver(service.drop("b.npy", absorbing(128))) == []
    assert service.error("b") == Code.SINGULAR  # no time for QR: no fault of a machine


def test_second_inversion_that_comes_too_late_waits_for_an_invocation_that_has_time_for_both(
    service: MemoryService,
) -> None:
    def late(operation: str) -> None:
        if operation == "open:before" and service.store.calls["open"] == 2:
            service.remaining_s = MARGIN_S + INVERSION_S / 2

    service.store.fail = late
    assert service.deliver(service.drop("a.npy", absorbing(128))) == [0]
    assert service.table.get(["a"]) == {}
    service.remaining_s = 60.0
    assert service.deliver_again() == []
    assert service.record("a").status is Status.SUCCEEDED


@pytest.mark.parametrize("dead", ["get:before", "put:before", "dead_letter:before", "delay:before"])
def test_service_that_never_answers_does_not_keep_the_invocation(
    service: MemoryService, dead: str
) -> None:
    answered = Event()

    def never(operation: str) -> None:
        if operation == dead:
            service.remaining_s = 0.0  # as much time as there was
            assert answered.wait(60)
            raise Transient(Code.STORAGE, "the read timed out")

    for port in (service.table, service.queue):
        port.fail = never
    # Just enough to begin, so that the test is short; or too little, so that all is put off.
    service.remaining_s = 1.5 if dead == "delay:before" else MARGIN_S + 0.1
    try:
        assert service.deliver(job("a"), job("bad", SINGULAR)) in ([0, 1], [1])
    finally:
        answered.set()
    for port in (service.table, service.queue):
        port.fail = None
    service.remaining_s = 60.0
    # The same messages: others, a thread that answers late may follow with its news of the first.
    assert service.deliver_again() == []
    assert service.record("a").status is Status.SUCCEEDED
    assert service.error("bad") == Code.SINGULAR
