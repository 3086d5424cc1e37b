"""Builders of the events that AWS sends, with the fields and the spelling that AWS gives them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote_plus

REGION: Final = "eu-central-1"
ACCOUNT: Final = "123456789012"
SENT_AT_MS: Final = 1_700_000_000_000
_TIME: Final = "2023-11-14T22:13:20.000Z"
_ETAG: Final = "d41d8cd98f00b204e9800998ecf8427e"
_SEQUENCER: Final = "0055AED6DCD90281E5"

Json = dict[str, Any]


def sqs_event(
    bodies: Sequence[str | Mapping[str, Any]],
    *,
    receive_count: int = 1,
    sent_at_ms: int = SENT_AT_MS,
    queue: str = "matinv-jobs",
    first: int = 0,
) -> Json:
    """Return Lambda's event for a batch of messages, of which each has its own id.

    Parameters
    ----------
    bodies : sequence of str or mapping
        Bodies of the messages; mappings are written as JSON.
    receive_count : int
        How often each was received, this time included.
    sent_at_ms : int
        When they were sent.
    queue : str
        Name of the queue.
    first : int
        The number in the first message's id: other messages have other ids.
    """
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {
        "Records": [
            {
                "messageId": f"{i:08x}-e4ca-4bd3-a5b6-2e8f3a6b4f10",
                "receiptHandle": f"AQEB{i:08x}",
                "body": text,
                "attributes": {
                    "ApproximateReceiveCount": str(receive_count),
                    "SentTimestamp": str(sent_at_ms),
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": str(sent_at_ms + 5),
                },
                "messageAttributes": {},
                "md5OfBody": hashlib.md5(
                    text.encode("utf-8", "surrogatepass"), usedforsecurity=False
                ).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
                "awsRegion": REGION,
            }
            for i, text in enumerate(texts, first)
        ]
    }


def s3_notification(
    bucket: str,
    *keys: str,
    event_name: str = "ObjectCreated:Put",
    version_id: str | None = None,
    etag: str | None = _ETAG,
    sequencer: str | None = _SEQUENCER,
) -> Json:
    """Return S3's notification of objects; `keys` are given as they are and come form-encoded."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": REGION,
                "eventTime": _TIME,
                "eventName": event_name,
                "userIdentity": {"principalId": "AWS:AIDAJDPLRKLG7UEXAMPLE"},
                "requestParameters": {"sourceIPAddress": "203.0.113.17"},
                "responseElements": {
                    "x-amz-request-id": "C3D13FE58DE4C810",
                    "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgH",
                },
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "matinv",
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                        "arn": f"arn:aws:s3:::{bucket}",
                    },
                    "object": _present(
                        key=quote_plus(key, safe="/"),
                        size=160,
                        eTag=etag,
                        versionId=version_id,
                        sequencer=sequencer,
                    ),
                },
            }
            for key in keys
        ]
    }


def s3_test_event(bucket: str) -> Json:
    """Return the test event that S3 sends when notifications are switched on."""
    return {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": _TIME,
        "Bucket": bucket,
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
    }


def sns_wrapped(body: str | Mapping[str, Any]) -> Json:
    """Return the body that a queue gets from a topic without raw delivery."""
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:matinv-uploads"
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": topic,
        "Subject": "Amazon S3 Notification",
        "Message": body if isinstance(body, str) else json.dumps(body),
        "Timestamp": _TIME,
        "SignatureVersion": "1",
        "Signature": "EXAMPLEpH+DcEwjAPg8O9mY8dReBSwksfg2S7WKQcikcNKWLQjwu6A4VbeS0QHVCkhRS7fUQvi2",
        "SigningCertURL": f"https://sns.{REGION}.amazonaws.com/SimpleNotificationService-0000.pem",
        "UnsubscribeURL": f"https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe&Arn={topic}",
    }


def eventbridge(
    bucket: str,
    key: str,
    *,
    detail_type: str = "Object Created",
    version_id: str | None = None,
    sequencer: str | None = _SEQUENCER,
) -> Json:
    """Return S3's event on EventBridge, where keys are not encoded."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": detail_type,
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": _TIME,
        "region": REGION,
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": _present(
                **{"version-id": version_id},
                key=key,
                size=160,
                etag=_ETAG,
                sequencer=sequencer,
            ),
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": ACCOUNT,
            "source-ip-address": "203.0.113.17",
            "reason": "PutObject",
        },
    }


def url_event(  # noqa: PLR0913 - what a request consists of
    body: str | None = None,
    path: str = "/",
    *,
    method: str | None = "POST",
    query: str = "",
    headers: Mapping[str, str] | None = None,
    encoded: bool = False,
) -> Json:
    """Return Lambda's event for a request to a function URL (payload format 2.0)."""
    host = "k7example.lambda-url.eu-central-1.on.aws"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "content-length": str(len(body or "")),
            "content-type": "application/json",
            "host": host,
            "x-forwarded-for": "203.0.113.17",
            "x-forwarded-proto": "https",
            **(headers or {}),
        },
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "k7example",
            "authorizer": {"iam": {"accountId": ACCOUNT, "userId": "AIDACKCEVSQ6C2EXAMPLE"}},
            "domainName": host,
            "http": _present(
                method=method,
                path=path,
                protocol="HTTP/1.1",
                sourceIp="203.0.113.17",
                userAgent="curl/8.7.1",
            ),
            "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
            "routeKey": "$default",
            "stage": "$default",
            "time": "14/Nov/2023:22:13:20 +0000",
            "timeEpoch": SENT_AT_MS,
        },
        **_present(body=body),
        "isBase64Encoded": encoded,
    }


def _present(**fields: object) -> Json:
    return {name: value for name, value in fields.items() if value is not None}
