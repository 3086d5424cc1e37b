"""Where moto must do as AWS does, and moto alone does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

pytestmark = pytest.mark.deep

RACERS = 8


def winners(race: Callable[[int], object]) -> int:
    """Return how many of several racers, who start together, are not refused."""
    start = threading.Barrier(RACERS)

    def run(number: int) -> bool:
        start.wait()
        try:
            race(number)
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(RACERS) as pool:
        return sum(pool.map(run, range(RACERS)))


@pytest.fixture
def queue(sqs: SQSClient, unique: str) -> str:
    return sqs.create_queue(QueueName=unique)["QueueUrl"]


def test_one_of_many_conditional_puts_of_an_object_wins(
    s3: S3Client, buckets: tuple[str, str]
) -> None:
    for i in range(5):
        key = f"k{i}"
        assert (
            winners(
                lambda n, key=key: s3.put_object(
                    Bucket=buckets[1], Key=key, Body=str(n), IfNoneMatch="*"
                )
            )
            == 1
        )


def test_one_of_many_conditional_writes_of_an_item_wins(
    dynamodb: DynamoDBClient, table_name: str
) -> None:
    for i in range(5):
        item: Any = {"job_id": {"S": f"j{i}"}}
        assert (
            winners(
                lambda _, item=item: dynamodb.put_item(
                    TableName=table_name,
                    Item=item,
                    ConditionExpression="attribute_not_exists(job_id)",
                )
            )
            == 1
        )


def test_no_message_is_lost_or_handed_out_twice_under_load(sqs: SQSClient, queue: str) -> None:
    sent = 200
    seen: list[str] = []
    sending = threading.Event()

    def receive(_: int) -> None:
        while True:
            done = sending.is_set()
            answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                seen.append(message["Body"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            if done and "Messages" not in answer:
                return

    with ThreadPoolExecutor(3) as pool:
        receivers = pool.map(receive, range(3))
        for i in range(sent):
            sqs.send_message(QueueUrl=queue, MessageBody=str(i))
        sending.set()
        list(receivers)
    assert sorted(map(int, seen)) == list(range(sent))


def test_a_long_poll_wakes_when_a_message_becomes_visible_again(sqs: SQSClient, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    sqs.receive_message(QueueUrl=queue, VisibilityTimeout=1)
    began = time.monotonic()
    again = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)
    assert [m["Body"] for m in again["Messages"]] == ["x"]
    assert time.monotonic() - began < 3


def test_visibility_can_be_changed(sqs: SQSClient, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    (message,) = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=600)["Messages"]
    handle = message["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    (message,) = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=600)["Messages"]
    changed = sqs.change_message_visibility_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": "0", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0},
            {"Id": "1", "ReceiptHandle": "unknown", "VisibilityTimeout": 0},
        ],
    )
    assert [e["Id"] for e in changed["Successful"]] == ["0"]
    assert [e["Id"] for e in changed["Failed"]] == ["1"]


def test_deleting_twice_is_fine_and_an_unknown_handle_is_not(sqs: SQSClient, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    for _ in range(2):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    with pytest.raises(ClientError, match="ReceiptHandleIsInvalid"):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle="unknown")


@pytest.mark.parametrize(
    ("body", "attribute", "fits"),
    [
        pytest.param("x" * 1024, "", True, id="to the byte"),
        pytest.param("x" * 1025, "", False, id="one byte above"),
        pytest.param("é" * 512, "", True, id="two bytes a letter, to the byte"),
        pytest.param("é" * 513, "", False, id="two bytes a letter, above"),
        pytest.param("x" * 1014, "v" * 3, True, id="with an attribute, to the byte"),
        pytest.param("x" * 1014, "v" * 4, False, id="with an attribute, above"),
    ],
)
def test_a_queues_limit_counts_bytes_and_attributes(
    sqs: SQSClient, unique: str, body: str, attribute: str, fits: bool
) -> None:
    limit: Any = {"MaximumMessageSize": "1024"}
    queue = sqs.create_queue(QueueName=unique, Attributes=limit)["QueueUrl"]
    attributes: Any = {"k": {"DataType": "String", "StringValue": attribute}} if attribute else {}
    message: Any = {"MessageBody": body, "MessageAttributes": attributes}

    def send() -> None:
        sqs.send_message(QueueUrl=queue, **message)
        sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "0", **message}])

    if fits:
        send()
        return
    with pytest.raises(ClientError, match="must be shorter than 1024 bytes"):
        send()
    with pytest.raises(ClientError, match="must be shorter than 1024 bytes"):
        sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "0", **message}])
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


def test_all_attributes_of_a_queue_read_as_aws_writes_them(sqs: SQSClient, queue: str) -> None:
    everything = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert everything["VisibilityTimeout"] == "30"
    assert everything["SqsManagedSseEnabled"] == "true"
    assert everything["ApproximateNumberOfMessages"] == "0"
    assert "RedrivePolicy" not in everything


def test_creating_a_queue_again_with_other_attributes_is_refused(
    sqs: SQSClient, queue: str, unique: str
) -> None:
    other: Any = {"VisibilityTimeout": "99"}
    assert sqs.create_queue(QueueName=unique)["QueueUrl"] == queue
    with pytest.raises(ClientError, match="already exists"):
        sqs.create_queue(QueueName=unique, Attributes=other)


@pytest.mark.parametrize("state", ["visible", "delayed", "in flight"])
def test_messages_are_counted_by_their_state(sqs: SQSClient, queue: str, state: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x", DelaySeconds=60 * (state == "delayed"))
    if state == "in flight":
        sqs.receive_message(QueueUrl=queue)
    names: Any = ["", "NotVisible", "Delayed"]
    names = [f"ApproximateNumberOfMessages{name}" for name in names]
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    found = dict(zip(["visible", "in flight", "delayed"], map(counts.get, names), strict=True))
    assert found == {"visible": "0", "in flight": "0", "delayed": "0"} | {state: "1"}
