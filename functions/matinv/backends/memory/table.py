"""`JobTable` in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from matinv.backends.memory.faults import FaultInjection
from matinv.jobs.record import Record, Status
from matinv.jobs.runs import (
    RecentRun,
    RunEntry,
    RunPlace,
    RunSummary,
    entry_of,
    run_order,
    summary_of,
)
from matinv.ports import Place


class MemoryTable(FaultInjection):
    """`JobTable` in memory; ``records`` is for tests to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, Record] = {}

    def get(self, job_ids: Sequence[str]) -> dict[str, Record]:
        """Return the records that exist."""
        with self.operation("get"):
            return {i: self.records[i] for i in job_ids if i in self.records}

    def put(self, records: Sequence[Record]) -> list[bool]:
        """Write records by compare-and-set."""
        with self.operation("put"):
            written = []
            for record in records:
                found = self.records.get(record.job_id)
                written.append((found.revision if found else 0) == record.revision - 1)
                if written[-1]:
                    self.records[record.job_id] = record
            return written

    def delete(self, job_id: str) -> None:
        """Remove a record."""
        with self.operation("delete"):
            self.records.pop(job_id, None)

    def list(self, status: Status, limit: int, before: Place | None = None) -> Iterator[Record]:
        """Yield records in `status`, the most recently updated first."""
        with self.operation("list"):
            found = [record for record in self.records.values() if record.status is status]
        found.sort(key=_place, reverse=True)
        yield from islice((r for r in found if before is None or _place(r) < before), limit)

    def run_entries(
        self,
        run: str,
        status: Status | None = None,
        after: RunPlace | None = None,
        limit: int | None = None,
    ) -> Iterator[RunEntry]:
        """Yield the jobs of a run, in the order of `run_order`."""
        with self.operation("run_entries"):
            found = [entry_of(record) for record in self.records.values() if record.run == run]
        found.sort(key=lambda entry: run_order(entry.place))
        wanted = (
            entry
            for entry in found
            if (status is None or entry.status is status)
            and (after is None or run_order(entry.place) > run_order(after))
        )
        yield from islice(wanted, limit)

    def run_summary(self, run: str) -> RunSummary:
        """Count the jobs of a run."""
        return summary_of(run, self.run_entries(run))

    def recent_runs(self, limit: int) -> Sequence[RecentRun]:
        """Return the runs, the latest first."""
        with self.operation("recent_runs"):
            latest: dict[str, str] = {}
            for record in self.records.values():
                latest[record.run] = max(record.updated_at, latest.get(record.run, ""))
        runs = [RecentRun(run, at) for run, at in latest.items() if run]
        return sorted(runs, key=lambda one: (one.updated_at, one.run), reverse=True)[:limit]

    def places(self, status: Status, limit: int, since: str = "") -> Iterator[Place]:
        """Yield where records in `status` stand, the most recently updated first."""
        with self.operation("places"):
            records = self.records.values()
            found = [_place(r) for r in records if r.status is status and r.updated_at >= since]
        return islice(iter(sorted(found, reverse=True)), limit)


def _place(record: Record) -> Place:
    return record.updated_at, record.job_id
