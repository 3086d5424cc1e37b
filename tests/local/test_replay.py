"""A re-drive tool replays S3's events without their sequencers, on the whole stack."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.local.samples import npy_bytes
from matinv.local.stack import Stack
from matinv.testing.events import s3_notification
from support.processes import matinv, until

pytestmark = pytest.mark.deep

OLD, NEW = np.diag([2.0, 4.0]), np.diag([5.0, 8.0])


@pytest.fixture(scope="module")
def working(stack: Stack) -> Iterator[Stack]:
    with matinv("local", "worker", env=stack.environment()):
        yield stack


def settled(stack: Stack) -> bool:
    """Whether the worker has done all that is in the jobs queue."""
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = stack.settings.jobs_queue_url
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return {*answer["Attributes"].values()} == {"0"}


def fetched(stack: Stack, key: str, path: Path) -> Any:
    """Return what the command fetches and verifies against what stands in S3."""
    env = stack.environment()
    with matinv("wait", key, env=env, stdout=subprocess.DEVNULL) as wait:
        assert wait.wait(60) == 0
    with matinv("result", key, "--verify", "-o", str(path), env=env) as result:
        assert result.wait(60) == 0
    return np.load(io.BytesIO(path.read_bytes()))


def test_a_replay_without_a_sequencer_hides_no_later_upload(working: Stack, tmp_path: Path) -> None:
    bucket, key, path = working.settings.inputs_bucket, "replay/x.npy", tmp_path / "x.npy"
    s3, sqs = working.client("s3"), working.client("sqs")

    def upload(matrix: Any) -> str:
        put = s3.put_object(Bucket=bucket, Key=key, Body=npy_bytes(matrix))
        until(lambda: settled(working))
        return put["VersionId"]

    def replay(version_id: str) -> None:
        event = s3_notification(bucket, key, version_id=version_id)
        event["Records"][0]["s3"]["object"].pop("sequencer")
        sqs.send_message(QueueUrl=working.settings.jobs_queue_url, MessageBody=json.dumps(event))
        until(lambda: settled(working))

    first = upload(OLD)
    replay(first)
    upload(NEW)
    replay(first)
    np.testing.assert_allclose(fetched(working, key, path), np.linalg.inv(NEW))
