"""`JobTable` on DynamoDB: batch reads and writes, a sharded index to list by."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from matinv.backends.aws.calls import pages, pause
from matinv.backends.aws.dynamodb_items import SHARDS, listing, record_of
from matinv.backends.aws.dynamodb_runs import INDEX, DynamoDBRuns, run_index_schema
from matinv.backends.aws.dynamodb_writes import (
    ATTEMPTS,
    accept_bodies,
    calls_of,
    put_all,
    throttled,
    write_of,
)
from matinv.backends.aws.errors import translated
from matinv.jobs.record import Record, Status
from matinv.ports import Place
from matinv.ports.parallel import side_by_side

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import CreateTableInputTypeDef, QueryOutputTypeDef

TTL_ATTRIBUTE: Final = "expires_at"

_KEYS_PER_READ: Final = 100  # BatchGetItem's limit
_PLACES_PER_QUERY: Final = 1000  # 100 KB: a tenth of an answer's limit, and 13 read units

_Range = tuple[str, str] | None
"""A condition on ``updated_at`` and its value ``:at``."""


def table_schema(name: str) -> CreateTableInputTypeDef:
    """Return the arguments of `create_table` for the jobs table; its TTL is on `TTL_ATTRIBUTE`."""
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "job_id", "AttributeType": "S"},
            {"AttributeName": "listing", "AttributeType": "S"},
            {"AttributeName": "updated_at", "AttributeType": "S"},
            {"AttributeName": "run_listing", "AttributeType": "S"},
            {"AttributeName": "run_place", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "job_id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": INDEX,
                "KeySchema": [
                    {"AttributeName": "listing", "KeyType": "HASH"},
                    {"AttributeName": "updated_at", "KeyType": "RANGE"},
                ],
                # Results inside records are not paid for a second time.
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
            run_index_schema(),
        ],
    }


class DynamoDBTable(DynamoDBRuns):
    """Records and runs in a table with the schema of `table_schema`.

    Parameters
    ----------
    dynamodb : DynamoDBClient
        From `matinv.backends.aws.clients.client`.
    table_name : str
        The table's name.
    """

    def __init__(self, dynamodb: DynamoDBClient, table_name: str) -> None:
        super().__init__(dynamodb, table_name)
        accept_bodies(dynamodb)

    def get(self, job_ids: Sequence[str]) -> dict[str, Record]:
        """Return the records that exist, a hundred per call."""
        distinct = list(dict.fromkeys(job_ids))
        found: dict[str, Record] = {}
        for records in side_by_side(self._get_page, pages(distinct, _KEYS_PER_READ)):
            found |= records
        return found

    def _get_page(self, job_ids: Sequence[str]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        keys: Sequence[Mapping[str, Any]] = [{"job_id": {"S": job_id}} for job_id in job_ids]
        idle = 0
        while keys:
            with translated(f"reading {len(keys)} records"):
                answer = self._dynamodb.batch_get_item(
                    RequestItems={self._table_name: {"Keys": keys, "ConsistentRead": True}}
                )
            items = answer["Responses"].get(self._table_name, [])
            found |= {item["job_id"]["S"]: record_of(item) for item in items}
            keys = answer["UnprocessedKeys"].get(self._table_name, {"Keys": []})["Keys"]
            idle = 0 if items else idle + 1
            if keys and idle == ATTEMPTS:
                raise throttled(f"reading {len(keys)} records")
            pause(idle if keys else 0)
        return found

    def put(self, records: Sequence[Record]) -> list[bool]:
        """Write records by compare-and-set, 25 per call."""
        writes = [write_of(record, self._table_name) for record in records]
        won: dict[str, bool] = {}
        for page in side_by_side(lambda call: put_all(self._dynamodb, call), calls_of(writes)):
            won |= page
        self._note([record for record in records if won[record.job_id]])
        return [won[record.job_id] for record in records]

    def delete(self, job_id: str) -> None:
        """Remove a record."""
        with translated(f"removing the record of {job_id}"):
            self._dynamodb.delete_item(TableName=self._table_name, Key={"job_id": {"S": job_id}})

    def list(self, status: Status, limit: int, before: Place | None = None) -> Iterator[Record]:
        """Yield records in `status`, the most recently updated first.

        The index tells ids and times, and may be a moment late; the records are read as they are.
        """
        if limit < 1:
            return
        range_: _Range = ("updated_at <= :at", before[0]) if before else None
        places = self._merged(status, min(limit, _KEYS_PER_READ), range_)
        ids = (job_id for at, job_id in places if before is None or (at, job_id) < before)
        left = limit
        while left > 0 and (job_ids := [*islice(ids, min(left, _KEYS_PER_READ))]):
            found = self.get(job_ids)
            records = [found[job_id] for job_id in job_ids if job_id in found]
            records = [record for record in records if record.status is status]
            yield from records
            left -= len(records)

    def places(self, status: Status, limit: int, since: str = "") -> Iterator[Place]:
        """Yield where records in `status` stand: the index knows, and may be a moment late."""
        if limit < 1:
            return
        range_: _Range = ("updated_at >= :at", since) if since else None
        yield from islice(self._merged(status, min(limit, _PLACES_PER_QUERY), range_), limit)

    def _merged(self, status: Status, size: int, range_: _Range) -> Iterator[Place]:
        """Yield the places of the records in `status`, the last first; a query asks for `size`."""
        keys = [listing(status, shard) for shard in range(SHARDS)]
        first = side_by_side(lambda key: self._query(key, size, range_, {}), keys)
        shards = []
        for key, page in zip(keys, first, strict=True):
            by_time = groupby(self._places(key, size, range_, page), itemgetter(0))
            # In an index, equal times have no order.
            shards.append(place for _, tied in by_time for place in sorted(tied, reverse=True))
        return heapq.merge(*shards, reverse=True)

    def _places(
        self, key: str, size: int, range_: _Range, page: QueryOutputTypeDef
    ) -> Iterator[Place]:
        """Yield the places of the records under an index key, the last first."""
        while True:
            yield from ((i["updated_at"]["S"], i["job_id"]["S"]) for i in page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            page = self._query(key, size, range_, {"ExclusiveStartKey": page["LastEvaluatedKey"]})

    def _query(
        self, key: str, size: int, range_: _Range, start: Mapping[str, Any]
    ) -> QueryOutputTypeDef:
        condition, at = range_ or ("", "")
        values = {":key": {"S": key}} | ({":at": {"S": at}} if range_ else {})
        with translated(f"listing {key}"):
            return self._dynamodb.query(
                TableName=self._table_name,
                IndexName=INDEX,
                KeyConditionExpression="listing = :key" + (f" AND {condition}" if range_ else ""),
                ExpressionAttributeValues=values,
                ScanIndexForward=False,
                Limit=size,
                **start,
            )
