"""Messages that kill their process, among good ones: the real runtime, worker and child."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matinv.backends.aws.dynamodb_items import record_of
from matinv.backends.aws.event_source import Polling
from matinv.backends.aws.poller import Poller
from matinv.local.stack import Shape, Stack
from matinv.testing.events import sqs_event
from support.lambda_emulator import LambdaEmulator

pytestmark = pytest.mark.usefixtures("emulator")

POISON = str(Path(__file__).parents[1] / "poison")
DRAIN_S = 120.0


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Run a stack that takes back messages after a second."""
    with Stack.start(Shape(visibility_s=1)) as stack:
        yield stack


def worker(stack: Stack, timeout_s: int) -> LambdaEmulator:
    return LambdaEmulator(
        "matinv.handlers.worker.handler",
        stack.environment(),
        timeout_s=timeout_s,
        memory_mb=512,
        path=POISON,
    )


def drained(stack: Stack, bodies: list[str], timeout_s: int) -> None:
    """Send messages and let the mapping and the function do all that comes of them."""
    sqs, url = stack.client("sqs"), stack.settings.jobs_queue_url
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    handler, env = "matinv.handlers.worker.handler", stack.environment()
    with LambdaEmulator(handler, env, timeout_s=timeout_s, memory_mb=512, path=POISON) as worker:
        runner = Poller(sqs, url, worker.invoke, Polling(batch_size=10, window_s=0.5))
        assert runner.drain(DRAIN_S), worker.log()


def records(stack: Stack) -> dict[str, Any]:
    items = stack.client("dynamodb").scan(TableName=stack.settings.jobs_table)["Items"]
    return {item["job_id"]["S"]: item for item in items}


def letters(stack: Stack) -> dict[str, str]:
    """Take the dead letters; return the error code of each, by job id."""
    sqs, url = stack.client("sqs"), stack.settings.dlq_url
    received = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    found = received.get("Messages", [])
    for message in found:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    attributes = [message["MessageAttributes"] for message in found]
    return {a["job_id"]["StringValue"]: a["error_code"]["StringValue"] for a in attributes}


@pytest.mark.parametrize(
    ("mark", "code", "said"),
    [
        pytest.param(666001, "WORKER_CRASHED", "SIGSEGV", id="crashes"),
        pytest.param(666002, "WORKER_CRASHED", "exit code 3", id="exits"),
        pytest.param(666003, "OUT_OF_MEMORY", "ran out of memory", id="eats memory"),
        pytest.param(666004, "OUT_OF_MEMORY", "SIGKILL", id="is killed"),
        pytest.param(666005, "WORKER_CRASHED", "endless loop", id="loops"),
    ],
)
def test_one_that_kills_its_process_costs_its_neighbours_one_receive(
    stack: Stack, mark: int, code: str, said: str
) -> None:
    names = [f"{mark}-{i}" for i in range(10)]
    culprit = names.pop(4)
    bodies = [{"job_id": name, "matrix": [[2, 1], [1, i + 2]]} for i, name in enumerate(names)]
    bodies.insert(4, {"job_id": culprit, "matrix": [[mark, 1], [1, 1]]})

    drained(stack, [json.dumps(body) for body in bodies], timeout_s=20)

    found = records(stack)
    assert {found[name]["status"]["S"] for name in names} == {"SUCCEEDED"}
    assert {record_of(found[name]).attempts for name in names} <= {1, 2}
    assert found[culprit]["status"]["S"] == "FAILED"
    assert record_of(found[culprit]).attempts == 2
    assert found[culprit]["error"]["M"]["code"]["S"] == code
    assert said in found[culprit]["error"]["M"]["message"]["S"]
    assert letters(stack) == {culprit: code}


def test_one_that_nobody_can_read_costs_its_neighbours_one_receive(stack: Stack) -> None:
    good = [{"job_id": f"read-{i}", "matrix": [[2]]} for i in range(3)]
    bodies = [json.dumps(body) for body in good]

    drained(
        stack, [*bodies[:1], '{"job_id": "unread", "tags": "poison"}', *bodies[1:]], timeout_s=20
    )

    found = records(stack)
    assert {found[body["job_id"]]["status"]["S"] for body in good} == {"SUCCEEDED"}
    assert "unread" not in found  # no process could say what its id is
    ((job_id, code),) = letters(stack).items()
    assert code == "WORKER_CRASHED"
    assert job_id.startswith("sha256-")
    assert found[job_id]["status"]["S"] == "FAILED"


def test_one_that_hangs_leaves_time_for_its_neighbours(stack: Stack) -> None:
    bodies = [{"job_id": f"hang-{i}", "matrix": [[mark]]} for i, mark in enumerate([666006, 2, 4])]
    event = sqs_event(bodies, receive_count=2)

    with worker(stack, timeout_s=20) as function:
        answer = function.invoke(event)

    hung = event["Records"][0]["messageId"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": hung}]}
    assert {"hang-1", "hang-2"} <= records(stack).keys()


def test_a_child_does_one_message_after_another_and_a_worker_one_batch_after_another(
    stack: Stack,
) -> None:
    batches = [
        sqs_event(
            [{"job_id": f"again-{i}-{j}", "matrix": [[2]]} for j in range(3)], receive_count=2
        )
        for i in range(2)
    ]
    with worker(stack, timeout_s=20) as function:
        answers = [function.invoke(batch) for batch in batches]

    assert answers == [{"batchItemFailures": []}] * 2
    assert sum(name.startswith("again-") for name in records(stack)) == 6
