"""The board: the rows of all jobs, kept up to date with few reads.

The table's index lists where the records of a status stand, the latest first. What changed since
the last poll therefore stands at the front of the lists, and a poll ends where it meets what it
knows. Only the records of what changed are read, some at a time: until its turn comes, a job's row
shows its id, its state and its time, which the index knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from matinv.client import Client, Job
from matinv.console.rows import JobRow, row_of, unread_row
from matinv.jobs.record import Status
from matinv.jobs.times import timestamp
from matinv.ports import Place
from matinv.ports.parallel import CLIENT_THREADS, side_by_side

# So many places of each status are listed by a poll that finds nothing new: 48 queries of half a
# unit (8 shards), and no record. At $0.125 per million units and a poll in two seconds an hour of
# an open page costs half a cent. Workers' clocks differ, so that what is new may stand behind what
# is known, but not further than this.
_FRONT: Final = 25

# Records that are read in one go: four calls side by side, a tenth of a second.
READ_AT_ONCE: Final = 400


@dataclass(frozen=True, slots=True)
class Change:
    """The changes that a poll found: rows that are new or changed, and jobs that left the board."""

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
    unread: dict[str, str] = field(default_factory=dict)  # what is to be read, and since when
    _sent: dict[str, Job] = field(default_factory=dict)
    _left: str = ""  # what changed last before this has left the board

    def expect(self, job: Job) -> None:
        """Show a job that was just sent: of an uploaded file there is no record yet."""
        self._sent[job.job_id] = job

    def poll(self) -> Change:
        """Bring the board up to date: list what changed, and read the latest of it.

        Raises
        ------
        Transient
            If the table cannot be read.
        """
        listed = side_by_side(self._fresh, list(Status), CLIENT_THREADS)
        found: dict[str, tuple[str, Status]] = {}
        for status, places in zip(Status, listed, strict=True):
            for at, job_id in places:  # in two lists while the index moves it
                found[job_id] = max((at, status), found.get(job_id, ("", status)))
        self.unread |= {job_id: at for job_id, (at, _) in found.items()}
        new = {
            job_id: unread_row(job_id, status, at)
            for job_id, (at, status) in found.items()
            if job_id not in self.rows
        }
        self.rows |= new
        gone = self._dropped()
        read = self.read()
        unread = (row for job_id, row in new.items() if self.rows.get(job_id) is row)
        return Change((*unread, *read.rows), (*gone, *read.gone))

    def read(self) -> Change:
        """Read the latest of the records that changed, some hundred at most.

        Raises
        ------
        Transient
            If the table cannot be read; the same ones come next.
        """
        latest = sorted(self.unread, key=self.unread.__getitem__, reverse=True)[:READ_AT_ONCE]
        found = self.client.table.get(latest) if latest else {}
        # What is known of jobs that this console sent, until they have a record.
        own = self.client.records(list(self._sent.values()))
        now = timestamp(self.client.now())
        for job_id, record in own.items():
            if record.revision:
                del self._sent[job_id]
            else:
                own[job_id] = replace(record, created_at=now, updated_at=now)
        known = {**found, **own}.values()
        rows = [row_of(record, self.client.settings.lane) for record in known]
        changed = tuple(row for row in rows if self._is_news(row))
        self.rows |= {row.job_id: row for row in changed}
        for job_id in latest:
            del self.unread[job_id]
        removed = tuple(job_id for job_id in latest if job_id not in found)
        for job_id in removed:
            self.rows.pop(job_id, None)
        gone = (*removed, *self._dropped())
        return Change(tuple(row for row in changed if row.job_id in self.rows), gone)

    def busy(self) -> bool:
        """Whether a job has not ended yet."""
        return any(not row.status.terminal for row in self.rows.values())

    def _fresh(self, status: Status) -> list[Place]:
        """Return where the records of a status stand that the board does not have as they are."""

        def is_fresh(place: Place) -> bool:
            at, job_id = place
            known = self.rows.get(job_id)
            if at <= self._left or (known and (known.updated_at, known.status) == (at, status)):
                return False
            return self.unread.get(job_id) != at

        front = [*self.client.table.places(status, min(_FRONT, self.limit))]
        fresh = [place for place in front if is_fresh(place)]
        if not fresh or len(front) < _FRONT:
            return fresh
        fresh, known = [], 0
        for place in self.client.table.places(status, self.limit):
            if is_fresh(place):
                known = 0
                fresh.append(place)
            elif (known := known + 1) == _FRONT:
                break
        return fresh

    def _is_news(self, row: JobRow) -> bool:
        known = self.rows.get(row.job_id)
        if row.updated_at <= self._left:
            return False
        return known is None or (row.revision, row.status) != (known.revision, known.status)

    def _dropped(self) -> tuple[str, ...]:
        """Take the oldest jobs off a board that is too full."""
        over = len(self.rows) - self.limit
        if over <= 0:
            return ()
        oldest = sorted(self.rows.values(), key=lambda row: row.updated_at)[:over]
        self._left = oldest[-1].updated_at
        for row in oldest:
            del self.rows[row.job_id]
            self.unread.pop(row.job_id, None)
        return tuple(row.job_id for row in oldest)
