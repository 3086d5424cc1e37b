from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from matinv.backends.aws.event_source import PAYLOAD_BYTES, Event, Polling
from matinv.backends.aws.poller import Poller
from matinv.handlers.invocation import InProcess

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_RECEIVES = 3
SOON = 20.0  # seconds; a bound, never waited for


class Function:
    """A handler that keeps its events and fails the messages it is told to."""

    def __init__(self, fails: Callable[[Event], bool] = lambda _: False) -> None:
        self.events: list[list[Event]] = []
        self.called = threading.Event()
        self._fails = fails

    def __call__(self, event: Event, context: object) -> object:
        self.events.append(event["Records"])
        self.called.set()
        failed = [r["messageId"] for r in event["Records"] if self._fails(r)]
        return {"batchItemFailures": [{"itemIdentifier": i} for i in failed]}

    @property
    def records(self) -> list[Event]:
        return [record for event in self.events for record in event]

    @property
    def bodies(self) -> list[str]:
        return [record["body"] for record in self.records]

    @property
    def sizes(self) -> list[int]:
        return [len(event) for event in self.events]


@pytest.fixture
def queues(sqs: SQSClient, unique: str) -> tuple[str, str]:
    """Create a queue and its dead-letter queue."""
    dlq = sqs.create_queue(QueueName=f"{unique}-dlq")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": MAX_RECEIVES}
    attributes: Any = {"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "60"}
    return sqs.create_queue(QueueName=unique, Attributes=attributes)["QueueUrl"], dlq


@pytest.fixture
def queue(queues: tuple[str, str]) -> str:
    return queues[0]


def send(sqs: SQSClient, queue: str, bodies: Sequence[str]) -> None:
    for begin in range(0, len(bodies), 10):
        page = bodies[begin : begin + 10]
        sqs.send_message_batch(
            QueueUrl=queue,
            Entries=[{"Id": str(i), "MessageBody": body} for i, body in enumerate(page)],
        )


def runner(
    sqs: SQSClient,
    queue: str,
    function: Callable[[Event, Any], object],
    polling: Polling | None = None,
) -> Poller:
    return Poller(sqs, queue, InProcess(function), polling or Polling())


def test_what_succeeds_is_deleted_and_delivered_once(sqs: SQSClient, queue: str) -> None:
    bodies = [f"m{i}" for i in range(25)]
    send(sqs, queue, bodies)
    function = Function()
    serving = runner(sqs, queue, function)
    assert serving.drain(SOON)
    assert Counter(function.bodies) == Counter(bodies)
    assert max(function.sizes) <= 10
    assert (serving.tally.deleted, serving.tally.returned) == (25, 0)


def test_records_say_what_the_queue_says(sqs: SQSClient, queue: str) -> None:
    sent = sqs.send_message(
        QueueUrl=queue,
        MessageBody="héllo",
        MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}},
    )
    function = Function()
    runner(sqs, queue, function).drain(SOON)
    record = function.records[0]
    assert record["messageId"] == sent["MessageId"]
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert record["body"] == "héllo"
    assert record["messageAttributes"]["k"]["stringValue"] == "v"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(queue.rpartition("/")[2])
    assert record["awsRegion"] == "us-east-1"
    assert record["attributes"].keys() >= {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    }


def test_reported_messages_come_back_and_end_in_the_dead_letter_queue(
    sqs: SQSClient, queues: tuple[str, str]
) -> None:
    queue, dlq = queues
    send(sqs, queue, ["good 1", "bad", "good 2"])
    function = Function(lambda record: record["body"] == "bad")
    assert runner(sqs, queue, function, Polling(visibility_s=0)).drain(SOON)
    assert Counter(function.bodies) == {"good 1": 1, "good 2": 1, "bad": MAX_RECEIVES}
    counts = [
        r["attributes"]["ApproximateReceiveCount"] for r in function.records if r["body"] == "bad"
    ]
    assert counts == ["1", "2", "3"]
    dead = sqs.receive_message(QueueUrl=dlq, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in dead] == ["bad"]


def test_a_function_that_raises_fails_its_whole_batch(
    sqs: SQSClient, queues: tuple[str, str]
) -> None:
    queue, dlq = queues
    send(sqs, queue, ["a", "b"])
    seen: list[str] = []

    def function(event: Event, context: object) -> None:
        seen.extend(record["body"] for record in event["Records"])
        raise ValueError

    serving = runner(sqs, queue, function, Polling(visibility_s=0))
    assert serving.drain(SOON)
    assert Counter(seen) == {"a": MAX_RECEIVES, "b": MAX_RECEIVES}
    assert serving.tally.failed_invocations == serving.tally.invocations
    assert serving.tally.deleted == 0
    assert len(sqs.receive_message(QueueUrl=dlq, MaxNumberOfMessages=10)["Messages"]) == 2


def test_a_malformed_answer_deletes_nothing(sqs: SQSClient, queue: str) -> None:
    send(sqs, queue, ["a", "b"])
    stop = threading.Event()

    def function(event: Event, context: object) -> object:
        stop.set()
        return {"batchItemFailures": [{"itemIdentifier": "of another batch"}]}

    serving = runner(sqs, queue, function)
    serving.run(stop)
    assert serving.backlog() == 2


def test_a_failed_message_stays_hidden_until_its_timeout_ends(sqs: SQSClient, queue: str) -> None:
    send(sqs, queue, ["bad"])
    stop = threading.Event()

    def function(event: Event, context: object) -> object:
        stop.set()
        raise ValueError

    runner(sqs, queue, function).run(stop)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_drain_waits_for_what_is_in_flight(sqs: SQSClient, queue: str) -> None:
    send(sqs, queue, ["a"])
    sqs.receive_message(QueueUrl=queue, VisibilityTimeout=1)
    function = Function()
    assert runner(sqs, queue, function).drain(SOON)
    assert function.bodies == ["a"]


def test_drain_gives_up_in_time(sqs: SQSClient, queue: str) -> None:
    send(sqs, queue, ["a"])
    sqs.receive_message(QueueUrl=queue, VisibilityTimeout=600)
    assert not runner(sqs, queue, Function()).drain(0.1)


def test_a_window_fills_a_batch_from_many_receives(sqs: SQSClient, queue: str) -> None:
    send(sqs, queue, [str(i) for i in range(60)])
    function = Function()
    assert runner(sqs, queue, function, Polling(30, 60)).drain(SOON)
    assert function.sizes == [30, 30]


def test_messages_that_come_within_the_window_join_the_batch(sqs: SQSClient, queue: str) -> None:
    send(sqs, queue, ["first"])
    function = Function()
    stop = threading.Event()
    serving = runner(sqs, queue, function, Polling(2, 60))
    thread = threading.Thread(target=serving.run, args=(stop,))
    thread.start()
    send(sqs, queue, ["second"])
    assert function.called.wait(SOON)
    stop.set()
    thread.join(SOON)
    assert [sorted(r["body"] for r in event) for event in function.events] == [["first", "second"]]


def test_the_window_ends_with_what_has_come(sqs: SQSClient, queue: str) -> None:
    send(sqs, queue, ["a", "b"])
    function = Function()
    began = time.monotonic()
    assert runner(sqs, queue, function, Polling(100, 1)).drain(SOON)
    assert function.sizes == [2]
    assert time.monotonic() - began >= 1


def test_no_event_is_larger_than_six_megabytes(sqs: SQSClient, queue: str) -> None:
    bodies = [f"{i:02}" + "x" * 240_000 for i in range(30)]
    for body in bodies:
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    stop = threading.Event()  # set by the first invocation, so that the second waits no window
    function = Function(lambda _: bool(stop.set()))  # type: ignore[func-returns-value]
    runner(sqs, queue, function, Polling(30, 60)).run(stop)
    assert Counter(function.bodies) == Counter(bodies)
    assert len(function.events) == 2
    assert all(len(orjson.dumps({"Records": e})) <= PAYLOAD_BYTES for e in function.events)


def test_a_stop_finishes_the_batch_in_hand_and_loses_nothing(sqs: SQSClient, queue: str) -> None:
    bodies = [str(i) for i in range(30)]
    send(sqs, queue, bodies)
    first, stop = Function(), threading.Event()

    def function(event: Event, context: object) -> object:
        stop.set()
        return first(event, context)

    serving = runner(sqs, queue, function)
    serving.run(stop)
    assert first.sizes == [10]
    assert serving.backlog() == 20
    second = Function()
    assert runner(sqs, queue, second).drain(SOON)
    assert Counter(first.bodies + second.bodies) == Counter(bodies)


def test_a_stop_finishes_what_was_held_back_for_its_size(sqs: SQSClient, queue: str) -> None:
    send(sqs, queue, ["x" * 1000] * 6)
    stop = threading.Event()
    function = Function(lambda _: bool(stop.set()))  # type: ignore[func-returns-value]
    serving = runner(sqs, queue, function, Polling(payload_bytes=4000))
    serving.run(stop)
    assert sum(function.sizes) == 6
    assert max(function.sizes) < 6
    assert serving.backlog() == 0


def test_a_stop_ends_the_window(sqs: SQSClient, queue: str) -> None:
    send(sqs, queue, ["a"])
    function, stop = Function(), threading.Event()
    serving = runner(sqs, queue, function, Polling(100, 300))
    thread = threading.Thread(target=serving.run, args=(stop,))
    thread.start()
    end = time.monotonic() + SOON
    while not in_flight(sqs, queue) and time.monotonic() < end:
        pass
    stop.set()
    thread.join(SOON)
    assert not thread.is_alive()
    assert function.bodies == ["a"]


def in_flight(sqs: SQSClient, queue: str) -> int:
    name: Any = "ApproximateNumberOfMessagesNotVisible"
    answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[name])
    return int(answer["Attributes"][name])


def test_an_idle_runner_stops_promptly(sqs: SQSClient, queue: str) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=runner(sqs, queue, Function()).run, args=(stop,))
    thread.start()
    stop.set()
    began = time.monotonic()
    thread.join(SOON)
    assert time.monotonic() - began < 3


def test_a_queue_that_does_not_exist_is_an_error_at_once(sqs: SQSClient, queue: str) -> None:
    with pytest.raises(ClientError, match=r"NonExistentQueue|does not exist"):
        runner(sqs, f"{queue}-not", Function())


class Flaky:
    """A client whose next calls of one method fail."""

    def __init__(self, sqs: SQSClient, method: str, times: int) -> None:
        self._sqs, self._method, self.left = sqs, method, times

    def __getattr__(self, name: str) -> Any:
        if name == self._method and self.left:
            self.left -= 1
            return self._fail
        return getattr(self._sqs, name)

    @staticmethod
    def _fail(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://nowhere")


def test_a_poll_that_fails_is_tried_again(sqs: SQSClient, queue: str) -> None:
    send(sqs, queue, ["a"])
    flaky: Any = Flaky(sqs, "receive_message", 1)
    function = Function()
    assert runner(flaky, queue, function).drain(SOON)
    assert function.bodies == ["a"]


def test_a_message_that_cannot_be_deleted_comes_again(sqs: SQSClient, queue: str) -> None:
    send(sqs, queue, ["a"])
    flaky: Any = Flaky(sqs, "delete_message_batch", 1)
    function = Function()
    serving = runner(flaky, queue, function, Polling(visibility_s=0))
    assert serving.drain(SOON)
    assert function.bodies == ["a", "a"]
