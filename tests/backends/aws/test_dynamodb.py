"""DynamoDB: faults on the way to it, how often it is called, what records look like in it."""

from __future__ import annotations

import json
from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np
import pytest

from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.backends.aws.dynamodb_items import item_of, record_of
from matinv.errors import Code, Transient
from matinv.formats.names import Format
from matinv.jobs.record import ResultInfo, Status
from matinv.testing.contracts import full_record, record
from support.faults import Faults, broken_off, lost_answer, lost_request, refusal, success

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


class TestReads:
    def test_half_an_answer_is_a_fault_and_not_an_empty_one(
        self, table: DynamoDBTable, faults: Faults
    ) -> None:
        table.put([record("a")])
        faults.script.append(broken_off(reset=False))
        with pytest.raises(Transient, match="STORAGE: reading 1 records failed: IncompleteRead"):
            table.get(["a"])

    def test_unprocessed_keys_are_asked_for_again(
        self, table: DynamoDBTable, faults: Faults, table_name: str
    ) -> None:
        table.put([record("a"), record("b")])
        left = {table_name: {"Keys": [{"job_id": {"S": "b"}}], "ConsistentRead": True}}
        some = {table_name: [item_of(record("a"))]}
        nothing = success(Responses={}, UnprocessedKeys=left)
        faults.script.extend([success(Responses=some, UnprocessedKeys=left), nothing])
        assert table.get(["a", "b"]) == {"a": record("a"), "b": record("b")}

    def test_keys_that_stay_unprocessed_are_throttling(
        self, table: DynamoDBTable, faults: Faults, table_name: str
    ) -> None:
        left = {table_name: {"Keys": [{"job_id": {"S": "a"}}], "ConsistentRead": True}}
        faults.script.extend([success(Responses={}, UnprocessedKeys=left)] * 50)
        with pytest.raises(Transient, match="THROTTLED"):
            table.get(["a"])
        assert faults.calls["BatchGetItem"] == 6

    def test_listing_goes_on_over_pages(self, table: DynamoDBTable) -> None:
        table.put([record(f"j{n:03d}", at=n) for n in range(230)])
        listed = [r.job_id for r in table.list(Status.QUEUED, 220)]
        assert listed == [f"j{n:03d}" for n in reversed(range(10, 230))]

    def test_a_record_that_is_elsewhere_by_now_is_not_listed(
        self, table: DynamoDBTable, faults: Faults, client: Any, table_name: str
    ) -> None:
        table.put([record("a"), record("b"), record("c")])
        stale = client.query(
            TableName=table_name,
            IndexName="by-status",
            KeyConditionExpression="listing = :key",
            ExpressionAttributeValues={":key": item_of(record("a"))["listing"]},
        )["Items"]
        table.put([record("a", 2, Status.RUNNING)])
        table.delete("b")
        faults.script.append(success(Items=stale, Count=1))
        assert [r.job_id for r in table.list(Status.QUEUED, 10)] == ["c"]


class TestLists:
    def test_records_of_one_time_have_an_order_though_the_index_has_none(
        self, table: DynamoDBTable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The stand-in's index has one."""
        query = table._query

        def mixed(*arguments: Any) -> Any:
            page = query(*arguments)
            return {**page, "Items": sorted(page["Items"], key=lambda item: hash(str(item)))}

        monkeypatch.setattr(table, "_query", mixed)
        table.put([record(f"j{n:03d}") for n in range(60)])
        names = [f"j{n:03d}" for n in range(59, -1, -1)]
        assert [r.job_id for r in table.list(Status.QUEUED, 100)] == names
        rest = table.list(Status.QUEUED, 5, before=(record("x").updated_at, "j030"))
        assert [r.job_id for r in rest] == ["j029", "j028", "j027", "j026", "j025"]


class TestItems:
    def test_an_item_is_readable_with_the_aws_cli(self) -> None:
        item = item_of(full_record(result=ResultInfo(Format.JSON, "ab", 9, inline=b'{"x": 1}')))
        plain = {name: plain_of(value) for name, value in item.items()}
        assert plain["status"] == "PARTIAL"
        assert plain["input"]["shape"] == ["3", "2", "2"]
        assert plain["result"]["inline"] == '{"x": 1}'
        assert plain["error"]["retryable"] is False
        assert plain["certificate"]["digits"] == "0.3333333333333333"
        assert plain["timings"].keys() == {"queued_ms", "load_ms", "invert_ms"}
        assert plain["slices"]["failures"][0]["index"] == "1"
        assert json.dumps(plain)

    def test_what_has_no_value_is_left_out(self) -> None:
        always = {"job_id", "status", "listing", "input", "created_at", "updated_at", "expires_at"}
        assert item_of(record("a")).keys() == always | {"attempts", "revision"}

    @pytest.mark.parametrize(
        "number",
        [
            *(0.0, -0.0, 1.0, 0.1, -2.5e-7, 1e22, 9.9e125, 1e126, 1e-130, 9e-131, 5e-324, -1e308),
            *(float("inf"), np.float64(1) / 3, 12),
        ],
    )
    def test_numbers_come_back_exactly(self, number: float) -> None:
        full = replace(full_record(), timings_ms={"x_ms": number})
        (found,) = record_of(item_of(full)).timings_ms.values()
        assert repr(found) == repr(float(number))

    def test_random_numbers_come_back_exactly(self) -> None:
        numbers = np.random.default_rng(5).integers(0, 2**64, 2000, dtype=np.uint64)
        floats = {
            str(n): f for n, f in enumerate(numbers.view(np.float64).tolist()) if not isnan(f)
        }
        full = replace(full_record(), timings_ms=floats)
        assert record_of(item_of(full)).timings_ms == floats
        values = item_of(full)["timings"]["M"].values()
        for value in values:
            if "N" in value:
                assert -130 <= np.floor(np.log10(abs(float(value["N"])))) <= 125
                assert len(value["N"].partition("e")[0].strip("-").replace(".", "")) <= 38

    def test_the_jobs_spread_over_the_index(self) -> None:
        listings = {item_of(record(f"j{n}"))["listing"]["S"] for n in range(100)}
        assert listings == {f"QUEUED#{shard}" for shard in range(8)}


def plain_of(value: Any) -> Any:
    ((kind, content),) = value.items()
    if kind == "M":
        return {name: plain_of(member) for name, member in content.items()}
    return [plain_of(member) for member in content] if kind == "L" else content
