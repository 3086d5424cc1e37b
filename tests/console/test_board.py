from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from seeds import record

from matinv.backends.memory import MemoryTable
from matinv.console.board import Board, Change
from matinv.console.rows import COLUMNS
from matinv.jobs.record import Record, Status
from matinv.jobs.times import timestamp
from support.memory_service import MemoryService, general


class CountingTable(MemoryTable):
    """Counts the records that are listed."""

    listed = 0

    def list(self, status: Status, limit: int) -> Iterator[Record]:
        for found in super().list(status, limit):
            self.listed += 1
            yield found


@pytest.fixture
def table(service: MemoryService) -> CountingTable:
    table = CountingTable()
    service.world.table = table
    return table


def ids(change: Change) -> list[str]:
    return sorted(row.job_id for row in change.rows)


def test_first_look_finds_all_jobs(service: MemoryService, table: CountingTable) -> None:
    table.put([record(i) for i in range(300)] + [record(300, Status.FAILED)])
    assert len(Board(service.client, 1000).poll().rows) == 301


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
    table.listed = 0
    board.poll()
    assert table.listed <= 25 * len(Status)


def test_a_burst_of_news_is_found_to_its_end(service: MemoryService, table: CountingTable) -> None:
    board = Board(service.client, 10_000)
    board.poll()
    table.put([record(i) for i in range(500)])
    assert len(board.poll().rows) == 500


def test_a_burst_of_news_does_not_make_a_look_read_all_that_is_known(
    service: MemoryService, table: CountingTable
) -> None:
    table.put([record(i) for i in range(5000)])
    board = Board(service.client, 10_000)
    board.poll()
    table.listed = 0
    table.put([record(i) for i in range(5000, 5040)])
    assert len(board.poll().rows) == 40
    assert table.listed <= 200


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
