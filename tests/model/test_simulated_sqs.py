"""The simulated queue keeps the port's contract and answers as the embedded AWS does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from matinv.backends.aws.sqs import SQSQueue
from matinv.jobs.lanes import Lane, large
from matinv.testing.contracts import JobQueueContract
from support.simulated_sqs import BEGIN_S, RETENTION_S, Queue, SimulatedSQS, VirtualClock

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def simulated(clock: VirtualClock) -> SimulatedSQS:
    return SimulatedSQS(clock)


@pytest.fixture
def queue(simulated: SimulatedSQS) -> Queue:
    return simulated.add_queue("jobs", 30, simulated.add_queue("dead"), 2)


class TestSQSQueueOnSimulatedSQS(JobQueueContract):
    @pytest.fixture
    def queue(self, simulated: SimulatedSQS) -> SQSQueue:
        dead = simulated.add_queue("dead")
        self.jobs = simulated.add_queue("jobs", 30, dead, 5)
        self.large = simulated.add_queue("large", 30, dead, 5)
        client: Any = simulated
        return SQSQueue(client, "jobs", "dead")

    @pytest.fixture
    def lane(self) -> Lane:
        return large("large")

    def sent(self, queue: SQSQueue) -> list[str]:
        return [message.body for message in self.jobs.messages]

    def forwarded(self, queue: SQSQueue, lane: Lane) -> list[str]:
        return [message.body for message in self.large.messages]


def life_of_two_messages(sqs: Any, jobs: str, dead: str) -> list[Any]:
    """Return what a queue that gives up after two receives answers on the way."""
    said: list[Any] = []

    def receive(url: str, visibility_s: int) -> list[str]:
        answer = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=visibility_s,
            WaitTimeSeconds=0,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        found = sorted(answer.get("Messages", []), key=lambda m: str(m["Body"]))
        said.append(
            [
                (
                    ids[m["MessageId"]],
                    m["Body"],
                    m["Attributes"]["ApproximateReceiveCount"],
                    m["MD5OfBody"],
                    m.get("MessageAttributes", {}).get("k", {}).get("StringValue"),
                )
                for m in found
            ]
        )
        return [m["ReceiptHandle"] for m in found]

    def count(url: str) -> None:
        names = ["All"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        said.append({n: v for n, v in attributes.items() if n.startswith("ApproximateNumber")})

    def show(receipt: str) -> None:
        entry = {"Id": "0", "ReceiptHandle": receipt, "VisibilityTimeout": 0}
        answer = sqs.change_message_visibility_batch(QueueUrl=jobs, Entries=[entry])
        said.append([e["Id"] for e in answer.get("Successful", [])])

    attributes = {"k": {"DataType": "String", "StringValue": "v"}}
    entries = [
        {"Id": "0", "MessageBody": "a", "MessageAttributes": attributes},
        {"Id": "1", "MessageBody": "b"},
    ]
    sent = sqs.send_message_batch(QueueUrl=jobs, Entries=entries)["Successful"]
    ids = {entry["MessageId"]: entry["Id"] for entry in sent}
    policy = sqs.get_queue_attributes(QueueUrl=jobs, AttributeNames=["RedrivePolicy"])
    said.append(json.loads(policy["Attributes"]["RedrivePolicy"])["maxReceiveCount"])
    count(jobs)
    first, second = receive(jobs, 600)
    receive(jobs, 600)
    count(jobs)
    show(first)
    show(second)
    (again, _) = receive(jobs, 600)
    sqs.delete_message_batch(QueueUrl=jobs, Entries=[{"Id": "0", "ReceiptHandle": second}])
    count(jobs)
    show(again)
    receive(jobs, 600)
    count(jobs)
    count(dead)
    receive(dead, 600)
    return said


def test_the_simulated_queue_answers_as_moto(
    simulated: SimulatedSQS, queue: Queue, sqs: SQSClient, unique: str
) -> None:
    dead = sqs.create_queue(QueueName=f"{unique}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 2}
    attributes: Any = {"RedrivePolicy": json.dumps(policy)}
    jobs = sqs.create_queue(QueueName=f"{unique}-jobs", Attributes=attributes)["QueueUrl"]
    assert life_of_two_messages(simulated, "jobs", "dead") == life_of_two_messages(sqs, jobs, dead)


def test_a_message_comes_back_when_its_timeout_ends(
    simulated: SimulatedSQS, queue: Queue, clock: VirtualClock
) -> None:
    simulated.send_message(QueueUrl="jobs", MessageBody="a")
    assert simulated.receive_message(QueueUrl="jobs")["Messages"]
    assert "Messages" not in simulated.receive_message(QueueUrl="jobs", WaitTimeSeconds=20)
    assert clock.now_s == BEGIN_S + 20
    assert simulated.receive_message(QueueUrl="jobs", WaitTimeSeconds=20)["Messages"]
    assert clock.now_s == BEGIN_S + 30


def test_a_message_that_is_too_old_is_gone(
    simulated: SimulatedSQS, queue: Queue, clock: VirtualClock
) -> None:
    simulated.send_message(QueueUrl="jobs", MessageBody="a")
    clock.sleep(RETENTION_S)
    assert "Messages" not in simulated.receive_message(QueueUrl="jobs")
    assert [message.body for message in queue.expired] == ["a"]
