"""DynamoDB on a virtual clock: conditional writes, consistent reads, and a budget of write units.

Only the calls of boto3 that the table's adapter makes. A table on demand takes 4,000 write units a
second at first; what is above is throttled, each item of a batch alone.

Source: DynamoDB Developer Guide, "On-demand capacity mode"; API reference, "BatchStatementError".
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final

from botocore.exceptions import ClientError

from matinv.local.moto_patches.partiql import Statement
from support.dynamodb_units import Index, Item, read_units, refused_write_units, write_units
from support.simulated_sqs import VirtualClock

NEW_TABLE_UNITS: Final = 4_000.0  # a second

BY_STATUS: Final[Index] = (("listing", "updated_at"), ())
BY_RUN: Final[Index] = (("run_listing", "run_place"), ("created_at", "error_code"))


class TokenBucket:
    """Units that come at a rate and are kept for a second at most."""

    def __init__(self, clock: VirtualClock, per_s: float = NEW_TABLE_UNITS) -> None:
        self._clock, self._per_s = clock, per_s
        self._left, self._at_s = per_s, clock.now_s

    def take(self, units: int) -> bool:
        """Take units if there are any: what begins within the budget may end above it."""
        passed_s = self._clock.now_s - self._at_s
        self._left = min(self._per_s, self._left + passed_s * self._per_s)
        self._at_s = self._clock.now_s
        if self._left <= 0:
            return False
        self._left -= units
        return True


def _as_boto3(item: Item) -> Item:
    """Return an item as boto3 hands it out: bytes are bytes."""
    read: Item = json.loads(json.dumps(item), object_hook=_binary)
    return read


def _binary(value: dict[str, Any]) -> dict[str, Any]:
    return {"B": b64decode(value["B"])} if value.keys() == {"B"} else value


class SimulatedDynamoDB:
    """What boto3 calls a client.

    Parameters
    ----------
    clock : VirtualClock
        The time.
    call_s : float
        How long a call takes.
    admits : callable
        Says of a write of so many units whether it gets through.
    padding : int
        Bytes of each record that are missing in tests: real names and ids are longer.
    """

    def __init__(
        self,
        clock: VirtualClock = VirtualClock(),  # noqa: B008 - for those who count units only
        call_s: float = 0.0,
        admits: Callable[[int], bool] = lambda _units: True,
        padding: int = 0,
    ) -> None:
        self.items: dict[str, Item] = {}
        self.calls: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        self.throttled = 0
        self._clock, self._call_s, self._admits = clock, call_s, admits
        self._padding = {"": {"S": padding * " "}}
        self.meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_: None))

    def _call(self, name: str) -> None:
        self.calls[name] += 1
        self._clock.sleep(self._call_s)

    def _write(self, job_id: str, new: Item) -> bool:
        old = self.items.get(job_id)
        padded = {**old, **self._padding} if old else None
        units = write_units(padded, {**new, **self._padding}, (BY_STATUS, BY_RUN))
        if not self._admits(units):
            self.throttled += 1
            return False
        self.units["write"] += units
        self.items[job_id] = new
        return True

    def batch_execute_statement(self, matinv_body: bytes) -> Mapping[str, Any]:
        """Write items, each for itself."""
        self._call("BatchExecuteStatement")
        requests = json.loads(matinv_body)["Statements"]
        assert 2 <= len(requests) <= 25
        return {"Responses": [self._run(Statement.read(request)) for request in requests]}

    def _run(self, statement: Statement | None) -> Mapping[str, Any]:
        assert statement
        job_id = statement.key["job_id"]["S"]
        item, error = statement.apply(self.items.get(job_id))
        if error:
            self.units["write"] += refused_write_units(self.items.get(job_id))
            return error
        return {} if self._write(job_id, item) else {"Error": {"Code": "ThrottlingError"}}

    def put_item(self, matinv_body: bytes) -> None:
        """Write an item, under the condition of its revision."""
        self._call("PutItem")
        put = json.loads(matinv_body)
        item, job_id = put["Item"], put["Item"]["job_id"]["S"]
        old = self.items.get(job_id)
        expected = put.get("ExpressionAttributeValues", {}).get(":found")
        if (old["revision"] if old else None) != expected:
            self.units["write"] += refused_write_units(old)
            raise ClientError(
                {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": old or {}},  # type: ignore[arg-type] # as DynamoDB answers
                "PutItem",
            )
        if not self._write(job_id, item):
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "PutItem")

    def get_item(self, *, Key: Item, **_: object) -> Mapping[str, Any]:  # noqa: N803 - boto3's
        """Read an item."""
        self._call("GetItem")
        found = self.items.get(Key["job_id"]["S"])
        self.units["read"] += read_units(found)
        return {"Item": _as_boto3(found)} if found else {}

    def batch_get_item(self, *, RequestItems: Item) -> Mapping[str, Any]:  # noqa: N803 - boto3's
        """Read items."""
        self._call("BatchGetItem")
        ((table, asked),) = RequestItems.items()
        found = [self.items.get(key["job_id"]["S"]) for key in asked["Keys"]]
        self.units["read"] += sum(read_units(item) for item in found)
        return {
            "Responses": {table: [_as_boto3(item) for item in found if item]},
            "UnprocessedKeys": {},
        }
