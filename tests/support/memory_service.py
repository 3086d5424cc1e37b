"""A service in this process: client, ports in memory, and the real pipeline as its worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from click.testing import Result
from numpy.typing import NDArray

from matinv import pipeline
from matinv.backends.memory import MemoryMonitor, MemoryQueue, MemoryStore, MemoryTable
from matinv.client import Client
from matinv.client.in_memory import NotifyingStore
from matinv.jobs import intake
from matinv.jobs.lanes import large, standard
from matinv.ports import Backend
from matinv.settings import Settings
from matinv.testing.events import sqs_event
from support.world import INPUTS, RESULTS, World

Cli = Callable[..., Result]
"""Runs one command line."""

SETTINGS = Settings(
    INPUTS,
    RESULTS,
    "jobs",
    standard("https://sqs/jobs", large("https://sqs/large")),
    "https://sqs/dead",
)


@dataclass
class MemoryService:
    """The service.

    ``working`` says whether a worker runs while the client sleeps between two polls.
    """

    world: World
    store: NotifyingStore
    working: bool = True
    pauses: list[float] = field(default_factory=list)
    on_sleep: Callable[[], None] | None = None
    delivered: int = 0
    monitor: MemoryMonitor = field(default_factory=MemoryMonitor)

    @classmethod
    def make(cls, **options: Any) -> MemoryService:
        world = World.make(**options)
        store = NotifyingStore(INPUTS, RESULTS)
        world.store = store
        world.app = _replaced(world.app, store)
        return cls(world, store)

    @property
    def queue(self) -> MemoryQueue:
        return self.world.queue

    @property
    def table(self) -> MemoryTable:
        return self.world.table

    @property
    def client(self) -> Client:
        return Client(
            Backend(self.store, self.table, self.queue, self.monitor),
            SETTINGS,
            now=lambda: self.world.now_s,
            sleep=self.sleep,
            jitter=lambda: 0.5,
        )

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        assert len(self.pauses) < 1000, "the client waits for what never comes"
        self.world.now_s += seconds
        if self.on_sleep:
            self.on_sleep()
        if self.working:
            self.work()

    def work(self, receive_count: int = 1, waited_s: float = 0.0) -> None:
        """Do all that is on the queue, and has been for so long."""
        bodies = [*self.queue.sent, *self.store.notifications]
        self.queue.sent.clear()
        self.store.notifications.clear()
        if not bodies:
            return
        deadline = pipeline.Deadline(lambda: 60.0, 60.0)
        event = sqs_event(
            bodies,
            receive_count=receive_count,
            sent_at_ms=int(1000 * (self.world.now_s - waited_s)),
            first=self.delivered,
        )
        self.delivered += len(bodies)
        pipeline.process(self.world.app, intake.deliveries(event), deadline)


def _replaced(app: pipeline.App, store: MemoryStore) -> pipeline.App:
    return replace(app, store=store)


def general(n: int, seed: int = 0, dtype: Any = np.float64) -> NDArray[Any]:
    """A matrix that any method but Cholesky inverts well."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, n)) + n * np.eye(n)).astype(dtype)
