"""The poller as a process on a real queue: what ends it, and that no end loses a message."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from matinv.local.stack import Shape, Stack
from support.processes import until

pytestmark = pytest.mark.deep

POISON: Final = str(Path(__file__).parents[1] / "poison")
HANG: Final = [[666006, 0], [0, 1]]  # such a matrix never ends; see tests/poison
SOON_S: Final = 60.0  # a bound, never waited for


@pytest.fixture
def stack(no_real_aws: None) -> Iterator[Stack]:
    with Stack.start(Shape(max_receives=1000, visibility_s=600), name="polled") as stack:
        stack.client("sqs").purge_queue(QueueUrl=stack.settings.jobs_queue_url)  # s3:TestEvent
        yield stack


@contextmanager
def poller(
    stack: Stack, *options: str, poisoned: bool = False, **more: str
) -> Iterator[subprocess.Popen[str]]:
    env = stack.process_environment(os.environ) | more
    if poisoned:
        env["PYTHONPATH"] = POISON
    command = [sys.executable, "-m", "matinv.handlers.poller", *options]
    with subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def send(stack: Stack, job_id: str, matrix: Any) -> None:
    body = json.dumps({"job_id": job_id, "matrix": matrix})
    stack.client("sqs").send_message(QueueUrl=stack.settings.jobs_queue_url, MessageBody=body)


def count(stack: Stack, state: str) -> int:
    """Return how many messages of the jobs queue are in a state: ``NotVisible``, or ``""``."""
    name: Any = f"ApproximateNumberOfMessages{state}"
    answer = stack.client("sqs").get_queue_attributes(
        QueueUrl=stack.settings.jobs_queue_url, AttributeNames=[name]
    )
    return int(answer["Attributes"][name])


def received(stack: Stack, wait_s: int) -> list[tuple[str, int]]:
    """Receive; return job id and receive count of what comes within so many seconds."""
    answer = stack.client("sqs").receive_message(
        QueueUrl=stack.settings.jobs_queue_url,
        WaitTimeSeconds=wait_s,
        VisibilityTimeout=0,
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
    )
    return [
        (json.loads(m["Body"])["job_id"], int(m["Attributes"]["ApproximateReceiveCount"]))
        for m in answer.get("Messages", [])
    ]


def statuses(stack: Stack) -> dict[str, str]:
    table = stack.client("dynamodb").scan(TableName=stack.settings.jobs_table)
    return {item["job_id"]["S"]: item["status"]["S"] for item in table["Items"]}


def test_it_does_what_there_is_and_ends_when_the_queue_stays_empty(stack: Stack) -> None:
    for n in range(3):
        send(stack, f"j{n}", [[n + 1, 0], [0, 1]])
    with poller(stack, "--linger", "2") as process:
        assert process.wait(SOON_S) == 0
    assert statuses(stack) == {f"j{n}": "SUCCEEDED" for n in range(3)}
    assert (count(stack, ""), count(stack, "NotVisible")) == (0, 0)


def test_sigterm_hands_back_what_is_in_hand(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    send(stack, "long", HANG)
    options = ("--grace", "0", "--visibility", "600")
    with poller(stack, *options, poisoned=True) as process:
        until(lambda: count(stack, "NotVisible") == 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON_S) == 143
    assert received(stack, 0) == [("long", 2)]
    assert "handed back 1 messages" in capfd.readouterr().err


def test_sigterm_leaves_a_short_job_the_time_to_end(stack: Stack) -> None:
    send(stack, "short", [[2]])
    with poller(stack, "--grace", str(SOON_S)) as process:
        until(lambda: count(stack, "NotVisible") == 1 or bool(statuses(stack)))
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON_S) == 0
    assert statuses(stack) == {"short": "SUCCEEDED"}
    assert received(stack, 0) == []


def test_an_idle_one_ends_at_sigterm(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    with poller(stack) as process:
        said = ""

        def polls() -> bool:
            nonlocal said
            said += capfd.readouterr().err
            return "polling" in said

        until(polls)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON_S) == 0


def test_a_long_job_is_hidden_from_others_until_its_poller_is_killed(stack: Stack) -> None:
    send(stack, "long", HANG)
    with poller(stack, "--visibility", "3", poisoned=True) as process:
        until(lambda: count(stack, "NotVisible") == 1)
        assert received(stack, 7) == []
        process.kill()
        process.wait(SOON_S)
        assert received(stack, 10) == [("long", 2)]
    with poller(stack, "--linger", "2") as process:  # to this one the matrix is like any other
        assert process.wait(SOON_S) == 0
    assert statuses(stack) == {"long": "SUCCEEDED"}
    assert (count(stack, ""), count(stack, "NotVisible")) == (0, 0)


def test_a_job_that_takes_longer_than_the_lane_allows_ends_the_process(stack: Stack) -> None:
    send(stack, "long", HANG)
    more = {"MATINV_TIMEOUT_S": "3"}
    with poller(stack, "--visibility", "1", poisoned=True, **more) as process:
        assert process.wait(SOON_S) == 124
    assert received(stack, 10) == [("long", 2)]


def test_a_machine_without_its_threads_is_refused(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    with poller(stack, MATINV_MEMORY_MB="122880") as process:
        assert process.wait(SOON_S) == 1
    assert "MATINV_THREADS is not set" in capfd.readouterr().err


def test_it_needs_nothing_that_the_image_leaves_out() -> None:
    ignored = (Path(__file__).parents[2] / ".dockerignore").read_text().split()
    absent = {line.removeprefix("functions/matinv/") for line in ignored if "matinv/" in line}
    assert {"cli", "local", "testing"} <= absent
    script = (
        "import sys\n"
        f"sys.modules |= dict.fromkeys({[f'matinv.{name}' for name in absent]})\n"
        "from matinv import wiring\n"
        "from matinv.backends.aws import poller\n"
        "from matinv.handlers import invocation, poller, worker\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_two_pollers_killed_at_random_points_of_one_job_end_it_once(stack: Stack) -> None:
    """Two messages ask one question; both pollers work at it, and each is killed in the middle."""
    matrix = np.random.default_rng(3).standard_normal((700, 700))
    file = io.BytesIO()
    np.save(file, matrix)
    bucket = stack.settings.inputs_bucket
    stack.client("s3").put_object(Bucket=bucket, Key="job.npy", Body=file.getvalue())
    body = json.dumps({"job_id": "job", "s3": {"bucket": bucket, "key": "job.npy"}})
    stack.client("sqs").send_message(QueueUrl=stack.settings.jobs_queue_url, MessageBody=body)
    moment = random.Random(15)
    for _ in range(2):
        with poller(stack, "--visibility", "2"), poller(stack, "--visibility", "2"):
            until(lambda: count(stack, "NotVisible") == 2 or statuses(stack))
            threading.Event().wait(moment.uniform(0, 0.3))
    with poller(stack, "--linger", "5", "--visibility", "2") as last:
        assert last.wait(SOON_S) == 0
    assert statuses(stack) == {"job": "SUCCEEDED"}
    assert (count(stack, ""), count(stack, "NotVisible")) == (0, 0)
    (result,) = stack.client("s3").list_objects_v2(Bucket=stack.settings.results_bucket)["Contents"]
    stored = (
        stack.client("s3")
        .get_object(Bucket=stack.settings.results_bucket, Key=result["Key"])["Body"]
        .read()
    )
    assert np.abs(np.load(io.BytesIO(stored)) @ matrix - np.eye(700)).max() < 1e-8
