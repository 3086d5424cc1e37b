"""`Capacity` on AWS Batch: a job is a ticket for a machine, and carries nothing of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from matinv.backends.aws.errors import translated
from matinv.jobs.lanes import Lane, Ticket

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.literals import JobStatusType

# Those of a job that has not ended, the likeliest first: ListJobs takes one at a time.
_ALIVE: Final[tuple[JobStatusType, ...]] = (
    "RUNNING",
    "RUNNABLE",
    "STARTING",
    "SUBMITTED",
    "PENDING",
)


class BatchCapacity:
    """Machines that AWS Batch starts.

    Parameters
    ----------
    batch : BatchClient
        From `matinv.backends.aws.clients.client`.
    """

    def __init__(self, batch: BatchClient) -> None:
        self._batch = batch

    def request(self, lane: Lane) -> None:
        """Submit a job; SubmitJob has no token, so that a repeated call makes a second one."""
        ticket = _ticket(lane)
        with translated(f"asking for a machine of the lane {lane.name}"):
            self._batch.submit_job(
                jobName=f"matinv-{lane.name}",
                jobQueue=ticket.queue,
                jobDefinition=ticket.definition,
            )

    def alive(self, lane: Lane) -> bool:
        """Look for a job of the lane's queue, which no other lane shares, that has not ended."""
        ticket = _ticket(lane)
        with translated(f"looking for machines of the lane {lane.name}"):
            return any(
                self._batch.list_jobs(jobQueue=ticket.queue, jobStatus=status)["jobSummaryList"]
                for status in _ALIVE
            )


def _ticket(lane: Lane) -> Ticket:
    if lane.ticket is None:
        message = f"the lane {lane.name} has no ticket"
        raise ValueError(message)
    return lane.ticket
