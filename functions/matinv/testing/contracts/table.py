"""The rules for every `JobTable`."""
# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from matinv.errors import Code, ErrorInfo
from matinv.formats.codecs import Format
from matinv.jobs.record import (
    InputInfo,
    JobCost,
    Progress,
    Record,
    ResultInfo,
    SliceFailure,
    Slices,
    Status,
)
from matinv.linalg.certificate import Certificate, Checked, Side
from matinv.ports import ClientTable, JobTable
from matinv.testing.contracts.racing import side_by_side
from matinv.testing.contracts.runs import MovingRunContract, RunIndexContract


def full_record(job_id: str = "full", result: ResultInfo | None = None) -> Record:
    """Return a record that has everything, numbers at the edges of float64 included."""
    return Record(
        job_id=job_id,
        status=Status.PARTIAL,
        input=InputInfo(
            "s3://inputs/мир.npy", "version:v1", "0A1B", 2**40, (3, 2, 2), "float64", "cd" * 32
        ),
        created_at="2026-11-21T03:00:00.000Z",
        updated_at="2026-11-21T03:00:01.500Z",
        expires_at=1_790_000_000,
        attempts=3,
        redrive=2,
        revision=1,
        question="ef" * 32,
        options={"method": "auto", "format": "npy"},
        message_id="00000001-e4ca-4bd3-a5b6-2e8f3a6b4f10",
        message_at_ms=1_790_000_000_123,
        error=ErrorInfo(Code.SINGULAR, "two rows agree", "use pinv", "rcond 0", "1e-14"),
        result=result
        or ResultInfo(Format.NPY, "ab" * 32, 96, "s3://results/x.npy", "v2", part_bytes=64),
        certificate=Certificate(
            5e-324,
            -0.0,
            Side.LEFT,
            1 / 3,
            "general",
            "getrf+getri",
            Checked.PROBE,
            scaled=True,
            regular=True,
            rank=2,
            gap=1e300,
            log_abs_det=-1e-200,
            sign=complex(0.6, -0.8),
        ),
        slices=Slices(3, 1, (SliceFailure(1, "SINGULAR", "exact zero pivot"),)),
        progress=Progress(99.9, "2026-11-21T04:00:00.000Z"),
        timings_ms={"queued_ms": 1.7976931348623157e308, "load_ms": 1e-130, "invert_ms": 0.1},
        cost=JobCost(0.25, 7.5e-06),
        warnings=("ILL_CONDITIONED",),
        tags={"team": "fem", "é ": "", "size": "逆"},
        run="fem/7",
        engine={"version": "0.1.0", "threads": "1"},
    )


def record(job_id: str, revision: int = 1, status: Status = Status.QUEUED, at: int = 0) -> Record:
    """Return a record with little in it."""
    return Record(
        job_id=job_id,
        status=status,
        input=InputInfo("message", "sha256:00"),
        created_at="2026-11-21T03:00:00.000Z",
        updated_at=f"2026-11-21T03:00:00.{at:03d}Z",
        expires_at=1_790_000_000,
        revision=revision,
    )


class ClientTableContract(RunIndexContract):
    """`matinv.ports.ClientTable`, as far as it reads."""

    @pytest.fixture
    def table(self) -> Any:
        """Return an empty table."""
        raise NotImplementedError

    def write(self, table: ClientTable, records: Sequence[Record]) -> None:
        """Write records, of which none is there, past a table that cannot."""
        assert all(table.put(records))

    def test_what_does_not_exist_is_left_out(self, table: ClientTable) -> None:
        assert table.get([]) == {}
        assert table.get(["never-there"]) == {}
        self.write(table, [record("a")])
        assert table.get(["a", "never-there", "a"]) == {"a": record("a")}

    def test_records_are_listed_newest_first(self, table: ClientTable) -> None:
        self.write(table, [record(f"j{n}", at=n * 37 % 101) for n in range(30)])
        listed = list(table.list(Status.QUEUED, 100))
        assert [r.updated_at for r in listed] == sorted(
            (r.updated_at for r in listed), reverse=True
        )
        assert {r.job_id for r in listed} == {f"j{n}" for n in range(30)}
        assert [r.job_id for r in table.list(Status.QUEUED, 4)] == [r.job_id for r in listed[:4]]
        assert list(table.list(Status.QUEUED, 0)) == []

    def test_a_list_goes_on_behind_a_place(self, table: ClientTable) -> None:
        """Also among records of one time, more of them than a page of the index has."""
        self.write(
            table,
            [record(f"j{n:03d}", at=n // 50) for n in sorted(range(130), key=lambda n: n % 7)],
        )
        whole = [(r.updated_at, r.job_id) for r in table.list(Status.QUEUED, 200)]
        assert whole == sorted(whole, reverse=True)
        assert len(whole) == 130
        for size in (1, 7, 60, 129):
            rest = table.list(Status.QUEUED, 7, before=whole[size - 1])
            assert [(r.updated_at, r.job_id) for r in rest] == whole[size : size + 7]
        assert list(table.list(Status.QUEUED, 7, before=whole[-1])) == []

    def test_places_are_those_of_the_list_without_its_records(self, table: ClientTable) -> None:
        self.write(table, [record(f"j{n:03d}", at=n // 20) for n in range(130)])
        self.write(table, [record("other", status=Status.FAILED, at=3)])
        listed = [(r.updated_at, r.job_id) for r in table.list(Status.QUEUED, 200)]
        assert list(table.places(Status.QUEUED, 200)) == listed
        assert list(table.places(Status.QUEUED, 33)) == listed[:33]
        assert list(table.places(Status.QUEUED, 0)) == []
        since = listed[45][0]
        new = [place for place in listed if place[0] >= since]
        assert list(table.places(Status.QUEUED, 200, since)) == new
        assert list(table.places(Status.QUEUED, 7, since)) == new[:7]
        (failed,) = table.places(Status.FAILED, 200)
        assert failed == (record("other", at=3).updated_at, "other")


class JobTableContract(ClientTableContract, MovingRunContract):
    """`matinv.ports.JobTable`."""

    @pytest.mark.parametrize(
        "result",
        [
            None,
            ResultInfo(Format.JSON, "0" * 64, 3, inline='{"é": "逆"}'.encode()),
            ResultInfo(Format.NPY, "0" * 64, 3, inline=bytes(range(256))),
            ResultInfo(Format.NPY, "0" * 64, 3, "s3://results/a b.npy", "null"),
        ],
    )
    def test_a_record_reads_as_it_was_written(
        self, table: JobTable, result: ResultInfo | None
    ) -> None:
        full = full_record(result=result)
        assert table.put([full]) == [True]
        (found,) = table.get(["full"]).values()
        assert found == full
        assert str(found.certificate) == str(full.certificate)  # -0.0 equals 0.0

    def test_a_record_with_little_reads_as_it_was_written(self, table: JobTable) -> None:
        little = record("little")
        table.put([little, record("other")])
        assert table.get(["little"]) == {"little": little}

    def test_only_the_next_revision_is_written(self, table: JobTable) -> None:
        assert table.put([]) == []
        assert table.put([record("a", 2)]) == [False]
        assert table.put([record("a", 1)]) == [True]
        assert table.put([replace(record("a", 1), attempts=9)]) == [False]
        assert table.put([record("a", 3)]) == [False]
        assert table.put([record("a", 2)]) == [True]
        assert table.get(["a"])["a"].revision == 2

    def test_losers_do_not_hurt_their_neighbours(self, table: JobTable) -> None:
        ids = [f"j-{number:03d}" for number in range(250)]
        losers = {*ids[::7], *ids[95:105]}
        there = [replace(record(job_id), attempts=9) for job_id in ids if job_id in losers]
        assert all(table.put(there))
        assert table.put([record(i) for i in ids]) == [i not in losers for i in ids]
        found = table.get(ids)
        assert [found[i].attempts for i in ids] == [9 if i in losers else 0 for i in ids]

    def test_a_page_of_losers_only_is_not_written(self, table: JobTable) -> None:
        assert table.put([record("a"), record("b")]) == [True, True]
        others = [replace(record(job_id), attempts=1) for job_id in ("a", "b")]
        assert table.put(others) == [False, False]

    def test_records_with_long_results_are_written_together(self, table: JobTable) -> None:
        inline = ResultInfo(Format.NPY, "0" * 64, 200_000, inline=bytes(200_000))
        records = [replace(record(f"j{n}"), result=inline) for n in range(45)]
        assert all(table.put(records))
        assert table.get([r.job_id for r in records]) == {r.job_id: r for r in records}

    @pytest.mark.parametrize("neighbours", [0, 3])
    def test_of_writers_side_by_side_one_wins(self, table: JobTable, neighbours: int) -> None:
        def put(number: int) -> list[bool]:
            others = [record(f"{number}-{n}") for n in range(neighbours)]
            return table.put([replace(record("a"), attempts=number + 1), *others])

        outcomes = side_by_side(put)
        (winner,) = (n for n, won in enumerate(outcomes) if won[0])
        assert table.get(["a"])["a"].attempts == winner + 1
        assert all(all(won[1:]) for won in outcomes)

    def test_a_deleted_record_is_gone(self, table: JobTable) -> None:
        table.put([record("a")])
        table.delete("a")
        table.delete("a")
        assert table.get(["a"]) == {}
        assert table.put([record("a")]) == [True]

    def test_a_record_is_listed_under_its_last_status_only(self, table: JobTable) -> None:
        for revision, status in enumerate(Status, start=1):
            table.put([record("a", revision, status, at=revision)])
            assert [s for s in Status if list(table.list(s, 10))] == [status]
        table.delete("a")
        assert not any(list(table.list(status, 10)) for status in Status)
