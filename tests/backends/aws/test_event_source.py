from __future__ import annotations

import math

import orjson
import pytest

from matinv.backends.aws.event_source import (
    PAYLOAD_BYTES,
    Entry,
    Polling,
    entry,
    event_of,
    failed_ids,
    split,
)

SENT = ("a", "b", "c")
ALL = frozenset(SENT)
ARN = "arn:aws:sqs:eu-central-2:123456789012:jobs"

MESSAGE = {
    "MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
    "ReceiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
    "MD5OfBody": "098f6bcd4621d373cade4e832627b4f6",
    "Body": "test",
    "Attributes": {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1545082649183",
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": "1545082649185",
    },
}


def failures(*ids: object) -> dict[str, object]:
    return {"batchItemFailures": [{"itemIdentifier": i} for i in ids]}


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(None, id="null response"),
        pytest.param({}, id="empty response"),
        pytest.param({"batchItemFailures": []}, id="empty list"),
        pytest.param({"batchItemFailures": None}, id="null list"),
        pytest.param({"statusCode": 200}, id="no list"),
        pytest.param({"batchItemFailure": [{"itemIdentifier": "a"}]}, id="misspelt list"),
        pytest.param({"BatchItemFailures": [{"itemIdentifier": "a"}]}, id="list in other case"),
    ],
)
def test_everything_is_deleted_after(response: object) -> None:
    assert failed_ids(response, SENT) == frozenset()


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(failures(""), id="empty id"),
        pytest.param(failures(None), id="null id"),
        pytest.param(failures("z"), id="id of another batch"),
        pytest.param(failures("a", "z"), id="one id of another batch"),
        pytest.param(failures("A"), id="id in other case"),
        pytest.param(failures(1), id="number as id"),
        pytest.param(failures(["a"]), id="list as id"),
        pytest.param({"batchItemFailures": [{"messageId": "a"}]}, id="bad key name"),
        pytest.param({"batchItemFailures": [{"ItemIdentifier": "a"}]}, id="key in other case"),
        pytest.param({"batchItemFailures": [{}]}, id="empty item"),
        pytest.param({"batchItemFailures": [None]}, id="null item"),
        pytest.param({"batchItemFailures": ["a"]}, id="bare ids"),
        pytest.param({"batchItemFailures": {"itemIdentifier": "a"}}, id="object as list"),
        pytest.param({"batchItemFailures": "a"}, id="text as list"),
        pytest.param({"batchItemFailures": False}, id="false as list"),
        pytest.param({"batchItemFailures": 0}, id="zero as list"),
        pytest.param([], id="list response"),
        pytest.param([{"itemIdentifier": "a"}], id="bare list response"),
        pytest.param("ok", id="text response"),
        pytest.param("", id="empty text response"),
        pytest.param(0, id="number response"),
        pytest.param(True, id="boolean response"),
    ],
)
def test_the_whole_batch_fails_after(response: object) -> None:
    assert failed_ids(response, SENT) == ALL


@pytest.mark.parametrize(
    ("response", "failed"),
    [
        pytest.param(failures("b"), {"b"}, id="one"),
        pytest.param(failures("b", "a"), {"a", "b"}, id="two"),
        pytest.param(failures("b", "b"), {"b"}, id="one, reported twice"),
        pytest.param(failures("a", "b", "c"), set(ALL), id="all"),
        pytest.param(failures("a") | {"note": 1}, {"a"}, id="another field beside the list"),
        pytest.param(
            {"batchItemFailures": [{"itemIdentifier": "a", "reason": "x"}]},
            {"a"},
            id="another field in the item",
        ),
    ],
)
def test_only_reported_messages_stay(response: object, failed: set[str]) -> None:
    assert failed_ids(response, SENT) == failed


def test_a_record_has_exactly_the_shape_of_lambdas_documentation() -> None:
    assert entry(MESSAGE, ARN).record == {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": "test",
        "attributes": MESSAGE["Attributes"],
        "messageAttributes": {},
        "md5OfBody": "098f6bcd4621d373cade4e832627b4f6",
        "eventSource": "aws:sqs",
        "eventSourceARN": ARN,
        "awsRegion": "eu-central-2",
    }


def test_message_attributes_are_spelt_as_lambda_spells_them() -> None:
    attributes = {
        "text": {"DataType": "String", "StringValue": "x"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\xff"},
    }
    record = entry(MESSAGE | {"MessageAttributes": attributes}, ARN).record
    assert record["messageAttributes"] == {
        "text": {
            "stringListValues": [],
            "binaryListValues": [],
            "stringValue": "x",
            "dataType": "String",
        },
        "bytes": {
            "stringListValues": [],
            "binaryListValues": [],
            "binaryValue": "/w==",
            "dataType": "Binary",
        },
    }


def entries(count: int, body: str) -> list[Entry]:
    return [entry(MESSAGE | {"MessageId": str(i), "Body": body}, ARN) for i in range(count)]


def test_a_batch_is_filled_to_the_byte() -> None:
    items = entries(4, "x")
    limit = len(orjson.dumps(event_of(items[:3])))
    batch, rest = split(items, Polling(payload_bytes=limit))
    assert (batch, rest) == (items[:3], items[3:])
    batch, rest = split(items, Polling(payload_bytes=limit - 1))
    assert (batch, rest) == (items[:2], items[2:])


def test_escapes_and_other_scripts_count_as_they_are_sent() -> None:
    items = entries(30, '"\n' * 50_000 + "é€" * 20_000)
    batch, rest = split(items, Polling(100, 1))
    assert len(orjson.dumps(event_of(batch))) <= PAYLOAD_BYTES
    assert len(orjson.dumps(event_of([*batch, rest[0]]))) > PAYLOAD_BYTES


def test_a_batch_holds_no_more_messages_than_its_size() -> None:
    items = entries(5, "x")
    assert split(items, Polling(2)) == (items[:2], items[2:])


def test_a_message_above_the_limit_is_a_batch_of_its_own() -> None:
    items = entries(2, "x" * 1000)
    assert split(items, Polling(payload_bytes=100)) == (items[:1], items[1:])


def test_nothing_makes_no_batch() -> None:
    assert split([], Polling()) == ([], [])


@pytest.mark.parametrize(
    ("size", "window_s"), [(0, 0), (10_001, 1), (11, 0), (11, 0.5), (10, -1), (10, 301)]
)
def test_a_mapping_that_lambda_refuses_is_refused(size: int, window_s: float) -> None:
    with pytest.raises(ValueError, match=r"batch|window"):
        Polling(size, window_s)


@pytest.mark.parametrize(("size", "window_s"), [(1, 0), (10, 0), (11, 1), (10_000, 300)])
def test_a_mapping_that_lambda_takes_is_taken(size: int, window_s: float) -> None:
    assert math.isclose(Polling(size, window_s).window_s, window_s)
