from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from typing import Any
from urllib.parse import unquote_plus

import boto3
import pytest

from matinv import Client, Transient
from matinv.backends.aws.s3 import S3Store
from matinv.backends.aws.s3_bodies import Pieces
from matinv.local.stack import MESSAGE_BYTES, OVERRULED, Shape, Stack, StackError
from matinv.settings import Settings
from support.processes import alive, until

pytestmark = pytest.mark.deep


@pytest.fixture
def at_stack(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    return Settings.from_environment()


def attributes(stack: Stack, url: str | None) -> dict[str, str]:
    assert url
    sqs = stack.client("sqs")
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return {str(name): value for name, value in answer["Attributes"].items()}


def test_its_environment_gives_its_settings(stack: Stack, at_stack: Settings) -> None:
    assert at_stack == stack.settings


def test_plain_boto3_reaches_everything_by_environment_alone(at_stack: Settings) -> None:
    s3, sqs, dynamodb = boto3.client("s3"), boto3.client("sqs"), boto3.client("dynamodb")
    for bucket in (at_stack.inputs_bucket, at_stack.results_bucket):
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    table = dynamodb.describe_table(TableName=at_stack.jobs_table)["Table"]
    assert table["KeySchema"] == [{"AttributeName": "job_id", "KeyType": "HASH"}]
    assert sqs.list_queues()["QueueUrls"]


# Version 1 of the AWS CLI ignores AWS_ENDPOINT_URL for SQS in most regions; tried where it is.
LIST_QUEUES = "import boto3; print(*boto3.client('sqs').list_queues()['QueueUrls'])"
LISTINGS = {"boto3": shlex.join([sys.executable, "-c", LIST_QUEUES])}
if shutil.which("aws"):
    LISTINGS["aws"] = "aws sqs list-queues --output text"


@pytest.mark.parametrize("client", LISTINGS)
def test_any_client_of_sqs_works_after_sourcing_the_exports(stack: Stack, client: str) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    script = stack.exports() + LISTINGS[client]
    done = subprocess.run(
        ["sh", "-c", script], env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert stack.settings.jobs_queue_url in done.stdout


def test_a_stack_that_has_ended_is_named_and_a_new_one_serves(
    monkeypatch: pytest.MonkeyPatch, no_real_aws: None
) -> None:
    for serves in (False, True):
        with Stack.start() as stack:
            for name, value in stack.environment().items():
                monkeypatch.setenv(name, value)
            if serves:
                assert list(Client.connect().list()) == []
        with pytest.raises(
            Transient, match=r"the local stack has ended.*source its new --env-file"
        ):
            list(Client.connect().list())


def test_the_exports_make_the_environment_in_any_shell(stack: Stack) -> None:
    script = f"{stack.exports()}\nenv"
    env = {"PATH": os.environ["PATH"], **dict.fromkeys(OVERRULED, "elsewhere")}
    done = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, check=True)
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert lines.items() >= stack.environment().items()
    assert not lines.keys() & set(OVERRULED)


def test_failed_messages_go_to_the_dead_letter_queue(stack: Stack) -> None:
    jobs = attributes(stack, stack.settings.jobs_queue_url)
    dlq = attributes(stack, stack.settings.dlq_url)
    policy = json.loads(jobs["RedrivePolicy"])
    assert policy == {"deadLetterTargetArn": dlq["QueueArn"], "maxReceiveCount": 3}
    assert "RedrivePolicy" not in dlq
    assert jobs["VisibilityTimeout"] == "7"
    assert jobs["MaximumMessageSize"] == str(MESSAGE_BYTES)
    for lane in stack.settings.lane:
        assert attributes(stack, lane.queue_url)["RedrivePolicy"]


def test_a_worker_of_a_larger_lane_sees_its_own_queue_and_those_behind_it(stack: Stack) -> None:
    lanes = [*stack.settings.lane]
    assert [lane.queue_url.rpartition("-")[2] for lane in lanes] == ["jobs", "large", "huge"]
    for number, lane in enumerate(lanes):
        environment = stack.of_lane(lane).environment()
        seen = [*Settings.from_environment(environment).lane]
        assert seen == lanes[number:]
        assert environment["MATINV_JOBS_QUEUE_URL"] == lane.queue_url


def test_a_stack_without_a_large_lane_has_no_queue_for_it() -> None:
    with Stack.start(name="small") as small:
        assert small.settings.lane.next is None
        assert "MATINV_LARGE_QUEUE_URL" not in small.environment()


def receive(stack: Stack) -> list[dict[str, Any]]:
    sqs, url = stack.client("sqs"), stack.settings.jobs_queue_url
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in messages]


@pytest.fixture
def empty(stack: Stack) -> Stack:
    while receive(stack):
        pass
    return stack


def test_the_first_message_is_s3s_test_event() -> None:
    with Stack.start(name="fresh") as fresh:
        assert [body["Event"] for body in receive(fresh)] == ["s3:TestEvent"]


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        ("exp-1.npy", "exp-1.npy"),
        ("a b/c+d=é.npy", "a+b/c%2Bd%3D%C3%A9.npy"),
        ("100%25.npy", "100%2525.npy"),
    ],
)
def test_an_upload_is_notified_as_s3_does(empty: Stack, key: str, encoded: str) -> None:
    put = empty.client("s3").put_object(Bucket=empty.settings.inputs_bucket, Key=key, Body=b"12345")
    ((record,),) = [body["Records"] for body in receive(empty)]
    entry = record["s3"]["object"]
    assert record["eventSource"] == "aws:s3"
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["bucket"]["name"] == empty.settings.inputs_bucket
    assert entry["key"] == encoded
    assert unquote_plus(entry["key"]) == key
    assert entry["versionId"] == put["VersionId"]
    assert f'"{entry["eTag"]}"' == put["ETag"]
    assert entry["size"] == 5


def test_sequencers_grow_with_each_upload_of_a_key(empty: Stack) -> None:
    s3 = empty.client("s3")
    for i in range(5):
        s3.put_object(Bucket=empty.settings.inputs_bucket, Key="k.npy", Body=str(i))
    objects = [body["Records"][0]["s3"]["object"] for body in receive(empty)]
    sequencers = [entry["sequencer"] for entry in objects]
    assert sequencers == sorted(set(sequencers))
    assert {len(text) for text in sequencers} == {18}


def test_an_upload_in_parts_is_notified_once(empty: Stack) -> None:
    s3, bucket = empty.client("s3"), empty.settings.inputs_bucket
    store = S3Store(s3, bucket, bucket, Pieces(above_bytes=0))
    reference = store.upload("k.npy", [b"12345"], {"matinv-method": "spd"})
    ((record,),) = [body["Records"] for body in receive(empty)]
    assert record["eventName"] == "ObjectCreated:CompleteMultipartUpload"
    assert record["s3"]["object"]["versionId"] == reference.version_id
    assert record["s3"]["object"]["eTag"] == reference.etag
    assert s3.head_object(Bucket=bucket, Key="k.npy")["Metadata"] == {"matinv-method": "spd"}


def test_results_notify_nobody(empty: Stack) -> None:
    empty.client("s3").put_object(Bucket=empty.settings.results_bucket, Key="k", Body=b"")
    assert receive(empty) == []


def test_a_port_that_is_taken_is_an_error_with_its_number(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=str(port)), Stack.start(Shape(port=port)):
            pass
    capfd.readouterr()


def test_it_ends_with_its_block() -> None:
    with Stack.start(name="short") as short:
        pid = short.process.pid
        assert short.alive()
    assert not short.alive()
    assert not alive(pid)


def test_it_does_not_outlive_a_parent_that_is_killed() -> None:
    script = (
        "import time\n"
        "from matinv.local.stack import Stack\n"
        "with Stack.start() as stack:\n"
        "    print(stack.process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)
    until(lambda: not alive(pid))
