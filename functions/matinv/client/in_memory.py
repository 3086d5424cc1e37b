"""A service in this process, for tests: the real worker on a backend in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final
from urllib.parse import quote_plus

import numpy as np

from matinv import __version__, pipeline
from matinv.backends.memory import MemoryMonitor, MemoryQueue, MemoryStore, MemoryTable
from matinv.jobs import intake
from matinv.jobs.lanes import standard
from matinv.jobs.request import Reference
from matinv.ports import Backend, Part
from matinv.settings import DAY_S, Settings

SETTINGS: Final = Settings(
    "inputs", "results", "jobs", standard("https://memory/jobs"), "https://memory/dead"
)
_BATCH_S: Final = 900.0  # what Lambda gives an invocation
_BEGIN_S: Final = 1_700_000_000.0  # of the clock, which only waiting moves


class NotifyingStore(MemoryStore):
    """A store whose inputs bucket notifies the queue of uploads."""

    def __init__(self, inputs_bucket: str, results_bucket: str) -> None:
        super().__init__(inputs_bucket, results_bucket)
        self.notifications: list[str] = []
        self._uploads = 0

    def upload(self, key: str, parts: Sequence[Part], metadata: Mapping[str, str]) -> Reference:
        """Write an object of the inputs bucket."""
        reference = super().upload(key, parts, metadata)
        self._uploads += 1
        uploaded = {
            "key": quote_plus(key, safe="/"),
            "versionId": reference.version_id,
            "eTag": reference.etag,
            "sequencer": f"{self._uploads:016X}",
        }
        record = {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.inputs_bucket}, "object": uploaded},
        }
        self.notifications.append(json.dumps({"Records": [record]}))
        return reference


class _SameThread(Executor):
    """Does each job when it is submitted, so that tests see the same order of events each time."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - a future keeps whatever was raised
            done.set_exception(error)
        return done


@dataclass(frozen=True, slots=True)
class _Message:
    """A message that was received, `receives` times by now."""

    message_id: str
    body: str
    sent_at_s: float
    receives: int = 1

    def record(self) -> intake.Record:
        """Return it as Lambda hands it over."""
        return {
            "eventSource": "aws:sqs",
            "messageId": self.message_id,
            "body": self.body,
            "attributes": {
                "ApproximateReceiveCount": str(self.receives),
                "SentTimestamp": str(int(1000 * self.sent_at_s)),
            },
        }


class MemoryWorker:
    """The worker of `Client.in_memory`, with its backend and its clock.

    Attributes
    ----------
    store, table, queue, monitor
        The backend.
    settings : Settings
        Its names.
    app : pipeline.App
        The pipeline that does the jobs.
    working : bool
        Whether it works by itself.
    now_s : float
        The clock, seconds since the epoch.
    """

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.settings = settings
        self.store = NotifyingStore(settings.inputs_bucket, settings.results_bucket)
        self.table = MemoryTable()
        self.queue = MemoryQueue(now=lambda: self.now_s)
        self.monitor = MemoryMonitor()
        self.working = True
        self.now_s = _BEGIN_S
        self._handed_back: list[_Message] = []
        # When the messages in the queue were sent, and when the notifications were.
        self._sent_at_s: tuple[list[float], list[float]] = ([], [])
        self._numbers = count(1)
        self.app = pipeline.App(
            self.store,
            self.table,
            self.queue,
            inputs_bucket=settings.inputs_bucket,
            lane=settings.lane,
            inline_result_bytes=settings.inline_result_bytes,
            retention_s=settings.retention_days * DAY_S,
            engine={"version": __version__, "numpy": np.__version__},
            now=lambda: self.now_s,
            jitter=lambda: 0.5,
            pool=lambda threads, name: _SameThread(),  # noqa: ARG005 - the port's
        )

    def backend(self) -> Backend:
        """Return the ports of the service."""
        return Backend(self.store, self.table, self.queue, self.monitor)

    def pass_time(self, seconds: float) -> None:
        """Let sent messages arrive, move the clock, and work."""
        self._note_times()
        self.now_s += seconds
        if self.working:
            self.work()

    def work(self) -> None:
        """Do all that is on the queue, once: a job that is put off comes again in the next call."""
        self._note_times()
        messages, self._handed_back = self._handed_back, []
        for bodies, times in zip(self._bodies(), self._sent_at_s, strict=True):
            # Each has its own id: an ended job is not done again by the message that it had.
            messages += [
                _Message(f"message-{next(self._numbers)}", body, at_s)
                for body, at_s in zip(bodies, times, strict=True)
            ]
            bodies.clear()
            times.clear()
        if not messages:
            return
        deadline = pipeline.Deadline(lambda: _BATCH_S, _BATCH_S)
        deliveries = intake.deliveries({"Records": [message.record() for message in messages]})
        report = pipeline.process(self.app, deliveries, deadline)
        back = {f["itemIdentifier"] for f in report.batch_item_failures()["batchItemFailures"]}
        for message in messages:
            if message.message_id not in back:
                continue
            if message.receives < self.queue.max_receive_count():
                self._handed_back.append(replace(message, receives=message.receives + 1))
            else:
                self.queue.give_up(message.body)

    def _bodies(self) -> tuple[list[str], list[str]]:
        return self.queue.sent, self.store.notifications

    def _note_times(self) -> None:
        """Note when it was that messages came which nobody has seen yet."""
        for bodies, times in zip(self._bodies(), self._sent_at_s, strict=True):
            times.extend([self.now_s] * (len(bodies) - len(times)))
