"""Runs: how each goes, and its jobs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any, Final

from matinv.client import Client
from matinv.console.errors import Bad
from matinv.console.rows import COLUMNS, row_of
from matinv.jobs.error_answers import NOT_FOUND
from matinv.jobs.record import Status
from matinv.jobs.record_document import plain
from matinv.jobs.runs import RunPlace, RunSummary, summary_document

_SHOWN: Final = 50  # runs, the latest
_PAGE: Final = 100  # jobs of a run: one call reads their records

# So long an answer waits for what is slow: the page asks for the rest.
_PATIENCE_S: Final = 0.5

# To count a run of 2,000 jobs takes eight queries, one of 100,000 twenty megabytes of the index.
# One that goes on is counted after two seconds, and not for more than a fifth of the time; jobs
# may be added to one that has ended.
_COUNTED_S: Final = 2.0
_SHARE: Final = 5
_ENDED_S: Final = 30.0

_RATE_S: Final = 60.0  # the time that a rate is of


def unknown_run(name: str) -> Bad:
    """Return the error that no job of a run is known."""
    hint = "load the page again once a worker has seen its files"
    return Bad(NOT_FOUND, f"no job of the run {name} is known", hint)


@dataclass(slots=True)
class _Counted:
    """A run as it was counted, and when it is to be counted again."""

    summary: RunSummary
    again_s: float
    ended: deque[tuple[float, int]]  # jobs that had ended, at times of the last minute


@dataclass(slots=True)
class Runs:
    """The console's view of the runs: each is counted by itself, and never twice at a time.

    Parameters
    ----------
    client : Client
        The stack.
    """

    client: Client
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(4, "matinv-runs"), repr=False
    )
    _counting: dict[str, Future[_Counted]] = field(default_factory=dict)
    _counted: dict[str, _Counted] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)

    def listed(self) -> dict[str, Any]:
        """Return the latest runs; of one that was not counted yet only the name.

        Raises
        ------
        Transient
            If the table cannot be read.
        """
        names = [one.run for one in self.client.table.recent_runs(_SHOWN)]
        known = self._read(names)
        runs = [self._document(known[name]) if name in known else {"run": name} for name in names]
        return {"runs": runs, "partial": len(known) < len(names), "limit": _SHOWN}

    def one(self, name: str) -> dict[str, Any]:
        """Return how a run goes.

        Raises
        ------
        Bad
            If no job of it is known.
        Transient
            If the table cannot be read.
        """
        counted = self._read([name]).get(name)
        if counted is None:
            return {"run": name, "partial": True}
        if not counted.summary.total:
            raise unknown_run(name)
        return self._document(counted) | {"partial": False}

    def jobs(self, name: str, status: Status | None, after: RunPlace | None) -> dict[str, Any]:
        """Return a page of a run's jobs as rows, and where the next page begins.

        Raises
        ------
        Transient
            If the table cannot be read.
        """
        entries = [*self.client.table.run_entries(name, status, after, _PAGE)]
        records = self.client.table.get([entry.job_id for entry in entries])
        lanes = self.client.settings.lane
        rows = [row_of(records[e.job_id], lanes).cells for e in entries if e.job_id in records]
        following = entries[-1].place if len(entries) == _PAGE else None
        found: dict[str, Any] = plain({"columns": COLUMNS, "rows": rows, "next": following})
        return found

    def cancelled(self, name: str) -> dict[str, Any]:
        """Cancel the jobs of a run that have not ended, and say how many those were.

        Raises
        ------
        Transient
            If the table does not answer; what was cancelled until then is.
        """
        count = self.client.cancel_run(name)
        with self._turn:  # counted again for the next who asks
            self._counted.pop(name, None)
        return {"run": name, "cancelled": count}

    def _read(self, names: list[str]) -> Mapping[str, _Counted]:
        """Return the runs, after some time for those that are still to be counted."""
        with self._turn:
            for name in names:
                known = self._counted.get(name)
                if name not in self._counting and (not known or monotonic() >= known.again_s):
                    self._counting[name] = self._pool.submit(self._count, name)
            asked = {name: self._counting[name] for name in names if name in self._counting}
        wait(asked.values(), _PATIENCE_S)
        for name, future in asked.items():
            if future.done():
                with self._turn:
                    self._counting.pop(name, None)
                self._counted[name] = future.result()
        return {name: self._counted[name] for name in names if name in self._counted}

    def _count(self, name: str) -> _Counted:
        began_s = monotonic()
        summary = self.client.table.run_summary(name)
        now_s = monotonic()
        known = self._counted.get(name)
        ended = known.ended if known else deque()
        ended.append((now_s, summary.ended))
        while ended[0][0] < now_s - _RATE_S:
            ended.popleft()
        pause_s = max(_COUNTED_S, _SHARE * (now_s - began_s))
        if not summary.still_open:
            pause_s = max(pause_s, _ENDED_S)
        return _Counted(summary, now_s + pause_s, ended)

    def _document(self, counted: _Counted) -> dict[str, Any]:
        """Return a run with its rate at present, or of all its time, and the time to go."""
        summary = counted.summary
        (first_s, first), (last_s, last) = counted.ended[0], counted.ended[-1]
        rate = (last - first) / (last_s - first_s) if last > first else 0.0
        still_open = summary.still_open
        if len(counted.ended) == 1 or not still_open:
            rate = summary.rate_per_s(self.client.now()) or 0.0
        document: dict[str, Any] = plain(summary_document(summary))
        return document | {
            "rate_per_s": rate,
            "eta_s": still_open / rate if still_open and rate else None,
        }
