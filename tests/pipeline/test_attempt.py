"""Deadlines: the work that does not fit into an invocation is handed back."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Event

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.jobs.lanes import IDLE_BYTES, MARGIN_S
from matinv.jobs.limits import predict
from matinv.jobs.record import Status
from support.bodies import SINGULAR, job
from support.world import STANDARD, World


def test_no_time_left_on_entry_returns_everything_without_a_call(world: World) -> None:
    world.remaining_s = 0.5
    assert world.deliver(job("a"), job("b")) == [0, 1]
    assert not (world.table.calls + world.queue.calls + world.store.calls)


def test_too_little_time_hands_back_at_once_without_delay(world: World) -> None:
    world.remaining_s = 1.5
    assert world.deliver(job("a")) == [0]
    assert [seconds for _, seconds in world.queue.delays] == [0]
    assert world.table.get(["a"]) == {}


def test_job_longer_than_the_rest_of_the_invocation_waits_for_the_next(world: World) -> None:
    world.remaining_s = 2.5
    event = world.drop("big.npy", np.broadcast_to(np.float64(1), (2500, 2500)))
    assert world.deliver(event, job("small")) == [0]
    assert world.record("small").status is Status.SUCCEEDED


def test_job_that_waited_for_memory_until_the_time_was_over_waits_for_the_next() -> None:
    one = predict((200, 200), np.dtype(float)).memory_bytes
    memory_mb = (IDLE_BYTES + one * 3 // 2) // 2**20
    world = World.make(lane=replace(STANDARD, memory_mb=memory_mb))
    events = [world.drop(f"{n}.npy", np.eye(200)) for n in range(2)]
    both_opened = Barrier(2, timeout=60)

    def slow(operation: str) -> None:
        if operation == "open:after":
            both_opened.wait()
        if operation == "put_result:before":
            world.remaining_s = MARGIN_S - 0.1

    world.store.fail = slow
    assert len(world.deliver(*events)) == 1
    assert len([uri for uri in world.store.uris() if uri.startswith("s3://results/")]) == 1


@pytest.mark.parametrize("dead", ["get:before", "put:before", "dead_letter:before", "delay:before"])
def test_service_that_never_answers_does_not_keep_the_invocation(world: World, dead: str) -> None:
    answered = Event()

    def never(operation: str) -> None:
        if operation == dead:
            world.remaining_s = 0.0  # as much time as there was
            assert answered.wait(60)
            raise Transient(Code.STORAGE, "the read timed out")

    for port in (world.table, world.queue):
        port.fail = never
    # Just enough to begin, so that the test is short; or too little, so that all is put off.
    world.remaining_s = 1.5 if dead == "delay:before" else MARGIN_S + 0.1
    try:
        assert world.deliver(job("a"), job("bad", SINGULAR)) in ([0, 1], [1])
    finally:
        answered.set()
    for port in (world.table, world.queue):
        port.fail = None
    world.remaining_s = 60.0
    assert world.deliver(job("a"), job("bad", SINGULAR), receive_count=2) == []
    assert world.record("a").status is Status.SUCCEEDED
    assert world.error("bad") == Code.SINGULAR
