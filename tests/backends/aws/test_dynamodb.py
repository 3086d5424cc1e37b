"""DynamoDB: reads and lists, and faults on the way."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.backends.aws.dynamodb_items import item_of
from matinv.errors import Transient
from matinv.jobs.record import Status
from matinv.testing.contracts import record
from support.faults import Faults, broken_off, refusal, success

SERVICE = "dynamodb"


@pytest.fixture
def table(client: Any, table_name: str, faults: Faults) -> DynamoDBTable:
    return DynamoDBTable(client, table_name)


THROTTLED = refusal(400, "ProvisionedThroughputExceededException")


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
        item = item_of(record("a"))
        packed = {"facts": {"B": b64encode(item["facts"]["B"]).decode()}}
        some = {table_name: [item | packed]}
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
        """Moto's index has one."""
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
