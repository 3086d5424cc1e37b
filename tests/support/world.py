"""A world in memory: the service on its ports in memory, and messages that come in batches."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from matinv import pipeline
from matinv.backends.memory import (
    MemoryCapacity,
    MemoryEvents,
    MemoryQueue,
    MemoryStore,
    MemoryTable,
)
from matinv.jobs import intake
from matinv.jobs.lanes import Lane, standard
from matinv.jobs.record import Record
from matinv.linalg.types import Matrix
from matinv.local.samples import npy_bytes
from matinv.testing.events import s3_notification, sqs_event

INPUTS: Final = "inputs"
RESULTS: Final = "results"
STANDARD: Final = standard("jobs")


@dataclass
class World:
    """The service and its ports, with a clock that only tests move.

    Parameters
    ----------
    remaining_s : float
        What the deadline says is left of each invocation.
    """

    store: MemoryStore
    table: MemoryTable
    queue: MemoryQueue
    events: MemoryEvents
    app: pipeline.App
    capacity: MemoryCapacity
    now_s: float = 1_700_000_000.0
    remaining_s: float = 60.0
    report: pipeline.Report | None = None
    event: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    _keys: int = field(default=0)
    _messages: int = field(default=0)

    @classmethod
    def make(
        cls,
        *,
        lane: Lane = STANDARD,
        topic: bool = False,
    ) -> World:
        """Build an empty world; `topic` says whether job events are wanted."""
        store, table = MemoryStore(INPUTS, RESULTS), MemoryTable()
        queue, listeners, capacity = MemoryQueue(), MemoryEvents(), MemoryCapacity()
        app = pipeline.App(
            store=store,
            table=table,
            queue=queue,
            inputs_bucket=INPUTS,
            lane=lane,
            inline_result_bytes=8192,
            retention_s=86_400,
            engine={"version": "test"},
            now=lambda: 0.0,
            jitter=lambda: 0.0,
            events=listeners if topic else None,
            capacity=capacity,
        )
        world = cls(store, table, queue, listeners, app, capacity)
        world.app = replace(app, now=lambda: world.now_s)
        return world

    def deliver(self, *bodies: object, receive_count: int = 1) -> list[int]:
        """Process one batch of new messages; return the positions of those that come back."""
        texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
        sent_at_ms = int(1000 * self.now_s) + self._messages
        self.event = sqs_event(
            texts, receive_count=receive_count, sent_at_ms=sent_at_ms, first=self._messages
        )
        for record in self.event["Records"]:
            record["messageAttributes"] = dict(self.attributes)
        self._messages += len(texts)
        return self.deliver_again()

    def deliver_again(self) -> list[int]:
        """Process the same messages as the last time."""
        event = self.event
        ids = [record["messageId"] for record in event["Records"]]
        deadline = pipeline.Deadline(lambda: self.remaining_s, 60.0)
        self.report = pipeline.process(self.app, intake.deliveries(event), deadline)
        failures = self.report.batch_item_failures()["batchItemFailures"]
        return [ids.index(failure["itemIdentifier"]) for failure in failures]

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

    def drop(self, key: str, data: np.ndarray[Any, Any] | bytes, **options: str) -> dict[str, Any]:
        """Put a file into the inputs bucket and return the notification of it."""
        content = data if isinstance(data, bytes) else npy_bytes(data)
        metadata = {f"matinv-{name.replace('_', '-')}": text for name, text in options.items()}
        reference = self.store.upload(key, [content], metadata)
        self._keys += 1
        return s3_notification(
            INPUTS,
            key,
            version_id=reference.version_id,
            etag=reference.etag,
            sequencer=f"{self._keys:016X}",
        )
