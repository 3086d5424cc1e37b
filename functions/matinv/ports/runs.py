"""The index of runs: which jobs have one name, and how they stand, no record being read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from matinv.jobs.record import Status
from matinv.jobs.runs import RecentRun, RunEntry, RunPlace, RunSummary


class RunIndex(Protocol):
    """The jobs of a run by their state; it may be a moment behind the records."""

    def run_entries(
        self,
        run: str,
        status: Status | None = None,
        after: RunPlace | None = None,
        limit: int | None = None,
    ) -> Iterator[RunEntry]:
        """Yield the jobs of a run, all or those in `status`, in the order of `run_order`.

        Nothing up to the place `after` is yielded: whoever has read the jobs that succeeded so far
        goes on behind the last of them. At most `limit` are, and few more are read.
        """
        ...

    def run_summary(self, run: str) -> RunSummary:
        """Count the jobs of a run; of a run that nobody knows there are none."""
        ...

    def recent_runs(self, limit: int) -> Sequence[RecentRun]:
        """Return at most `limit` runs, the latest first.

        Their times may be behind those of their jobs by `NOTED_S`, so that not every job pays for
        the news of its run.
        """
        ...
