"""The rules for every `RunIndex`."""
# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from matinv.errors import Code, ErrorInfo
from matinv.jobs.record import InputInfo, Record, Status


def run_record(
    job_id: str, run: str = "fem/7", status: Status = Status.QUEUED, at: int = 0, revision: int = 1
) -> Record:
    """Return the record of a job in a run; what failed has a reason."""
    failed = ErrorInfo(Code.SINGULAR if at % 2 else Code.NON_FINITE, "x") if status.failed else None
    return Record(
        job_id=job_id,
        status=status,
        input=InputInfo("message", f"sha256:{job_id}"),
        created_at=f"2026-11-21T03:00:00.{at % 7:03d}Z",
        updated_at=f"2026-11-21T03:00:01.{at:03d}Z",
        expires_at=1_790_000_000,
        revision=revision,
        run=run,
        error=failed,
    )


class RunIndexContract:
    """`matinv.ports.RunIndex`."""

    @pytest.fixture
    def table(self) -> Any:
        """Return an empty table."""
        raise NotImplementedError

    def write(self, table: Any, records: Sequence[Record]) -> None:
        """Write records, of which none is there, past a table that cannot."""
        assert all(table.put(records))

    def test_a_run_that_nobody_knows_has_no_jobs(self, table: Any) -> None:
        self.write(table, [run_record("a", ""), run_record("b", "other")])
        assert [*table.run_entries("fem/7")] == []
        summary = table.run_summary("fem/7")
        assert (summary.run, summary.total, summary.ended, summary.first) == ("fem/7", 0, 0, "")

    def test_runs_whose_names_begin_alike_are_apart(self, table: Any) -> None:
        names = ["fem", "fem/7", "fem#7", "fem#", "fem/7 逆"]
        self.write(table, [run_record(f"j{n}", run) for n, run in enumerate(names)])
        for n, run in enumerate(names):
            assert [entry.job_id for entry in table.run_entries(run)] == [f"j{n}"]

    def test_an_entry_says_what_counting_needs(self, table: Any) -> None:
        there = run_record("done", status=Status.SUCCEEDED, at=3)
        self.write(table, [there, run_record("bad", status=Status.FAILED, at=1)])
        done, bad = table.run_entries("fem/7")
        assert (done.job_id, done.status, done.error_code) == ("done", Status.SUCCEEDED, None)
        assert (done.created_at, done.updated_at) == (there.created_at, there.updated_at)
        assert (bad.job_id, bad.error_code) == ("bad", Code.SINGULAR)

    def test_an_entry_has_the_first_warning_of_a_result(self, table: Any) -> None:
        done = run_record("done", status=Status.SUCCEEDED)
        self.write(table, [replace(done, warnings=("ILL_CONDITIONED", "OTHER"))])
        (entry,) = table.run_entries("fem/7")
        assert (entry.warning, entry.error_code) == ("ILL_CONDITIONED", None)
        assert table.run_summary("fem/7").warnings == {"ILL_CONDITIONED": 1}

    def test_entries_come_by_status_then_time_then_id(self, table: Any) -> None:
        """More of them than shards, so that they are merged; some of one time."""
        jobs = [
            run_record(f"j{n:03d}", status=status, at=n * 37 % 40 // 2)
            for s, status in enumerate(Status)
            for n in range(40 * s, 40 * s + 40)
        ]
        self.write(table, sorted(jobs, key=lambda record: record.job_id[::-1]))
        life = list(Status)
        in_order = sorted(jobs, key=lambda r: (life.index(r.status), r.updated_at, r.job_id))
        assert [entry.job_id for entry in table.run_entries("fem/7")] == [
            record.job_id for record in in_order
        ]
        assert [e.job_id for e in table.run_entries("fem/7", limit=21)] == [
            record.job_id for record in in_order[:21]
        ]
        for status in Status:
            ids = [r.job_id for r in in_order if r.status is status]
            listed = [*table.run_entries("fem/7", status)]
            assert [entry.job_id for entry in listed] == ids
            behind = [*table.run_entries("fem/7", status, after=listed[16].place)]
            assert [entry.job_id for entry in behind] == ids[17:]
            some = table.run_entries("fem/7", status, after=listed[16].place, limit=20)
            assert [*some] == behind[:20]
            assert not [*table.run_entries("fem/7", status, after=listed[-1].place)]

    def test_a_summary_counts_states_and_failures(self, table: Any) -> None:
        jobs = [
            run_record(f"{status}-{n}", status=status, at=n)
            for status in Status
            for n in range(2 + len(status))
        ]
        self.write(table, [*jobs, run_record("other", "other", Status.FAILED)])
        summary = table.run_summary("fem/7")
        assert summary.counts == {status: 2 + len(status) for status in Status}
        assert list(summary.counts) == list(Status)
        assert summary.failures == {Code.NON_FINITE: 4, Code.SINGULAR: 4}
        assert summary.total == len(jobs)
        assert summary.ended == sum(r.status.terminal for r in jobs)
        assert (summary.first, summary.last) == (
            min(r.created_at for r in jobs),
            max(r.updated_at for r in jobs),
        )
        since = min(r.updated_at for r in jobs if not r.status.terminal)
        assert summary.open_since == since
        assert summary.ended_since == sum(r.status.terminal for r in jobs if r.updated_at >= since)

    def test_runs_are_listed_the_latest_first(self, table: Any) -> None:
        assert table.recent_runs(9) == []
        self.write(
            table, [run_record(f"{n}-{k}", f"fem/{n}", at=9 * n) for n in range(9) for k in "ab"]
        )
        self.write(table, [run_record("none", "", at=99)])
        assert [one.run for one in table.recent_runs(100)] == [f"fem/{n}" for n in range(8, -1, -1)]
        assert [one.run for one in table.recent_runs(2)] == ["fem/8", "fem/7"]
        assert table.recent_runs(1)[0].updated_at == run_record("x", at=72).updated_at


class MovingRunContract(RunIndexContract):
    """The same of a table that can be written."""

    def test_a_job_is_in_its_run_under_its_last_status_only(self, table: Any) -> None:
        for revision, status in enumerate(Status, start=1):
            assert table.put([run_record("a", "fem/7", status, revision, revision)]) == [True]
            assert [entry.status for entry in table.run_entries("fem/7")] == [status]
            assert table.run_summary("fem/7").counts == {status: 1}
        assert table.put([run_record("a", "other", revision=len(Status) + 1)]) == [True]
        assert [*table.run_entries("fem/7")] == []
        assert table.run_summary("other").total == 1
        table.delete("a")
        assert table.run_summary("other").total == 0
