"""Lambda events to deliveries: SQS batches, and the S3 notifications inside them.

A message's body is a job message (`matinv.core.message`), or what S3 says of an upload: a
notification of one or more records, the same wrapped by SNS, or an event of EventBridge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

import orjson

from matinv.core import jsontext
from matinv.core.errors import Code, Refused
from matinv.core.fields import Fields, optional, text
from matinv.core.job import Delivery, Reference, Request, hashed_id, job_id_of_key
from matinv.core.message import Parsed, parse_tree

# S3 compares sequencers as text, the shorter one padded with zeros on the right; they have 16 to 18
# digits today.
_SEQUENCER_WIDTH: Final = 32


_TEXT: Final = optional(text(1, 1024))
_BUCKET: Final = Fields({"name": text(1, 1024)}, required=frozenset({"name"}), open_=True)
_OBJECT: Final = Fields(
    {
        "key": text(1, 3 * 1024),  # of 1,024 bytes, encoded
        "versionId": _TEXT,
        "version-id": _TEXT,
        "eTag": _TEXT,
        "etag": _TEXT,
        "sequencer": optional(text(0, 64)),
    },
    required=frozenset({"key"}),
    open_=True,
)

# What a notification and an EventBridge event have in common; they spell some names differently.
_UPLOAD: Final = Fields(
    {"bucket": _BUCKET, "object": _OBJECT}, required=frozenset({"bucket", "object"}), open_=True
)


def _reference(upload: Mapping[str, Any], key: str, time: object) -> Reference:
    found: Mapping[str, str | None] = upload["object"]
    etag = found.get("eTag") or found.get("etag")
    sequencer = found.get("sequencer")
    return Reference(
        upload["bucket"]["name"],
        key,
        found.get("versionId") or found.get("version-id"),
        etag.strip('"') if etag else None,
        sequencer.ljust(_SEQUENCER_WIDTH, "0") if sequencer else _sortable(time),
    )


def _sortable(time: object) -> str:
    return str(time)[:64] if isinstance(time, str | int | float) else ""


@dataclass(frozen=True, slots=True)
class _Part:
    """One job of a body, and the body that would hold it alone."""

    parsed: Parsed
    body: str


def deliveries(event: object) -> list[Delivery]:
    """Return the jobs in an SQS event of Lambda; messages to be ignored have none.

    Raises
    ------
    ValueError
        If the event is not from SQS or one of its records has no ``messageId``: a fault of the
        wiring, for which no partial answer would be right.
    """
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        msg = "this is not an event from SQS: it has no list of Records"
        raise ValueError(msg)
    for record in records:
        _check_record(record)
    return [delivery for record in records for delivery in _deliveries(record)]


def _check_record(record: object) -> None:
    if not isinstance(record, dict) or record.get("eventSource") != "aws:sqs":
        msg = "this is not an event from SQS: it has a record of another source"
        raise ValueError(msg)
    if not isinstance(record.get("messageId"), str) or not record["messageId"]:
        msg = "a record from SQS has no messageId"
        raise ValueError(msg)


def _deliveries(record: Mapping[str, Any]) -> Iterator[Delivery]:
    body = record.get("body")
    attributes = record.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    for part in _parts(body if isinstance(body, str) else ""):
        yield Delivery(
            message_id=record["messageId"],
            receipt=str(record.get("receiptHandle", "")),
            body=part.body,
            receive_count=_number(attributes.get("ApproximateReceiveCount"), 1),
            sent_at_ms=_number(attributes.get("SentTimestamp"), 0),
            job_id=part.parsed.job_id,
            content=part.parsed.content,
        )


def _number(value: object, default: int) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else default


def _bytes(body: str) -> bytes:
    return body.encode("utf-8", "surrogatepass")  # a lone surrogate is not JSON, nor a crash


def _parts(body: str) -> list[_Part]:
    content = _bytes(body)
    try:
        tree = jsontext.parse(content, Code.BAD_MESSAGE)
    except Refused as error:
        return [_Part(Parsed(hashed_id(content), error), body)]
    if not isinstance(tree, dict):
        return [_Part(parse_tree(tree, content), body)]
    if isinstance(tree.get("Message"), str) and tree.get("Type") == "Notification":
        inner = _parts(tree["Message"])
        return inner if len(inner) > 1 else [_Part(part.parsed, body) for part in inner]
    if tree.get("Event") == "s3:TestEvent":
        return []
    if "Records" in tree:
        return _parts_of_notification(tree["Records"], body)
    if "detail-type" in tree:
        return _parts_of_eventbridge(tree, body)
    return [_Part(parse_tree(tree, content), body)]


def _parts_of_notification(records: object, body: str) -> list[_Part]:
    if not isinstance(records, list):
        return [_refused(body, "the notification's Records are not a list")]
    if len(records) == 1:
        return _parts_of_record(records[0], body)
    return [part for record in records for part in _parts_of_record(record, _alone(record, body))]


def _alone(record: object, body: str) -> str:
    """Return a notification of one record, or of all if it cannot be written."""
    try:
        return orjson.dumps({"Records": [record]}).decode()
    except TypeError:  # nested deeper than orjson writes, or a list of numbers where S3 has none
        return body


def _parts_of_record(record: Any, body: str) -> list[_Part]:
    name = record.get("eventName") if isinstance(record, dict) else None
    if not isinstance(name, str) or record.get("eventSource") != "aws:s3":
        return [_refused(body, "the notification has a record that is not from S3")]
    if not name.removeprefix("s3:").startswith("ObjectCreated:"):
        return []
    return _parts_of_upload(record.get("s3"), record.get("eventTime"), body, encoded=True)


def _parts_of_eventbridge(event: Mapping[str, Any], body: str) -> list[_Part]:
    kind = str(event["detail-type"])
    if event.get("source") != "aws.s3" or not kind.startswith("Object "):
        return [_refused(body, "the event is not one of S3's about an object")]
    if kind != "Object Created":
        return []
    return _parts_of_upload(event.get("detail"), event.get("time"), body, encoded=False)


def _parts_of_upload(tree: object, time: object, body: str, *, encoded: bool) -> list[_Part]:
    try:
        upload = _UPLOAD(tree)
        key = upload["object"]["key"]
        key = _decoded(key) if encoded else key
    except Refused as error:
        return [_Part(Parsed(hashed_id(_bytes(body)), error), body)]
    if key.endswith("/"):  # what consoles create for an empty folder
        return []
    job_id = job_id_of_key(key)
    return [_Part(Parsed(job_id, Request(job_id, _reference(upload, key, time))), body)]


def _decoded(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        raise Refused(
            Code.BAD_MESSAGE,
            "the notification's key is not form-encoded UTF-8",
            "let S3 write the notification, or send a message with s3, bucket and key",
            observed=key,
        ) from None


def _refused(body: str, message: str) -> _Part:
    error = Refused(
        Code.BAD_MESSAGE, message, "send job messages, or S3 events of uploads, to the jobs queue"
    )
    return _Part(Parsed(hashed_id(_bytes(body)), error), body)
