"""Health: how a stack is doing, in one document that terminal and page show.

A figure that cannot be read is None or empty, and `Health.unknown` says why: those who may not see
alarms still see jobs. A figure that has not arrived yet is None or empty, too, and named in
`Health.pending`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from heapq import merge
from itertools import islice
from time import monotonic
from typing import Any, Final

from matinv.client.client import Client
from matinv.errors import Code, ErrorInfo, MatinvError, Misconfigured
from matinv.jobs.record import Record, Status
from matinv.jobs.times import seconds_of, timestamp
from matinv.operations.throughput import LIST_LIMIT, Flow, Recent
from matinv.ports import Backend, ClientTable
from matinv.ports.monitor import DEAD, Alarm, Depth, Figures, Monitor

_FAILURES: Final = 5  # that are shown

_WITHOUT_API: Final = "use --stack, or the MATINV_* settings"

_PARTS: Final = ("queues", "metrics", "alarms", "jobs", "failures", "oldest job")


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
    """A figure that could not be read.

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
        The last jobs that failed or expired, the latest first.
    unknown : tuple of Unknown
        Figures that could not be read, and why.
    pending : tuple of str
        Parts that have not answered yet: ``queues``, ``metrics``, ``alarms``, ``jobs``, ….
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
    pending: tuple[str, ...] = ()

    @property
    def blind(self) -> bool:
        """Whether nothing at all could be read; what may still answer counts."""
        parts = (self.backlog, self.dead_letters, self.alarms, self.flow)
        return not self.pending and all(part is None for part in parts)

    @property
    def partial(self) -> bool:
        """Whether the next reading will know more: of parts or records that were not read yet."""
        return bool(self.pending or (self.flow and self.flow.read < self.flow.ended))

    def document(self) -> dict[str, Any]:
        """Return all of it as plain mappings, lists, texts and numbers."""
        return asdict(self)


def snapshot(client: Client, recent: Recent | None = None) -> Health:
    """Read how a stack is doing, once; nothing that it answers or denies raises.

    Parameters
    ----------
    client : Client
        The stack's.
    recent : Recent, optional
        The window of time, and what earlier calls have read of it.

    Returns
    -------
    Health
        Latency and cost are of the latest 500 of the jobs that ended (`Flow.read`).
    """
    return HealthWatch(client, recent).read()


class HealthWatch:
    """A stack that is read again and again; whoever asks gets what is known by then.

    Parts are asked side by side, and none again before it has answered. One `read` at a time.

    Parameters
    ----------
    client : Client
        The stack's.
    recent : Recent, optional
        The window of time.
    """

    def __init__(self, client: Client, recent: Recent | None = None) -> None:
        self._client = client
        self._recent = recent or Recent()
        self._pool = ThreadPoolExecutor(len(_PARTS), "matinv-health")
        self._asked: dict[str, Future[Any]] = {}
        self._answers: dict[str, Any] = {}
        self._unknown: dict[str, Unknown] = {}

    def read(self, patience_s: float | None = None) -> Health:
        """Ask for every figure, and return the known ones: also of what answered an earlier call.

        Parameters
        ----------
        patience_s : float, optional
            How long to wait for answers; without it, for all of them.
        """
        until_s = None if patience_s is None else monotonic() + patience_s
        table, lanes, now_s = self._client.table, self._client.settings.lane, self._client.now()
        for part, ask in {
            "queues": self._depths,
            "metrics": lambda: self._monitor().figures(self._recent.window_s),
            "alarms": lambda: tuple(self._monitor().alarms()),
            "jobs": lambda: self._recent.read(table, now_s, lanes),
            "failures": lambda: _latest_failures(table),
        }.items():
            if part not in self._asked:
                self._asked[part] = self._pool.submit(ask)
        self._collect(until_s)
        # The age of each lane's oldest message, by records where nothing else tells.
        depths = self._known_depths().items()
        full = {queue for queue, depth in depths if isinstance(depth, Depth) and depth.total}
        if full - self._figures().oldest_s.keys() - {DEAD}:
            if "oldest job" not in self._asked:
                self._asked["oldest job"] = self._pool.submit(self._oldest_s, now_s)
            self._collect(until_s)
        else:
            self._unknown.pop("oldest job", None)
        return self._health(now_s)

    def _collect(self, until_s: float | None) -> None:
        """Take the answers that come until then."""
        wait(self._asked.values(), None if until_s is None else max(0.0, until_s - monotonic()))
        for part, future in [*self._asked.items()]:
            if not future.done():
                continue
            del self._asked[part]
            self._unknown.pop(part, None)
            try:
                self._answers[part] = future.result()
            except MatinvError as error:
                self._answers[part] = None
                self._unknown[part] = Unknown(part, error.info)

    def _monitor(self) -> Monitor:
        backend = self._client.backend
        if isinstance(backend, Backend) and backend.monitor is not None:
            return backend.monitor
        raise Misconfigured(Code.ACCESS_DENIED, "the HTTP API does not offer this", _WITHOUT_API)

    def _depths(self) -> dict[str, Depth | ErrorInfo | None]:
        found: dict[str, Depth | ErrorInfo | None] = {}
        for queue in [*(lane.name for lane in self._client.settings.lane), DEAD]:
            try:
                found[queue] = self._monitor().depth(queue)
            except MatinvError as error:
                found[queue] = error.info
        return found

    def _known_depths(self) -> Mapping[str, Depth | ErrorInfo | None]:
        return self._answers.get("queues") or {}

    def _figures(self) -> Figures:
        figures: Figures | None = self._answers.get("metrics")
        return figures or Figures()

    def _oldest_s(self, now_s: float) -> float | None:
        """Return since when the oldest job waits, unless so many do that nobody lists them all."""
        times: list[str] = []
        for status in (Status.QUEUED, Status.RETRYING):
            places = [*self._client.table.places(status, LIST_LIMIT)]
            if len(places) == LIST_LIMIT:
                return None
            times += [at for at, _ in places[-1:]]
        return max(0.0, now_s - seconds_of(min(times))) if times else None

    def _health(self, now_s: float) -> Health:
        depths, figures = self._known_depths(), self._figures()
        flow: Flow | None = self._answers.get("jobs")
        lanes = tuple(self._lanes(depths, figures))
        counts = [n for lane in lanes for n in (lane.waiting, lane.working, lane.delayed)]
        known = [n for n in counts if n is not None]
        backlog = sum(known) if len(known) == len(counts) and known else None
        eta_s = 0.0 if backlog == 0 else None
        if backlog and flow and flow.per_s:
            eta_s = backlog / flow.per_s
        duplicates = None
        if figures.duplicates is not None and figures.acknowledged is not None:
            duplicates = Duplicates(figures.duplicates, figures.acknowledged)
        dead = depths.get(DEAD)
        unread = [
            Unknown(f"queue {queue}", depth)
            for queue, depth in depths.items()
            if isinstance(depth, ErrorInfo)
        ]
        return Health(
            stack=self._client.settings.stack,
            at=timestamp(now_s),
            window_s=self._recent.window_s,
            lanes=lanes,
            dead_letters=dead.total if isinstance(dead, Depth) else None,
            alarms=self._answers.get("alarms"),
            flow=flow,
            duplicates=duplicates,
            backlog=backlog,
            eta_s=eta_s,
            failures=self._answers.get("failures") or (),
            unknown=(*unread, *(self._unknown[part] for part in _PARTS if part in self._unknown)),
            pending=tuple(p for p in _PARTS if p in self._asked and p not in self._answers),
        )

    def _lanes(
        self, depths: Mapping[str, Depth | ErrorInfo | None], figures: Figures
    ) -> Iterator[LaneHealth]:
        for lane in self._client.settings.lane:
            depth, oldest_s = depths.get(lane.name), figures.oldest_s.get(lane.name)
            # Whose lane a waiting job is shows once its size is known: the first one has them all.
            if oldest_s is None and lane is self._client.settings.lane:
                oldest_s = self._answers.get("oldest job")
            if isinstance(depth, Depth):
                counts = (depth.waiting, depth.working, depth.delayed)
                yield LaneHealth(lane.name, *counts, oldest_s if depth.total else None)
            elif depth:
                yield LaneHealth(lane.name, None, None, None, oldest_s)


def _latest_failures(table: ClientTable) -> tuple[FailureCount, ...]:
    listed = (table.list(status, _FAILURES) for status in (Status.FAILED, Status.EXPIRED))
    latest = merge(*listed, key=lambda record: record.updated_at, reverse=True)
    return tuple(map(_failure, islice(latest, _FAILURES)))


def _failure(record: Record) -> FailureCount:
    error = record.error or ErrorInfo(Code.INTERNAL, "the record does not say why")
    return FailureCount(record.job_id, error.code, error.message, error.hint, record.updated_at)
