"""Message-move tasks of the embedded AWS: what the SQS console's redrive starts."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PATIENCE_S = 30.0


@pytest.fixture
def queues(sqs: SQSClient, unique: str) -> tuple[str, str]:
    """Return the URLs of a queue that gives up after one receive, and of its dead letters."""
    dead = sqs.create_queue(QueueName=f"{unique}-dead")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 1})
    attributes: Any = {"RedrivePolicy": policy, "VisibilityTimeout": "0"}
    return sqs.create_queue(QueueName=f"{unique}-jobs", Attributes=attributes)["QueueUrl"], dead


def arn(sqs: SQSClient, url: str) -> str:
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return attributes["Attributes"]["QueueArn"]


def ended(sqs: SQSClient, dead: str) -> Any:
    """Return the last task, once it has ended."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        (task,) = sqs.list_message_move_tasks(SourceArn=arn(sqs, dead))["Results"]
        if task["Status"] not in {"RUNNING", "CANCELLING"}:
            return task
        assert time.monotonic() < end_s


def received(sqs: SQSClient, url: str) -> list[Any]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    )
    return answer.get("Messages", [])


def test_a_letter_moves_as_a_new_message_with_its_attributes(
    sqs: SQSClient, queues: tuple[str, str]
) -> None:
    jobs, dead = queues
    attributes: Any = {"error_code": {"DataType": "String", "StringValue": "SINGULAR"}}
    sent = sqs.send_message(QueueUrl=dead, MessageBody="a", MessageAttributes=attributes)
    sqs.start_message_move_task(SourceArn=arn(sqs, dead), DestinationArn=arn(sqs, jobs))
    task = ended(sqs, dead)
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    (message,) = received(sqs, jobs)
    assert message["Body"] == "a"
    assert message["MessageId"] != sent["MessageId"]
    assert message["MessageAttributes"]["error_code"]["StringValue"] == "SINGULAR"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert received(sqs, dead) == []


def test_without_a_destination_only_what_sqs_moved_there_goes_back(
    sqs: SQSClient, queues: tuple[str, str]
) -> None:
    jobs, dead = queues
    sqs.send_message(QueueUrl=jobs, MessageBody="moved")
    while received(sqs, jobs):
        pass
    sqs.start_message_move_task(SourceArn=arn(sqs, dead))
    assert ended(sqs, dead)["Status"] == "COMPLETED"
    assert [message["Body"] for message in received(sqs, jobs)] == ["moved"]
    sqs.send_message(QueueUrl=dead, MessageBody="sent there")
    sqs.start_message_move_task(SourceArn=arn(sqs, dead))
    task = ended(sqs, dead)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")


def test_a_slow_task_is_cancelled_and_the_rest_stays(
    sqs: SQSClient, queues: tuple[str, str]
) -> None:
    jobs, dead = queues
    for number in range(5):
        sqs.send_message(QueueUrl=dead, MessageBody=str(number))
    task = sqs.start_message_move_task(
        SourceArn=arn(sqs, dead), DestinationArn=arn(sqs, jobs), MaxNumberOfMessagesPerSecond=1
    )
    with pytest.raises(ClientError, match="UnsupportedOperation"):
        sqs.start_message_move_task(SourceArn=arn(sqs, dead))
    sqs.cancel_message_move_task(TaskHandle=task["TaskHandle"])
    last = ended(sqs, dead)
    assert last["Status"] == "CANCELLED"
    assert len(received(sqs, dead)) == 5 - last["ApproximateNumberOfMessagesMoved"]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        sqs.cancel_message_move_task(TaskHandle=task["TaskHandle"])


def test_only_a_dead_letter_queue_has_tasks(sqs: SQSClient, queues: tuple[str, str]) -> None:
    with pytest.raises(ClientError, match="dead-letter queue"):
        sqs.start_message_move_task(SourceArn=arn(sqs, queues[0]))
