"""The adapters keep the contracts, against an embedded AWS over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from matinv.backends.aws import clients
from matinv.backends.aws.cloudwatch import AWSMonitor
from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.backends.aws.s3 import S3Store
from matinv.backends.aws.s3_bodies import Pieces
from matinv.backends.aws.sns import SNSEvents
from matinv.backends.aws.sqs import SQSQueue
from matinv.jobs.lanes import Lane, large
from matinv.ports.monitor import DEAD, Depth, State
from matinv.testing.contracts import (
    JobEventsContract,
    JobQueueContract,
    JobTableContract,
    MatrixStoreContract,
    MonitorContract,
)
from matinv.testing.events import ACCOUNT
from support.alarms import Composite, make_alarm, measure
from support.faults import owners_named
from support.subscriptions import drained, subscribe

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def owners(s3: S3Client) -> Iterator[None]:
    """Look at each request of a test: none forgets whose the bucket must be."""
    with owners_named(s3) as named:
        yield
    assert set(named) == {ACCOUNT}


@pytest.mark.deep  # 3 s; test_s3 is in the quick run
@pytest.mark.usefixtures("owners")
class TestS3Store(MatrixStoreContract):
    @pytest.fixture
    def store(self, s3: S3Client, buckets: tuple[str, str]) -> S3Store:
        return S3Store(s3, *buckets)


@pytest.mark.deep  # the contract once more, 3 s
@pytest.mark.usefixtures("owners")
class TestS3StoreInPieces(MatrixStoreContract):
    """Every body that is not empty: S3 takes no shorter pieces, except for the last one."""

    @pytest.fixture
    def store(self, s3: S3Client, buckets: tuple[str, str]) -> S3Store:
        return S3Store(s3, *buckets, Pieces(above_bytes=0, size_bytes=5 * 2**20))


@pytest.mark.deep  # 7 s; test_dynamodb is in the quick run
class TestDynamoDBTable(JobTableContract):
    @pytest.fixture
    def table(self, dynamodb: DynamoDBClient, table_name: str) -> DynamoDBTable:
        return DynamoDBTable(dynamodb, table_name)


class TestSQSQueue(JobQueueContract):
    @pytest.fixture(autouse=True)
    def no_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take moto's word that a queue is empty: it is one server."""
        monkeypatch.setattr("matinv.backends.aws.sqs._WAIT_S", 0)

    @pytest.fixture
    def queue(self, sqs: SQSClient, queue_urls: tuple[str, str, str]) -> SQSQueue:
        self.sqs, self.urls = sqs, queue_urls
        return SQSQueue(sqs, *queue_urls[:2])

    @pytest.fixture
    def lane(self, queue_urls: tuple[str, str, str]) -> Lane:
        return large(queue_urls[2])

    def sent(self, queue: SQSQueue) -> list[str]:
        return self.bodies(self.urls[0])

    def forwarded(self, queue: SQSQueue, lane: Lane) -> list[str]:
        return self.bodies(lane.queue_url)

    def bodies(self, url: str) -> list[str]:
        return [message["Body"] for message in drained(self.sqs, url)]


class TestSNSEvents(JobEventsContract):
    @pytest.fixture
    def events(self, sns: SNSClient, topic_arn: str, sqs: SQSClient, unique: str) -> SNSEvents:
        self.sqs = sqs
        self.url = sqs.create_queue(QueueName=f"{unique}-raw")["QueueUrl"]
        subscribe(sns, topic_arn, sqs, self.url, RawMessageDelivery="true")
        return SNSEvents(sns, topic_arn)

    def received(self, events: SNSEvents) -> dict[str, tuple[dict[str, str], dict[str, Any]]]:
        found = {}
        for message in drained(self.sqs, self.url):
            attributes = message.get("MessageAttributes", {})
            body = json.loads(message["Body"])
            texts = {name: value["StringValue"] for name, value in attributes.items()}
            found[body["job_id"]] = (texts, body)
        return found


class TestAWSMonitor(MonitorContract):
    @pytest.fixture
    def monitor(
        self,
        sqs: SQSClient,
        at_moto: str,
        queue_urls: tuple[str, str, str],
        unique: str,
    ) -> AWSMonitor:
        cloudwatch = clients.client("cloudwatch")
        self.sqs, self.cloudwatch, self.stack = sqs, cloudwatch, unique
        jobs, dead, large = queue_urls
        self.urls = {"standard": jobs, "large": large, DEAD: dead}
        self.composite = Composite(cloudwatch, unique)
        return AWSMonitor(sqs, cloudwatch, self.urls, unique)

    @pytest.fixture
    def laneless(self, monitor: AWSMonitor) -> AWSMonitor:
        urls = {queue: url for queue, url in self.urls.items() if queue != "large"}
        return AWSMonitor(self.sqs, self.cloudwatch, urls, self.stack)

    def fill(self, monitor: AWSMonitor, queue: str, depth: Depth) -> None:
        url = self.urls[queue]
        for number in range(depth.working + depth.waiting):
            self.sqs.send_message(QueueUrl=url, MessageBody=str(number))
        if depth.working:
            self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=depth.working)
        for number in range(depth.delayed):
            self.sqs.send_message(QueueUrl=url, MessageBody=str(number), DelaySeconds=900)

    def fire(self, monitor: AWSMonitor, name: str, state: State, *, pages: bool = False) -> None:
        make_alarm(self.cloudwatch, self.stack, name, state)
        if pages:
            self.composite.names.append(name)

    def count(
        self, monitor: AWSMonitor, *, acknowledged: int, duplicates: int, age_s: float
    ) -> None:
        measure(self.cloudwatch, "Acknowledged", acknowledged, service=self.stack)
        measure(self.cloudwatch, "Duplicates", duplicates, service=self.stack)
        queue = self.urls["standard"].rpartition("/")[2]
        measure(self.cloudwatch, "ApproximateAgeOfOldestMessage", age_s, QueueName=queue)
