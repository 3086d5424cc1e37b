"""The index of runs on DynamoDB: a run's jobs in shards, each in the order of their statuses.

One key of an index takes 1,000 writes a second, so that a run has several, and a reader merges
them. The entries have what counting needs, a tenth of a record or less: a write of one costs a
unit, and who fetches results reads the records, a hundred for the price of four such writes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from matinv.backends.aws.dynamodb_items import SHARDS, run_entry_of, run_place, shard_of
from matinv.backends.aws.errors import translated
from matinv.errors import Transient
from matinv.jobs.record import Record, Status
from matinv.jobs.runs import (
    NOTED_S,
    STATUSES,
    RecentRun,
    RunEntry,
    RunPlace,
    RunSummary,
    run_order,
    summary_of,
)
from matinv.ports.parallel import side_by_side

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import GlobalSecondaryIndexTypeDef

INDEX: Final = "by-status"
RUN_INDEX: Final = "by-run"

_NOTE: Final = "RUN"
_PREFIX: Final = "//run/"
_NOTED_RUNS: Final = 1000


def run_index_schema() -> GlobalSecondaryIndexTypeDef:
    """Return the arguments of `create_table` for the index; records without a run are not in it."""
    return {
        "IndexName": RUN_INDEX,
        "KeySchema": [
            {"AttributeName": "run_listing", "KeyType": "HASH"},
            {"AttributeName": "run_place", "KeyType": "RANGE"},
        ],
        "Projection": {
            "ProjectionType": "INCLUDE",
            "NonKeyAttributes": ["created_at", "error_code"],
        },
    }


class DynamoDBRuns:
    """`RunIndex` of a table with the schema of `run_index_schema`.

    Parameters
    ----------
    dynamodb : DynamoDBClient
        From `matinv.backends.aws.clients.client`.
    table_name : str
        The table's name.
    """

    def __init__(self, dynamodb: DynamoDBClient, table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name
        self._noted_at: dict[str, datetime] = {}

    def run_entries(
        self,
        run: str,
        status: Status | None = None,
        after: RunPlace | None = None,
        limit: int | None = None,
    ) -> Iterator[RunEntry]:
        """Yield the jobs of a run, in the order of `run_order`."""
        least = run_place(after) if after else "0"
        most = "~"
        if status is not None:
            number = STATUSES.index(status)
            least, most = max(least, f"{number}#"), f"{number}$"  # "$" is next to "#"
        if least > most:
            return
        asked: dict[str, Any] = {
            "KeyConditionExpression": "run_listing = :key AND run_place BETWEEN :least AND :most",
            "ExpressionAttributeValues": {":least": {"S": least}, ":most": {"S": most}},
        }
        if limit is not None:  # a shard's part, and some more: they are not quite equal
            asked["Limit"] = limit // SHARDS + 16

        def begun(shard: int) -> Iterator[RunEntry]:
            pages = self._pages(run, shard, asked)
            return chain(next(pages, ()), chain.from_iterable(pages))

        merged = heapq.merge(
            *side_by_side(begun, range(SHARDS)), key=lambda entry: run_order(entry.place)
        )
        behind = (e for e in merged if after is None or run_order(e.place) > run_order(after))
        yield from islice(behind, limit)

    def run_summary(self, run: str) -> RunSummary:
        """Count the jobs of a run, all shards at once: 100,000 jobs take 20 MB of the index."""

        def read(shard: int) -> list[RunEntry]:
            every = {"KeyConditionExpression": "run_listing = :key"}
            return [*chain.from_iterable(self._pages(run, shard, every))]

        shards = side_by_side(read, range(SHARDS), SHARDS)
        return summary_of(run, chain.from_iterable(shards))

    def recent_runs(self, limit: int) -> Sequence[RecentRun]:
        """Return the runs that were noted, the latest first."""

        def read(shard: int) -> list[RecentRun]:
            with translated("listing the runs"):
                page = self._dynamodb.query(
                    TableName=self._table_name,
                    IndexName=INDEX,
                    KeyConditionExpression="listing = :key",
                    ExpressionAttributeValues={":key": {"S": f"{_NOTE}#{shard}"}},
                    ScanIndexForward=False,
                    Limit=limit,
                )
            return [
                RecentRun(item["job_id"]["S"].removeprefix(_PREFIX), item["updated_at"]["S"])
                for item in page["Items"]
            ]

        found = chain.from_iterable(side_by_side(read, range(SHARDS)))
        latest = sorted(found, key=lambda one: (one.updated_at, one.run), reverse=True)
        return latest[:limit]

    def _note(self, records: Sequence[Record]) -> None:
        """Let `recent_runs` know of the runs of records, each once in `NOTED_S`; best effort.

        A note is an item of the table, under a key that no job can have, in the index by status,
        under a status that there is none of.
        """
        news: dict[str, Record] = {}
        for record in records:
            if record.run:
                at = datetime.fromisoformat(record.updated_at)
                noted = self._noted_at.get(record.run)
                if noted is None or (at - noted).total_seconds() > NOTED_S:
                    self._noted_at[record.run] = at
                    news[record.run] = record
        if len(self._noted_at) > _NOTED_RUNS:
            self._noted_at.clear()

        def put(record: Record) -> None:
            with suppress(Transient), translated("noting a run"):
                self._dynamodb.put_item(
                    TableName=self._table_name,
                    Item={
                        "job_id": {"S": _PREFIX + record.run},
                        "listing": {"S": f"{_NOTE}#{shard_of(record.run)}"},
                        "updated_at": {"S": record.updated_at},
                        "expires_at": {"N": str(record.expires_at)},
                    },
                )

        side_by_side(put, news.values())

    def _pages(self, run: str, shard: int, asked: Mapping[str, Any]) -> Iterator[list[RunEntry]]:
        values = {":key": {"S": f"{run}#{shard}"}, **asked.get("ExpressionAttributeValues", {})}
        query = {
            "TableName": self._table_name,
            "IndexName": RUN_INDEX,
            **asked,
            "ExpressionAttributeValues": values,
        }
        while True:
            with translated(f"listing the run {run}"):
                page = self._dynamodb.query(**query)
            yield [*map(run_entry_of, page["Items"])]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
