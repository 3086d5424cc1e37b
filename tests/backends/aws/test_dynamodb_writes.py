"""DynamoDB: how many calls writes take, and a fault in each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.errors import Code, Transient
from matinv.formats.codecs import Format
from matinv.jobs.record import ResultInfo
from matinv.testing.contracts import full_record, record
from support.faults import Faults, lost_answer, lost_request, refusal

SERVICE = "dynamodb"


@pytest.fixture
def table(client: Any, table_name: str, faults: Faults) -> DynamoDBTable:
    return DynamoDBTable(client, table_name)


def cancelled(*codes: str, **extra: Any) -> Any:
    reasons = [{"Code": code} for code in codes]
    return refusal(400, "TransactionCanceledException", CancellationReasons=reasons, **extra)


THROTTLED = refusal(400, "ProvisionedThroughputExceededException")

BROKEN = refusal(500, "InternalServerError")


class TestCalls:
    def test_a_hundred_records_take_one_call(self, table: DynamoDBTable, faults: Faults) -> None:
        records = [record(f"j{n}") for n in range(100)]
        assert all(table.put(records))
        assert len(table.get([r.job_id for r in records])) == 100
        assert faults.calls == {"TransactWriteItems": 1, "BatchGetItem": 1}

    def test_one_record_takes_a_put(self, table: DynamoDBTable, faults: Faults) -> None:
        assert table.put([record("a")]) == [True]
        assert faults.calls == {"PutItem": 1}

    def test_losers_cost_one_call_more(self, table: DynamoDBTable, faults: Faults) -> None:
        table.put([record("j0"), record("j7"), record("j8")])
        faults.calls.clear()
        written = table.put([replace(record(f"j{n}"), attempts=1) for n in range(10)])
        assert written == [n not in {0, 7, 8} for n in range(10)]
        assert faults.calls == {"TransactWriteItems": 2}

    def test_four_megabytes_are_the_most_in_a_call(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        inline = ResultInfo(Format.JSON, "0" * 64, 390_000, inline=b"x" * 390_000)
        assert all(table.put([replace(record(f"j{n}"), result=inline) for n in range(21)]))
        assert faults.calls == {"TransactWriteItems": 2, "PutItem": 1}

    def test_nothing_takes_no_call(self, table: DynamoDBTable, faults: Faults) -> None:
        assert (table.put([]), table.get([])) == ([], {})
        assert faults.calls == {}


class TestWrites:
    @pytest.mark.parametrize("fault", [lost_answer, lost_request, THROTTLED, BROKEN])
    @pytest.mark.parametrize("count", [1, 3])
    def test_a_fault_is_overcome(
        self, table: DynamoDBTable, faults: Faults, fault: Any, count: int
    ) -> None:
        faults.script.append(fault)
        assert table.put([record(f"j{n}") for n in range(count)]) == [True] * count
        assert sum(faults.calls.values()) == 2

    @pytest.mark.parametrize("count", [1, 3])
    def test_a_lost_answer_is_told_from_another_writer(
        self, table: DynamoDBTable, faults: Faults, count: int
    ) -> None:
        table.put([replace(record("j0"), attempts=1)])  # a rival, at the same time and revision
        faults.script.append(lost_request)
        assert table.put([record(f"j{n}") for n in range(count)]) == [False, True, True][:count]

    def test_a_later_put_of_the_same_write_is_the_same_write(self, table: DynamoDBTable) -> None:
        full = full_record()
        assert table.put([full]) == [True]
        assert table.put([full]) == [True]
        assert table.put([replace(full, attempts=4)]) == [False]

    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            (THROTTLED, Code.THROTTLED),
            (BROKEN, Code.STORAGE),
            (lost_request, Code.STORAGE),
            (refusal(400, "AccessDeniedException"), Code.ACCESS_DENIED),
            (refusal(400, "ResourceNotFoundException"), Code.ACCESS_DENIED),
            (refusal(400, "TransactionConflictException"), Code.THROTTLED),
        ],
    )
    def test_a_fault_that_stays_is_transient(
        self, table: DynamoDBTable, faults: Faults, fault: Any, code: Code
    ) -> None:
        faults.script.extend([fault] * 50)
        with pytest.raises(Transient) as caught:
            table.put([record("a")])
        assert caught.value.code is code
        assert sum(faults.calls.values()) <= 6

    def test_items_in_the_way_of_another_transaction_are_tried_again(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        faults.script.extend(
            [
                cancelled("None", "TransactionConflict", "None"),
                cancelled("ThrottlingError", "None", "None"),
            ]
        )
        assert table.put([record(f"j{n}") for n in range(3)]) == [True] * 3
        assert faults.calls == {"TransactWriteItems": 3}

    def test_a_conflict_that_stays_is_throttling(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        faults.script.extend([cancelled("None", "TransactionConflict")] * 50)
        with pytest.raises(Transient, match="THROTTLED"):
            table.put([record("a"), record("b")])
        assert faults.calls["TransactWriteItems"] == 6

    def test_an_item_that_cannot_be_written_does_not_keep_its_neighbours(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        faults.script.append(cancelled("None", "ValidationError", "None"))
        with pytest.raises(Transient, match="j1: ValidationError"):
            table.put([record(f"j{n}") for n in range(3)])
        assert table.get(["j0", "j1", "j2"]).keys() == {"j0", "j2"}

    def test_a_page_that_fails_does_not_keep_the_others(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        faults.script.append(refusal(400, "ValidationException"))
        with pytest.raises(Transient, match="ValidationException"):
            table.put([record(f"j{n}") for n in range(250)])
        assert len(table.get([f"j{n}" for n in range(250)])) in {150, 200}
