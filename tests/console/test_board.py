from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from seeds import record

from matinv.backends.memory import MemoryTable
from matinv.console.board import READ_AT_ONCE, Board, Change
from matinv.console.rows import COLUMNS
from matinv.jobs.record import Record, Status
from matinv.jobs.times import timestamp
from matinv.ports import Place
from support.memory_service import MemoryService, general


class CountingTable(MemoryTable):
    """Counts the places that are listed and the records that are read."""

    listed = 0
    read = 0

    def places(self, status: Status, limit: int, since: str = "") -> Iterator[Place]:
        for found in super().places(status, limit, since):
            self.listed += 1
            yield found

    def get(self, job_ids: Sequence[str]) -> dict[str, Record]:
        self.read += len(job_ids)
        return super().get(job_ids)


@pytest.fixture
def table(service: MemoryService) -> CountingTable:
    table = CountingTable()
    service.table = table
    return table


def ids(change: Change) -> list[str]:
    return sorted(row.job_id for row in change.rows)


def test_first_look_finds_all_jobs(service: MemoryService, table: CountingTable) -> None:
    table.put([record(i) for i in range(300)] + [record(300, Status.FAILED)])
    rows = Board(service.client, 1000).poll().rows
    assert (len(rows), all(row.revision for row in rows)) == (301, True)


def test_a_first_poll_shows_every_job_and_reads_the_latest_records(
    service: MemoryService, table: CountingTable
) -> None:
    table.put([record(i, Status.FAILED if i % 10 == 0 else Status.SUCCEEDED) for i in range(2000)])
    board = Board(service.client, 10_000)
    board.poll()
    assert table.read == READ_AT_ONCE
    assert len(board.rows) == 2000
    assert sum(row.status is Status.FAILED for row in board.rows.values()) == 200
    known = {job_id for job_id, row in board.rows.items() if row.revision}
    assert known == {f"job-{i:05}" for i in range(2000 - READ_AT_ONCE, 2000)}


def test_what_was_left_is_read_bit_by_bit_and_once(
    service: MemoryService, table: CountingTable
) -> None:
    table.put([record(i) for i in range(2000)])
    board = Board(service.client, 10_000)
    board.poll()
    told = [len(board.read().rows) for _ in range(4)]
    assert told == [READ_AT_ONCE] * 4
    assert (table.read, board.unread, board.read()) == (2000, {}, Change())
    assert all(row.revision for row in board.rows.values())


def test_what_changes_while_the_rest_is_read_comes_before_it(
    service: MemoryService, table: CountingTable
) -> None:
    table.put([record(i) for i in range(2000)])
    board = Board(service.client, 10_000)
    board.poll()
    ended = replace(record(7, Status.FAILED, revision=2), updated_at=timestamp(1_800_000_000))
    table.put([ended])
    rows = {row.job_id: row for row in board.poll().rows}
    assert (rows["job-00007"].status, rows["job-00007"].revision) == (Status.FAILED, 2)


def test_a_record_that_is_removed_before_it_is_read_leaves_the_board(
    service: MemoryService, table: CountingTable
) -> None:
    table.put([record(i) for i in range(READ_AT_ONCE + 1)])
    board = Board(service.client, 10_000)
    board.poll()
    table.delete("job-00000")
    assert board.read().gone == ("job-00000",)
    assert len(board.rows) == READ_AT_ONCE


def test_a_job_that_two_lists_of_a_late_index_hold_is_read_as_it_is(
    service: MemoryService, table: CountingTable
) -> None:
    board = Board(service.client, 10_000)
    table.put([record(1, Status.RUNNING)])
    before = [*table.places(Status.RUNNING, 10)]
    board.poll()
    table.put([replace(record(1, revision=2), updated_at=timestamp(1_800_000_000))])
    listed = table.places
    table.places = lambda status, limit, since="": (  # type: ignore[method-assign]
        iter(before) if status is Status.RUNNING else listed(status, limit, since)
    )
    assert [row.status for row in board.poll().rows] == [Status.SUCCEEDED]
    assert board.poll() == Change()


def test_later_looks_tell_only_what_changed(service: MemoryService, table: CountingTable) -> None:
    table.put([record(i, Status.QUEUED) for i in range(50)])
    board = Board(service.client, 1000)
    board.poll()
    assert board.poll() == Change()
    ended = replace(record(7, revision=2), updated_at=timestamp(1_800_000_000))
    table.put([ended, record(1000)])
    assert ids(board.poll()) == ["job-00007", "job-01000"]


def test_an_idle_look_reads_the_front_of_each_list_alone(
    service: MemoryService, table: CountingTable
) -> None:
    table.put([record(i) for i in range(5000)])
    board = Board(service.client, 10_000)
    board.poll()
    while board.unread:
        board.read()
    table.listed = table.read = 0
    assert board.poll() == Change()
    assert table.listed <= 25 * len(Status)
    assert table.read == 0


def test_a_burst_of_news_is_found_to_its_end(service: MemoryService, table: CountingTable) -> None:
    board = Board(service.client, 10_000)
    board.poll()
    table.put([record(i) for i in range(500)])
    told = [*board.poll().rows, *board.read().rows]
    assert len({row.job_id for row in told if row.revision}) == 500


def test_a_burst_of_news_does_not_make_a_look_read_all_that_is_known(
    service: MemoryService, table: CountingTable
) -> None:
    table.put([record(i) for i in range(5000)])
    board = Board(service.client, 10_000)
    board.poll()
    while board.unread:
        board.read()
    table.listed = table.read = 0
    table.put([record(i) for i in range(5000, 5040)])
    assert len(board.poll().rows) == 40
    assert table.listed <= 200
    assert table.read == 40


def test_the_oldest_jobs_leave_a_full_board(service: MemoryService, table: CountingTable) -> None:
    table.put([record(i) for i in range(10)])
    board = Board(service.client, 10)
    board.poll()
    table.put([record(10), record(11)])
    assert board.poll().gone == ("job-00000", "job-00001")
    assert len(board.rows) == 10


def test_jobs_that_left_the_board_do_not_come_back(
    service: MemoryService, table: CountingTable
) -> None:
    table.put([record(i, Status.FAILED) for i in range(5)] + [record(i) for i in range(5, 25)])
    board = Board(service.client, 20)
    assert ids(board.poll()) == [f"job-{i:05}" for i in range(5, 25)]
    table.listed = 0
    assert board.poll() == Change()
    assert table.listed <= 25 * len(Status)


def test_a_dropped_file_is_queued_before_it_has_a_record(service: MemoryService) -> None:
    board = Board(service.client, 10)
    board.poll()
    board.expect(service.client.submit(general(300), job_id="big"))
    assert [(row.job_id, row.status) for row in board.poll().rows] == [("big", "QUEUED")]
    assert board.busy()
    service.work()
    assert [(row.job_id, row.status) for row in board.poll().rows] == [("big", "SUCCEEDED")]
    assert board.poll() == Change()
    assert not board.busy()


def test_a_newer_file_of_a_known_job_is_queued_again(service: MemoryService) -> None:
    client = service.client
    client.submit(general(300), job_id="big")
    service.work()
    board = Board(client, 10)
    board.poll()
    board.expect(client.submit(general(300, seed=1), job_id="big", replace=True))
    assert [row.status for row in board.poll().rows] == ["QUEUED"]
    assert board.poll() == Change()
    service.work()
    assert [row.status for row in board.poll().rows] == ["SUCCEEDED"]


def test_a_row_tells_what_the_table_shows(service: MemoryService) -> None:
    client = service.client
    client.submit([[1.0, 2.0], [2.0, 4.0]], job_id="sneaky", tags={"team": "fem"})
    service.work()
    (row,) = Board(client, 10).poll().rows
    shown = dict(zip(COLUMNS, row.cells, strict=True))
    found = [shown[name] for name in ("status", "code", "shape", "dtype")]
    assert found == ["FAILED", "SINGULAR", (2, 2), "float64"]
    assert (shown["lane"], shown["tags"]) == ("standard", {"team": "fem"})
    assert shown["note"]
    assert shown["note"].startswith("SINGULAR: ")
