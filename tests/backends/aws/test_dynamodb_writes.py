"""DynamoDB: how many calls writes take, and a fault in each."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import repeat
from typing import Any

import pytest

from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.backends.aws.dynamodb_items import ATTRIBUTES, item_of
from matinv.errors import Code, Transient
from matinv.formats.codecs import Format
from matinv.jobs.record import ResultInfo
from matinv.testing.contracts import full_record, record
from support.faults import Faults, lost_answer, lost_request, refusal, refusing

SERVICE = "dynamodb"


@pytest.fixture
def table(client: Any, table_name: str, faults: Faults) -> DynamoDBTable:
    return DynamoDBTable(client, table_name)


THROTTLED = refusal(400, "ProvisionedThroughputExceededException")

BROKEN = refusal(500, "InternalServerError")


class TestCalls:
    def test_twenty_five_records_take_one_call(self, table: DynamoDBTable, faults: Faults) -> None:
        records = [record(f"j{n}") for n in range(100)]
        assert all(table.put(records))
        assert len(table.get([r.job_id for r in records])) == 100
        assert faults.calls == {"BatchExecuteStatement": 4, "BatchGetItem": 1}

    def test_a_new_revision_of_many_takes_as_many(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        records = [record(f"j{n}") for n in range(100)]
        table.put(records)
        faults.calls.clear()
        assert all(table.put([replace(r, revision=2, attempts=7) for r in records]))
        assert {r.attempts for r in table.get([r.job_id for r in records]).values()} == {7}
        assert faults.calls == {"BatchExecuteStatement": 4, "BatchGetItem": 1}

    def test_one_record_takes_a_put(self, table: DynamoDBTable, faults: Faults) -> None:
        assert table.put([record("a")]) == [True]
        assert faults.calls == {"PutItem": 1}

    def test_losers_cost_a_read_each(self, table: DynamoDBTable, faults: Faults) -> None:
        table.put([record("j0"), record("j7"), record("j8")])
        faults.calls.clear()
        written = table.put([replace(record(f"j{n}"), attempts=1) for n in range(10)])
        assert written == [n not in {0, 7, 8} for n in range(10)]
        assert faults.calls == {"BatchExecuteStatement": 1, "GetItem": 3}

    def test_four_megabytes_are_the_most_in_a_call(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        inline = ResultInfo(Format.JSON, "0" * 64, 390_000, inline=b"x" * 390_000)
        assert all(table.put([replace(record(f"j{n}"), result=inline) for n in range(21)]))
        assert faults.calls == {"BatchExecuteStatement": 2, "PutItem": 1}

    def test_nothing_takes_no_call(self, table: DynamoDBTable, faults: Faults) -> None:
        assert (table.put([]), table.get([])) == ([], {})
        assert faults.calls == {}


@pytest.mark.deep  # 3 s
class TestWrites:
    @pytest.mark.parametrize("fault", [lost_answer, lost_request, THROTTLED, BROKEN])
    @pytest.mark.parametrize("count", [1, 3])
    def test_a_fault_is_overcome(
        self, table: DynamoDBTable, faults: Faults, fault: Any, count: int
    ) -> None:
        faults.script.append(fault)
        assert table.put([record(f"j{n}") for n in range(count)]) == [True] * count
        reads = faults.calls.pop("GetItem", 0)
        assert sum(faults.calls.values()) == 2
        assert reads == (count if count > 1 and fault is lost_answer else 0)

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

    # DynamoDB API reference, "BatchStatementError": the codes of a statement.
    @pytest.mark.parametrize(
        "code",
        [
            "TransactionConflict",
            "ThrottlingError",
            "ProvisionedThroughputExceeded",
            "RequestLimitExceeded",
        ],
    )
    def test_items_that_are_put_off_are_tried_again_alone(
        self, table: DynamoDBTable, faults: Faults, code: str
    ) -> None:
        faults.script.extend([refusing("", code, "", code), refusing("", code)])
        assert table.put([record(f"j{n}") for n in range(4)]) == [True] * 4
        assert faults.calls == {"BatchExecuteStatement": 2, "PutItem": 1}

    def test_all_records_are_written_though_one_item_of_ten_is_throttled(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        """In a transaction of a hundred such items none is ever written."""
        lots = random.Random(10)
        written: list[bool] = []

        def throttle(request: Any, send: Any) -> Any:
            if "Statements" not in json.loads(request.body):
                return send()
            count = len(json.loads(request.body)["Statements"])
            codes = ["ThrottlingError" if lots.random() < 0.1 else "" for _ in range(count)]
            written.extend(not code for code in codes)
            return refusing(*codes)(request, send)

        faults.of["BatchExecuteStatement"] = repeat(throttle)
        assert all(table.put([record(f"j{n}") for n in range(100)]))
        assert written.count(False) in range(5, 20)
        assert faults.calls["BatchExecuteStatement"] <= 12

    def test_items_that_stay_put_off_are_throttled(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        faults.script.extend([refusing("", *["TransactionConflict"] * 2)])
        faults.script.extend([refusing(*["TransactionConflict"] * 2)] * 50)
        with pytest.raises(Transient, match="THROTTLED"):
            table.put([record("a"), record("b"), record("c")])
        assert faults.calls["BatchExecuteStatement"] == 7
        faults.script.clear()
        assert table.get(["a", "b", "c"]).keys() == {"a"}

    @pytest.mark.parametrize("code", ["ValidationError", "InternalServerError", "AccessDenied"])
    def test_what_a_statement_is_refused_for_a_put_decides(
        self, table: DynamoDBTable, faults: Faults, code: str
    ) -> None:
        table.put([replace(record("j1"), attempts=9)])
        faults.calls.clear()
        faults.script.append(refusing(code, code, ""))
        records = [record(f"j{n}") for n in range(3)]
        assert table.put(records) == [True, False, True]
        assert faults.calls == {"BatchExecuteStatement": 1, "PutItem": 2}

    def test_who_may_put_items_only_writes_all_the_same(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        faults.of["BatchExecuteStatement"] = repeat(refusal(400, "AccessDeniedException"))
        assert table.put([record(f"j{n}") for n in range(3)]) == [True] * 3
        assert faults.calls == {"BatchExecuteStatement": 1, "PutItem": 3}

    def test_an_item_that_cannot_be_written_does_not_keep_its_neighbours(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        faults.script.append(refusing("", "ValidationError", ""))
        faults.script.append(refusal(400, "ValidationException", "Item size has exceeded"))
        with pytest.raises(Transient, match="Item size has exceeded"):
            table.put([record(f"j{n}") for n in range(3)])
        assert table.get(["j0", "j1", "j2"]).keys() == {"j0", "j2"}

    def test_a_page_that_fails_does_not_keep_the_others(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        faults.script.append(refusal(400, "ValidationException"))
        with pytest.raises(Transient, match="ValidationException"):
            table.put([record(f"j{n}") for n in range(250)])
        assert len(table.get([f"j{n}" for n in range(250)])) == 225

    def test_a_new_revision_leaves_nothing_of_the_old_one(
        self, table: DynamoDBTable, client: Any, table_name: str
    ) -> None:
        """An UPDATE keeps what it does not name; every attribute that an item can have is named."""
        full = replace(full_record("a"), run="r")
        assert item_of(full).keys() == set(ATTRIBUTES)
        assert table.put([full, replace(full, job_id="b")]) == [True, True]
        bare = [replace(record(job_id), revision=2) for job_id in ("a", "b")]
        assert table.put(bare) == [True, True]
        for one in bare:
            key = {"job_id": {"S": one.job_id}}
            assert client.get_item(TableName=table_name, Key=key)["Item"] == item_of(one)
