"""Health: how a stack is doing, in one document that terminal and page show.

What cannot be read is None or empty, and `Health.unknown` says why: who may not see alarms still
sees jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from operator import methodcaller
from typing import Any, Final, TypeVar

from matinv.client.client import Client
from matinv.errors import Code, ErrorInfo, MatinvError
from matinv.jobs.record import Record, Status
from matinv.jobs.times import timestamp
from matinv.operations.throughput import READ_LIMIT, Flow, Recent, lane_of, seconds_of
from matinv.ports import Backend
from matinv.ports.monitor import DEAD, Alarm, Depth, Figures, Monitor

_FAILURES: Final = 5  # that are shown

_WITHOUT_API: Final = "use --stack, or the MATINV_* settings"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LaneHealth:
    """A queue with its worker.

    Parameters
    ----------
    name : str
        ``standard``, ``large``, …
    waiting, working, delayed : int or None
        Messages: to be received, in flight, sent with a delay.
    oldest_s : float or None
        Age of the oldest message: CloudWatch's, which is up to some minutes old, or else since
        when the oldest job that has a record waits; None if unknown, or if there is none.
    """

    name: str
    waiting: int | None
    working: int | None
    delayed: int | None
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Deliveries within the window whose job had been done before.

    Parameters
    ----------
    count : int
        Such deliveries.
    deliveries : int
        All of them.
    """

    count: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class FailureCount:
    """A job that failed.

    Parameters
    ----------
    job_id, code, message, hint, at : str
        The job, why and when.
    """

    job_id: str
    code: str
    message: str
    hint: str
    at: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be read.

    Parameters
    ----------
    part : str
        ``queue standard``, ``alarms``, ``metrics``, ``jobs``, …
    error : ErrorInfo
        Why, and what to do.
    """

    part: str
    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class Health:
    """How a stack is doing.

    Parameters
    ----------
    stack : str
        Its name.
    at : str
        When this was.
    window_s : float
        The time that `flow` and `duplicates` are about.
    lanes : tuple of LaneHealth
        The standard one, and the larger ones that there are.
    dead_letters : int or None
        Messages in the dead-letter queue.
    alarms : tuple of Alarm or None
        Those that fire first; empty where nobody made any, as on a laptop.
    flow : Flow or None
        Throughput, latency and cost of the jobs that ended.
    duplicates : Duplicates or None
        None where nothing counts them, as on a laptop.
    backlog : int or None
        Messages in all lanes.
    eta_s : float or None
        How long the backlog takes at the present throughput; None if nothing moves.
    failures : tuple of FailureCount
        The last jobs that failed, the latest first.
    unknown : tuple of Unknown
        What could not be read, and why.
    """

    stack: str
    at: str
    window_s: float
    lanes: tuple[LaneHealth, ...]
    dead_letters: int | None
    alarms: tuple[Alarm, ...] | None
    flow: Flow | None
    duplicates: Duplicates | None
    backlog: int | None
    eta_s: float | None
    failures: tuple[FailureCount, ...]
    unknown: tuple[Unknown, ...]

    @property
    def blind(self) -> bool:
        """Whether nothing at all could be read."""
        parts = (self.backlog, self.dead_letters, self.alarms, self.flow)
        return all(part is None for part in parts)

    def document(self) -> dict[str, Any]:
        """Return all of it as plain mappings, lists, texts and numbers."""
        return asdict(self)


def snapshot(client: Client, recent: Recent | None = None) -> Health:
    """Look at a stack once; nothing that it answers or denies raises.

    Parameters
    ----------
    client : Client
        The stack's.
    recent : Recent, optional
        What earlier calls have read. A caller that polls passes the same one each time: a
        call then reads what is new, a hundred records of each status at least.

    Returns
    -------
    Health
        Of the jobs that ended, the latest 2,000 of each status at most are read at once
        (`Flow.complete`).
    """
    recent = recent or Recent()
    return _Snapshot(client, recent).health()


class _Snapshot:
    """One reading of a stack: what was asked for, and what could not be had."""

    def __init__(self, client: Client, recent: Recent) -> None:
        self._client = client
        self._recent = recent
        self._now_s = client.now()
        self._unknown: list[Unknown] = []

    def health(self) -> Health:
        """Ask for everything."""
        queues = [*(lane.name for lane in self._client.settings.lane), DEAD]
        depths = {
            queue: self._monitored(f"queue {queue}", methodcaller("depth", queue))
            for queue in queues
        }
        figures = self._monitored("metrics", lambda m: m.figures(self._recent.window_s))
        alarms = self._monitored("alarms", lambda m: tuple(m.alarms()))
        flow = self._asked(
            "jobs",
            lambda: self._recent.read(self._client.table, self._now_s, self._client.settings.lane),
        )
        failed = self._asked(
            "failures", lambda: [*self._client.table.list(Status.FAILED, _FAILURES)]
        )
        lanes = tuple(self._lanes(depths, figures or Figures()))
        counts = [n for lane in lanes for n in (lane.waiting, lane.working, lane.delayed)]
        known = [n for n in counts if n is not None]
        backlog = sum(known) if len(known) == len(counts) and known else None
        eta_s = 0.0 if backlog == 0 else None
        if backlog and flow and flow.per_s:
            eta_s = backlog / flow.per_s
        duplicates = None
        if figures and figures.duplicates is not None and figures.acknowledged is not None:
            duplicates = Duplicates(figures.duplicates, figures.acknowledged)
        dead = depths[DEAD]
        return Health(
            stack=self._client.settings.stack,
            at=timestamp(self._now_s),
            window_s=self._recent.window_s,
            lanes=lanes,
            dead_letters=dead.total if dead else None,
            alarms=alarms,
            flow=flow,
            duplicates=duplicates,
            backlog=backlog,
            eta_s=eta_s,
            failures=tuple(map(_failure, failed or ())),
            unknown=tuple(self._unknown),
        )

    def _monitored(self, part: str, ask: Callable[[Monitor], T]) -> T | None:
        backend = self._client.backend
        monitor = backend.monitor if isinstance(backend, Backend) else None
        if monitor is None:
            error = ErrorInfo(Code.ACCESS_DENIED, "an HTTP API does not tell", _WITHOUT_API)
            self._unknown.append(Unknown(part, error))
            return None
        return self._asked(part, lambda: ask(monitor))

    def _asked(self, part: str, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except MatinvError as error:
            self._unknown.append(Unknown(part, error.info))
            return None

    def _lanes(self, depths: dict[str, Depth | None], figures: Figures) -> Iterator[LaneHealth]:
        unread = {unknown.part for unknown in self._unknown}
        # The age of each lane's oldest message, by records where nothing else tells.
        full = [queue for queue, depth in depths.items() if depth and depth.total]
        oldest = {queue: figures.oldest_s[queue] for queue in full if queue in figures.oldest_s}
        if set(full) - oldest.keys() - {DEAD}:
            oldest = (self._asked("oldest job", self._oldest_records) or {}) | oldest
        for lane in self._client.settings.lane:
            queue = lane.name
            depth = depths[queue]
            if depth:
                counts = (depth.waiting, depth.working, depth.delayed)
                age_s = oldest.get(queue) if depth.total else None
                yield LaneHealth(queue, *counts, age_s)
            elif f"queue {queue}" in unread:
                yield LaneHealth(queue, None, None, None, oldest.get(queue))

    def _oldest_records(self) -> dict[str, float]:
        """Return since when the oldest job waits, unless so many do that nobody read them all."""
        oldest: dict[str, float] = {}
        for status in (Status.QUEUED, Status.RETRYING):
            records = [*self._client.table.list(status, READ_LIMIT)]
            if len(records) == READ_LIMIT:
                return {}
            for record in records:
                queue = lane_of(record, self._client.settings.lane).name
                age_s = max(0.0, self._now_s - seconds_of(record.created_at))
                oldest[queue] = max(age_s, oldest.get(queue, 0.0))
        return oldest


def _failure(record: Record) -> FailureCount:
    error = record.error or ErrorInfo(Code.INTERNAL, "the record does not say why")
    return FailureCount(record.job_id, error.code, error.message, error.hint, record.updated_at)
