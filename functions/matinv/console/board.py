"""The board: the rows of all jobs, kept up to date with few reads.

The table's index lists the records of a status, the latest first. What changed since the last poll
therefore stands at the front of the lists, and a poll ends where it meets what it knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from matinv.client import Client, Job
from matinv.console.rows import JobRow, row_of
from matinv.jobs.record import Record, Status
from matinv.jobs.times import timestamp
from matinv.ports.parallel import CLIENT_THREADS, side_by_side

# So many records of each status are read by a poll that finds nothing new: 150 reads at most, and
# 48 queries of half a unit (8 shards). At $0.125 per million units and a poll in two seconds an
# hour of an open page costs 4 cents. Workers' clocks differ, so that what is new may stand behind
# what is known, but not further than this.
_FRONT: Final = 25


@dataclass(frozen=True, slots=True)
class Change:
    """What a poll found: rows that are new or other than before, and jobs that left the board."""

    rows: tuple[JobRow, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(slots=True)
class Board:
    """The jobs that the page shows.

    Parameters
    ----------
    client : Client
        The stack.
    limit : int
        How many jobs at most, the latest.
    """

    client: Client
    limit: int
    rows: dict[str, JobRow] = field(default_factory=dict)
    _sent: dict[str, Job] = field(default_factory=dict)
    _left: str = ""  # what changed last before this has left the board

    def expect(self, job: Job) -> None:
        """Show a job that was just sent: of an uploaded file there is no record yet."""
        self._sent[job.job_id] = job

    def poll(self) -> Change:
        """Bring the board up to date.

        Raises
        ------
        Transient
            If the table cannot be read.
        """
        found: dict[str, Record] = {}
        for records in side_by_side(self._fresh, list(Status), CLIENT_THREADS):
            for record in records:
                known = found.get(record.job_id)
                if known is None or known.revision < record.revision:
                    found[record.job_id] = record
        # What is known of jobs that this console sent, until they have a record.
        own = self.client.records(list(self._sent.values()))
        now = timestamp(self.client.now())
        for job_id, record in own.items():
            if record.revision:
                del self._sent[job_id]
            else:
                own[job_id] = replace(record, created_at=now, updated_at=now)
        found |= own
        rows = [row_of(record, self.client.settings.lane) for record in found.values()]
        changed = tuple(row for row in rows if self._news(row))
        self.rows |= {row.job_id: row for row in changed}
        # The oldest jobs leave a board that is too full.
        over = max(0, len(self.rows) - self.limit)
        oldest = sorted(self.rows.values(), key=lambda row: row.updated_at)[:over]
        for row in oldest:
            self._left = row.updated_at
            del self.rows[row.job_id]
        return Change(
            tuple(row for row in changed if row.job_id in self.rows),
            tuple(row.job_id for row in oldest),
        )

    def busy(self) -> bool:
        """Whether a job has not ended yet."""
        return any(not row.status.terminal for row in self.rows.values())

    def _fresh(self, status: Status) -> list[Record]:
        """Return the records of a status that the board does not have as they are."""
        front = [*self.client.table.list(status, min(_FRONT, self.limit))]
        fresh = [record for record in front if self._news(record)]
        if len(fresh) < len(front) or len(front) < _FRONT:
            return fresh
        fresh, known = [], 0
        for record in self.client.table.list(status, self.limit):
            if self._news(record):
                known = 0
                fresh.append(record)
            elif (known := known + 1) == _FRONT:
                break
        return fresh

    def _news(self, row: JobRow | Record) -> bool:
        if row.updated_at <= self._left:
            return False
        known = self.rows.get(row.job_id)
        return known is None or (row.revision, row.status) != (known.revision, known.status)
