"""Values of the pipeline: the service's parts, a task, its outcome, the batch's report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from matinv.errors import Code, Misconfigured, Transient
from matinv.jobs.lanes import MARGIN_S, Lane
from matinv.ports import Capacity, ClientTable, JobEvents, WorkerQueue, WorkerStore

if TYPE_CHECKING:
    from matinv.grid.launch import Launcher


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
        This worker's, and the lanes behind it.
    inline_result_bytes : int
        Results up to this size travel in the record.
    retention_s : int
        How long records live.
    engine : mapping
        The software that computes the results: version, numpy, blas, arch, threads.
    now : callable
        Seconds since the epoch.
    jitter : callable
        A random number in [0, 1).
    fair_by : str
        The groups that SQS treats fairly (`matinv.jobs.fairness`).
    events : JobEvents or None
        The topic that hears of every job that ends, if there is one.
    capacity : Capacity or None
        Machines of the lanes behind this one that have tickets.
    ranks : Launcher or None
        Launches the ranks that share a large matrix, if the lane has some.
    pool : callable
        Makes an executor of so many threads, whose names begin so.
    """

    store: WorkerStore
    table: ClientTable
    queue: WorkerQueue
    inputs_bucket: str
    lane: Lane
    inline_result_bytes: int
    retention_s: int
    engine: Mapping[str, str]
    now: Callable[[], float]
    jitter: Callable[[], float]
    fair_by: str = "run"
    events: JobEvents | None = None
    capacity: Capacity | None = None
    ranks: Launcher | None = None
    pool: Callable[[int, str], Executor] = ThreadPoolExecutor

    def alone(self) -> App:
        """Return the service of a job that does not go over ranks: one machine has its share."""
        nodes = self.ranks.nodes if self.ranks else 1
        return replace(self, lane=replace(self.lane, memory_mb=self.lane.memory_mb // nodes))


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

    def begin(self, needed_s: float) -> None:
        """Hear of work that was not predicted; only a limit of CPU time changes with it."""

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
