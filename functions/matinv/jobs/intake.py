"""Lambda events to deliveries: SQS batches, and the S3 notifications inside them.

A message's body is a job message (`matinv.jobs.message`), or what S3 says of an upload: a
notification of one or more records, the same wrapped by SNS, or an event of EventBridge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_plus

import orjson
from pydantic_core import core_schema as cs

from matinv.errors import Code, MatinvError, Refused
from matinv.formats import json_text
from matinv.jobs.ids import hashed_id, job_id_of
from matinv.jobs.message import Parsed, object_schema, parse_tree, validated
from matinv.jobs.request import Delivery, Reference, Request

# S3 compares sequencers as text, the shorter one padded with zeros on the right; they have 16 to 18
# digits today.
_SEQUENCER_WIDTH: Final = 32

# S3 sends one record at a time today; 1 MiB, the longest message there is, holds 1,500 of them.
# Each is a job, and many that say nothing would become a hundred thousand dead letters.
_RECORDS_LIMIT: Final = 1000

Record = Mapping[str, Any]
"""A message as Lambda hands it over."""


@dataclass(frozen=True, slots=True)
class _Upload:
    """The common fields of a notification and an EventBridge event."""

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    sequencer: str | None = None

    def reference(self, key: str) -> Reference:
        return Reference(
            self.bucket,
            key,
            self.version_id,
            self.etag.strip('"') if self.etag else None,
            self.sequencer.ljust(_SEQUENCER_WIDTH, "0") if self.sequencer else "",
        )


def _upload_schema() -> cs.TypedDictSchema:
    text = cs.str_schema(min_length=1, max_length=1024)
    encoded = cs.str_schema(min_length=1, max_length=3 * 1024)  # of 1,024 bytes
    bucket = {"name": cs.typed_dict_field(text, required=True)}
    found = {
        "key": cs.typed_dict_field(encoded, required=True),
        "version_id": _either(text, "versionId", "version-id"),
        "etag": _either(text, "eTag", "etag"),
        "sequencer": _either(cs.str_schema(max_length=64), "sequencer"),
    }
    upload = {
        "bucket": cs.typed_dict_field(object_schema(bucket, "ignore"), required=True),
        "object": cs.typed_dict_field(object_schema(found, "ignore"), required=True),
    }
    return object_schema(upload, "ignore")


def _either(schema: cs.CoreSchema, *names: str) -> cs.TypedDictField:
    """Return a field that may be null, by the first of its names that is there."""
    aliases: list[list[str | int]] = [[name] for name in names]
    return cs.typed_dict_field(cs.nullable_schema(schema), validation_alias=aliases)


@dataclass(frozen=True, slots=True)
class _Part:
    """One job of a body, and the body that would hold it alone."""

    parsed: Parsed
    body: str = field(repr=False)


def records(event: object) -> list[Record]:
    """Return the records of an SQS event of Lambda.

    Raises
    ------
    ValueError
        If the event is not from SQS or one of its records has no ``messageId``: a fault of the
        wiring, for which no partial answer would be right.
    """
    found = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(found, list):
        msg = "this is not an event from SQS: it has no list of Records"
        raise ValueError(msg)
    for record in found:
        if not isinstance(record, dict) or record.get("eventSource") != "aws:sqs":
            msg = "this is not an event from SQS: it has a record of another source"
            raise ValueError(msg)
        if not isinstance(record.get("messageId"), str) or not record["messageId"]:
            msg = "a record from SQS has no messageId"
            raise ValueError(msg)
    return found


def deliveries(event: object) -> list[Delivery]:
    """Return the jobs in an SQS event of Lambda; messages to be ignored have none.

    Raises
    ------
    ValueError
        As `records` does.
    """
    return [_delivery(record, part) for record in records(event) for part in _parts(_body(record))]


def unread(record: Record, error: MatinvError) -> Delivery:
    """Return the delivery of a message whose body nobody may look into, and why."""
    body = _body(record)
    return _delivery(record, _Part(Parsed(hashed_id(_bytes(body)), error), body))


def receive_count(record: Record) -> int:
    """Return how many times SQS has delivered a message, this time included."""
    return max(1, _attribute(record, "ApproximateReceiveCount", 1))


def _delivery(record: Record, part: _Part) -> Delivery:
    # Why it lay among the dead letters, if it did: what moves it back keeps its attributes.
    attributes = record.get("messageAttributes")
    error_code = attributes.get("error_code") if isinstance(attributes, dict) else None
    return Delivery(
        message_id=record["messageId"],
        receipt=str(record.get("receiptHandle", "")),
        body=part.body,
        receive_count=receive_count(record),
        sent_at_ms=_attribute(record, "SentTimestamp", 0),
        job_id=part.parsed.job_id,
        content=part.parsed.content,
        error_code=str(error_code.get("stringValue", "")) if isinstance(error_code, dict) else "",
    )


def _body(record: Record) -> str:
    body = record.get("body")
    return body if isinstance(body, str) else ""


def _attribute(record: Record, name: str, default: int) -> int:
    attributes = record.get("attributes")
    text = str(attributes.get(name)) if isinstance(attributes, dict) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else default


def _bytes(body: str) -> bytes:
    return body.encode("utf-8", "surrogatepass")  # a lone surrogate is not JSON, nor a crash


def _parts(body: str) -> list[_Part]:
    content = _bytes(body)
    try:
        tree = json_text.parse(content, Code.BAD_MESSAGE)
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
        kind = str(tree["detail-type"])
        if tree.get("source") != "aws.s3" or not kind.startswith("Object "):
            return [_refused(body, "the event is not about an object in S3")]
        created = kind == "Object Created"
        return _parts_of_upload(tree.get("detail"), body, encoded=False) if created else []
    return [_Part(parse_tree(tree, content), body)]


def _parts_of_notification(records: object, body: str) -> list[_Part]:
    if not isinstance(records, list):
        return [_refused(body, "the notification's Records are not a list")]
    if len(records) > _RECORDS_LIMIT:
        return [_refused(body, f"the notification has more than {_RECORDS_LIMIT} records")]
    if len(records) == 1:
        return _parts_of_record(records[0], body)
    parts: list[_Part] = []
    for record in records:  # each with a notification of that record alone
        try:
            alone = orjson.dumps({"Records": [record]}, _loaded, orjson.OPT_PASSTHROUGH_DATACLASS)
        except TypeError:  # nested deeper than orjson writes, or a list that is no JSON
            why = "the notification has a record that cannot be written anew"
            parts.append(_refused(body, why))
        else:
            parts += _parts_of_record(record, alone.decode())
    return list({(part.parsed.job_id, part.body): part for part in parts}.values())


def _loaded(list_: json_text.Unread) -> Any:
    """Return a list that was left unread; S3 has none under such a key."""
    return orjson.loads(list_.text[list_.start : list_.end])


def _parts_of_record(record: Any, body: str) -> list[_Part]:
    name = record.get("eventName") if isinstance(record, dict) else None
    if not isinstance(name, str) or record.get("eventSource") != "aws:s3":
        return [_refused(body, "the notification has a record that is not from S3")]
    if not name.removeprefix("s3:").startswith("ObjectCreated:"):
        return []
    return _parts_of_upload(record.get("s3"), body, encoded=True)


def _parts_of_upload(tree: object, body: str, *, encoded: bool) -> list[_Part]:
    try:
        fields = validated(_upload_schema, tree)
    except Refused as error:
        return [_Part(Parsed(hashed_id(_bytes(body)), error), body)]
    upload = _Upload(fields["bucket"]["name"], **fields["object"])
    try:
        key = unquote_plus(upload.key, errors="strict") if encoded else upload.key
    except UnicodeDecodeError:
        undecoded = Refused(
            Code.BAD_MESSAGE,
            "the notification's key is not form-encoded UTF-8",
            "let S3 write the notification, or send a message with s3, bucket and key",
            observed=upload.key,
        )
        return [_Part(Parsed(hashed_id(_bytes(body)), undecoded), body)]
    if key.endswith("/"):  # what consoles create for an empty folder
        return []
    job_id = job_id_of(key)
    request = Request(job_id, upload.reference(key), dropped=True, replace=None)
    return [_Part(Parsed(job_id, request), body)]


def _refused(body: str, message: str) -> _Part:
    error = Refused(
        Code.BAD_MESSAGE, message, "send job messages, or S3 events of uploads, to the jobs queue"
    )
    return _Part(Parsed(hashed_id(_bytes(body)), error), body)
