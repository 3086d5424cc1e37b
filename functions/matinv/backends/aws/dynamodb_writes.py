"""Compare-and-set of many records in few calls: transactions that go on without their losers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import orjson
from botocore.exceptions import ClientError

from matinv.backends.aws.calls import packed, pause
from matinv.backends.aws.dynamodb_items import Item, item_of, record_of
from matinv.backends.aws.errors import HINTS, code_of, translated
from matinv.errors import Code, Transient
from matinv.jobs.record import Record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# TransactWriteItems' limits. The bytes are counted as JSON, which is longer than DynamoDB's count.
_ITEMS: Final = 100
_BYTES: Final = 4_000_000

# Attempts without any progress; the pauses between them add up to at most 1.6 s.
ATTEMPTS: Final = 6

_LOST: Final = "ConditionalCheckFailed"
_NOT_YET: Final = frozenset(
    {
        "None",  # this one would have been written, but for others of its transaction
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    }
)
_BODY: Final = "matinv_body"


@dataclass(frozen=True, slots=True)
class Write:
    """A record, and the request that writes it: a Put of a transaction, or a PutItem."""

    record: Record
    body: bytes


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What DynamoDB said of a write that was refused, and what stands there instead."""

    code: str
    message: str = ""
    item: Item | None = None


def write_of(record: Record, table_name: str) -> Write:
    """Return the conditional write of a record."""
    put: dict[str, Any] = {
        "TableName": table_name,
        "Item": item_of(record),
        "ConditionExpression": "attribute_not_exists(job_id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if record.revision != 1:
        put["ConditionExpression"] = "revision = :found"
        put["ExpressionAttributeValues"] = {":found": {"N": str(record.revision - 1)}}
    return Write(record, orjson.dumps(put, default=_base64))


def calls_of(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Cut writes into what one call takes.

    Examples
    --------
    >>> [len(call) for call in calls_of([Write(None, b"x" * 1_500_000)] * 5)]
    [2, 2, 1]
    """
    return packed(writes, _ITEMS, _BYTES, lambda write: len(write.body))


def put_all(dynamodb: DynamoDBClient, writes: Sequence[Write]) -> dict[str, bool]:
    """Write what fits one call; again, without those that lost, as often as it takes.

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
    broken: list[str] = []
    idle = 0
    while pending and (verdicts := _put(dynamodb, pending)):
        left = []
        for write, verdict in zip(pending, verdicts, strict=True):
            if verdict.code in _NOT_YET:
                left.append(write)
            elif verdict.code == _LOST:
                # Unless what stands there is this very write, whose answer was lost.
                found, ours = verdict.item, write.record
                won[ours.job_id] = (
                    found is not None
                    and found["updated_at"]["S"] == ours.updated_at
                    and record_of(found) == ours
                )
            else:
                broken.append(f"{write.record.job_id}: {verdict.code}: {verdict.message}")
        idle = idle + 1 if len(left) == len(pending) else 0
        pending = left
        if idle == ATTEMPTS:
            raise throttled(f"writing {len(pending)} records")
        pause(idle)
    if broken:
        message = f"writing {len(broken)} records failed, the first one {broken[0]}"
        raise Transient(Code.STORAGE, message, HINTS[Code.STORAGE])
    return won


def throttled(action: str) -> Transient:
    """Return the error of a call whose items were put off too often."""
    return Transient(Code.THROTTLED, f"{action} was put off again and again", HINTS[Code.THROTTLED])


def _put(dynamodb: DynamoDBClient, writes: Sequence[Write]) -> Sequence[_Refusal]:
    """Write records, all or none; return nothing if they were, else what was said of each.

    botocore may send a request again after an answer was lost. A transaction is recognised by its
    token, and a single write recognises itself in what stands there (`put_all`).
    """
    with translated(f"writing {len(writes)} records"):
        try:
            if len(writes) == 1:  # at half the price of a transaction
                send: Callable[..., object] = dynamodb.put_item
                body = writes[0].body
            else:
                send = dynamodb.transact_write_items
                puts = b",".join(b'{"Put":%s}' % write.body for write in writes)
                token = str(uuid4()).encode()
                body = b'{"ClientRequestToken":"%s","TransactItems":[%s]}' % (token, puts)
            send(**{_BODY: body})
        except ClientError as error:
            answer: Mapping[str, Any] = error.response
            refusals = []
            match code_of(error):
                case "ConditionalCheckFailedException":
                    refusals = [_Refusal(_LOST, item=answer.get("Item"))]
                case "TransactionConflictException":
                    refusals = [_Refusal("TransactionConflict")]
                case "TransactionCanceledException":
                    refusals = [
                        _Refusal(r.get("Code", "None"), r.get("Message", ""), r.get("Item"))
                        for r in answer.get("CancellationReasons", ())
                    ]
            if len(refusals) != len(writes):
                raise
            return refusals
    return []


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
