"""A job on its way through a lane that has no machine yet: whoever dies, and whenever, it ends.

Each process dies at each of its moments, alone and in pairs: the worker that sends the job on, and
the machine that does it. What is left is then seen to by SQS, by AWS Batch, which starts what it
was asked for, and by the canary.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest

from matinv import isolation
from matinv.backends.aws.event_source import Event, FunctionError, Polling
from matinv.backends.aws.poller import Clock, Poller
from matinv.backends.aws.sqs import SQSQueue
from matinv.backends.memory import MemoryMonitor
from matinv.client import Client
from matinv.jobs.lanes import IDLE_BYTES, Lane, Ticket
from matinv.jobs.record import Status
from matinv.operations import tickets
from matinv.ports import Backend
from matinv.ports.monitor import Depth
from matinv.settings import Settings
from support.memory_service import INPUTS, RESULTS, MemoryService
from support.simulated_sqs import SimulatedSQS, VirtualClock
from support.simulator import Context, Direct, DirectChild, Killed

pytestmark = pytest.mark.deep

IDLE_MB: Final = IDLE_BYTES // 2**20
VISIBILITY_S: Final = 90
RECEIVES: Final = 10  # enough for two deaths: what a third receive does is the other model's matter
TIMEOUT_S: Final = 60.0

HUGE: Final = Lane("huge", "huge", IDLE_MB + 100, 1, TIMEOUT_S, ticket=Ticket("machines", "poller"))
STANDARD: Final = Lane("standard", "jobs", IDLE_MB + 6, 1, TIMEOUT_S, HUGE)  # no object fits
MATRIX: Final = np.random.default_rng(0).standard_normal((40, 40))


class World:
    """Two lanes, of which the second has a machine only if somebody has asked for one.

    Parameters
    ----------
    deaths : sequence of int
        At which moments the process that comes to it dies, counted over all of them.
    lost : int
        So many of the first tickets come to nothing: AWS Batch gives them up.
    """

    def __init__(self, deaths: Sequence[int] = (), lost: int = 0) -> None:
        self.deaths, self.lost, self.moments = {*deaths}, lost, 0
        self.alive = self.early = False
        self.clock = VirtualClock()
        self.sqs = SimulatedSQS(self.clock)
        self.dead = self.sqs.add_queue("dead")
        self.queues = {
            lane.name: self.sqs.add_queue(lane.queue_url, VISIBILITY_S, self.dead, RECEIVES)
            for lane in STANDARD
        }
        self.service = MemoryService()
        self.capacity = self.service.capacity
        parts: tuple[Any, ...] = (
            self.service.store,
            self.service.table,
            self.sqs,
            self.capacity,
        )
        for part in parts:
            part.fail = self.moment

    def moment(self, name: str) -> None:
        # Said at the end: here it would be one failure of a job more.
        self.early |= name == "send_message_batch:after" and not self.capacity.requested
        if self.alive:
            self.moments += 1
            if self.moments in self.deaths:
                raise Killed

    def work(self, lane: Lane) -> bool:
        """Let a process of a lane poll once; return whether it has lived."""
        sqs: Any = self.sqs
        app = replace(
            self.service.app,
            lane=lane,
            queue=SQSQueue(sqs, lane.queue_url, "dead"),
            now=self.clock.now,
            pool=lambda _size, _name: Direct(),
        )

        def invoke(event: Event) -> object:
            context = Context(self.clock, self.clock.now_s + TIMEOUT_S)
            try:
                report = isolation.process(app, event, context, lambda _: DirectChild(app))
            except Killed as death:
                raise FunctionError("the process ended") from death
            return report.batch_item_failures()

        clock = Clock(self.clock.now, self.clock.sleep)
        self.alive = True
        try:
            poller = Poller(sqs, lane.queue_url, invoke, Polling(1), clock=clock)
            poller.step([], threading.Event())
        except Killed:
            return False
        finally:
            self.alive = False
        return True

    def canary(self) -> None:
        """Ask for what is missing, as handlers.canary does; it fails at no moment of ours."""
        monitor, queue = MemoryMonitor(), self.queues["huge"]
        waiting = sum(m.visible_at_s <= self.clock.now_s for m in queue.messages)
        monitor.depths["huge"] = Depth(waiting, len(queue.messages) - waiting)
        service = self.service
        backend = Backend(service.store, service.table, service.queue, monitor, self.capacity)
        settings = Settings(INPUTS, RESULTS, "table", STANDARD, "dead")
        tickets.replace_missing(Client(backend, settings, now=self.clock.now))

    def run(self) -> None:
        """Drop the matrix, and let time pass until nothing is left to do."""
        event = self.service.drop("job.npy", MATRIX)
        self.sqs.send_message(QueueUrl="jobs", MessageBody=json.dumps(event))
        for _ in range(20):
            if not any(queue.messages for queue in self.queues.values()):
                return
            self.work(STANDARD)
            while self.capacity.ended < len(self.capacity.requested):
                self.capacity.ended += 1  # a machine lives for one poll, and is dead or idle then
                if self.capacity.ended > self.lost:
                    self.work(HUGE)
            self.clock.sleep(1000.0)  # longer than any timeout or delay
            self.canary()
        message = "the job does not end"
        raise AssertionError(message)

    def check(self) -> None:
        """Say that the job has ended rightly, and that nothing else is left."""
        record = self.service.record("job")
        assert record.status is Status.SUCCEEDED
        assert np.allclose(self.service.stored("job"), np.linalg.inv(MATRIX))
        assert self.dead.messages == []
        assert not self.early, "a message was sent on before a machine was asked for"
        assert self.capacity.requested.count("huge") == len(self.capacity.requested) >= 1


COUNT: Final = 37  # moments, where nobody dies


def test_where_nobody_dies_one_machine_does_the_job() -> None:
    world = World()
    world.run()
    world.check()
    assert world.capacity.requested == ["huge"]
    assert world.moments == COUNT


@pytest.mark.parametrize("death", range(1, COUNT + 1))
def test_a_process_that_dies_at_any_moment_loses_nothing(death: int) -> None:
    world = World([death])
    world.run()
    world.check()


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_ticket_that_comes_to_nothing_is_replaced(lost: int) -> None:
    world = World(lost=lost)
    world.run()
    world.check()
    assert len(world.capacity.requested) == lost + 1


def test_two_deaths_and_a_lost_ticket_lose_nothing() -> None:
    dice = random.Random(15)
    for _ in range(200):
        first = dice.randint(1, COUNT)
        world = World([first, first + dice.randint(1, COUNT)], lost=dice.randint(0, 1))
        world.run()
        world.check()


def test_a_surplus_machine_finds_nothing_and_changes_nothing() -> None:
    world = World()
    world.run()
    before = world.service.record("job")
    assert world.work(HUGE)
    assert world.service.record("job") == before
