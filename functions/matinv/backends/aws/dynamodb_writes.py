"""Compare-and-set of many records in few calls, each written or refused alone.

A batch of PartiQL statements writes an item for the units of a PutItem, half of a transaction's,
and an item that is throttled or lost keeps none of its neighbours from being written. Whatever a
statement is refused for that is neither of these, a PutItem of the same record decides.

Source: DynamoDB Developer Guide, "Running batch operations with PartiQL", "PartiQL insert
statements" (DuplicateItem), "PartiQL update statements" (ConditionalCheckFailed), "DynamoDB
read and write operations" (units).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson
from botocore.exceptions import ClientError

from matinv.backends.aws.calls import packed, pause
from matinv.backends.aws.dynamodb_items import ATTRIBUTES, Item, item_of, record_of
from matinv.backends.aws.errors import HINTS, code_of, translated
from matinv.errors import Code, Misconfigured, Transient
from matinv.jobs.record import Record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# BatchExecuteStatement takes 25 statements. No limit of its bytes is documented: that of a
# transaction, counted as JSON, which is longer than DynamoDB's count.
_ITEMS: Final = 25
_BYTES: Final = 4_000_000

# Attempts without any progress; the pauses between them add up to at most 1.6 s.
ATTEMPTS: Final = 6

_DUPLICATE: Final = "DuplicateItem"
_CHANGED: Final = "ConditionalCheckFailed"
_NOT_YET: Final = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "ThrottlingError",
        "TransactionConflict",
    }
)
_BODY: Final = "matinv_body"


@dataclass(frozen=True, slots=True)
class Write:
    """A record, the table that it goes to, and the statement that writes it, as JSON."""

    record: Record
    table_name: str
    statement: bytes


@dataclass(frozen=True, slots=True)
class _Refusal:
    """DynamoDB's refusal of a write, with the item that is there instead."""

    code: str
    item: Item | None = None


def write_of(record: Record, table_name: str) -> Write:
    """Return the conditional write of a record."""
    item = item_of(record)
    names = tuple(item)
    if record.revision == 1:
        text, values = _insert(table_name, names), [*item.values()]
    else:
        text = _update(table_name, names)
        found = {"N": str(record.revision - 1)}
        values = [*(item[name] for name in names if name != "job_id"), item["job_id"], found]
    request = {
        "Statement": text,
        "Parameters": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return Write(record, table_name, orjson.dumps(request, default=_base64))


@cache
def _insert(table_name: str, names: tuple[str, ...]) -> str:
    """Return the statement of a first record: it is refused where one stands already."""
    fields = ", ".join(f"'{name}': ?" for name in names)
    return f'INSERT INTO "{table_name}" VALUE {{{fields}}}'


@cache
def _update(table_name: str, names: tuple[str, ...]) -> str:
    """Return the statement that replaces a record of one revision, all of it."""
    changes = [f'SET "{name}" = ?' for name in names if name != "job_id"]
    changes += [f'REMOVE "{name}"' for name in ATTRIBUTES if name not in names]
    condition = '"job_id" = ? AND "revision" = ?'
    return f'UPDATE "{table_name}" {" ".join(changes)} WHERE {condition}'


def calls_of(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Cut writes into batches for one call each.

    Examples
    --------
    >>> [len(call) for call in calls_of([Write(None, "jobs", b"x" * 1_500_000)] * 5)]
    [2, 2, 1]
    """
    return packed(writes, _ITEMS, _BYTES, lambda write: len(write.statement))


def put_all(dynamodb: DynamoDBClient, writes: Sequence[Write]) -> dict[str, bool]:
    """Write the items of one call; repeat throttled ones as often as it takes.

    Returns
    -------
    dict
        By job id, whether the record was written.

    Raises
    ------
    Transient
        Of a part of the records it is then unknown whether they were written.
    """
    won = dict.fromkeys((write.record.job_id for write in writes), True)
    pending = list(writes)
    broken: list[Transient] = []
    idle = 0
    while pending:
        left = []
        for write, refusal in zip(pending, _put(dynamodb, pending), strict=True):
            if refusal is None:
                continue
            if refusal.code in _NOT_YET:
                left.append(write)
            elif refusal.code in {_DUPLICATE, _CHANGED}:
                won[write.record.job_id] = _stands(dynamodb, write, refusal)
            else:
                try:
                    won |= put_all(dynamodb, [write])
                except Misconfigured:
                    raise
                except Transient as error:
                    broken.append(error)
        idle = idle + 1 if len(left) == len(pending) else 0
        pending = left
        if idle == ATTEMPTS:
            raise throttled(f"writing {len(pending)} records")
        pause(idle)
    if broken:
        raise broken[0]
    return won


def throttled(action: str) -> Transient:
    """Return the error of a call whose items were put off too often."""
    return Transient(Code.THROTTLED, f"{action} was put off again and again", HINTS[Code.THROTTLED])


def _stands(dynamodb: DynamoDBClient, write: Write, refusal: _Refusal) -> bool:
    """Whether the item is there because this very write succeeded and its answer was lost."""
    found, ours = refusal.item, write.record
    if found is None and refusal.code == _DUPLICATE:  # promised for failed conditions only
        with translated(f"reading {ours.job_id}"):
            answer = dynamodb.get_item(
                TableName=write.table_name,
                Key={"job_id": {"S": ours.job_id}},
                ConsistentRead=True,
            )
        found = answer.get("Item")
    return (
        found is not None
        and found["updated_at"]["S"] == ours.updated_at
        and record_of(found) == ours
    )


def _put(dynamodb: DynamoDBClient, writes: Sequence[Write]) -> Sequence[_Refusal | None]:
    """Write records, each for itself; return what was said of those that were refused.

    botocore may send a request again after an answer was lost: each write recognises itself in
    what stands there (`_stands`).
    """
    with translated(f"writing {len(writes)} records"):
        if len(writes) == 1:
            return [_put_alone(dynamodb, writes[0])]
        statements = b",".join(write.statement for write in writes)
        send: Any = dynamodb.batch_execute_statement
        try:
            answer = send(**{_BODY: b'{"Statements":[%s]}' % statements})
        except ClientError as error:
            if code_of(error) != "AccessDeniedException":
                raise
            # A policy from before statements were used: PutItem may be allowed all the same.
            return [_Refusal("AccessDenied")] * len(writes)
        errors = [response.get("Error") for response in answer["Responses"]]
        return [error and _Refusal(error["Code"], error.get("Item")) for error in errors]


def _put_alone(dynamodb: DynamoDBClient, write: Write) -> _Refusal | None:
    put: dict[str, Any] = {
        "TableName": write.table_name,
        "Item": item_of(write.record),
        "ConditionExpression": "attribute_not_exists(job_id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if write.record.revision != 1:
        put["ConditionExpression"] = "revision = :found"
        put["ExpressionAttributeValues"] = {":found": {"N": str(write.record.revision - 1)}}
    send: Any = dynamodb.put_item
    try:
        send(**{_BODY: orjson.dumps(put, default=_base64)})
    except ClientError as error:
        answer: Mapping[str, Any] = error.response
        match code_of(error):
            case "ConditionalCheckFailedException":
                return _Refusal(_CHANGED, answer.get("Item"))
            case "TransactionConflictException":
                return _Refusal("TransactionConflict")
        raise
    return None


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    raise TypeError(type(value).__name__)


def accept_bodies(dynamodb: DynamoDBClient) -> None:
    """Let a client send requests that are JSON already.

    botocore spends 60 µs on each record (150 with validation) where orjson spends 4.
    """
    events = dynamodb.meta.events
    events.register("provide-client-params.dynamodb.*", _take_body, "matinv-take-body")
    events.register("before-call.dynamodb.*", _set_body, "matinv-set-body")


def _take_body(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    if _BODY in params:
        context[_BODY] = params.pop(_BODY)


def _set_body(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    if _BODY in context:
        params["body"] = context[_BODY]
