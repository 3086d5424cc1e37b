"""The worker as a process: started, stopped, and killed at any point."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from matinv import processes as child
from matinv.local.stack import Shape, Stack
from support.processes import SOON_S, matinv, until

pytestmark = pytest.mark.deep

SEED = 20  # of the moments at which the worker is killed


@pytest.fixture
def patient_stack() -> Iterator[Stack]:
    """Run a stack that takes back messages after a second, and gives none up."""
    with Stack.start(Shape(max_receives=1000, visibility_s=1), name="patient") as stack:
        yield stack


def send(stack: Stack, *messages: dict[str, Any]) -> None:
    sqs = stack.client("sqs")
    for message in messages:
        sqs.send_message(QueueUrl=stack.settings.jobs_queue_url, MessageBody=json.dumps(message))


def statuses(stack: Stack) -> dict[str, str]:
    table = stack.client("dynamodb").scan(TableName=stack.settings.jobs_table)
    return {item["job_id"]["S"]: item["status"]["S"] for item in table["Items"]}


def backlog(stack: Stack, url: str) -> int:
    names: Any = ["", "NotVisible", "Delayed"]
    names = [f"ApproximateNumberOfMessages{name}" for name in names]
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(map(int, answer["Attributes"].values()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(
    patient_stack: Stack, number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    with matinv("local", "worker", env=patient_stack.environment()) as worker:
        send(patient_stack, {"job_id": "a", "matrix": [[1, 2], [3, 4]]})
        until(lambda: statuses(patient_stack).get("a") == "SUCCEEDED")
        worker.send_signal(number)
        assert worker.wait(SOON_S) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert "matinv: worker: stopped" in err
    assert backlog(patient_stack, patient_stack.settings.jobs_queue_url) == 0


def test_the_end_of_a_pipe_on_its_input_ends_it(patient_stack: Stack) -> None:
    command = ["-m", "matinv.cli", "local", "worker"]
    env = patient_stack.process_environment({"PATH": ""})
    worker = child.start(command, env=env)
    assert worker.poll() is None
    assert worker.stdin
    worker.stdin.close()
    assert worker.wait(SOON_S) == 0


def test_killed_at_random_points_it_loses_nothing(patient_stack: Stack) -> None:
    jobs = {f"job-{i}": [[2.0 + i, 1.0], [1.0, 3.0]] for i in range(40)}
    send(patient_stack, *({"job_id": job_id, "matrix": a} for job_id, a in jobs.items()))
    moment = random.Random(SEED)
    env = patient_stack.environment()
    for done in (1, 12, 25):
        with matinv("local", "worker", "--batch-size", "3", env=env) as worker:
            until(lambda done=done: len(statuses(patient_stack)) >= done)
            threading.Event().wait(moment.uniform(0, 0.05))
            worker.kill()
    # Else there may be nothing left to wait for, and the signal could come before its handler.
    jobs["last"] = [[1.0, 2.0], [3.0, 4.0]]
    send(patient_stack, {"job_id": "last", "matrix": jobs["last"]})
    with matinv("local", "worker", env=env) as worker:
        until(lambda: backlog(patient_stack, patient_stack.settings.jobs_queue_url) == 0)
        worker.terminate()
        assert worker.wait(SOON_S) == 0
    assert statuses(patient_stack) == dict.fromkeys(jobs, "SUCCEEDED")
    assert backlog(patient_stack, patient_stack.settings.dlq_url) == 0


def test_without_settings_it_says_which_are_missing(capfd: pytest.CaptureFixture[str]) -> None:
    with matinv("local", "worker") as worker:
        assert worker.wait(SOON_S) == 1
    err = capfd.readouterr().err
    assert "MATINV_JOBS_QUEUE_URL is not set" in err
    assert "matinv local up" in err
    assert "Traceback" not in err


def test_a_queue_that_cannot_be_reached_is_one_line(
    patient_stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    env = patient_stack.environment() | {"MATINV_JOBS_QUEUE_URL": "http://127.0.0.1:9/1/none"}
    with matinv("local", "worker", env=env) as worker:
        assert worker.wait(SOON_S) == 1
    err = capfd.readouterr().err
    assert err.startswith("matinv: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--batch-size", "11"], "at least 1 second"),
        (["--timeout", "60", "--visibility", "59"], "below --timeout"),
        (["--batch-size", "0"], "batch-size"),
        (["--memory-mb", "1"], "memory-mb"),
    ],
)
def test_what_lambda_would_refuse_is_refused(
    arguments: list[str], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with matinv("local", "worker", *arguments) as worker:
        assert worker.wait(SOON_S) == 2
    assert reason in capfd.readouterr().err


def test_blas_is_told_its_threads_before_it_is_loaded() -> None:
    script = (
        "import sys\n"
        "import matinv.cli.app, matinv.cli.commands.local\n"
        "assert not {'numpy', 'boto3', 'moto'} & sys.modules.keys(), 'loaded too early'\n"
        "import os, matinv.handlers.poller, matinv.settings\n"
        "assert 'numpy' not in sys.modules, 'loaded too early'\n"
        "matinv.settings.limit_threads(1000)\n"
        "cores = len(os.sched_getaffinity(0))\n"
        "assert os.environ['OPENBLAS_NUM_THREADS'] == str(cores)\n"
    )
    env = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")}
    subprocess.run([sys.executable, "-c", script], check=True, env=env)
