"""Queues that listen to topics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef


def subscribe(
    sns: SNSClient, topic_arn: str, sqs: SQSClient, queue_url: str, **attributes: str
) -> None:
    """Let a queue listen to a topic."""
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    arn = answer["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn, Attributes=attributes)


def drained(sqs: SQSClient, queue_url: str) -> list[MessageTypeDef]:
    """Return all messages of a queue."""
    found: list[MessageTypeDef] = []
    while messages := sqs.receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        found += messages
    return found
