"""A service as its clients reach it: the ports of a stack, or those of its HTTP API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from matinv.jobs.record import Record
from matinv.ports.capacity import Capacity
from matinv.ports.messages import ClientQueue, JobQueue
from matinv.ports.objects import ClientStore, MatrixStore
from matinv.ports.records import ClientTable, JobTable

if TYPE_CHECKING:
    from matinv.ports.monitor import Deployment, Monitor


@dataclass(frozen=True, slots=True)
class Backend:
    """A stack that the caller has permissions for.

    Parameters
    ----------
    store, table, queue
        Buckets, records, queues: all that can be done with them.
    monitor : Monitor, optional
        AWS's own figures of the stack.
    capacity : Capacity, optional
        Machines of its lanes, if some have tickets.
    deployment : Deployment, optional
        How it is deployed.
    """

    store: MatrixStore
    table: JobTable
    queue: JobQueue
    monitor: Monitor | None = None
    capacity: Capacity | None = None
    deployment: Deployment | None = None


class RedrivingQueue(ClientQueue, Protocol):
    """The queue behind an HTTP API, which shows no messages, but finds and stops those of a job."""

    def redrive(self, job_id: str, changes: Mapping[str, Any]) -> Sequence[str]:
        """Send a dead job back to work; return the ids of all jobs of its letters, if any."""
        ...

    def cancel(self, job_ids: Sequence[str]) -> dict[str, Record]:
        """Cancel jobs; return the records of those that are known."""
        ...

    def cancel_run(self, run: str) -> int:
        """Cancel the jobs of a run; return how many had not ended."""
        ...


@dataclass(frozen=True, slots=True)
class ApiBackend:
    """A service behind an HTTP API: to submit, to see records, to fetch results, to redrive."""

    store: ClientStore
    table: ClientTable
    queue: RedrivingQueue
