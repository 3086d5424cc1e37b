"""The canary on an embedded stack, with a worker that tells a topic of its jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from matinv.handlers import canary
from matinv.local.stack import Stack
from matinv.telemetry import Context
from support.processes import matinv, until
from support.subscriptions import drained, subscribe

pytestmark = pytest.mark.deep


@pytest.fixture
def stack(no_real_aws: None) -> Iterator[Stack]:
    with Stack.start(name="canary") as stack:
        yield stack


@pytest.mark.usefixtures("log")
def test_canary_beats_on_a_stack_that_works_and_leaves_it_empty(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    sns, sqs = boto3.client("sns"), stack.client("sqs")
    topic_arn = sns.create_topic(Name="events")["TopicArn"]
    listener = sqs.create_queue(QueueName="listener")["QueueUrl"]
    subscribe(sns, topic_arn, sqs, listener, RawMessageDelivery="true")

    published: dict[str, Any] = {}

    def listened() -> bool:
        bodies = [json.loads(message["Body"]) for message in drained(sqs, listener)]
        published.update({body["job_id"]: body for body in bodies})
        return len(published) == 2

    env = stack.environment() | {"MATINV_EVENTS_TOPIC_ARN": topic_arn}
    with matinv("local", "worker", env=env):
        answer = canary.handler({}, Context(120.0, 512))
        until(listened)

    assert len(answer) == 2
    assert '"Heartbeat":[1.0]' in capsys.readouterr().out
    assert published.keys() == answer.keys()
    assert {body["status"] for body in published.values()} == {"SUCCEEDED"}
    assert stack.client("dynamodb").scan(TableName=stack.settings.jobs_table)["Count"] == 0
    for bucket in (stack.settings.inputs_bucket, stack.settings.results_bucket):
        versions: Any = stack.client("s3").list_object_versions(Bucket=bucket)
        assert "Versions" not in versions
        assert "DeleteMarkers" not in versions
    assert drained(sqs, stack.settings.dlq_url) == []
