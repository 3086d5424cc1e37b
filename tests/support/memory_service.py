"""A service in this process: client, ports in memory, and the real pipeline as its worker."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import numpy as np
from click.testing import Result
from numpy.typing import NDArray

from matinv import pipeline
from matinv.backends.memory import MemoryCapacity, MemoryEvents
from matinv.client import Client
from matinv.client.in_memory import MemoryWorker
from matinv.jobs import intake
from matinv.jobs.lanes import Lane, large, standard
from matinv.jobs.record import Record
from matinv.linalg.types import Matrix
from matinv.local.samples import npy_bytes
from matinv.ports import Backend
from matinv.settings import Settings
from matinv.testing.events import sqs_event

Cli = Callable[..., Result]
"""Runs one command line."""

INPUTS: Final = "inputs"
RESULTS: Final = "results"
STANDARD: Final = standard("jobs")

SETTINGS: Final = Settings(
    INPUTS,
    RESULTS,
    "jobs",
    standard("https://sqs/jobs", large("https://sqs/large")),
    "https://sqs/dead",
    retention_days=1,
)


class MemoryService(MemoryWorker):
    """The service of `Client.in_memory`, and what only tests do: batches of their own making.

    Parameters
    ----------
    lane : Lane
        The worker's. The client knows those of `SETTINGS`.
    topic : bool
        Whether job events are wanted.

    Attributes
    ----------
    remaining_s, total_s : float
        What the deadline says is left of each batch that is delivered, and what it said at first.
    event, report
        The last batch, and what became of it.
    attributes : dict
        Those of the messages that are delivered next.
    pauses : list of float
        How long the client slept, each time.
    off_s : float
        By how much the client's clock is wrong.
    """

    def __init__(self, *, lane: Lane = STANDARD, topic: bool = False) -> None:
        super().__init__(SETTINGS)
        self.events, self.capacity = MemoryEvents(), MemoryCapacity()
        self.app = replace(
            self.app,
            lane=lane,
            events=self.events if topic else None,
            capacity=self.capacity,
            engine={"version": "test"},
            jitter=lambda: 0.0,
            pool=ThreadPoolExecutor,
        )
        self.remaining_s = self.total_s = 60.0
        self.event: dict[str, Any] = {}
        self.report: pipeline.Report | None = None
        self.attributes: dict[str, Any] = {}
        self.delivered = 0
        self.pauses: list[float] = []
        self.off_s = 0.0
        self.on_sleep: Callable[[], None] | None = None

    def backend(self) -> Backend:
        return replace(super().backend(), capacity=self.capacity)

    @property
    def client(self) -> Client:
        return Client(
            self.backend(),
            self.settings,
            now=lambda: self.now_s + self.off_s,
            sleep=self.sleep,
            jitter=lambda: 0.5,
        )

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        assert len(self.pauses) < 1000, "the client waits for what never comes"
        if self.on_sleep:
            self.on_sleep()
        self.pass_time(seconds)

    def deliver(self, *bodies: object, receive_count: int = 1) -> list[int]:
        """Process one batch of new messages; return the positions of those that come back."""
        texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
        self.event = sqs_event(
            texts,
            receive_count=receive_count,
            sent_at_ms=int(1000 * self.now_s) + self.delivered,
            first=self.delivered,
        )
        for record in self.event["Records"]:
            record["messageAttributes"] = dict(self.attributes)
        self.delivered += len(texts)
        return self.deliver_again()

    def deliver_again(self) -> list[int]:
        """Process the same messages as the last time."""
        ids = [record["messageId"] for record in self.event["Records"]]
        deadline = pipeline.Deadline(lambda: self.remaining_s, self.total_s)
        self.report = pipeline.process(self.app, intake.deliveries(self.event), deadline)
        failures = self.report.batch_item_failures()["batchItemFailures"]
        return [ids.index(failure["itemIdentifier"]) for failure in failures]

    def drop(self, key: str, data: NDArray[Any] | bytes, **options: str) -> dict[str, Any]:
        """Put a file into the inputs bucket and return the notification of it, to deliver."""
        content = data if isinstance(data, bytes) else npy_bytes(data)
        metadata = {f"matinv-{name.replace('_', '-')}": text for name, text in options.items()}
        self.store.upload(key, [content], metadata)
        notification: dict[str, Any] = json.loads(self.store.notifications.pop())
        return notification

    def record(self, job_id: str) -> Record:
        """Return a record that must exist."""
        return self.table.get([job_id])[job_id]

    def error(self, job_id: str) -> str | None:
        """Return the error code of a record that must exist."""
        error = self.record(job_id).error
        return error.code if error else None

    def inverse(self, job_id: str) -> Any:
        """Return the inverse of a job whose result is JSON in its record."""
        result = self.record(job_id).result
        if result is None or result.inline is None:
            message = f"{job_id} has no inline result"
            raise LookupError(message)
        return json.loads(result.inline)["inverse"]

    def stored(self, job_id: str) -> Matrix:
        """Return the inverse of a job whose result is an ``.npy`` object or record."""
        result = self.record(job_id).result
        if result is None:
            message = f"{job_id} has no result"
            raise LookupError(message)
        data = result.inline
        if data is None and result.uri:
            with self.store.results(result.uri, result.version_id) as blob:
                data = blob.read(blob.size_bytes)
        loaded: Matrix = np.load(io.BytesIO(data or b""))
        return loaded


def general(n: int, seed: int = 0, dtype: Any = np.float64) -> NDArray[Any]:
    """A matrix that any method but Cholesky inverts well."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, n)) + n * np.eye(n)).astype(dtype)
