"""Archives on the whole stack: dropped, named by a message, sent by client, API and command."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.client import Client
from matinv.local.stack import Stack
from support.memory_service import general
from support.processes import matinv, until

pytestmark = pytest.mark.deep

STACK = np.stack([general(3), np.ones((3, 3)), general(3, 1)])


def archive(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@pytest.fixture(scope="module")
def url(stack: Stack) -> Iterator[str]:
    env = stack.environment()
    with (
        matinv("local", "worker", env=env),
        matinv("local", "api", env=env, stdout=subprocess.PIPE) as api,
    ):
        assert api.stdout
        yield api.stdout.readline().strip()


def result_of(stack: Stack, job_id: str) -> Any:
    """Return a job's result as a stranger with boto3 and numpy reads it."""
    dynamodb, settings = stack.client("dynamodb"), stack.settings

    def item() -> dict[str, Any]:
        key: Any = {"job_id": {"S": job_id}}
        return dict(dynamodb.get_item(TableName=settings.jobs_table, Key=key).get("Item", {}))

    until(lambda: item().get("status", {}).get("S") in {"SUCCEEDED", "PARTIAL", "FAILED"})
    assert "result" in item(), item()
    result = item()["result"]["M"]
    assert result["format"]["S"] == "npz"
    if "inline" in result:
        return np.load(io.BytesIO(result["inline"]["B"]), allow_pickle=False)
    bucket, _, name = result["uri"]["S"].removeprefix("s3://").partition("/")
    answer = stack.client("s3").get_object(Bucket=bucket, Key=name)
    assert answer["ContentType"] == "application/x-npz"
    return np.load(io.BytesIO(answer["Body"].read()), allow_pickle=False)


def test_a_dropped_archive_becomes_an_archive(stack: Stack, url: str) -> None:
    bucket = stack.settings.inputs_bucket
    stack.client("s3").put_object(Bucket=bucket, Key="npz/dropped.npz", Body=archive(a=STACK))
    found = result_of(stack, "npz/dropped")
    assert found["error_code"].tolist() == ["", "SINGULAR", ""]
    np.testing.assert_allclose(found["inverse"][2], np.linalg.inv(STACK[2]), rtol=1e-9)


def test_a_message_asks_for_an_archive(stack: Stack, url: str) -> None:
    message = {"job_id": "npz/m", "matrix": [[2, 0], [0, 4]], "format": "npz", "output": "s3"}
    queue = stack.settings.jobs_queue_url
    stack.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(message))
    found = result_of(stack, "npz/m")
    assert found["inverse"].tolist() == [[0.5, 0], [0, 0.25]]
    assert found["rcond"] == 0.5


@pytest.mark.parametrize("by", ["aws", "api"])
def test_a_client_sends_an_archive_and_reads_one(
    stack: Stack, url: str, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    client = Client.connect(api=url) if by == "api" else Client.connect()
    for n in (4, 300):
        np.savez(tmp_path / f"{by}-{n}.npz", general(n))
        job = client.submit(tmp_path / f"{by}-{n}.npz", job_id=f"npz/{by}-{n}")
        job.wait(60)
        np.testing.assert_allclose(job.result(verify=general(n)) @ general(n), np.eye(n), atol=1e-9)
        assert result_of(stack, job.job_id)["digits"] > 10


def test_a_command_sends_an_archive_and_writes_one(stack: Stack, url: str, tmp_path: Path) -> None:
    env = stack.environment()
    np.savez(tmp_path / "cmd.npz", general(5))
    with matinv("submit", str(tmp_path / "cmd.npz"), "--wait", env=env) as submit:
        assert submit.wait(60) == 0
    with matinv("result", "cmd", "-o", str(tmp_path / "x.npz"), env=env) as result:
        assert result.wait(60) == 0
    found = np.load(io.BytesIO((tmp_path / "x.npz").read_bytes()), allow_pickle=False)
    np.testing.assert_allclose(found["inverse"] @ general(5), np.eye(5), atol=1e-9)
