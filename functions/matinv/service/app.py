"""What flows through the pipeline: the service's parts, a task, its outcome, the batch's report."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from matinv.core.errors import (
    Code,
    ErrorInfo,
    MatinvError,
    Misconfigured,
    Refused,
    Transient,
)
from matinv.core.job import (
    MESSAGE_SOURCE,
    Delivery,
    InputInfo,
    Options,
    Record,
    Request,
    input_info,
)
from matinv.core.limits import Lane
from matinv.ports import JobEvents, JobQueue, JobTable, MatrixStore

# Time that must be left after the work for publishing and answering. Writing 100 records takes
# about 0.1 s and a PUT of 100 MB about 1 s inside a region.
MARGIN_S: Final = 2.0

# What a worker holds before its first job: 67 MB were measured on Linux (Python, numpy, clients
# of AWS); the rest is for buffers, threads and the allocator.
IDLE_BYTES: Final = 160 * 2**20


@dataclass(frozen=True, slots=True)
class App:
    """The service's parts and limits; made once per process by `matinv.wiring`.

    Parameters
    ----------
    store, table, queue
        The ports.
    inputs_bucket : str
        The only bucket that references may name.
    lane : Lane
        Memory and threads of this worker.
    inline_result_bytes : int
        Results up to this size travel in the record.
    retention_s : int
        How long records live.
    engine : mapping
        What computed the results: version, numpy, blas, arch, threads.
    now : callable
        Seconds since the epoch.
    jitter : callable
        A random number in [0, 1).
    events : JobEvents or None
        The topic that hears of every job that ends, if there is one.
    pool : callable
        Makes an executor of so many threads, whose names begin so.
    """

    store: MatrixStore
    table: JobTable
    queue: JobQueue
    inputs_bucket: str
    lane: Lane
    inline_result_bytes: int
    retention_s: int
    engine: Mapping[str, str]
    now: Callable[[], float]
    jitter: Callable[[], float]
    events: JobEvents | None = None
    pool: Callable[[int, str], Executor] = ThreadPoolExecutor

    @property
    def budget_bytes(self) -> int:
        """Memory for jobs."""
        return self.lane.memory_bytes - IDLE_BYTES


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the invocation ends.

    Parameters
    ----------
    remaining_s : callable
        Seconds that are left.
    total_s : float
        Seconds that a fresh invocation has.
    stopped : list of Misconfigured
        Why the invocation ends now, if one of its jobs found that none can go on.
    """

    remaining_s: Callable[[], float]
    total_s: float
    stopped: list[Misconfigured] = field(default_factory=list, kw_only=True)

    @classmethod
    def of_milliseconds(cls, remaining_ms: Callable[[], int]) -> Deadline:
        """Make a deadline of the Lambda context's ``get_remaining_time_in_millis``."""
        return cls(lambda: remaining_ms() / 1000, remaining_ms() / 1000)

    def go_on(self) -> None:
        """Raise why the invocation was stopped, if it was.

        Raises
        ------
        Misconfigured
        """
        if self.stopped:
            raise self.stopped[0].with_traceback(None)  # else it grows with each job

    def check(self, needed_s: float = 0.0) -> None:
        """Raise DEADLINE unless `needed_s` seconds of work and the margin fit.

        Raises
        ------
        Misconfigured
            Why the invocation was stopped.
        Transient
            DEADLINE.
        """
        self.go_on()
        left = self.remaining_s() - MARGIN_S
        if left < max(needed_s, 0.0) or left <= 0.0:
            raise Transient(
                Code.DEADLINE,
                "the invocation ends before this job could finish",
                "nothing to do: it is delivered again",
                observed=f"{max(left, 0.0):.1f} s left",
                limit=f"{needed_s:.1f} s needed",
            )


class Verdict(StrEnum):
    """How a delivery ended."""

    DONE = "done"  # SUCCEEDED or PARTIAL, published
    REFUSED = "refused"  # a permanent error, its copy in the dead-letter queue
    RETRY = "retry"  # a transient error: not acknowledged
    STOPPED = "stopped"  # nor this one: no job could go on, whatever its own state
    DUPLICATE = "duplicate"  # ended before, nothing done
    STALE = "stale"  # a newer upload owns the job
    FORWARDED = "forwarded"  # sent on to the large queue

    @classmethod
    def of_transient(cls, error: BaseException) -> Verdict:
        """Return the verdict of an error that brings a message back."""
        return cls.STOPPED if isinstance(error, Misconfigured) else cls.RETRY

    @property
    def acknowledged(self) -> bool:
        """Whether the delivery is not needed any more."""
        return self not in {Verdict.RETRY, Verdict.STOPPED}


class Diverted(Exception):
    """Not this worker's job after all; it is acknowledged without a result from here."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict)
        self.verdict = verdict


@dataclass(slots=True)
class Task:
    """One delivery on its way through the pipeline; stages fill it in.

    ``request`` is None when the body is not a job: such a task only ever fails.
    """

    delivery: Delivery
    request: Request | None
    input: InputInfo
    record: Record | None
    timings_ms: dict[str, float] = field(default_factory=dict)
    predicted_s: float = 0.0

    @property
    def job_id(self) -> str:
        """The id of the record that the task may write."""
        return self.delivery.job_id

    @property
    def options(self) -> Options:
        """What the submitter chose."""
        return self.request.options if self.request else Options()

    @property
    def redrive(self) -> int:
        """How often an operator sent the job again."""
        return self.request.redrive if self.request else 0

    @contextmanager
    def timed(self, stage: str, now: Callable[[], float]) -> Iterator[None]:
        """Add the duration of the block to the task's timings."""
        begun = now()
        try:
            yield
        finally:
            spent_ms = round(1000 * (now() - begun), 3)
            self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + spent_ms


def task_of(app: App, delivery: Delivery, record: Record | None) -> Task:
    """Begin the task of a delivery, whose job has `record`."""
    content = delivery.content
    if isinstance(content, Request):
        task = Task(delivery, content, input_info(content), record)
    else:
        body = delivery.body.encode("utf-8", "surrogatepass")
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        task = Task(delivery, None, InputInfo(MESSAGE_SOURCE, digest, None, len(body)), record)
    task.timings_ms["queued_ms"] = max(0.0, round(1000 * app.now() - delivery.sent_at_ms, 3))
    return task


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a delivery ended, why, and what its record says now.

    ``exception`` is set for a bug (INTERNAL): telemetry logs its traceback.
    """

    delivery: Delivery
    verdict: Verdict
    record: Record | None = None
    error: ErrorInfo | None = None
    exception: BaseException | None = None


def stop_of(outcomes: Sequence[Outcome]) -> Misconfigured | None:
    """Return why a batch was stopped, if it was: no job of it could go on."""
    found = next((o.error for o in outcomes if o.verdict is Verdict.STOPPED), None)
    return Misconfigured(found.code, found.message, found.hint) if found else None


@dataclass(frozen=True, slots=True)
class Unannounced:
    """The jobs whose events no topic has taken, and the exception behind it, if it was a bug."""

    job_ids: Sequence[str] = ()
    exception: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """How a batch ended: its deliveries, an outcome for each, and what subscribers missed.

    ``elsewhere`` has the messages that another process did and reported on: whether each may be
    acknowledged.
    """

    batch: Sequence[Delivery]
    outcomes: Sequence[Outcome]
    unannounced: Unannounced = Unannounced()
    elsewhere: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def joined(cls, reports: Sequence[Report]) -> Report:
        """Return one report that says what several say."""
        missed = [report.unannounced for report in reports]
        return cls(
            [delivery for report in reports for delivery in report.batch],
            [outcome for report in reports for outcome in report.outcomes],
            Unannounced(
                [job_id for lost in missed for job_id in lost.job_ids],
                next((lost.exception for lost in missed if lost.exception), None),
            ),
            {i: done for report in reports for i, done in report.elsewhere.items()},
        )

    def batch_item_failures(self) -> dict[str, list[dict[str, str]]]:
        """Return Lambda's partial batch response: the messages that must be delivered again.

        A message is acknowledged only if every delivery in it has an outcome that says so: what
        was forgotten comes back.
        """
        settled = {id(o.delivery) for o in self.outcomes if o.verdict.acknowledged}
        failed = dict.fromkeys(d.message_id for d in self.batch if id(d) not in settled)
        failed |= dict.fromkeys(i for i, done in self.elsewhere.items() if not done)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def failure(error: BaseException) -> tuple[ErrorInfo, BaseException | None]:
    """Return what to report of an exception, and the exception itself if it is a bug."""
    known = known_error(error)
    is_bug = known is not error and known.code is Code.INTERNAL
    return known.info, error if is_bug else None


def known_error(error: BaseException) -> MatinvError:
    """Return an exception as one of ours: a stranger says nothing but its type."""
    if isinstance(error, MatinvError):
        return error
    if isinstance(error, MemoryError):
        return Refused(
            Code.OUT_OF_MEMORY,
            "the worker ran out of memory on this job",
            "send it to a lane with more memory, or split the stack",
        )
    return Transient(
        Code.INTERNAL,
        f"unexpected {type(error).__name__}",
        "this is a bug in matinv: see the worker's log for the traceback",
    )
