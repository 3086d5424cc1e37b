"""The handlers under the real Lambda runtime: Runtime Interface Emulator and runtime client."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.backends.aws.event_source import FunctionError
from matinv.backends.aws.poller import Poller
from matinv.local.stack import Stack
from matinv.testing.events import s3_notification, sqs_event, url_event
from support.invoke_over_http import OverHttp
from support.lambda_emulator import EmulatorMissing, LambdaEmulator, find_emulator
from support.processes import alive, matinv, until

pytestmark = pytest.mark.usefixtures("emulator")

TINY = """
import os, time

def handler(event, context):
    if "raise" in event:
        raise KeyError(event["raise"])
    if "exit" in event:
        os._exit(event["exit"])
    if "sleep" in event:
        time.sleep(event["sleep"])
    print("said", event.get("say"), flush=True)
    return {
        "event": event,
        "left_ms": context.get_remaining_time_in_millis(),
        "memory_mb": context.memory_limit_in_mb,
        "name": context.function_name,
        "pid": os.getpid(),
        "colour": os.environ.get("COLOUR"),
    }
"""

# The real handlers on a machine with one wrong bit: in numpy's BLAS, or in the library for large
# matrices.
BROKEN = """
import numpy
from matinv.linalg import lapack
from matinv.handlers.api import handler as api
from matinv.handlers.worker import handler as worker

def spoil(x):
    x.real[..., 0, -1] = numpy.nextafter(x.real[..., 0, -1], numpy.inf)
    return x

def broken_numpy(event, context, of=worker, honest=numpy.matmul):
    numpy.matmul = lambda x, y, **options: spoil(honest(x, y, **options))
    return of(event, context)

def broken_numpy_api(event, context):
    return broken_numpy(event, context, of=api)

def broken_lapack(event, context, honest=lapack.getrf_getri):
    lapack.getrf_getri = lambda stack: [honest(stack), spoil(stack)][0]
    return worker(event, context)
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[LambdaEmulator]:
    (tmp_path / "tiny.py").write_text(TINY)
    with LambdaEmulator(
        "tiny.handler", {"COLOUR": "blue"}, timeout_s=3, memory_mb=512, path=str(tmp_path)
    ) as emulator:
        yield emulator


def test_a_function_gets_event_context_and_environment(tiny: LambdaEmulator) -> None:
    answer = tiny.invoke({"a": [1, "é"]})
    assert answer["event"] == {"a": [1, "é"]}
    assert 0 < answer["left_ms"] <= 3000
    assert (answer["memory_mb"], answer["name"]) == ("512", "matinv-test")
    assert answer["colour"] == "blue"


def test_what_a_function_prints_is_in_the_log(tiny: LambdaEmulator) -> None:
    tiny.invoke({"say": "hello"})
    until(lambda: "said hello" in tiny.log())


def test_a_function_that_raises_is_an_error(tiny: LambdaEmulator) -> None:
    with pytest.raises(FunctionError, match=r"KeyError: 'x'"):
        tiny.invoke({"raise": "x"})


def test_a_function_that_ends_its_process_is_an_error_and_starts_again(
    tiny: LambdaEmulator,
) -> None:
    first = tiny.invoke({})["pid"]
    with pytest.raises(FunctionError, match=r"Runtime\.ExitError"):
        tiny.invoke({"exit": 3})
    assert tiny.invoke({})["pid"] != first


def test_a_function_that_takes_too_long_is_an_error(tiny: LambdaEmulator) -> None:
    with pytest.raises(FunctionError):
        tiny.invoke({"sleep": 30})


def test_nothing_is_left_running(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(TINY)
    with LambdaEmulator("tiny.handler", path=str(tmp_path)) as emulator:
        pid = emulator.invoke({})["pid"]
        assert alive(pid)
    until(lambda: not alive(pid))


def test_a_binary_that_is_missing_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EmulatorMissing, match="scripts/test"):
        find_emulator(tmp_path)


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def records(stack: Stack) -> dict[str, Any]:
    items = stack.client("dynamodb").scan(TableName=stack.settings.jobs_table)["Items"]
    return {item["job_id"]["S"]: item for item in items}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack.start() as stack:
        yield stack


@pytest.fixture(scope="module")
def worker(stack: Stack) -> Iterator[LambdaEmulator]:
    with LambdaEmulator("matinv.handlers.worker.handler", stack.environment()) as emulator:
        yield emulator


def test_the_worker_does_a_batch_of_good_bad_and_dropped_jobs(
    stack: Stack, worker: LambdaEmulator
) -> None:
    a = np.random.default_rng(1).standard_normal((64, 64))
    inputs = stack.settings.inputs_bucket
    put = stack.client("s3").put_object(Bucket=inputs, Key="dropped.npy", Body=npy(a))
    notification = s3_notification(
        inputs, "dropped.npy", version_id=put["VersionId"], etag=put["ETag"].strip('"')
    )
    answer = worker.invoke(
        sqs_event(
            [
                {"job_id": "good", "matrix": [[1, 2], [3, 4]]},
                {"job_id": "singular", "matrix": [[1, 2], [2, 4]]},
                {"job_id": "npy", "npy": base64.b64encode(npy(np.eye(3))).decode()},
                notification,
                {"job_id": "gone", "s3": {"bucket": inputs, "key": "gone.npy"}},
                "hello",
            ]
        )
    )
    assert answer == {"batchItemFailures": []}
    found = records(stack)
    good = ("good", "npy", "dropped")
    assert {found[job_id]["status"]["S"] for job_id in good} == {"SUCCEEDED"}
    assert {found[job_id]["status"]["S"] for job_id in ("singular", "gone")} == {"FAILED"}
    (key,) = [key for key in results(stack) if "dropped" in key]
    body = stack.client("s3").get_object(Bucket=stack.settings.results_bucket, Key=key)["Body"]
    x = np.load(io.BytesIO(body.read()))
    assert np.abs(a @ x - np.eye(64)).max() < 1e-9
    assert sorted(dead_codes(stack)) == ["BAD_MESSAGE", "INPUT_GONE", "SINGULAR"]


def results(stack: Stack) -> list[str]:
    listed = stack.client("s3").list_objects_v2(Bucket=stack.settings.results_bucket)
    return [entry["Key"] for entry in listed.get("Contents", [])]


def on_broken(kind: str, stack: Stack, path: Path) -> LambdaEmulator:
    (path / "broken.py").write_text(BROKEN)
    return LambdaEmulator(f"broken.{kind}", stack.environment(), path=str(path))


def test_a_machine_that_multiplies_wrongly_serves_nothing(stack: Stack, tmp_path: Path) -> None:
    event = sqs_event([{"job_id": "on-broken", "matrix": [[1, 2], [3, 4]]}, "hello"])
    with on_broken("broken_numpy", stack, tmp_path) as broken:
        for _ in range(2):  # nor does the process that takes its place
            with pytest.raises(FunctionError, match=r"Runtime\.ExitError"):
                broken.invoke(event)
        until(lambda: "self-test: numpy.matmul is wrong on float32" in broken.log())
    assert "on-broken" not in records(stack)


def test_a_direct_call_to_a_broken_machine_is_an_error(stack: Stack, tmp_path: Path) -> None:
    with (
        on_broken("broken_numpy_api", stack, tmp_path) as broken,
        pytest.raises(FunctionError, match=r"Runtime\.ExitError"),
    ):
        broken.invoke({"matrix": [[1, 2], [3, 4]]})


def test_a_machine_that_inverts_large_matrices_wrongly_publishes_none(
    stack: Stack, tmp_path: Path
) -> None:
    """It is found out in a thread of the pool, which reads objects, and ends the process."""
    inputs, a = stack.settings.inputs_bucket, 2 * np.eye(100)
    dropped = []
    for key in ("large-1.npy", "large-2.npy"):
        put = stack.client("s3").put_object(Bucket=inputs, Key=key, Body=npy(a))
        dropped.append(
            s3_notification(inputs, key, version_id=put["VersionId"], etag=put["ETag"].strip('"'))
        )
    before = results(stack)
    with on_broken("broken_lapack", stack, tmp_path) as broken:
        small = {"job_id": "small-on-broken", "matrix": [[1, 2], [3, 4]]}
        assert broken.invoke(sqs_event([small])) == {"batchItemFailures": []}
        with pytest.raises(FunctionError, match=r"Runtime\.ExitError"):
            broken.invoke(sqs_event(dropped))
        until(lambda: "self-test: getrf+getri is wrong on float64" in broken.log())
    assert results(stack) == before
    assert not {"large-1", "large-2"} & records(stack).keys()


def dead_codes(stack: Stack) -> list[str]:
    sqs, url = stack.client("sqs"), stack.settings.dlq_url
    options: Any = {"MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}
    letters = sqs.receive_message(QueueUrl=url, **options)["Messages"]
    return [letter["MessageAttributes"]["error_code"]["StringValue"] for letter in letters]


def test_the_worker_raises_for_an_event_that_is_not_from_sqs(worker: LambdaEmulator) -> None:
    with pytest.raises(FunctionError, match="ValueError"):
        worker.invoke({"Records": [{"eventSource": "aws:sns"}]})


def test_the_runner_serves_a_queue_through_the_emulator(stack: Stack) -> None:
    sqs, url = stack.client("sqs"), stack.settings.jobs_queue_url
    body = json.dumps({"job_id": "by-queue", "matrix": [[2, 0], [0, 4]]})
    sqs.send_message(QueueUrl=url, MessageBody=body)
    with LambdaEmulator("matinv.handlers.worker.handler", stack.environment()) as emulator:
        runner = Poller(sqs, url, OverHttp(emulator.base_url))
        assert runner.drain(60)
    assert runner.tally.failed_invocations == 0
    assert records(stack)["by-queue"]["status"]["S"] == "SUCCEEDED"


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[LambdaEmulator]:
    with LambdaEmulator("matinv.handlers.api.handler", stack.environment()) as emulator:
        yield emulator


def test_the_api_answers_with_inverse_and_certificate(api: LambdaEmulator) -> None:
    answer = api.invoke({"matrix": [[1, 2], [3, 4]]})
    assert answer["inverse"] == [[-2.0, 1.0], [1.5, -0.5]]
    assert answer["certificate"]["rcond_1"] == pytest.approx(1 / 21)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"matrix": [[1, 2], [2, 4]]}, "SINGULAR"),
        ({"matrix": [[1, 2, 3], [4, 5, 6]]}, "NOT_SQUARE"),
        ({"matrix": [[1, 2], [3, None]]}, "BAD_FORMAT"),
        ({}, "BAD_MESSAGE"),
        ({"matrix": [[1]], "unknown": 1}, "BAD_MESSAGE"),
    ],
)
def test_the_api_answers_bad_input_with_its_code(
    api: LambdaEmulator, event: dict[str, Any], code: str
) -> None:
    answer = api.invoke(event)
    assert answer["error"]["code"] == code
    assert "inverse" not in answer


def asked(api: LambdaEmulator, method: str, path: str, body: str | None = None) -> Any:
    answer = api.invoke(url_event(body, path, method=method))
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("path", ["/invert", "/"])
def test_the_api_answers_a_post_to_its_url(api: LambdaEmulator, path: str) -> None:
    status, good = asked(api, "POST", path, '{"matrix": [[1, 2], [3, 4]]}')
    assert (status, good["inverse"]) == (200, [[-2.0, 1.0], [1.5, -0.5]])
    status, bad = asked(api, "POST", path, '{"matrix": [[NaN]]}')
    assert (status, bad["code"]) == (400, "BAD_MESSAGE")


def test_a_job_goes_by_url_to_the_worker_and_back(stack: Stack, api: LambdaEmulator) -> None:
    body = '{"job_id": "by/url", "matrix": [[2, 0], [0, 4]]}'
    assert asked(api, "POST", "/jobs", body)[0] == 202
    assert asked(api, "GET", "/jobs/by/url")[1]["status"] == "QUEUED"
    with LambdaEmulator("matinv.handlers.worker.handler", stack.environment()) as emulator:
        runner = Poller(
            stack.client("sqs"), stack.settings.jobs_queue_url, OverHttp(emulator.base_url)
        )
        assert runner.drain(60)
    assert asked(api, "GET", "/jobs/by%2Furl")[1]["status"] == "SUCCEEDED"
    status, result = asked(api, "GET", "/jobs/by/url/result")
    assert (status, result["inverse"]) == (200, [[0.5, 0.0], [0.0, 0.25]])


def test_the_canary_beats_where_a_worker_runs(stack: Stack) -> None:
    handler, env = "matinv.handlers.canary.handler", stack.environment()
    with matinv("local", "worker", env=env), LambdaEmulator(handler, env) as canary:
        assert len(canary.invoke({})) == 2
        until(lambda: '"Heartbeat":[1.0]' in canary.log())
