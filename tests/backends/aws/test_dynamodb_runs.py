"""The index of runs on DynamoDB: its calls, however many jobs a run has, and notes of runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.errors import Transient
from matinv.jobs.record import Status
from matinv.testing.contracts.runs import run_record
from support.faults import Faults, broken_off, refusal

SERVICE = "dynamodb"


@pytest.fixture
def table(client: Any, table_name: str, faults: Faults) -> DynamoDBTable:
    return DynamoDBTable(client, table_name)


def test_a_run_is_counted_without_reading_its_records(table: DynamoDBTable, faults: Faults) -> None:
    table.put([run_record(f"j{n}", "fem", Status.SUCCEEDED) for n in range(90)])
    faults.calls.clear()
    assert table.run_summary("fem").counts == {Status.SUCCEEDED: 90}
    assert faults.calls == {"Query": 8}


def test_a_page_asks_of_each_shard_about_its_part(table: DynamoDBTable, faults: Faults) -> None:
    table.put([run_record(f"j{n}", "fem", at=n) for n in range(300)])
    faults.calls.clear()
    assert len([*table.run_entries("fem", limit=100)]) == 100
    assert faults.calls == {"Query": 8}


def test_a_count_goes_on_over_pages(table: DynamoDBTable, faults: Faults, client: Any) -> None:
    """A page of DynamoDB's ends at a MiB: 5,000 entries."""
    table.put([run_record(f"j{n}", "fem", at=n) for n in range(40)])
    query = client.query

    def paged(**asked: Any) -> Any:
        return query(**asked | {"Limit": 2})

    client.query = paged
    try:
        assert table.run_summary("fem").counts == {Status.QUEUED: 40}
        ids = [entry.job_id for entry in table.run_entries("fem")]
    finally:
        client.query = query
    assert ids == [f"j{n}" for n in range(40)]


def test_a_fault_in_the_middle_is_no_smaller_run(table: DynamoDBTable, faults: Faults) -> None:
    table.put([run_record("a", "fem")])
    faults.script.append(broken_off(reset=False))
    with pytest.raises(Transient, match="STORAGE: listing the run fem failed"):
        table.run_summary("fem")


class TestNotes:
    def test_a_run_is_noted_once_in_a_quarter_of_an_hour(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        for n in range(3):
            table.put([run_record(f"{n}-{k}", "fem", at=n) for k in range(3)])
        assert faults.calls == {"BatchExecuteStatement": 3, "PutItem": 1}
        late = replace(run_record("late", "fem"), updated_at="2026-11-21T03:15:01.001Z")
        table.put([late, run_record("b", "")])
        assert faults.calls["PutItem"] == 2
        assert [one.updated_at for one in table.recent_runs(9)] == [late.updated_at]

    def test_a_record_that_lost_and_one_without_a_run_note_nothing(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        assert table.put([run_record("a", "fem", revision=2), run_record("b", "")]) == [False, True]
        assert table.recent_runs(9) == []

    def test_a_note_that_cannot_be_written_fails_no_record(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        faults.script.extend([None, refusal(400, "AccessDeniedException")])
        assert table.put([run_record("a", "fem")]) == [True]
        assert table.recent_runs(9) == []

    def test_a_note_is_no_job(self, table: DynamoDBTable) -> None:
        table.put([run_record("a", "fem")])
        assert [r.job_id for status in Status for r in table.list(status, 9)] == ["a"]
        assert [entry.job_id for entry in table.run_entries("fem")] == ["a"]
