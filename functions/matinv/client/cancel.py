"""Cancelling: a record that says so before a worker ends the job.

Nothing is taken off the queue: a message of a cancelled job finds its record, and costs one read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from matinv.client.lookup import Known, known_records
from matinv.errors import Code, ErrorInfo, Transient
from matinv.jobs.record import Record, Status
from matinv.jobs.runs import run_of
from matinv.jobs.times import timestamp
from matinv.ports import ClientStore, ClientTable
from matinv.settings import DAY_S, Settings

GOING_ON: Final = tuple(status for status in Status if not status.terminal)
CANCELLED: Final = ErrorInfo(
    Code.CANCELLED, "the job was cancelled before it ended", "submit it again"
)
JOBS_PER_CALL: Final = 100  # as many records as one call of DynamoDB reads or writes
_ROUNDS: Final = 5  # a worker writes a record twice or three times


@dataclass(frozen=True, slots=True)
class Canceller:
    """Cancels jobs.

    Parameters
    ----------
    store, table : ClientStore, ClientTable
        The buckets, the records.
    settings : Settings
        How long records are kept.
    now : callable
        Seconds since the epoch.
    """

    store: ClientStore
    table: ClientTable
    settings: Settings
    now: Callable[[], float]

    def cancel(self, jobs: Sequence[Known]) -> dict[str, Record]:
        """Cancel jobs that have not ended.

        Returns
        -------
        dict
            By job id the record as it is now, CANCELLED or as the job had ended before; jobs that
            nobody knows are left out.

        Raises
        ------
        Transient
            If the table cannot be written.
        """
        done: dict[str, Record] = {}
        pending = list(jobs)
        for _ in range(_ROUNDS):
            # An older job of that id may have a record already. It is read first: one that is
            # written between the two reads has a later revision, and is not written over.
            stands = self.table.get([job.job_id for job in pending])
            known = known_records(self.table, self.store, pending, {})
            done |= {i: record for i, record in known.items() if record.status.terminal}
            open_ = [record for record in known.values() if not record.status.terminal]
            over = [self._over(record, stands.get(record.job_id)) for record in open_]
            won = self.table.put(over)
            done |= {r.job_id: r for r, ok in zip(over, won, strict=True) if ok}
            lost = {r.job_id for r, ok in zip(over, won, strict=True) if not ok}
            pending = [job for job in pending if job.job_id in lost]
            if not pending:
                return done
        raise Transient(
            Code.STORAGE,
            f"{len(pending)} records changed during every attempt to cancel their jobs",
        )

    def cancel_run(self, run: str, check: Callable[[], object]) -> int:
        """Cancel the jobs of a run that have not ended, and return how many those were.

        Files of the run that no worker has seen are not in its index, and not cancelled.

        Parameters
        ----------
        check : callable
            Called before each hundred jobs; may raise to stop.
        """
        count = 0
        for status in GOING_ON:
            entries = self.table.run_entries(run, status)
            while jobs := [_Named(e.job_id) for e in islice(entries, JOBS_PER_CALL)]:
                check()
                records = self.cancel(jobs).values()
                count += sum(record.status is Status.CANCELLED for record in records)
        return count

    def _over(self, record: Record, stands: Record | None) -> Record:
        """Return the record of a job that is cancelled, over the one that stands there."""
        now = self.now()
        return replace(
            record,
            status=Status.CANCELLED,
            created_at=record.created_at or timestamp(now),
            updated_at=timestamp(now),
            expires_at=int(now) + self.settings.retention_days * DAY_S,
            revision=(stands.revision if stands else 0) + 1,
            run=record.run or run_of(record.job_id),
            error=CANCELLED,
        )


@dataclass(frozen=True, slots=True)
class _Named:
    """A job by its id."""

    job_id: str
    asked: str = ""
    input: None = None
    revision: int = 0
